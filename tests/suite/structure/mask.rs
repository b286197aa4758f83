/// The source with comments, strings and characters blanked out: same lines, same offsets.
pub fn mask(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut masked = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = blank_end(&chars, at);
        if end == at {
            masked.push(chars[at]);
            at += 1;
        } else {
            for &c in &chars[at..end] {
                masked.push_str(if c == '\n' { "\n" } else { &"    "[..c.len_utf8()] });
            }
            at = end;
        }
    }
    masked
}

/// Where the comment, string or character that starts at `at` ends; `at` if none starts there.
fn blank_end(chars: &[char], at: usize) -> usize {
    let next = chars.get(at + 1).copied();
    match chars[at] {
        '/' if next == Some('/') => find(chars, at, |c| c == '\n'),
        '/' if next == Some('*') => block_comment_end(chars, at),
        '"' => string_end(chars, at),
        '\'' => character_end(chars, at),
        'r' if !follows_word(chars, at) => raw_string_end(chars, at),
        'b' | 'c' if next == Some('r') && !follows_word(chars, at) => match raw_string_end(chars, at + 1) {
            end if end == at + 1 => at,
            end => end,
        },
        _ => at,
    }
}

fn find(chars: &[char], from: usize, wanted: impl Fn(char) -> bool) -> usize {
    chars[from..].iter().position(|&c| wanted(c)).map_or(chars.len(), |offset| from + offset)
}

fn follows_word(chars: &[char], at: usize) -> bool {
    at > 0 && is_word(chars[at - 1])
}

pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn block_comment_end(chars: &[char], start: usize) -> usize {
    let mut depth = 0;
    let mut at = start;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(chars.len())
}

fn string_end(chars: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    chars.len()
}

/// `'x'` and `'\n'` are characters, `'static` is a lifetime.
fn character_end(chars: &[char], start: usize) -> usize {
    match (chars.get(start + 1), chars.get(start + 2)) {
        (Some('\\'), Some(_)) => find(chars, start + 3, |c| c == '\'').saturating_add(1).min(chars.len()),
        (Some(_), Some('\'')) => start + 3,
        _ => start,
    }
}

/// `r"…"` and `r#"…"#`; `r#match` is an identifier.
fn raw_string_end(chars: &[char], start: usize) -> usize {
    let quote = find(chars, start + 1, |c| c != '#');
    if chars.get(quote) != Some(&'"') {
        return start;
    }
    let hashes = quote - start - 1;
    let mut at = quote + 1;
    while at < chars.len() {
        let closes = chars[at] == '"' && chars[at + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes;
        if closes {
            return at + 1 + hashes;
        }
        at += 1;
    }
    chars.len()
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn comments_strings_and_characters_are_blanked() {
        let table = [
            ("a // b\nc", "a     \nc"),
            ("a /* b /* c */ d */ e", "a                   e"),
            (r#"f("x \" y", z)"#, "f(        , z)"),
            ("r#\"a \" b\"# c", "           c"),
            ("br\"a\" c", "      c"),
            ("r#match.x", "r#match.x"),
            ("fn f<'a>(c: &'a str) { c == '\\'' || c == '{' }", "fn f<'a>(c: &'a str) { c ==      || c ==     }"),
            ("\"a\nb\"", "  \n  "),
            ("\"ä→𝄞\" 'ä'", "                "),
        ];
        for (text, expected) in table {
            assert_eq!(mask(text), expected, "{text}");
        }
    }
}
