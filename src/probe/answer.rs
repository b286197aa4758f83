use crate::health::Answer;

/// The longest text of an answer, in characters.
const LONGEST: usize = 300;
/// How much of what others wrote is shown.
const LONGEST_QUOTE: usize = 200;

pub(super) fn passed(text: impl AsRef<str>) -> Answer {
    Answer::passed(one_line(text.as_ref(), LONGEST))
}

pub(super) fn failed(text: impl AsRef<str>) -> Answer {
    Answer::failed(one_line(text.as_ref(), LONGEST))
}

/// What someone else wrote, for an answer's text.
pub(super) fn quote(foreign: &str) -> String {
    one_line(foreign.trim(), LONGEST_QUOTE)
}

/// Whether bytes that may be no text hold a text.
pub(super) fn holds(content: &[u8], text: &str) -> bool {
    text.is_empty() || content.windows(text.len()).any(|window| window == text.as_bytes())
}

fn one_line(text: &str, longest: usize) -> String {
    let clean = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let mut line: String = text.chars().take(longest).map(clean).collect();
    if text.chars().nth(longest).is_some() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_is_one_clean_short_line() {
        assert_eq!(quote(" a\x1b[31m\nb "), "a\u{fffd}[31m\u{fffd}b");
        assert_eq!(quote(&"é".repeat(500)).chars().count(), LONGEST_QUOTE + 1);
        assert_eq!(quote(&"é".repeat(LONGEST_QUOTE)).chars().count(), LONGEST_QUOTE);
    }
}
