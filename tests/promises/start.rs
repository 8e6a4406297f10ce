//! Nothing runs without the lock.

use crate::support::heimdall::Heimdall;
use crate::support::scripted::{Connection, Scripted, backend};

#[test]
fn promise_1_the_program_starts_only_after_the_server_has_said_that_the_lock_is_ours() {
    let whole = backend::answered(&backend::granted("42"));
    for end in ends_of_messages(&whole) {
        let part = whole[..end].to_vec();
        let is_whole = end == whole.len();
        let server = Scripted::start(move |connection: &mut Connection| {
            connection.startup();
            connection.expect(b'Q');
            connection.send(&part);
            if is_whole {
                connection.serve_lock();
            }
            connection.close();
        });
        let outcome = Heimdall::new()
            .database(&format!("{} user=ann", server.tcp()))
            .args(["--name", "first", "echo", "ran"])
            .run();
        let expected = if is_whole { (Some(0), "ran\n") } else { (Some(69), "") };
        assert_eq!((outcome.code, outcome.stdout.as_str()), expected, "{end} bytes: {}", outcome.stderr);
    }
}

fn ends_of_messages(bytes: &[u8]) -> Vec<usize> {
    let mut ends = vec![0];
    while let Some(start) = ends.last().copied().filter(|start| *start < bytes.len()) {
        let length = u32::from_be_bytes(bytes[start + 1..start + 5].try_into().unwrap());
        ends.push(start + 1 + length as usize);
    }
    ends
}
