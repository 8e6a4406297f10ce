//! Rust source cut into tokens, without comments and without what is compiled for tests only.

/// The tokens of a file: words, `::`, marks of one character, and literals in their quotes.
pub fn tokens(text: &str) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < chars.len() {
        let end = end_of_token(&chars, at);
        let token: String = chars[at..end].iter().collect();
        if !token.starts_with(char::is_whitespace) && !token.starts_with("//") && !token.starts_with("/*") {
            found.push(token);
        }
        at = end;
    }
    without_tests(&found)
}

/// Whether a token is an identifier, a keyword or a number.
pub fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphanumeric() || c == '_') && !token.ends_with(['"', '#', '\''])
}

fn end_of_token(chars: &[char], start: usize) -> usize {
    let starts_with = |text: &str| text.chars().eq(chars[start..].iter().copied().take(text.len()));
    let while_true = |from: usize, is_part: &dyn Fn(char) -> bool| {
        chars[from..].iter().position(|c| !is_part(*c)).map_or(chars.len(), |length| from + length)
    };
    match chars[start] {
        c if c.is_whitespace() => while_true(start, &char::is_whitespace),
        '/' if starts_with("//") => while_true(start, &|c| c != '\n'),
        '/' if starts_with("/*") => end_of_block_comment(chars, start),
        ':' if starts_with("::") => start + 2,
        '"' => end_of_string(chars, start),
        '\'' => end_of_quoted(chars, start),
        c if c.is_alphanumeric() || c == '_' => {
            let end = while_true(start, &|c| c.is_alphanumeric() || c == '_');
            let prefix: String = chars[start..end].iter().collect();
            let quote = while_true(end, &|c| c == '#');
            let is_raw = ["r", "br", "cr"].contains(&&*prefix);
            if is_raw && chars.get(quote) == Some(&'"') {
                end_of_raw_string(chars, quote, quote - end)
            } else if ["b", "c"].contains(&&*prefix) && chars.get(end) == Some(&'"') {
                end_of_string(chars, end)
            } else if prefix == "b" && chars.get(end) == Some(&'\'') {
                end_of_quoted(chars, end)
            } else {
                end
            }
        }
        _ => start + 1,
    }
}

fn end_of_block_comment(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < chars.len() {
        let (step, change) = match &chars[at..] {
            ['/', '*', ..] => (2, 1),
            ['*', '/', ..] => (2, -1),
            _ => (1, 0),
        };
        at += step;
        depth += change;
        if depth == 0 {
            break;
        }
    }
    at
}

fn end_of_string(chars: &[char], quote: usize) -> usize {
    let mut at = quote + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn end_of_raw_string(chars: &[char], quote: usize, hashes: usize) -> usize {
    let is_end = |at: &usize| {
        chars[*at] == '"' && chars[*at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
    };
    (quote + 1..chars.len()).find(is_end).map_or(chars.len(), |at| at + 1 + hashes)
}

/// A character in quotes, or a lifetime.
fn end_of_quoted(chars: &[char], quote: usize) -> usize {
    match &chars[quote + 1..] {
        ['\\', rest @ ..] => {
            let length = rest.iter().skip(1).position(|c| *c == '\'');
            length.map_or(chars.len(), |length| quote + 4 + length)
        }
        [_, '\'', ..] => quote + 3,
        _ => quote + 1,
    }
}

/// Leaves out every item that follows `#[cfg(test)]` or `#[cfg(all(test, …))]`.
fn without_tests(tokens: &[String]) -> Vec<String> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is_for_tests =
            [&["#", "[", "cfg", "(", "test", ")", "]"][..], &["#", "[", "cfg", "(", "all", "(", "test", ","]]
                .iter()
                .any(|attribute| tokens[at..].iter().take(attribute.len()).eq(attribute.iter()));
        if is_for_tests {
            at = end_of_item(tokens, at);
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// After the item that begins with attributes at `start`.
fn end_of_item(tokens: &[String], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < tokens.len() {
        match &*tokens[at] {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        let is_end = depth == 0 && [";", "}"].contains(&&*tokens[at]);
        at += 1;
        if is_end {
            break;
        }
    }
    // That of `use a::{b, c};`, or of `const A: B = C { d };`.
    at + usize::from(tokens.get(at).is_some_and(|token| token == ";"))
}

#[test]
fn tokens_are_words_marks_and_literals() {
    for (text, expected) in [
        ("use a::b; // use c;", &["use", "a", "::", "b", ";"][..]),
        ("/* /* a */ b */ c", &["c"]),
        (
            r#"f("//", 'x', '\'', b'\\', 'a: loop)"#,
            &["f", "(", "\"//\"", ",", "'x'", ",", r"'\''", ",", r"b'\\'", ",", "'", "a", ":", "loop", ")"],
        ),
        (r##"r#"a"b"# b"\"" r"c""##, &[r##"r#"a"b"#"##, r#"b"\"""#, r#"r"c""#]),
        ("a #[cfg(test)] #[x] mod tests { use b; { } } c", &["a", "c"]),
        ("a #[cfg(all(test, unix))] use b::{c, d}; e", &["a", "e"]),
        ("#[cfg(not(test))] a;", &["#", "[", "cfg", "(", "not", "(", "test", ")", ")", "]", "a", ";"]),
    ] {
        assert_eq!(tokens(text), expected, "{text}");
    }
}
