//! Servers that ask every client for a password, note what arrives, and let no one in.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::{mem, thread};

use heimdall::auth::md5;

use crate::support::ports;
use crate::support::scripted::{StartupPacket, backend};

/// What has arrived at any of the servers. They run until the tests end.
#[derive(Clone, Default)]
pub struct Arrivals(Arc<Mutex<Vec<Login>>>);

#[derive(Default)]
struct Login {
    endpoint: String,
    parameters: Vec<(String, String)>,
    password: Option<String>,
}

impl Arrivals {
    /// Listens on `.s.PGSQL.PORT` in a directory, where passwords are asked for in clear.
    pub fn listen_locally(&self, directory: &Path, port: u16) {
        let listener = UnixListener::bind(directory.join(format!(".s.PGSQL.{port}"))).unwrap();
        let endpoint = format!("{}:{port}", directory.file_name().unwrap().display());
        let arrivals = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                arrivals.log_in(
                    &mut stream.unwrap(),
                    &endpoint,
                    &backend::authentication_cleartext_password(),
                );
            }
        });
    }

    /// Listens on a free port of 127.0.0.1, where passwords are asked for as MD5.
    pub fn listen(&self, endpoint: &'static str) -> u16 {
        let listener = ports::listen();
        let port = listener.local_addr().unwrap().port();
        let arrivals = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                arrivals.log_in(&mut stream.unwrap(), endpoint, &backend::authentication_md5_password(SALT));
            }
        });
        port
    }

    /// All that has arrived since this was asked last, as a [`Fate`](super::row::Fate) writes it. A password that
    /// came as MD5 is known if it is one of the words of `expected`.
    pub fn take(&self, expected: &str) -> String {
        let logins = mem::take(&mut *self.0.lock().unwrap());
        logins.iter().map(|login| login.describe(expected)).collect::<Vec<_>>().join(" then ")
    }

    /// A client may leave at any time.
    fn log_in(&self, stream: &mut (impl Read + Write), endpoint: &str, question: &[u8]) {
        let _ = self.try_log_in(stream, endpoint, question);
    }

    fn try_log_in(
        &self,
        stream: &mut (impl Read + Write),
        endpoint: &str,
        question: &[u8],
    ) -> io::Result<()> {
        let startup = loop {
            let body = body(stream)?;
            let (code, body) = body.split_first_chunk().expect("a code");
            match u32::from_be_bytes(*code) {
                SSL_REQUEST | GSSENC_REQUEST => stream.write_all(b"N")?,
                code => break StartupPacket { code, body: body.to_vec() },
            }
        };
        let parameters = startup.parameters();
        self.0.lock().unwrap().push(Login { endpoint: endpoint.to_owned(), parameters, password: None });
        stream.write_all(question)?;
        let password = loop {
            let mut tag = [0];
            stream.read_exact(&mut tag)?;
            let body = body(stream)?;
            // heimdall may have sent its statement already.
            if tag == *b"p" {
                break String::from_utf8_lossy(&body).trim_end_matches('\0').to_owned();
            }
        };
        self.0.lock().unwrap().last_mut().expect("a login").password = Some(password);
        stream.write_all(&backend::error_response(&[
            (b'S', "FATAL"),
            (b'C', "28P01"),
            (b'M', "password authentication failed"),
        ]))?;
        io::copy(stream, &mut io::sink()).map(drop)
    }
}

impl Login {
    fn describe(&self, expected: &str) -> String {
        let value = |name| {
            let parameter = self.parameters.iter().find(|(known, _)| known == name);
            parameter.map_or("-", |(_, value)| value)
        };
        let user = value("user");
        let password = self.password.as_deref().unwrap_or("-");
        let is_it = |word: &&str| md5::response(user.as_bytes(), word.as_bytes(), SALT) == password;
        let password = expected.split(' ').find(is_it).unwrap_or(password);
        let mut others: Vec<String> = self
            .parameters
            .iter()
            .filter(|parameter| !["user", "database"].contains(&parameter.0.as_str()) && !is_own(parameter))
            .map(|(name, value)| format!(" {name}={value}"))
            .collect();
        others.sort();
        format!("{} {user} {} {password}{}", self.endpoint, value("database"), others.concat())
    }
}

/// What a client says by itself: its name, and heimdall's encoding.
fn is_own((name, value): &(String, String)) -> bool {
    match name.as_str() {
        "application_name" => value == "psql" || value.starts_with("heimdall:heimdall/oracle "),
        "client_encoding" => value == "UTF8",
        _ => false,
    }
}

fn body(stream: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut body = vec![0; u32::from_be_bytes(length) as usize - 4];
    stream.read_exact(&mut body)?;
    Ok(body)
}

const SALT: [u8; 4] = *b"salt";
const SSL_REQUEST: u32 = 80_877_103;
const GSSENC_REQUEST: u32 = 80_877_104;
