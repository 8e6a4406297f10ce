//! Plays a transcript to a `Session` and compares what it says and tells with what is written.
//!
//! `?` is who logs in, and through what (`channel=tls` with the `end_point` to bind to), in which versions of the
//! protocol (`oldest=3.2`, `newest=3.2`), `>` what the session says, `<` what the server says, `=` what the driver
//! is told, `!` the beginning of the error that ends the conversation or a statement. Transcripts are separated by
//! an empty line, and each begins with a comment that says what it shows.

use heimdall::internals::sql::{Owner, Statement, Turn};
use heimdall::lock::{Key, LockRequest, Mode, Sources};
use heimdall::proto::{Channel, Login, Nonce, Password, Query, Session, Startup, Step, Version};

use super::scripted::backend;

/// Plays every transcript of `text`, each whole and a byte at a time.
pub fn play_all(text: &str) {
    let mut played = 0;
    for transcript in text.split("\n\n").filter(|part| !part.trim().is_empty()) {
        for portion in [usize::MAX, 1] {
            play(transcript, portion);
        }
        played += 1;
    }
    assert!(played > 0, "no transcript");
}

fn play(transcript: &str, portion: usize) {
    let lines: Vec<&str> = transcript.lines().filter(|line| !line.starts_with('#')).collect();
    let mut expected = Vec::new();
    let mut heard = Vec::new();
    // Nobody says a password unasked.
    let mut player = Player { session: session(lines[0]), sasl: true, started: false };
    player.listen(&mut heard);
    for line in &lines[1..] {
        if let Some(message) = line.strip_prefix("< ") {
            agree(transcript, portion, &mut expected, &mut heard);
            player.sasl = player.sasl && !ASKS_FOR_A_PASSWORD.iter().any(|asks| message.starts_with(asks));
            for bytes in encode(message).chunks(portion) {
                player.session.receive(bytes);
                player.listen(&mut heard);
                if heard.last().is_some_and(|last| last.starts_with('!')) {
                    break;
                }
            }
        } else {
            expected.push((*line).to_owned());
        }
    }
    agree(transcript, portion, &mut expected, &mut heard);
}

fn agree(transcript: &str, portion: usize, expected: &mut Vec<String>, heard: &mut Vec<String>) {
    let fits = |(expected, heard): (&String, &String)| {
        if expected.starts_with('!') { heard.starts_with(expected.as_str()) } else { heard == expected }
    };
    let same = expected.len() == heard.len() && expected.iter().zip(&*heard).all(fits);
    assert!(same, "in portions of {portion}:\n{transcript}\n\nexpected {expected:#?}\nheard {heard:#?}");
    expected.clear();
    heard.clear();
}

struct Player {
    session: Session,
    /// Whether a `p` is a SASL message and not a password.
    sasl: bool,
    started: bool,
}

impl Player {
    fn listen(&mut self, heard: &mut Vec<String>) {
        loop {
            heard.push(match self.session.poll() {
                Ok(Step::Receive) => return,
                Ok(Step::Send(bytes)) => {
                    self.said(&bytes, heard);
                    continue;
                }
                Ok(Step::Ready) => "= ready".to_owned(),
                Ok(Step::Done) => "= done".to_owned(),
                Ok(Step::Failed(message)) => format!("! {message}"),
                Ok(Step::Notice(notice)) => format!("= notice {notice}"),
                Ok(Step::Row(row)) => {
                    let columns = (0..row.len()).map(|column| row.text(column).unwrap_or("NULL"));
                    format!("= row {}", columns.collect::<Vec<_>>().join(" "))
                }
                Ok(step) => panic!("the session tells of {step:?}"),
                Err(error) => {
                    heard.push(format!("! {error}"));
                    return;
                }
            });
        }
    }

    fn said(&mut self, mut bytes: &[u8], heard: &mut Vec<String>) {
        while !bytes.is_empty() {
            let tagged = usize::from(self.started);
            let length = u32::from_be_bytes(bytes[tagged..tagged + 4].try_into().unwrap()) as usize;
            let (message, rest) = bytes.split_at(tagged + length);
            let body = &message[tagged + 4..];
            heard.push(if self.started { self.tagged(message[0], body) } else { startup(body) });
            self.started = true;
            bytes = rest;
        }
    }

    fn tagged(&self, tag: u8, body: &[u8]) -> String {
        let text = String::from_utf8_lossy(body);
        match tag {
            b'Q' if text.strip_suffix('\0') == Some(acquire().sql()) => "> Query ACQUIRE".to_owned(),
            b'X' => "> Terminate".to_owned(),
            b'p' if !self.sasl => format!("> PasswordMessage {}", text.strip_suffix('\0').unwrap()),
            b'p' => match text.split_once('\0') {
                Some((mechanism, response)) => {
                    format!("> SASLInitialResponse {mechanism} {}", &response[4..])
                }
                None => format!("> SASLResponse {text}"),
            },
            _ => panic!("the session says a message of type {tag}"),
        }
    }
}

fn startup(body: &[u8]) -> String {
    let (version, parameters) = body.split_at(4);
    let version = match version {
        [0, 3, 0, 0] => "",
        [0, 3, 0, 2] => "3.2 ",
        _ => panic!("the session asks for version {version:?}"),
    };
    let parameters = parameters.strip_suffix(b"\0\0").unwrap();
    let words: Vec<_> = parameters.split(|&byte| byte == 0).map(String::from_utf8_lossy).collect();
    let pairs: Vec<String> = words.chunks(2).map(|pair| format!("{}={}", pair[0], pair[1])).collect();
    format!("> StartupMessage {version}{}", pairs.join(" "))
}

fn session(line: &str) -> Session {
    let words: Vec<_> = line.strip_prefix("? ").expect("who logs in").split(' ').collect();
    let word = |key: &str| words.iter().find_map(|word| word.strip_prefix(&format!("{key}=")));
    let [oldest, newest] = ["oldest", "newest"].map(|key| word(key).map_or(Version::V3_0, version));
    let startup = Startup::new([("user", word("user").unwrap())]).unwrap().with_version(newest);
    let channel = match word("channel") {
        None => Channel::Plaintext,
        Some("local") => Channel::Local,
        Some("tls") => {
            let end_point = word("end_point").expect("end_point=HEX or end_point=none");
            Channel::Encrypted { end_point: (end_point != "none").then(|| unhex(end_point)) }
        }
        Some(channel) => panic!("no such channel: {channel}"),
    };
    let mut login = Login::new(startup, channel, Nonce::new(word("nonce").unwrap_or("NONCE")).unwrap());
    login.oldest = oldest;
    login.password = Password::new(word("password").unwrap_or_default()).unwrap();
    login.require_auth = word("require_auth").unwrap_or_default().parse().unwrap();
    login.channel_binding = word("channel_binding").unwrap_or("prefer").parse().unwrap();
    login.pipelined = word("pipelined") != Some("no");
    Session::new(login, Some(acquire()), None)
}

/// `MAJOR.MINOR`
fn version(text: &str) -> Version {
    let (major, minor) = text.split_once('.').expect("a version");
    Version::from(major.parse::<i32>().unwrap() << 16 | minor.parse::<i32>().unwrap())
}

fn unhex(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

const ASKS_FOR_A_PASSWORD: [&str; 2] = ["AuthenticationCleartextPassword", "AuthenticationMD5Password"];

/// What all transcripts call ACQUIRE.
fn acquire() -> Query {
    let request = LockRequest::one(Key::named("joker", "test"), Mode::Exclusive);
    Statement::Acquire { request, owner: Owner::Us, turn: Turn::Any, sources: Sources::ALL }.query()
}

fn encode(message: &str) -> Vec<u8> {
    let (name, rest) = message.split_once(' ').unwrap_or((message, ""));
    let mut words = rest.split(' ');
    let mut word = || words.next().unwrap();
    match name {
        "AuthenticationOk" => backend::authentication_ok(),
        "AuthenticationCleartextPassword" => backend::authentication_cleartext_password(),
        "AuthenticationMD5Password" => backend::authentication_md5_password([1, 2, 3, 4]),
        "AuthenticationGSS" => backend::message(b'R', &[0, 0, 0, 7]),
        "AuthenticationSASL" => {
            let names: Vec<String> =
                rest.split(' ').map(|name| String::from_utf8(unescape(name)).unwrap()).collect();
            backend::authentication_sasl(&names.iter().map(String::as_str).collect::<Vec<_>>())
        }
        "AuthenticationSASLContinue" => backend::authentication_sasl_continue(rest),
        "AuthenticationSASLFinal" => backend::authentication_sasl_final(rest),
        "BackendKeyData" => backend::backend_key_data(word().parse().unwrap(), &unhex(word())),
        "ParameterStatus" => backend::parameter_status(word(), word()),
        "ReadyForQuery" => backend::ready_for_query(rest.as_bytes()[0]),
        "RowDescription" => backend::row_description(&rest.split(' ').collect::<Vec<_>>()),
        "DataRow" => {
            let columns = rest.split(' ').map(|value| (value != "NULL").then_some(value));
            backend::data_row(&columns.collect::<Vec<_>>())
        }
        "CommandComplete" => backend::command_complete(rest),
        "NotificationResponse" => backend::message(b'A', b"\0\0\0\x2achannel\0payload\0"),
        "NegotiateProtocolVersion" => {
            let number = version(word()).number();
            let names: Vec<&str> = words.collect();
            backend::negotiate_protocol_version(number, &names)
        }
        "ErrorResponse" | "NoticeResponse" => {
            let (severity, code) = (word(), word());
            let text = words.collect::<Vec<_>>().join(" ");
            let fields = [(b'S', severity), (b'V', severity), (b'C', code), (b'M', text.as_str())];
            if name == "ErrorResponse" {
                backend::error_response(&fields)
            } else {
                backend::notice_response(&fields)
            }
        }
        "bytes" => unescape(rest),
        _ => panic!("no such message: {message}"),
    }
}

/// `\0` and `\xHH`.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        bytes.push(match (byte, rest) {
            (b'\\', [b'0', tail @ ..]) => {
                rest = tail;
                0
            }
            (b'\\', [b'x', high, low, tail @ ..]) => {
                rest = tail;
                u8::from_str_radix(&String::from_utf8_lossy(&[*high, *low]), 16).unwrap()
            }
            _ => byte,
        });
    }
    bytes
}
