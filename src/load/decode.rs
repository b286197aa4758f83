use std::fmt::Display;

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Unexpected, Visitor, value::StrDeserializer},
    forward_to_deserialize_any,
};

use super::{Entry, Node, Scalar, ScalarKind, ScalarState, Value, problem::wrong, validate::secret_refused};
use crate::{
    diagnostic::{Diagnostic, Span},
    secret::Text,
};

/// Reads a typed value from a node. `name` is what the node is called in the message.
pub(super) fn decode<'n, T: Deserialize<'n>>(node: &'n Node, name: &str) -> Result<T, Diagnostic> {
    T::deserialize(Decoder(node)).map_err(|error| error.into_diagnostic(node, name))
}

/// Where secrets stand that are refused there. `node` is taken to be fine otherwise: the first
/// other problem ends the search.
pub(super) fn refused_secrets<T: for<'n> Deserialize<'n>>(mut node: Node, name: &str) -> Vec<Diagnostic> {
    let mut refused = Vec::new();
    // One is found at a time, and taken out of the copy to find the next.
    while refused.len() < MOST_REFUSED {
        let Err(error) = T::deserialize(Decoder(&node)) else { break };
        if !error.is_secret {
            break;
        }
        let Some(Value::Scalar(scalar)) = error.find(&mut node).map(|node| &mut node.value) else { break };
        if scalar.state != ScalarState::Secret {
            break;
        }
        scalar.state = ScalarState::Plain;
        refused.push(error.into_diagnostic(&node, name));
    }
    refused
}

/// Enough for one service: who has more has the same mistake everywhere.
const MOST_REFUSED: usize = 32;

/// What went wrong, and the innermost value that it went wrong in.
#[derive(Debug)]
pub(super) struct DecodeError {
    message: String,
    is_secret: bool,
    span: Option<Span>,
    /// The keys on the way, innermost first.
    path: Vec<String>,
}

impl DecodeError {
    fn within(mut self, node: &Node) -> Self {
        self.span.get_or_insert(node.span);
        self
    }

    fn below(mut self, key: &str) -> Self {
        self.path.push(key.to_owned());
        self
    }

    /// The node that it went wrong in.
    fn find<'n>(&self, node: &'n mut Node) -> Option<&'n mut Node> {
        self.path.iter().rev().try_fold(node, |node, key| match &mut node.value {
            Value::Map(entries) => entries.iter_mut().find(|entry| *entry.key == **key).map(|entry| &mut entry.value),
            Value::List(items) => {
                let index: usize = key.trim_matches(['[', ']']).parse().ok()?;
                items.get_mut(index)
            }
            Value::Scalar(_) => None,
        })
    }

    fn into_diagnostic(self, node: &Node, name: &str) -> Diagnostic {
        let span = self.span.unwrap_or(node.span);
        let place = self.path.iter().rev().fold(name.to_owned(), |mut place, key| {
            if !place.is_empty() && !key.starts_with('[') {
                place.push('.');
            }
            place + key
        });
        match self.is_secret {
            true => secret_refused(&place, span),
            false => wrong("invalid-value", format!("`{place}`: {}", self.message)).at(span, "here"),
        }
    }
}

impl Display for DecodeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

impl de::Error for DecodeError {
    fn custom<T: Display>(message: T) -> Self {
        Self { message: message.to_string(), is_secret: false, span: None, path: Vec::new() }
    }

    /// A newtype is how a secret is presented: what does not expect one is no place for it.
    fn invalid_type(unexpected: Unexpected, expected: &dyn de::Expected) -> Self {
        let is_secret = matches!(unexpected, Unexpected::NewtypeStruct);
        Self { is_secret, ..Self::custom(format_args!("{unexpected} stands where {expected} belongs")) }
    }
}

/// Presents a node to serde. A secret scalar is presented as a newtype, which only
/// [`Text`] knows what to do with.
#[derive(Clone, Copy)]
struct Decoder<'n>(&'n Node);

impl<'n> Decoder<'n> {
    fn text(self, text: &'n str) -> StrDeserializer<'n, DecodeError> {
        text.into_deserializer()
    }

    fn scalar<V: Visitor<'n>>(self, scalar: &'n Scalar, visitor: V) -> Result<V::Value, DecodeError> {
        match scalar.kind {
            _ if scalar.state == ScalarState::Secret => visitor.visit_newtype_struct(self.text(&scalar.text)),
            ScalarKind::Null => visitor.visit_unit(),
            ScalarKind::Bool => visitor.visit_bool(scalar.as_bool().unwrap_or_default()),
            ScalarKind::Integer | ScalarKind::Float => match scalar.as_number() {
                Some(number) => number.deserialize_any(visitor).map_err(<DecodeError as de::Error>::custom),
                None => visitor.visit_borrowed_str(&scalar.text),
            },
            ScalarKind::String => visitor.visit_borrowed_str(&scalar.text),
        }
    }
}

impl<'n> Deserializer<'n> for Decoder<'n> {
    type Error = DecodeError;

    fn deserialize_any<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        let result = match &self.0.value {
            Value::Scalar(scalar) => self.scalar(scalar, visitor),
            Value::List(items) => visitor.visit_seq(Items { items: items.iter(), index: 0 }),
            Value::Map(entries) => {
                visitor.visit_map(Entries { entries: entries.iter(), value: None, fields_only: false })
            }
        };
        result.map_err(|error| error.within(self.0))
    }

    fn deserialize_option<V: Visitor<'n>>(self, visitor: V) -> Result<V::Value, DecodeError> {
        match self.0.is_null() {
            true => visitor.visit_none(),
            false => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'n>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match (name == Text::NEWTYPE, self.0.as_scalar()) {
            (true, Some(scalar)) if scalar.state == ScalarState::Secret => visitor.visit_bytes(scalar.text.as_bytes()),
            (true, Some(scalar)) if scalar.kind != ScalarKind::Null => visitor.visit_borrowed_str(&scalar.text),
            (true, _) => self.deserialize_any(visitor),
            (false, _) => visitor.visit_newtype_struct(self),
        }
    }

    fn deserialize_struct<V: Visitor<'n>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        match &self.0.value {
            Value::Map(entries) => visitor
                .visit_map(Entries { entries: entries.iter(), value: None, fields_only: true })
                .map_err(|error| error.within(self.0)),
            Value::Scalar(_) | Value::List(_) => self.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'n>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DecodeError> {
        let result = match &self.0.value {
            Value::Scalar(scalar) if scalar.kind == ScalarKind::String && scalar.state == ScalarState::Plain => {
                self.text(&scalar.text).deserialize_enum(name, variants, visitor)
            }
            Value::Map(entries) => visitor.visit_enum(de::value::MapAccessDeserializer::new(Entries {
                entries: entries.iter(),
                value: None,
                fields_only: true,
            })),
            Value::Scalar(_) | Value::List(_) => self.deserialize_any(visitor),
        };
        result.map_err(|error| error.within(self.0))
    }

    forward_to_deserialize_any! {
        <V: Visitor<'n>>
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map identifier ignored_any
    }
}

struct Items<'n> {
    items: std::slice::Iter<'n, Node>,
    index: usize,
}

impl<'n> SeqAccess<'n> for Items<'n> {
    type Error = DecodeError;

    fn next_element_seed<T: DeserializeSeed<'n>>(&mut self, seed: T) -> Result<Option<T::Value>, DecodeError> {
        let Some(item) = self.items.next() else { return Ok(None) };
        let index = self.index;
        self.index += 1;
        let value = seed.deserialize(Decoder(item));
        value.map(Some).map_err(|error| error.within(item).below(&format!("[{index}]")))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Entries<'n> {
    entries: std::slice::Iter<'n, Entry>,
    value: Option<&'n Entry>,
    /// Whether `x-` keys are passed over, as they are beside fixed keys.
    fields_only: bool,
}

impl<'n> MapAccess<'n> for Entries<'n> {
    type Error = DecodeError;

    fn next_key_seed<K: DeserializeSeed<'n>>(&mut self, seed: K) -> Result<Option<K::Value>, DecodeError> {
        let skip = self.fields_only;
        let Some(entry) = self.entries.find(|entry| !(skip && entry.key.starts_with("x-"))) else { return Ok(None) };
        self.value = Some(entry);
        seed.deserialize(StrDeserializer::new(&entry.key)).map(Some).map_err(|mut error: DecodeError| {
            error.span = Some(entry.key_span);
            error
        })
    }

    fn next_value_seed<T: DeserializeSeed<'n>>(&mut self, seed: T) -> Result<T::Value, DecodeError> {
        let entry = self.value.take().expect("serde asks for a value after its key");
        seed.deserialize(Decoder(&entry.value)).map_err(|error| error.within(&entry.value).below(&entry.key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Environment, Service};

    fn parse(text: &str) -> Node {
        let mut problems = Vec::new();
        super::super::parse::parse(crate::diagnostic::FileId(0), text, &mut problems).unwrap()
    }

    #[test]
    fn texts_keep_how_they_were_written() {
        let node = parse("environment: { A: 1.10, B: 0x1F, C: true, D: no, E: }\ncommand: [sleep, 1.0]\nx-a: 1\n");
        let service: Service = decode(&node, "").unwrap();
        let json = serde_json::to_string(&service).unwrap();
        let expected =
            r#"{"command":["sleep","1.0"],"environment":{"A":"1.10","B":"0x1F","C":"true","D":"no","E":null}}"#;
        assert_eq!(json, expected);
    }

    #[test]
    fn a_secret_is_only_taken_by_texts() {
        let with_secret = |text: &str, path: &[&str]| {
            let mut node = parse(text);
            let mut place = &mut node;
            for key in path {
                place = match &mut place.value {
                    Value::List(items) => &mut items[key.parse::<usize>().unwrap()],
                    Value::Map(entries) => &mut entries.iter_mut().find(|entry| &*entry.key == *key).unwrap().value,
                    Value::Scalar(_) => panic!("a scalar has no keys"),
                };
            }
            let Value::Scalar(scalar) = &mut place.value else { panic!("no scalar") };
            scalar.state = ScalarState::Secret;
            decode::<Service>(&node, "services.web").map_err(|diagnostic| diagnostic.summary)
        };
        let service = with_secret("environment: { A: hunter2 }", &["environment", "A"]).unwrap();
        assert!(service.environment["A"].as_ref().unwrap().is_secret());
        let service = with_secret("environment: [A=hunter2]", &["environment", "0"]).unwrap();
        assert_eq!(service.environment["A"].as_ref().unwrap().expose(), "hunter2");
        assert!(service.environment["A"].as_ref().unwrap().is_secret());
        let service = with_secret("command: run hunter2", &["command"]).unwrap();
        assert!(service.command.unwrap().0[1].is_secret());

        let refused = [
            ("image: a", vec!["image"], "image"),
            ("labels: { a: b }", vec!["labels", "a"], "labels.a"),
            ("restart: always", vec!["restart"], "restart"),
            ("ports: [80]", vec!["ports", "0"], "ports[0]"),
            ("volumes: [\"a:/b\"]", vec!["volumes", "0"], "volumes[0]"),
            ("kind: job", vec!["kind"], "kind"),
            ("depends_on: [db]", vec!["depends_on", "0"], "depends_on[0]"),
            ("tmpfs: /a", vec!["tmpfs"], "tmpfs"),
            ("env_file: [a]", vec!["env_file", "0"], "env_file[0]"),
            ("secrets: [a]", vec!["secrets", "0"], "secrets[0]"),
            ("cap_add: [a]", vec!["cap_add", "0"], "cap_add[0]"),
            ("stop_grace_period: 1s", vec!["stop_grace_period"], "stop_grace_period"),
            ("ulimits: { a: 1 }", vec!["ulimits", "a"], "ulimits.a"),
            (
                "checks: [{ http: { port: 80, json: { $.a: b } } }]",
                vec!["checks", "0", "http", "json", "$.a"],
                "checks[0].http.json.$.a",
            ),
        ];
        for (text, path, place) in refused {
            let summary = with_secret(text, &path).unwrap_err();
            assert_eq!(summary, format!("a secret cannot stand in `services.web.{place}`: it would be visible there"));
        }
    }

    #[test]
    fn an_enum_with_a_value_is_read_from_a_mapping() {
        let node = parse("secrets: { a: { env: A }, b: { file: ./b } }\ntarget: { runtime: process }\n");
        let environment: Environment = decode(&node, "").unwrap();
        assert_eq!(format!("{:?}", environment.secrets), r#"{"a": Env("A"), "b": File("./b")}"#);
    }
}
