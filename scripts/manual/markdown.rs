//! The pages' Markdown as man(7) has it: paragraphs, lists, tables, code.

/// A section's text; a table becomes a list of its first column's terms, and a picture nothing.
pub(super) fn blocks(text: &str) -> String {
    let mut page = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            page += ".PP\n.RS 4\n.nf\n";
            for code in lines.by_ref().take_while(|line| !line.starts_with("```")) {
                page += &format!("{}\n", guard(&escape(code)));
            }
            page += ".fi\n.RE\n";
        } else if line.starts_with('|') {
            let header = cells(line);
            for row in lines.by_ref().skip(1).map_while(|line| line.starts_with('|').then(|| cells(line))) {
                page += &table_row(&header, &row);
            }
        } else if !line.trim().is_empty() && !line.starts_with("![") {
            let (opening, first) = match (line.strip_prefix("- "), numbered(line)) {
                (Some(item), _) => (".IP \\(bu 2\n".to_owned(), item),
                (None, Some((number, item))) => (format!(".IP {number}. 4\n"), item),
                (None, None) => (".PP\n".to_owned(), line),
            };
            let mut paragraph = first.to_owned();
            while let Some(more) = lines.next_if(|line| is_continuation(line)) {
                paragraph = format!("{paragraph} {}", more.trim());
            }
            page += &format!("{opening}{}\n", guard(&inline(&paragraph)));
        }
    }
    page
}

/// Text within a line, with code and strong words in bold; emphasis in italics; of a link only the words stay. Strong words
/// may have code among them.
pub(super) fn inline(text: &str) -> String {
    let mut page = String::new();
    let mut is_strong = false;
    for (number, part) in without_links(text).split('`').enumerate() {
        if number % 2 == 1 {
            page += &format!("\\fB{}\\fR", escape(part));
            continue;
        }
        for (number, words) in part.split("**").enumerate() {
            is_strong ^= number > 0;
            page += &match (is_strong, words) {
                (_, "") => String::new(),
                (true, words) => format!("\\fB{}\\fR", escape(words)),
                (false, words) => emphasized(words),
            };
        }
    }
    page
}

fn emphasized(text: &str) -> String {
    let parts = text.split('*').enumerate();
    parts
        .map(|(n, words)| if n % 2 == 1 { format!("\\fI{}\\fR", escape(words)) } else { escape(words) })
        .collect()
}

fn table_row(header: &[&str], row: &[&str]) -> String {
    let Some((term, values)) = row.split_first() else { return String::new() };
    let told = if let [value] = values {
        inline(value)
    } else {
        let pairs = header.iter().skip(1).zip(values);
        pairs.map(|(name, value)| inline(&format!("{name}: {value}"))).collect::<Vec<_>>().join("; ")
    };
    format!(".TP\n{}\n{}\n", guard(&inline(term)), guard(&told))
}

fn cells(line: &str) -> Vec<&str> {
    line.trim().trim_matches('|').split('|').map(str::trim).collect()
}

fn is_continuation(line: &str) -> bool {
    !line.trim().is_empty()
        && !["- ", "|", "```"].iter().any(|start| line.starts_with(start))
        && numbered(line).is_none()
}

/// The number of a list's item, and what stands behind it.
fn numbered(line: &str) -> Option<(&str, &str)> {
    let is_number = |number: &str| !number.is_empty() && number.chars().all(|c| c.is_ascii_digit());
    line.split_once(". ").filter(|(number, _)| is_number(number))
}

/// `[words](target)` without its target.
fn without_links(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("](") {
        let (before, words) = before.rsplit_once('[').unwrap_or((before, ""));
        plain += before;
        plain += &place_of(words).unwrap_or_else(|| words.to_owned());
        rest = after.split_once(')').map_or("", |(_target, behind)| behind);
    }
    plain + rest
}

/// What a link that names a page leads to from here: the section with the same text, if there is one, or that page itself.
fn place_of(words: &str) -> Option<String> {
    let section = match words.strip_prefix("docs/").unwrap_or(words).strip_suffix(".md")? {
        "recipes" => "EXAMPLES",
        "usage" => "OPTIONS",
        "server" => "CONNECTING",
        "waiting" => "WAITING",
        "failures" => "LEASES",
        "daemon" => "DAEMONS",
        "stop" => "STOPPING",
        "poolers" => "POOLERS",
        "promises" => "GUARANTEES",
        "locks" => "THE LOCK ON THE SERVER",
        page if page.bytes().all(|byte| byte.is_ascii_lowercase()) => {
            return Some(format!("**docs/{page}.md**"));
        }
        _ => "the source of heimdall",
    };
    Some(format!("**{section}**"))
}

/// A hyphen is a minus sign, so that it can be copied (man 7 man).
fn escape(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

/// A line that begins like a request is none.
fn guard(line: &str) -> String {
    if line.starts_with(['.', '\'']) { format!("\\&{line}") } else { line.to_owned() }
}
