//! One JSON object a line (RFC 8259), of texts, numbers and flags, and perhaps a list of such objects.

use std::io::{self, Write};

/// What a field holds.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::cli) enum Value {
    Text(String),
    Number(i128),
    /// A duration, in seconds.
    Seconds(std::time::Duration),
    Flag(bool),
}

/// Returns an object of these fields, in this order, on one line.
pub(in crate::cli) fn object(fields: &[(&'static str, Value)]) -> String {
    let fields: Vec<String> =
        fields.iter().map(|(name, value)| format!("{}:{}", quoted(name), written(value))).collect();
    format!("{{{}}}", fields.join(","))
}

/// Writes a line with an object of a text and a list of objects, each as it is made: there may be many.
pub(in crate::cli) fn write_list(
    (name, text): (&str, &str),
    list: &str,
    objects: impl Iterator<Item = Vec<(&'static str, Value)>>,
    out: &mut impl Write,
) -> io::Result<()> {
    write!(out, "{{{}:{},{}:[", quoted(name), quoted(text), quoted(list))?;
    for (at, fields) in objects.enumerate() {
        let comma = if at == 0 { "" } else { "," };
        write!(out, "{comma}{}", object(&fields))?;
    }
    writeln!(out, "]}}")
}

fn written(value: &Value) -> String {
    match value {
        Value::Text(text) => quoted(text),
        Value::Number(number) => number.to_string(),
        Value::Seconds(duration) => format!("{}.{:03}", duration.as_secs(), duration.subsec_millis()),
        Value::Flag(flag) => flag.to_string(),
    }
}

fn quoted(text: &str) -> String {
    let inner = text.chars().fold(String::new(), |inner, character| match character {
        '"' => inner + "\\\"",
        '\\' => inner + "\\\\",
        '\n' => inner + "\\n",
        control if control.is_control() => inner + &format!("\\u{:04x}", u32::from(control)),
        other => inner + other.encode_utf8(&mut [0; 4]),
    });
    format!("\"{inner}\"")
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_object_is_one_line_whatever_is_in_it() {
        let fields = [
            ("a", Value::from("say \"☃\\\n\u{1b}\u{9f}\"")),
            ("b", Value::Number(-1)),
            ("c", Value::Seconds(Duration::from_millis(1500))),
            ("d", Value::Flag(true)),
        ];
        let expected = r#"{"a":"say \"☃\\\n\u001b\u009f\"","b":-1,"c":1.500,"d":true}"#;
        assert_eq!(object(&fields), expected);
        assert_eq!(object(&[]), "{}");
    }

    #[test]
    fn a_list_is_one_line_too() {
        let line = |objects: Vec<Vec<_>>| {
            let mut out = Vec::new();
            write_list(("a", "\n"), "b", objects.into_iter(), &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        assert_eq!(
            line(vec![vec![("f", Value::Number(1))], vec![]]),
            "{\"a\":\"\\n\",\"b\":[{\"f\":1},{}]}\n"
        );
        assert_eq!(line(Vec::new()), "{\"a\":\"\\n\",\"b\":[]}\n");
    }
}
