//! Every parameter that asks for security, on every kind of connection: it is honoured, or it says nothing of such a
//! connection to libpq either, or it is an error.

use std::io;
use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::{fs, process, thread};

use nix::unistd::Uid;

use super::surroundings::NAMELESS;
use crate::support::clients::{Comparison, Fate, is_decent};
use crate::support::heimdall::{BINARY, Heimdall};
use crate::support::postgres::{PASSWORD, tls};
use crate::support::{did_not_run, write_program};

use Fate::{Fails, IsKinder, IsStricter, Runs, Warns};

/// A parameter, the major version since which libpq knows it, and what becomes of it on each kind of connection: TLS;
/// TCP in the clear; TCP to a server without TLS, by `sslmode=prefer`; a Unix socket; an abstract one. `SCRAM` is a user
/// who logs in by that over TCP, and by nothing over sockets; without it the user is trusted.
type Row = (&'static str, u32, [Fate; 5]);

const KINDS: [&str; 5] = [
    "host=localhost hostaddr=127.0.0.1 sslmode=require",
    "host=localhost hostaddr=127.0.0.1 sslmode=disable",
    "host=localhost hostaddr=127.0.0.1 sslmode=prefer",
    "host=SOCKETS",
    "host=@ABSTRACT",
];

const ROWS: &[Row] = &[
    ("", 0, [Runs; 5]),
    ("sslcertmode=disable", 16, [Runs; 5]),
    ("sslcertmode=require", 16, [NO_CERTIFICATE, NOT_ASKED, NOT_ASKED, NOT_ASKED, NOT_ASKED]),
    (WITH_CERTIFICATE, 16, [Runs, NOT_ASKED, NOT_ASKED, NOT_ASKED, NOT_ASKED]),
    ("SCRAM channel_binding=require", 0, [Runs, UNBOUND, UNBOUND, UNBOUND, UNBOUND]),
    ("SCRAM channel_binding=disable", 0, [Runs; 5]),
    ("SCRAM require_auth=scram-sha-256", 16, [Runs, Runs, Runs, UNPROVED, UNPROVED]),
    ("SCRAM require_auth=none", 16, [PROVED, PROVED, PROVED, Runs, Runs]),
    ("SCRAM require_auth=!none", 16, [Runs, Runs, Runs, UNPROVED, UNPROVED]),
    ("requirepeer=nobody-at-all", 0, [Runs, Runs, Runs, OTHER_PEER, OTHER_PEER]),
    ("sslrootcert=DIR/root.crt", 0, [Runs; 5]),
    ("sslrootcert=DIR/other.crt", 0, [UNTRUSTED, Runs, Runs, Runs, Runs]),
    ("sslrootcert=DIR/missing", 0, [Warns("\"DIR/missing\" does not exist"), Runs, Runs, Runs, Runs]),
    // On a socket, sslmode is what it is by default.
    ("sslrootcert=system", 16, [WEAK, WEAK, WEAK, Runs, Runs]),
    ("sslcrl=DIR/root.crl", 0, [NO_ROOTS, Runs, Runs, Runs, Runs]),
    ("sslrootcert=DIR/root.crt sslcrl=DIR/missing", 0, [NO_LIST, Runs, Runs, Runs, Runs]),
    ("sslcrldir=DIR", 0, [NO_DIRECTORIES; 5]),
    ("sslcert=DIR/missing", 0, [NO_FILE, Runs, Runs, Runs, Runs]),
    ("sslcert=DIR/client.crt sslkey=DIR/world_readable.key", 0, [EXPOSED, Runs, Runs, Runs, Runs]),
    ("sslpassword=x", 0, [NO_PASSWORDS; 5]),
    ("ssl_min_protocol_version=TLSv1.3", 0, [Runs; 5]),
    ("ssl_min_protocol_version=TLSv1 ssl_max_protocol_version=TLSv1.1", 0, [OLD, OLDER, OLDER, OLDER, OLDER]),
    ("sslnegotiation=direct sslmode=prefer", 17, [WEAK; 5]),
    ("sslnegotiation=direct sslmode=disable", 17, [WEAK; 5]),
    ("gssencmode=require", 0, [Fails(78, "GSSAPI", "is not supported"); 5]),
];

const WITH_CERTIFICATE: &str = "sslcertmode=require sslcert=DIR/client.crt sslkey=DIR/client.key";
const NO_CERTIFICATE: Fate = Fails(78, "certificate", "sslcertmode");
const NOT_ASKED: Fate = Fails(77, "server did not request an SSL certificate", "sslcertmode=require");
const UNBOUND: Fate = Fails(77, "channel binding", "");
const UNPROVED: Fate =
    Fails(77, "authentication method requirement", "failed: server did not complete authentication");
const PROVED: Fate =
    Fails(77, "authentication method requirement \"none\" failed: server requested SASL authentication", "");
const OTHER_PEER: Fate = Fails(77, "requirepeer specifies \"nobody-at-all\"", "");
const UNTRUSTED: Fate = Fails(76, "SSL error: certificate verify failed", "");
const WEAK: Fate = Fails(78, "weak sslmode", "");
const NO_ROOTS: Fate =
    IsStricter(78, "\"DIR/root.crl\" can't be used without root certificates", "nothing would be looked up");
const NO_LIST: Fate = IsStricter(78, "\"DIR/missing\" does not exist", "a list that is named is wanted");
const NO_FILE: Fate = IsStricter(78, "\"DIR/missing\" does not exist", "a file that is named is wanted");
const EXPOSED: Fate = Fails(78, "has group or world access", "");
const NO_DIRECTORIES: Fate = IsStricter(78, "sslcrldir: ", "heimdall does not have this");
const NO_PASSWORDS: Fate = IsStricter(78, "sslpassword: ", "heimdall does not have this");
const OLD: Fate = Fails(78, "", "TLS before version 1.2 is not supported");
const OLDER: Fate = IsStricter(78, "TLS before version 1.2 is not supported", "RFC 8996");

#[test]
fn promise_11_a_security_parameter_is_honoured_or_an_error_on_every_kind_of_connection() {
    let mut clients = Comparison::with("good");
    let sockets = clients.server.cluster.socket_dir().to_owned();
    let name = listen(&sockets, clients.server.cluster.port());
    // Only the kind that finds out needs a server without TLS; the others do not ask.
    for settings in ["", "ssl = 'off';"] {
        clients.server.present_with("good", settings);
        for (given, since, fates) in ROWS {
            for (kind, fate) in KINDS.iter().zip(fates) {
                if kind.contains("prefer") == settings.is_empty() {
                    continue;
                }
                let kind = kind.replace("SOCKETS", &sockets.display().to_string()).replace("ABSTRACT", &name);
                let scram = format!("user=scram_user password='{PASSWORD}'");
                let conninfo = format!("user=trust_user {kind} {}", given.replace("SCRAM", &scram));
                clients.check_since(*since, given, &conninfo, *fate);
            }
        }
    }
}

#[test]
fn what_a_fallback_or_another_host_leads_to_is_held_to_the_same() {
    let mut clients = Comparison::with("good");
    let sockets = clients.server.cluster.socket_dir().display().to_string();
    let tcp = "host=localhost hostaddr=127.0.0.1";
    let first_is_local = format!("host={sockets},localhost");
    let last_is_local = format!("host=localhost,{sockets} sslmode=require");
    for (connection, given, since, fate) in [
        // The server takes the first kind.
        ("user=trust_user sslmode=allow", "", 0, Runs),
        ("user=trust_user sslmode=allow", WITH_CERTIFICATE, 16, ASKED_BY_TLS),
        ("user=trust_user sslmode=allow", "require_auth=scram-sha-256", 16, UNPROVED),
        ("user=trust_user sslmode=allow", "channel_binding=require", 0, UNBOUND),
        ("user=trust_user sslmode=prefer", WITH_CERTIFICATE, 16, Runs),
        // It refuses the first kind.
        ("user=tls_user sslmode=allow", "", 0, Runs),
        ("user=tls_user sslmode=allow", WITH_CERTIFICATE, 16, Runs),
        ("user=tls_user sslmode=allow", "sslcertmode=require", 16, NO_CERTIFICATE),
        ("user=plain_user sslmode=prefer", "", 0, Runs),
        ("user=plain_user sslmode=prefer", WITH_CERTIFICATE, 16, Fails(77, "", "no pg_hba.conf entry")),
    ] {
        clients.check_since(since, connection, &format!("{tcp} {connection} {given}"), fate);
    }
    for (hosts, given, since, fate) in [
        (&first_is_local, "", 0, Runs),
        (&first_is_local, WITH_CERTIFICATE, 16, NOT_ASKED),
        (&first_is_local, "requirepeer=nobody-at-all", 0, OTHER_PEER),
        (&last_is_local, WITH_CERTIFICATE, 16, Runs),
        (&last_is_local, "requirepeer=nobody-at-all", 0, Runs),
    ] {
        clients.check_since(since, hosts, &format!("{hosts} user=trust_user {given}"), fate);
    }
}

const ASKED_BY_TLS: Fate = IsKinder(
    "server did not request an SSL certificate",
    "the kind that can't be asked for one is not tried",
);

#[test]
fn files_that_editors_have_marked_or_emptied_are_read_as_in_psql() {
    let mut clients = Comparison::with("good");
    let marked = |name: &str| {
        let folder = clients.server.cluster.folder("marked");
        let text = [b"\xef\xbb\xbf", &fs::read(clients.server.pki.path(name)).unwrap()[..]].concat();
        fs::write(folder.join(name), text).unwrap();
        fs::set_permissions(folder.join(name), fs::Permissions::from_mode(0o600)).unwrap();
        folder.join(name).display().to_string()
    };
    let (root, certificate, key) = (marked("root.crt"), marked("client.crt"), marked("client.key"));
    let tcp = "host=localhost hostaddr=127.0.0.1";
    let conninfo = format!("{tcp} user=tls_user sslmode=verify-full sslrootcert={root}");
    clients.check("root", &conninfo, Runs);
    let conninfo = format!("{tcp} user=cert_user sslmode=require sslcert={certificate} sslkey={key}");
    clients.check("certificate", &conninfo, Runs);
    // The usual list of revoked certificates, where it is none.
    for list in ["empty", "garbage"] {
        clients.with_home(&format!("{list}_list"), &[("root.crt", "root.crt"), (list, "root.crl")]);
        let ignored = Warns(".postgresql/root.crl\" is not PEM, ignored");
        clients.check(list, &format!("{tcp} user=tls_user sslmode=verify-full"), ignored);
    }
}

#[test]
fn a_file_that_may_not_be_seen_is_not_said_to_be_missing() {
    if !Uid::effective().is_root() {
        return did_not_run("a file that may not be seen", "only root can become another user");
    }
    let server = tls().server("good");
    let closed = server.cluster.folder("closed");
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    let program = server.cluster.folder("nameless").join("heimdall");
    write_program(&program, fs::read(BINARY).unwrap());
    let run = |given: &str, home: &str| {
        let [given, home] = [given, home].map(|text| text.replace("CLOSED", &closed.display().to_string()));
        let conninfo = format!("host=localhost hostaddr=127.0.0.1 port={} {given}", server.cluster.port());
        let heimdall = Heimdall::program(&program).uid(NAMELESS).env("HOME", home).database(&conninfo);
        let heimdall = heimdall.env("PGUSER", "trust_user").env("PGDATABASE", "app");
        let heimdall = heimdall.env("PGSERVICEFILE", closed.join("x"));
        heimdall.args(["--name", "closed", "echo", "ran"]).run()
    };
    let denied = "permission denied";
    for (given, home, code, words) in [
        ("sslmode=require sslrootcert=CLOSED/x", "/nowhere", 78, denied),
        ("sslmode=require sslcert=CLOSED/x", "/nowhere", 78, denied),
        ("sslmode=require passfile=CLOSED/x", "/nowhere", 0, denied),
        ("service=x", "/nowhere", 78, denied),
        // What is looked for in the home directory of another user is not there, unless it is relied on.
        ("sslmode=prefer", "CLOSED", 0, ""),
        ("sslmode=require", "CLOSED", 78, denied),
        ("sslmode=verify-ca", "CLOSED", 78, denied),
    ] {
        let outcome = run(given, home);
        assert_eq!(outcome.code, Some(code), "{given}: {}", outcome.stderr);
        assert!(is_decent(&outcome.stderr, usize::from(!words.is_empty())), "{given}: {}", outcome.stderr);
        assert!(outcome.stderr.contains(words), "{given}: {}", outcome.stderr);
    }
}

#[test]
fn an_empty_variable_names_no_authority() {
    let mut clients = Comparison::with("good");
    for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        clients.with_variable(variable, Path::new(""));
        let conninfo = clients.complete("host=localhost hostaddr=127.0.0.1 user=tls_user sslrootcert=system");
        let outcome = clients.heimdall(&conninfo);
        assert_eq!(outcome.code, Some(78), "{variable}: {}", outcome.stderr);
        assert!(is_decent(&outcome.stderr, 1), "{}", outcome.stderr);
    }
}

/// Listens on the abstract socket `@NAME/.s.PGSQL.PORT` for the one of this port in a directory; the name.
fn listen(directory: &Path, port: u16) -> String {
    let (name, socket) = (format!("heimdall-security-{}", process::id()), format!(".s.PGSQL.{port}"));
    let address = SocketAddr::from_abstract_name(format!("{name}/{socket}")).unwrap();
    let (listener, server) = (UnixListener::bind_addr(&address).unwrap(), directory.join(socket));
    thread::spawn(move || {
        for client in listener.incoming() {
            relay(&client.unwrap(), &server);
        }
    });
    name
}

fn relay(client: &UnixStream, server: &PathBuf) {
    let server = UnixStream::connect(server).unwrap();
    for (from, to) in [(client, &server), (&server, client)] {
        let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
        thread::spawn(move || {
            // Either may leave at any time.
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}
