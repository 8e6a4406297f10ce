//! Any bytes as all that a server says, to each kind of login; in portions of a size that the first byte says.
#![no_main]

use heimdall::internals::sql::Statement;
use heimdall::proto::{Channel, Login, Nonce, Password, Session, Startup, Step, Version};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&portion, said)) = data.split_first() else { return };
    let tls = |end_point: &[u8]| Channel::Encrypted { end_point: Some(end_point.to_vec()) };
    let newest = if portion % 3 == 0 { Version::V3_0 } else { Version::V3_2 };
    for (password, require_auth, channel, channel_binding) in [
        ("", "", Channel::Plaintext, "prefer"),
        ("pencil", "", Channel::Plaintext, "prefer"),
        ("pencil", "scram-sha-256", Channel::Plaintext, "prefer"),
        ("pencil", "password", Channel::Plaintext, "prefer"),
        ("pencil", "", Channel::Local, "require"),
        ("pencil", "", tls(b"hash"), "prefer"),
        ("pencil", "", tls(b"hash"), "require"),
        ("pencil", "scram-sha-256", tls(b"hash"), "disable"),
        ("pencil", "scram-sha-256", Channel::Encrypted { end_point: None }, "prefer"),
        ("pencil", "", Channel::Encrypted { end_point: None }, "require"),
    ] {
        let startup = Startup::new([("user", "ann")]).unwrap().with_version(newest);
        let mut login = Login::new(startup, channel, Nonce::of_random([0; 18]));
        login.password = Password::new(password).unwrap();
        login.require_auth = require_auth.parse().unwrap();
        login.channel_binding = channel_binding.parse().unwrap();
        login.pipelined = portion % 2 == 0;
        // Bound or not at all: no one can prove to know the password, so nothing may be ready.
        let is_bound = channel_binding == "require";
        let mut session = Session::new(login, Some(Statement::Ping(None).query()), None);
        'said: for bytes in said.chunks(usize::from(portion).max(1)) {
            session.receive(bytes);
            loop {
                match session.poll() {
                    Ok(Step::Receive) => break,
                    Ok(Step::Ready) => assert!(!is_bound),
                    Ok(_) => {}
                    Err(_) => break 'said,
                }
            }
        }
    }
});
