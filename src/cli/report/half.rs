//! What a user should know of the server's half of the lease, where it is not TCP's.

use super::Report;
use crate::lock::{NotTcp, ServersHalf};

/// Tells of it: of what it costs to who asks for more, and to everyone where there is none.
pub(in crate::cli) fn tell(half: &ServersHalf, report: &Report) {
    match half {
        ServersHalf::Nothing(_) => report.warning(format_args!(
            "the server's half of the lease is missing: {}; the lock of a host that vanishes is held until the proxy ends its \
             connection to the server",
            lack(half)
        )),
        _ => cost(half).into_iter().for_each(|cost| report.remark(cost)),
    }
}

/// What the server's half is and costs, where that is not what is promised elsewhere.
pub(in crate::cli) fn cost(half: &ServersHalf) -> Option<String> {
    let setting = setting(half).filter(|_| !matches!(half, ServersHalf::Tcp))?;
    Some(format!(
        "the server's half of the lease is {setting}, since {}: if heimdall is killed by kill -9, the lock is freed after a lease, \
         and not at the end of the job",
        reason(half)
    ))
}

/// Why the server has no half.
pub(in crate::cli) fn lack(half: &ServersHalf) -> String {
    format!("{}, and PostgreSQL has idle_session_timeout from version 14 on", reason(half))
}

/// The setting that keeps it.
pub(in crate::cli) fn setting(half: &ServersHalf) -> Option<&'static str> {
    match half {
        ServersHalf::Tcp => Some("tcp_user_timeout"),
        ServersHalf::IdleSession(_) => Some("idle_session_timeout"),
        ServersHalf::IdleTransaction => Some("idle_in_transaction_session_timeout"),
        ServersHalf::Socket | ServersHalf::Nothing(_) => None,
    }
}

fn reason(half: &ServersHalf) -> String {
    match half {
        ServersHalf::IdleSession(reason) | ServersHalf::Nothing(reason) => match reason {
            NotTcp::Proxy(Some(client)) => {
                format!(
                    "a proxy such as HAProxy is in between (the server sees a client at {client}, which is not ours)"
                )
            }
            NotTcp::Proxy(None) => {
                "a proxy such as HAProxy is in between (the server sees a client on a Unix socket)".to_owned()
            }
            NotTcp::NoTimeouts(what) => format!("the server's system lacks time-outs of TCP ({what})"),
        },
        ServersHalf::IdleTransaction => "a pooler is in between".to_owned(),
        ServersHalf::Tcp | ServersHalf::Socket => "nothing is in between".to_owned(),
    }
}
