//! Messages of a server, as bytes (PostgreSQL documentation, "Message Formats").

pub fn authentication_ok() -> Vec<u8> {
    authentication(0, b"")
}

pub fn authentication_cleartext_password() -> Vec<u8> {
    authentication(3, b"")
}

pub fn authentication_md5_password(salt: [u8; 4]) -> Vec<u8> {
    authentication(5, &salt)
}

pub fn authentication_sasl(mechanisms: &[&str]) -> Vec<u8> {
    let names: String = mechanisms.iter().map(|name| cstring(name)).collect();
    authentication(10, cstring(&names).as_bytes())
}

pub fn authentication_sasl_continue(data: &str) -> Vec<u8> {
    authentication(11, data.as_bytes())
}

pub fn authentication_sasl_final(data: &str) -> Vec<u8> {
    authentication(12, data.as_bytes())
}

pub fn parameter_status(name: &str, value: &str) -> Vec<u8> {
    message(b'S', (cstring(name) + &cstring(value)).as_bytes())
}

pub fn backend_key_data(pid: i32, key: &[u8]) -> Vec<u8> {
    message(b'K', &[&pid.to_be_bytes(), key].concat())
}

/// `version`: major << 16 | minor.
pub fn negotiate_protocol_version(version: i32, unknown: &[&str]) -> Vec<u8> {
    let mut body = version.to_be_bytes().to_vec();
    body.extend(u32::try_from(unknown.len()).unwrap().to_be_bytes());
    for name in unknown {
        body.extend(cstring(name).as_bytes());
    }
    message(b'v', &body)
}

/// `status`: `b'I'` idle, `b'T'` in a transaction, `b'E'` in a failed one.
pub fn ready_for_query(status: u8) -> Vec<u8> {
    message(b'Z', &[status])
}

/// Columns of type `text`.
pub fn row_description(names: &[&str]) -> Vec<u8> {
    let mut body = count(names.len()).to_vec();
    for name in names {
        body.extend(cstring(name).as_bytes());
        // No table, no column of it, type text (oid 25) of any length, no modifier, text format.
        body.extend(b"\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0");
    }
    message(b'T', &body)
}

/// `None` is NULL.
pub fn data_row(values: &[Option<&str>]) -> Vec<u8> {
    let mut body = count(values.len()).to_vec();
    for value in values {
        body.extend(value.map_or(-1, |value| value.len() as i32).to_be_bytes());
        body.extend(value.unwrap_or_default().as_bytes());
    }
    message(b'D', &body)
}

/// A row, and what comes before it.
pub fn row(values: &[Option<&str>]) -> Vec<u8> {
    [row_description(&vec!["column"; values.len()]), data_row(values)].concat()
}

pub fn command_complete(tag: &str) -> Vec<u8> {
    message(b'C', cstring(tag).as_bytes())
}

pub fn empty_query_response() -> Vec<u8> {
    message(b'I', b"")
}

/// Fields by their letter: `b'S'` severity, `b'C'` SQLSTATE, `b'M'` message, …
pub fn error_response(fields: &[(u8, &str)]) -> Vec<u8> {
    message(b'E', &report(fields))
}

/// As [`error_response`].
pub fn notice_response(fields: &[(u8, &str)]) -> Vec<u8> {
    message(b'N', &report(fields))
}

/// A message with any tag and body.
pub fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    [&[tag], &(body.len() as u32 + 4).to_be_bytes()[..], body].concat()
}

fn authentication(request: u32, data: &[u8]) -> Vec<u8> {
    message(b'R', &[&request.to_be_bytes(), data].concat())
}

fn report(fields: &[(u8, &str)]) -> Vec<u8> {
    let mut body = Vec::new();
    for (letter, text) in fields {
        body.push(*letter);
        body.extend(cstring(text).as_bytes());
    }
    body.push(0);
    body
}

fn cstring(text: &str) -> String {
    format!("{text}\0")
}

fn count(length: usize) -> [u8; 2] {
    (length as u16).to_be_bytes()
}

/// The values of the row that says that backend `pid` has the lock for us.
pub fn granted(pid: &str) -> [Option<&str>; 9] {
    let [version, wal_file] = ["150018", "000000010000000000000001"];
    [
        Some(pid),
        Some("f"),
        Some("1"),
        Some("1"),
        Some("off"),
        Some(version),
        Some(wal_file),
        Some("7000000000000000000"),
        Some("t"),
    ]
}

/// A login without any question, to server process 42.
pub fn logged_in() -> Vec<u8> {
    [authentication_ok(), backend_key_data(42, &[1, 2, 3, 4]), ready_for_query(b'I')].concat()
}

/// The same, and the answer to the attempt to lock that travels with it and leaves a transaction open.
pub fn answered(row: &[Option<&str>]) -> Vec<u8> {
    let mut answer = logged_in();
    answer.extend(command_complete("BEGIN"));
    answer.extend(self::row(row));
    answer.extend(command_complete("SELECT 1"));
    answer.extend(command_complete("COMMIT"));
    answer.extend(command_complete("BEGIN"));
    answer.extend(ready_for_query(b'T'));
    answer
}
