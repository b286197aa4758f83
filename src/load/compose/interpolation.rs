//! The text of one value with its `$NAME`s replaced, by the Compose specification.

use std::ops::Range;

/// A value with its variables replaced, and which those were.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::load) struct Replaced {
    pub text: String,
    /// The variables whose values are in it.
    pub used: Vec<String>,
    /// The variables that are not set and have no default: they became nothing.
    pub unset: Vec<String>,
}

/// Why a text has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::load) enum Fault {
    #[error("`{written}` is no variable")]
    Syntax { written: String, at: Range<usize> },
    #[error("the variable `{name}` is required{}", reason(.message))]
    Required { name: String, message: String, at: Range<usize> },
    #[error("defaults are nested deeper than {DEEPEST} levels")]
    TooDeep { at: Range<usize> },
    #[error("it becomes longer than {} MiB", LONGEST >> 20)]
    TooLong { at: Range<usize> },
}

fn reason(message: &str) -> String {
    if message.is_empty() { String::new() } else { format!(": {message}") }
}

impl Fault {
    /// Where in the text it is.
    pub fn at(&self) -> Range<usize> {
        match self {
            Self::Syntax { at, .. } | Self::Required { at, .. } | Self::TooDeep { at } | Self::TooLong { at } => {
                at.clone()
            }
        }
    }
}

/// Defaults within defaults; people write two.
const DEEPEST: usize = 32;
/// The longest value, in bytes: as long as the longest that can be written.
const LONGEST: usize = 4 << 20;

/// Replaces the variables of a text; `lookup` gives the value of one that is set.
pub(in crate::load) fn replace<'v>(text: &str, lookup: &dyn Fn(&str) -> Option<&'v str>) -> Result<Replaced, Fault> {
    let mut replacing = Replacing { lookup, out: Replaced::default() };
    replacing.text(text, 0, 0)?;
    Ok(replacing.out)
}

struct Replacing<'l, 'v> {
    lookup: &'l dyn Fn(&str) -> Option<&'v str>,
    out: Replaced,
}

impl Replacing<'_, '_> {
    /// `offset` is where the text stands in the whole.
    fn text(&mut self, text: &str, offset: usize, depth: usize) -> Result<(), Fault> {
        let mut rest = 0;
        while let Some(found) = text[rest..].find('$') {
            let start = rest + found;
            self.push(&text[rest..start], offset + rest)?;
            let after = &text[start + 1..];
            let syntax = |length: usize| {
                let end = (start + length..=text.len()).find(|end| text.is_char_boundary(*end)).unwrap_or(text.len());
                Fault::Syntax { written: text[start..end].to_owned(), at: offset + start..offset + end }
            };
            rest = match after.bytes().next() {
                Some(b'$') => {
                    self.out.text.push('$');
                    start + 2
                }
                Some(b'{') => {
                    let Some(end) = closing(after) else { return Err(syntax(after.len() + 1)) };
                    let at = offset + start..offset + start + end + 2;
                    let inner = Inner { text: &after[1..end], offset: offset + start + 2, at };
                    self.braced(&inner, depth).map_err(|fault| fault.unwrap_or_else(|| syntax(end + 2)))?;
                    start + end + 2
                }
                Some(c) if is_start(c) => {
                    let end = name_end(after);
                    self.variable(&after[..end], offset + start)?;
                    start + 1 + end
                }
                // A dollar that starts nothing is a dollar: `awk '{print $1}'`.
                Some(_) | None => {
                    self.push("$", offset + start)?;
                    start + 1
                }
            };
        }
        self.push(&text[rest..], offset + rest)
    }

    /// What stands between braces. An error without a fault is one of syntax.
    fn braced(&mut self, inner: &Inner, depth: usize) -> Result<(), Option<Fault>> {
        let end = name_end(inner.text);
        let (name, rest) = inner.text.split_at(end);
        if name.is_empty() {
            return Err(None);
        }
        if depth >= DEEPEST {
            return Err(Some(Fault::TooDeep { at: inner.at.clone() }));
        }
        let operator = [":-", ":?", ":+", "-", "?", "+"].into_iter().find(|operator| rest.starts_with(operator));
        let Some(operator) = operator else {
            return match rest.is_empty() {
                true => Ok(self.variable(name, inner.at.start)?),
                false => Err(None),
            };
        };
        let operand = &rest[operator.len()..];
        let offset = inner.offset + end + operator.len();
        let value = (self.lookup)(name);
        let is_there = value.is_some_and(|value| !operator.starts_with(':') || !value.is_empty());
        match (operator.trim_start_matches(':'), is_there) {
            ("-" | "?", true) => Ok(self.variable(name, inner.at.start)?),
            ("-", false) => Ok(self.text(operand, offset, depth + 1)?),
            ("+", true) => {
                self.note_used(name);
                Ok(self.text(operand, offset, depth + 1)?)
            }
            ("?", false) => {
                let mut message = Replacing { lookup: self.lookup, out: Replaced::default() };
                message.text(operand, offset, depth + 1)?;
                let message = message.out.text;
                Err(Some(Fault::Required { name: name.to_owned(), message, at: inner.at.clone() }))
            }
            (_, _) => Ok(()),
        }
    }

    fn variable(&mut self, name: &str, offset: usize) -> Result<(), Fault> {
        match (self.lookup)(name) {
            Some(value) => {
                self.note_used(name);
                self.push(value, offset)
            }
            None => {
                self.out.unset.push(name.to_owned());
                Ok(())
            }
        }
    }

    fn note_used(&mut self, name: &str) {
        if !self.out.used.iter().any(|used| used == name) {
            self.out.used.push(name.to_owned());
        }
    }

    fn push(&mut self, text: &str, offset: usize) -> Result<(), Fault> {
        if self.out.text.len() + text.len() > LONGEST {
            return Err(Fault::TooLong { at: offset..offset + 1 });
        }
        self.out.text.push_str(text);
        Ok(())
    }
}

/// What stands between braces, and where.
struct Inner<'t> {
    text: &'t str,
    offset: usize,
    /// With the dollar and the braces.
    at: Range<usize>,
}

/// Where the brace is closed that a text starts with. Braces within are counted, whatever they are.
fn closing(text: &str) -> Option<usize> {
    let mut open = 0;
    text.bytes().position(|c| {
        match c {
            b'{' => open += 1,
            b'}' => open -= 1,
            _ => {}
        }
        open == 0
    })
}

fn is_start(c: u8) -> bool {
    c.is_ascii_alphabetic() || c == b'_'
}

fn name_end(text: &str) -> usize {
    match text.bytes().next() {
        Some(c) if is_start(c) => text.bytes().position(|c| !is_start(c) && !c.is_ascii_digit()).unwrap_or(text.len()),
        Some(_) | None => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<&'static str> {
        match name {
            "A" => Some("a"),
            "EMPTY" => Some(""),
            "DOLLAR" => Some("${A}"),
            "_1" => Some("one"),
            _ => None,
        }
    }

    #[test]
    fn values_follow_the_specification() {
        let table = [
            ("a variable without braces", "x $A y", "x a y"),
            ("a name ends where it can go no further", "$A-$A.$A/", "a-a.a/"),
            ("names have underscores and digits", "$_1", "one"),
            ("a variable in braces", "x${A}y", "xay"),
            ("one that is not set is empty", "[$NO][${NO}]", "[][]"),
            ("a default where it is not set", "${NO-d}", "d"),
            ("no default where it is empty", "${EMPTY-d}", ""),
            ("a default where it is not set or empty", "${NO:-d}${EMPTY:-e}", "de"),
            ("no default where it is set", "${A:-d}${A-d}", "aa"),
            ("a default may be empty", "${NO:-}${NO-}", ""),
            ("a default may hold anything", "${NO:-http://x:80/?a=b}", "http://x:80/?a=b"),
            ("the first operator counts", "${NO:-a:?b}${NO-:-x}", "a:?b:-x"),
            ("required and there", "${A:?no}${A?no}${EMPTY?no}", "aa"),
            ("a replacement where it is set and not empty", "${A:+r}${EMPTY:+r}${NO:+r}", "r"),
            ("a replacement where it is set", "${A+r}${EMPTY+s}${NO+t}", "rs"),
            ("a default with a variable", "${NO:-x${A}y}", "xay"),
            ("a default in a default", "${NO:-${EMPTY:-${A}}}", "a"),
            ("a replacement with a variable", "${A:+$A$A}", "aa"),
            ("two dollars are one", "$$A $${A} $$$A $$", "$A ${A} $a $"),
            ("two dollars in a default", "${NO:-$$x}", "$x"),
            ("braces in a default are counted", "${NO:-{x:1}}", "{x:1}"),
            ("a dollar that starts nothing", "x$1 a $ b $(id) $é $", "x$1 a $ b $(id) $é $"),
            ("a dollar within a default", "${NO:-x$}", "x$"),
            ("values are not looked at again", "$DOLLAR", "${A}"),
            ("no variable at all", "a{b}", "a{b}"),
            ("templates of others", "{{ .Name }}", "{{ .Name }}"),
        ];
        for (rule, text, expected) in table {
            assert_eq!(replace(text, &lookup).map(|replaced| replaced.text).as_deref(), Ok(expected), "{rule}");
        }
    }

    #[test]
    fn what_is_no_variable_is_told_with_its_place() {
        let table = [
            ("a brace that is never closed", "x${A", "1..4 `${A` is no variable"),
            ("no name", "${}", "0..3 `${}` is no variable"),
            ("a name that is none", "${1A}", "0..5 `${1A}` is no variable"),
            ("an operator that is none", "${A%x}", "0..6 `${A%x}` is no variable"),
            ("within a default", "${NO:-x${}}", "7..10 `${}` is no variable"),
            ("required and not set", "x${NO?}", "1..7 the variable `NO` is required"),
            ("required and empty", "${EMPTY:?fill $A in}", "0..20 the variable `EMPTY` is required: fill a in"),
        ];
        for (rule, text, expected) in table {
            let fault = replace(text, &lookup).unwrap_err();
            let Range { start, end } = fault.at();
            assert_eq!(format!("{start}..{end} {fault}"), expected, "{rule}");
        }
    }

    #[test]
    fn what_was_used_and_what_was_not_set_is_known() {
        let replaced = replace("$A ${A} ${EMPTY:-$NO} ${NO-x} ${A:+y}", &lookup).unwrap();
        assert_eq!((replaced.used, replaced.unset), (vec!["A".to_owned()], vec!["NO".to_owned()]));
    }

    #[test]
    fn nesting_and_length_are_bounded() {
        let nested = format!("{}x{}", "${NO:-".repeat(DEEPEST), "}".repeat(DEEPEST));
        assert_eq!(replace(&nested, &lookup).unwrap().text, "x");
        let nested = format!("${{NO:-{nested}}}");
        assert!(matches!(replace(&nested, &lookup), Err(Fault::TooDeep { .. })));
        let large = "x".repeat(LONGEST / 2);
        let lookup = |_: &str| Some(large.as_str());
        assert!(replace("$A$A", &lookup).is_ok());
        assert!(matches!(replace("$A$A.", &lookup), Err(Fault::TooLong { .. })));
    }
}
