//! Who is at the other end of a Unix socket (`requirepeer`), as the kernel knows it.

use super::error::Error;
#[cfg(target_os = "linux")]
use super::error::system;
use super::socket::Socket;

/// Refuses a server that runs as another user than `expected`, before a byte has been sent.
#[cfg(target_os = "linux")]
pub(super) fn require(expected: &str, socket: &Socket) -> Result<(), Error> {
    let actual = user(rustix::net::sockopt::socket_peercred(socket).map_err(system)?.uid.as_raw())?;
    if actual == expected {
        return Ok(());
    }
    Err(Error::Peer(format!(
        "requirepeer specifies \"{}\", but actual peer user name is \"{}\"",
        expected.escape_debug(),
        actual.escape_debug()
    )))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn require(_: &str, _: &Socket) -> Result<(), Error> {
    Err(Error::Unusable("requirepeer parameter is not supported on this platform".to_owned()))
}

#[cfg(target_os = "linux")]
fn user(uid: u32) -> Result<String, Error> {
    match nix::unistd::User::from_uid(uid.into()) {
        Ok(Some(user)) => Ok(user.name),
        Ok(None) => Err(Error::Peer(format!("local user with ID {uid} does not exist"))),
        Err(error) => Err(Error::Peer(format!("could not look up local user ID {uid}: {}", error.desc()))),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_user_without_a_name_is_reported_by_its_number() {
        assert_eq!(user(0).unwrap(), "root");
        assert_eq!(
            user(u32::MAX - 7).unwrap_err().to_string(),
            "local user with ID 4294967288 does not exist"
        );
    }
}
