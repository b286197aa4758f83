use super::mask::is_word;

/// A path as in `std::fs::read`, from a `use` or from an expression, and where it ends.
#[derive(Debug)]
pub struct CodePath {
    pub offset: usize,
    pub segments: Vec<String>,
}

impl CodePath {
    pub fn starts_with(&self, prefix: &[&str]) -> bool {
        self.segments.len() >= prefix.len() && self.segments.iter().zip(prefix).all(|(segment, word)| segment == word)
    }
}

/// Every path of two segments and more in masked source; `a::{b, c::d}` gives `a::b` and `a::c::d`.
pub fn paths(masked: &str) -> Vec<CodePath> {
    let mut scan = Scan { text: masked.as_bytes(), found: Vec::new() };
    let mut at = 0;
    while at < scan.text.len() {
        let is_start = scan.word_at(at).is_some() && !(at > 0 && (is_word_byte(scan.text[at - 1])));
        at = if is_start { scan.path(at, &[]) } else { at + 1 };
    }
    scan.found.retain(|path| path.segments.len() > 1);
    scan.found
}

struct Scan<'a> {
    text: &'a [u8],
    found: Vec<CodePath>,
}

fn is_word_byte(byte: u8) -> bool {
    !byte.is_ascii() || is_word(char::from(byte))
}

impl Scan<'_> {
    fn word_at(&self, at: usize) -> Option<&str> {
        let length = self.text[at..].iter().take_while(|&&byte| is_word_byte(byte)).count();
        let word = std::str::from_utf8(&self.text[at..at + length]).ok()?;
        word.starts_with(|c: char| c.is_alphabetic() || c == '_').then_some(word)
    }

    fn skip_space(&self, at: usize) -> usize {
        at + self.text[at..].iter().take_while(|byte| byte.is_ascii_whitespace()).count()
    }

    /// Reads the path at `at` behind `prefix`, and returns where it ends.
    fn path(&mut self, at: usize, prefix: &[String]) -> usize {
        let Some(word) = self.word_at(at) else { return at + 1 };
        let mut segments = prefix.to_vec();
        segments.push(word.to_owned());
        let end = at + word.len();
        if !self.text[end..].starts_with(b"::") {
            self.found.push(CodePath { offset: at, segments });
            return end;
        }
        match self.text.get(end + 2) {
            Some(b'{') => self.group(end + 3, &segments),
            Some(&byte) if is_word_byte(byte) => self.path(end + 2, &segments),
            Some(_) | None => {
                self.found.push(CodePath { offset: at, segments });
                end + 2
            }
        }
    }

    /// Reads `b, c::d}` behind `prefix`, and returns where it ends.
    fn group(&mut self, start: usize, prefix: &[String]) -> usize {
        let mut at = start;
        while at < self.text.len() {
            at = self.skip_space(at);
            match self.text.get(at) {
                None => break,
                Some(b'}') => return at + 1,
                Some(&byte) if is_word_byte(byte) => {
                    at = self.path(at, prefix);
                    at = self.alias_end(at);
                }
                Some(b'*') => {
                    self.found.push(CodePath { offset: at, segments: prefix.to_vec() });
                    at += 1;
                }
                Some(_) => at += 1,
            }
        }
        at
    }

    /// Steps over ` as name`.
    fn alias_end(&self, at: usize) -> usize {
        match self.text[at..].starts_with(b" as ") {
            true => at + 4 + self.word_at(at + 4).map_or(0, str::len),
            false => at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::paths;

    #[test]
    fn grouped_and_inline_paths_are_found() {
        let table = [
            ("use a::b;", "a::b"),
            ("use a::{b, c::{d, e as f},\n    g::*,\n};", "a::b a::c::d a::c::e a::g"),
            ("use a::*;", ""),
            ("let x = a::b::<C>::d(e::f);", "a::b e::f"),
            ("x.y(z)", ""),
            ("$crate::a::b", "crate::a::b"),
            ("a::Größe::neu()", "a::Größe::neu"),
        ];
        for (text, expected) in table {
            let found: Vec<String> = paths(text).iter().map(|path| path.segments.join("::")).collect();
            assert_eq!(found.join(" "), expected, "{text}");
        }
    }
}
