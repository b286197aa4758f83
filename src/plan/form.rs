//! The short forms that Compose allows, read into the long ones.

use std::{collections::BTreeMap, fmt, marker::PhantomData, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::secret::{Secret, Text};

/// A scalar as its text: strings as they are, numbers and booleans as they read.
pub fn scalar_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Text::deserialize(deserializer)? {
        Text::Plain(text) => Ok(text),
        Text::Secret(_) | Text::Sealed(_) | Text::Fingerprint(_) => {
            Err(de::Error::custom("a secret cannot stand here"))
        }
    }
}

/// A scalar that is parsed: `512M`, `0.5`, `on-failure:3`.
pub fn parsed<'de, D: Deserializer<'de>, T: FromStr<Err: fmt::Display>>(deserializer: D) -> Result<T, D::Error> {
    scalar_text(deserializer)?.parse().map_err(de::Error::custom)
}

/// One text, or a list of them.
pub enum TextOrList {
    Text(Text),
    List(Vec<Text>),
}

impl<'de> Deserialize<'de> for TextOrList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = TextOrList;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a string or a list of strings")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<TextOrList, E> {
                Ok(TextOrList::Text(text.into()))
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<TextOrList, D::Error> {
                String::deserialize(deserializer).map(|plain| TextOrList::Text(Text::Secret(Secret::new(plain))))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<TextOrList, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(list)).map(TextOrList::List)
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

/// A list, of which a single item may stand alone.
pub fn one_or_many<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany<T> {
        Many(Vec<T>),
        One(T),
    }

    match OneOrMany::deserialize(deserializer)? {
        OneOrMany::Many(items) => Ok(items),
        OneOrMany::One(item) => Ok(vec![item]),
    }
}

/// The schema of [`one_or_many`].
pub fn one_or_many_schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let item = generator.subschema_for::<T>();
    json_schema!({ "anyOf": [item, { "type": "array", "items": item }] })
}

/// A mapping, or a list of `name=value` (or `name:value`, with another separator).
pub fn map_or_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Option<Text>>, D::Error> {
    MapOrList::<'='>::read(deserializer)
}

/// [`map_or_list`] without secrets; an entry without a value is empty.
pub fn plain_map_or_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    plain(MapOrList::<'='>::read(deserializer)?)
}

/// A mapping, or a list of `name:value`.
pub fn colon_map_or_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    plain(MapOrList::<':'>::read(deserializer)?)
}

fn plain<E: de::Error>(map: BTreeMap<String, Option<Text>>) -> Result<BTreeMap<String, String>, E> {
    let entry = |(name, value): (String, Option<Text>)| match value {
        None => Ok((name, String::new())),
        Some(Text::Plain(value)) => Ok((name, value)),
        Some(Text::Secret(_) | Text::Sealed(_) | Text::Fingerprint(_)) => {
            Err(E::custom(format!("a secret cannot stand in `{name}`")))
        }
    };
    map.into_iter().map(entry).collect()
}

/// The schema of the three above.
pub fn map_or_list_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "object", "additionalProperties": { "type": ["string", "number", "boolean", "null"] } },
            { "type": "array", "items": { "type": "string" } }
        ]
    })
}

struct MapOrList<const SEPARATOR: char>(PhantomData<()>);

impl<const SEPARATOR: char> MapOrList<SEPARATOR> {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Option<Text>>, D::Error> {
        deserializer.deserialize_any(Self(PhantomData))
    }

    fn split(line: Text) -> (String, Option<Text>) {
        let secret = line.is_secret();
        match line.expose().split_once(SEPARATOR) {
            None => (line.expose().trim().to_owned(), None),
            Some((name, value)) if secret => (name.to_owned(), Some(Text::Secret(Secret::new(value)))),
            Some((name, value)) => (name.trim().to_owned(), Some(value.into())),
        }
    }
}

impl<'de, const SEPARATOR: char> de::Visitor<'de> for MapOrList<SEPARATOR> {
    type Value = BTreeMap<String, Option<Text>>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "a mapping, or a list of `name{SEPARATOR}value`")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some((name, value)) = map.next_entry()? {
            entries.insert(name, value);
        }
        Ok(entries)
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut entries = BTreeMap::new();
        while let Some(line) = list.next_element::<Text>()? {
            let (name, value) = Self::split(line);
            entries.insert(name, value);
        }
        Ok(entries)
    }
}
