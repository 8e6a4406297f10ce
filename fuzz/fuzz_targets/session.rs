//! Any bytes as all that a server says, to each kind of login; in portions of a size that the first byte says.
#![no_main]

use heimdall::proto::{Channel, Login, Password, Session, Startup, Statement, Step};

struct Acquire;

impl Statement for Acquire {
    fn sql(&self) -> String {
        "ACQUIRE".to_owned()
    }
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((&portion, said)) = data.split_first() else { return };
    for (password, policy) in [("", ""), ("pencil", ""), ("pencil", "scram-sha-256"), ("pencil", "password")]
    {
        let login = Login {
            startup: Startup::new([("user", "ann")]).unwrap(),
            password: Password::new(password).unwrap(),
            require_auth: policy.parse().unwrap(),
            channel: Channel::Plaintext,
            nonce: "nonce".to_owned(),
            pipelined: portion % 2 == 0,
        };
        let mut session = Session::new(login, Some(Box::new(Acquire)), None);
        'said: for bytes in said.chunks(usize::from(portion).max(1)) {
            session.receive(bytes);
            loop {
                match session.poll() {
                    Ok(Step::Receive) => break,
                    Ok(_) => {}
                    Err(_) => break 'said,
                }
            }
        }
    }
});
