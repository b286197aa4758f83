use crate::diagnostic::Span;

/// One value of a document, with its place. About 60 bytes, plus its text.
#[derive(Debug, Clone)]
pub struct Node {
    pub span: Span,
    /// What carried the value here, as an index into [`Document`](super::Document)'s list; 0 is
    /// nothing.
    pub from: u32,
    /// What its YAML tag says about merging.
    pub tag: MergeTag,
    pub value: Value,
}

/// How a value behaves when its document is put over another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MergeTag {
    /// By the rules of its place.
    #[default]
    None,
    /// `!reset`: it takes away what is there.
    Reset,
    /// `!override`: it takes the place of what is there.
    Override,
}

#[derive(Debug, Clone)]
pub enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One entry of a mapping, in the order that it was written.
#[derive(Debug, Clone)]
pub struct Entry {
    pub key: Box<str>,
    pub key_span: Span,
    pub value: Node,
}

/// A scalar keeps its text as it was written: `1.10` in an `environment` stays `1.10`.
#[derive(Clone)]
pub struct Scalar {
    pub text: Box<str>,
    pub kind: ScalarKind,
    pub state: ScalarState,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarKind {
    Null,
    Bool,
    Integer,
    Float,
    String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScalarState {
    Plain,
    /// It is, or holds, a secret.
    Secret,
    /// It was reported as wrong already; what is made of it is not reported again.
    Broken,
}

impl std::fmt::Debug for Scalar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.state {
            ScalarState::Plain => write!(f, "{:?} {:?}", self.kind, self.text),
            ScalarState::Secret => f.write_str("***"),
            ScalarState::Broken => f.write_str("broken"),
        }
    }
}

impl Scalar {
    pub fn string(text: impl Into<Box<str>>) -> Self {
        Self { text: text.into(), kind: ScalarKind::String, state: ScalarState::Plain }
    }

    pub fn null() -> Self {
        Self { text: "".into(), kind: ScalarKind::Null, state: ScalarState::Plain }
    }

    /// The kind of a plain scalar by YAML 1.2's core schema: `no` and `on` are strings.
    pub fn plain(text: impl Into<Box<str>>) -> Self {
        let text = text.into();
        let kind = plain_kind(&text);
        Self { text, kind, state: ScalarState::Plain }
    }

    pub fn as_bool(&self) -> Option<bool> {
        (self.kind == ScalarKind::Bool).then(|| self.text.starts_with(['t', 'T']))
    }

    /// A number as JSON has it; integers beyond 64 bits become floats.
    pub fn as_number(&self) -> Option<serde_json::Number> {
        match self.kind {
            ScalarKind::Integer => integer(&self.text),
            ScalarKind::Float => float(&self.text),
            ScalarKind::Null | ScalarKind::Bool | ScalarKind::String => None,
        }
    }
}

fn plain_kind(text: &str) -> ScalarKind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return ScalarKind::Null,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => return ScalarKind::Bool,
        _ => {}
    }
    let Some(first) = text.bytes().next() else { return ScalarKind::Null };
    if !(first.is_ascii_digit() || matches!(first, b'-' | b'+' | b'.')) {
        return ScalarKind::String;
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let is_integer = match unsigned.as_bytes() {
        [b'0', b'x', rest @ ..] => !rest.is_empty() && rest.iter().all(u8::is_ascii_hexdigit),
        [b'0', b'o', rest @ ..] => !rest.is_empty() && rest.iter().all(|c| (b'0'..=b'7').contains(c)),
        digits => !digits.is_empty() && digits.iter().all(u8::is_ascii_digit),
    };
    if is_integer {
        return ScalarKind::Integer;
    }
    // A float has a digit, and is made of nothing else than these: `1.2.3`, `inf` and `-` are not.
    let float_like = unsigned.bytes().all(|c| c.is_ascii_digit() || matches!(c, b'.' | b'e' | b'E' | b'-' | b'+'));
    let has_digit = unsigned.bytes().any(|c| c.is_ascii_digit());
    let one_sign = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    match float_like && has_digit && one_sign && unsigned.parse::<f64>().is_ok_and(f64::is_finite) {
        true => ScalarKind::Float,
        false => ScalarKind::String,
    }
}

fn integer(text: &str) -> Option<serde_json::Number> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let magnitude = match unsigned.as_bytes() {
        [b'0', b'x', ..] => u64::from_str_radix(&unsigned[2..], 16).ok(),
        [b'0', b'o', ..] => u64::from_str_radix(&unsigned[2..], 8).ok(),
        _ => unsigned.parse::<u64>().ok(),
    };
    match (magnitude, negative) {
        (Some(magnitude), false) => Some(magnitude.into()),
        (Some(magnitude), true) => i64::try_from(-i128::from(magnitude)).ok().map(Into::into),
        (None, _) => float(text),
    }
}

fn float(text: &str) -> Option<serde_json::Number> {
    serde_json::Number::from_f64(text.parse().ok()?)
}

impl Node {
    pub fn new(span: Span, value: Value) -> Self {
        Self { span, from: 0, tag: MergeTag::None, value }
    }

    pub fn scalar(span: Span, scalar: Scalar) -> Self {
        Self::new(span, Value::Scalar(scalar))
    }

    /// A value that was reported as wrong already.
    pub fn broken(span: Span) -> Self {
        Self::scalar(span, Scalar { state: ScalarState::Broken, ..Scalar::null() })
    }

    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The text of a scalar that is not null.
    pub fn as_text(&self) -> Option<&str> {
        self.as_scalar().filter(|scalar| scalar.kind != ScalarKind::Null).map(|scalar| &*scalar.text)
    }

    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            Value::Scalar(_) | Value::Map(_) => None,
        }
    }

    pub fn as_map(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            Value::Scalar(_) | Value::List(_) => None,
        }
    }

    pub fn as_map_mut(&mut self) -> Option<&mut Vec<Entry>> {
        match &mut self.value {
            Value::Map(entries) => Some(entries),
            Value::Scalar(_) | Value::List(_) => None,
        }
    }

    pub fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(|scalar| scalar.kind == ScalarKind::Null)
    }

    pub fn is_secret(&self) -> bool {
        self.as_scalar().is_some_and(|scalar| scalar.state == ScalarState::Secret)
    }

    pub fn is_broken(&self) -> bool {
        self.as_scalar().is_some_and(|scalar| scalar.state == ScalarState::Broken)
    }

    /// The value of a mapping's key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        let entry = self.as_map_mut()?.iter_mut().find(|entry| &*entry.key == key)?;
        Some(&mut entry.value)
    }

    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.as_map()?.iter().find(|entry| &*entry.key == key)
    }

    /// The entries below a key, or none if it is absent or no mapping.
    pub fn entries(&self, key: &str) -> &[Entry] {
        self.get(key).and_then(Node::as_map).unwrap_or_default()
    }

    /// The items below a key, or none if it is absent or no list.
    pub fn items(&self, key: &str) -> &[Node] {
        self.get(key).and_then(Node::as_list).unwrap_or_default()
    }

    /// What a copy costs: a node is 1, and so are 128 bytes of text.
    pub fn weight(&self) -> usize {
        match &self.value {
            Value::Scalar(scalar) => 1 + scalar.text.len() / 128,
            Value::List(items) => 1 + items.iter().map(Node::weight).sum::<usize>(),
            Value::Map(entries) => {
                let entry = |entry: &Entry| entry.value.weight() + entry.key.len() / 128;
                1 + entries.iter().map(entry).sum::<usize>()
            }
        }
    }

    /// What it is, in words for people.
    pub fn describe(&self) -> &'static str {
        match &self.value {
            Value::Scalar(scalar) => match scalar.kind {
                ScalarKind::Null => "nothing",
                ScalarKind::Bool => "a boolean",
                ScalarKind::Integer | ScalarKind::Float => "a number",
                ScalarKind::String => "a string",
            },
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The plain data. Secrets come out as `***`, what is broken as null.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Scalar(scalar) if scalar.state == ScalarState::Secret => "***".into(),
            Value::Scalar(scalar) => match scalar.kind {
                ScalarKind::Null => serde_json::Value::Null,
                ScalarKind::Bool => scalar.as_bool().into(),
                ScalarKind::Integer | ScalarKind::Float => {
                    scalar.as_number().map_or(serde_json::Value::Null, serde_json::Value::Number)
                }
                ScalarKind::String => (*scalar.text).into(),
            },
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => {
                let entry = |entry: &Entry| (entry.key.to_string(), entry.value.to_json());
                serde_json::Value::Object(entries.iter().map(entry).collect())
            }
        }
    }

    /// Data as a node, every part of it at one place.
    pub fn from_json(value: &serde_json::Value, span: Span, state: ScalarState) -> Self {
        let scalar = |text: String, kind| Value::Scalar(Scalar { text: text.into(), kind, state });
        let value = match value {
            serde_json::Value::Null => scalar(String::new(), ScalarKind::Null),
            serde_json::Value::Bool(value) => scalar(value.to_string(), ScalarKind::Bool),
            serde_json::Value::Number(number) => {
                let kind = if number.is_f64() { ScalarKind::Float } else { ScalarKind::Integer };
                scalar(number.to_string(), kind)
            }
            serde_json::Value::String(text) => scalar(text.clone(), ScalarKind::String),
            serde_json::Value::Array(items) => {
                Value::List(items.iter().map(|item| Self::from_json(item, span, state)).collect())
            }
            serde_json::Value::Object(map) => {
                let entry = |(key, value): (&String, &serde_json::Value)| Entry {
                    key: key.as_str().into(),
                    key_span: span,
                    value: Self::from_json(value, span, state),
                };
                Value::Map(map.iter().map(entry).collect())
            }
        };
        Self::new(span, value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_have_the_kinds_of_the_core_schema() {
        let table = [
            ("Null", "~ null NULL"),
            ("Bool", "true False"),
            ("Integer", "0 -1 +7 0x1F 0o17 0444 18446744073709551615"),
            ("Float", "1.10 -1e3 .5 5. 1e-3"),
            ("String", "no on yes 1.2.3 22:22 - .inf 1e 0x 0o8 10s nan inf 1_000 --1 1e999"),
        ];
        for (kind, texts) in table {
            for text in texts.split(' ') {
                assert_eq!(format!("{:?}", Scalar::plain(text).kind), kind, "{text}");
            }
        }
    }

    #[test]
    fn numbers_read_in_every_notation() {
        let table = [("0x1F", "31"), ("0o17", "15"), ("-5", "-5"), ("+5", "5"), ("1.50", "1.5"), ("0444", "444")];
        for (text, number) in table {
            assert_eq!(Scalar::plain(text).as_number().unwrap().to_string(), number);
        }
        assert_eq!(Scalar::plain("99999999999999999999").as_number().unwrap().to_string(), "1e+20");
    }
}
