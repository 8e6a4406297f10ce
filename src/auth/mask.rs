//! What is shown in place of a secret.

/// What is printed in place of a secret.
pub(crate) const MASK: &str = "********";

/// Returns the parameter `options` as it may be shown: which settings it has, without their values, which may be secrets of an
/// extension. Words are told apart as the server does it (postinit.c, `pg_split_opts`), and a name only where one has to be.
pub(crate) fn options(options: &str) -> String {
    let mut is_escaped = false;
    let is_end = |c: char| {
        let is_end = c.is_ascii_whitespace() && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        is_end
    };
    let mut names_a_setting = false;
    let shown = options.split(is_end).filter(|word| !word.is_empty()).map(|word| {
        let is_setting = names_a_setting || word.starts_with("-c") || word.starts_with("--");
        names_a_setting = word == "-c";
        let name = word.split_once('=').map(|(name, _)| name).filter(|name| is_setting && is_name(name));
        match name {
            Some(name) => format!("{name}={MASK}"),
            None if is_flag(word) => word.to_owned(),
            None => MASK.to_owned(),
        }
    });
    shown.collect::<Vec<_>>().join(" ")
}

fn is_name(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
}

fn is_flag(word: &str) -> bool {
    matches!(word.as_bytes(), [b'-', letter] if letter.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_shown_by_the_names_of_their_settings() {
        for (text, expected) in [
            ("", ""),
            ("-c a.token=hunter2", "-c a.token=********"),
            ("-ca.token=hunter2  --work_mem=1MB", "-ca.token=******** --work_mem=********"),
            (r"-c a.token=hunt\ er2 -c b=c", "-c a.token=******** -c b=********"),
            (r"-c a.token=hunt\\ er2=x", "-c a.token=******** ********"),
            ("-c a.token=hun ter2=x y", "-c a.token=******** ******** ********"),
            ("-c a.token= hunter2", "-c a.token=******** ********"),
            ("-F -B 100 -Whunter2 hunter2", "-F -B ******** ******** ********"),
            ("-c hunter2", "-c ********"),
            ("-c hunter2/x=y", "-c ********"),
        ] {
            assert_eq!(options(text), expected, "{text}");
        }
    }
}
