//! Which of the known words one was meant to be that is spelt otherwise.

/// Returns the word that is most like this one, where one is like it.
pub(crate) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distances = known.into_iter().map(|known| (distance(word, known), known));
    let (distance, known) = distances.min_by_key(|(distance, _)| *distance)?;
    // A third of the letters, or it is another word.
    (distance <= word.len() / 3).then_some(known)
}

/// Whether two names differ in nothing but case and separators, as `poolTimeout`, `Pool Timeout` and `pool_timeout` do.
pub(super) fn is_same(name: &str, other: &str) -> bool {
    fn letters(name: &str) -> impl Iterator<Item = u8> + '_ {
        name.bytes().filter(|byte| !b"_- ".contains(byte)).map(|byte| byte.to_ascii_lowercase())
    }
    letters(name).eq(letters(other))
}

/// How many letters have to be put in, left out, changed or swapped with their neighbours to make one word of another.
fn distance(from: &str, to: &str) -> usize {
    let (from, to) = (from.as_bytes(), to.as_bytes());
    let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
    let (mut before, mut above) = (Vec::new(), (0..=to.len()).collect::<Vec<usize>>());
    for (i, a) in from.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, b) in to.iter().enumerate() {
            let is_swapped = i > 0 && j > 0 && from.get(i - 1) == Some(b) && to.get(j - 1) == Some(a);
            let swapped = if is_swapped { at(&before, j - 1) + 1 } else { usize::MAX };
            let changed = at(&above, j) + usize::from(a != b);
            row.push(changed.min(swapped).min(at(&above, j + 1) + 1).min(at(&row, j) + 1));
        }
        before = std::mem::replace(&mut above, row);
    }
    at(&above, to.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_of_the_keyboard_are_counted() {
        for (from, to, expected) in [
            ("name", "name", 0),
            ("nmae", "name", 1),
            ("wai", "wait", 1),
            ("lsit", "list", 1),
            ("", "x", 1),
            ("abc", "xyz", 3),
        ] {
            assert_eq!(distance(from, to), expected, "{from} {to}");
        }
    }

    #[test]
    fn a_word_that_is_like_none_has_no_nearest() {
        let known = ["name", "namespace", "wait"];
        assert_eq!(nearest("nmae", known), Some("name"));
        assert_eq!(nearest("weight", known), None);
        assert_eq!(nearest("", known), None);
    }
}
