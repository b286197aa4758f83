use std::mem::take;

/// What a line comes to, as words.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Words<'l> {
    pub words: Vec<String>,
    /// What stands from the first `;`, `&`, `|`, `<` or `>` outside of quotes: it is left out, since no
    /// shell reads the line.
    pub left_out: &'l str,
}

/// Splits a line into words as Compose does: quotes and backslashes as in a shell, nothing is
/// expanded, `#` is a word like any other. `None` if a quote or a bracket stays open.
pub fn split(line: &str) -> Option<Words<'_>> {
    let mut splitting = Splitting::default();
    for (position, c) in line.char_indices() {
        if splitting.take(c)? == Step::Cut {
            let is_descriptor = c == '>' && splitting.word.starts_with(|c: char| c.is_ascii_digit());
            if is_descriptor {
                splitting.has_word = false;
            }
            splitting.end_word();
            return Some(Words { words: splitting.words, left_out: &line[position..] });
        }
    }
    splitting.end_word();
    let is_closed = splitting.within.is_none() && !splitting.is_escaped;
    is_closed.then_some(Words { words: splitting.words, left_out: "" })
}

/// What a character can be inside of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quote {
    Single,
    Double,
    Backtick,
    /// `$(…)`, which is kept as it is.
    Bracket,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Goes,
    Cut,
}

#[derive(Default)]
struct Splitting {
    words: Vec<String>,
    word: String,
    /// Whether there is a word, which may be empty: `""`.
    has_word: bool,
    is_escaped: bool,
    within: Option<Quote>,
}

impl Splitting {
    /// `None` if a bracket stands where none can.
    fn take(&mut self, c: char) -> Option<Step> {
        if std::mem::take(&mut self.is_escaped) {
            self.push(c);
            return Some(Step::Goes);
        }
        match (c, self.within) {
            ('\\', Some(Quote::Single)) => self.push(c),
            ('\\', _) => self.is_escaped = true,
            ('\'', None | Some(Quote::Single)) => self.toggle(Quote::Single),
            ('"', None | Some(Quote::Double)) => self.toggle(Quote::Double),
            ('`', None | Some(Quote::Backtick)) => {
                self.toggle(Quote::Backtick);
                self.push(c);
            }
            (')', Some(Quote::Bracket)) => {
                self.within = None;
                self.push(c);
            }
            ('(', None) if self.word.ends_with('$') => {
                self.within = Some(Quote::Bracket);
                self.push(c);
            }
            ('(' | ')', None) => return None,
            (c, None) if c.is_whitespace() => self.end_word(),
            (';' | '&' | '|' | '<' | '>', None) => return Some(Step::Cut),
            (c, _) => self.push(c),
        }
        Some(Step::Goes)
    }

    fn push(&mut self, c: char) {
        self.word.push(c);
        self.has_word = true;
    }

    fn toggle(&mut self, quote: Quote) {
        self.within = if self.within.is_some() { None } else { Some(quote) };
        self.has_word = true;
    }

    fn end_word(&mut self) {
        let word = take(&mut self.word);
        if take(&mut self.has_word) {
            self.words.push(word);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_words() {
        let cases: [(&str, &[&str]); 14] = [
            ("", &[]),
            ("a b\tc\nd", &["a", "b", "c", "d"]),
            (r#"a "" ''"#, &["a", "", ""]),
            (r#"redis --x="a b"c"#, &["redis", "--x=a bc"]),
            (r#""a\"b\c" e\ f"#, &["a\"bc", "e f"]),
            (r"'a\b' a\nb", &["a\\b", "anb"]),
            ("a#b #c d", &["a#b", "#c", "d"]),
            ("$(x y) z", &["$(x y)", "z"]),
            ("a `b c` d", &["a", "`b c`", "d"]),
            ("sh -c 'a && b' \"c|d\"", &["sh", "-c", "a && b", "c|d"]),
            ("a && b", &["a"]),
            ("a 2>&1 b", &["a"]),
            ("a>b", &["a"]),
            (";a", &[]),
        ];
        for (line, words) in cases {
            assert_eq!(
                split(line).map(|split| split.words),
                Some(words.iter().map(ToString::to_string).collect()),
                "{line}"
            );
        }
        assert_eq!(split("a && b").unwrap().left_out, "&& b");
    }

    #[test]
    fn what_stays_open_is_no_line() {
        for line in ["a \"b", "a 'b", "a \\", "a `b", "a (b)", "a $(b", "a)"] {
            assert_eq!(split(line), None, "{line}");
        }
    }
}
