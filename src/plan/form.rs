//! The short forms that Compose allows, read into the long ones.

use std::{borrow::Cow, collections::BTreeMap, fmt, marker::PhantomData, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, de};

use crate::secret::{Secret, Text};

/// A scalar as its text: strings as they are, numbers and booleans as they read.
pub fn scalar_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match Text::deserialize(deserializer)? {
        Text::Plain(text) => Ok(text),
        Text::Secret(_) | Text::Sealed(_) | Text::Fingerprint(_) => Err(secret_refused()),
    }
}

/// What every visitor says that does not know secrets.
pub(super) fn secret_refused<E: de::Error>() -> E {
    E::invalid_type(de::Unexpected::NewtypeStruct, &"a text that is no secret")
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

/// A value in its short form, as text, or in its long one, as a mapping.
pub enum ShortOrLong<L> {
    Short(String),
    Long(L),
}

impl<'de, L: Deserialize<'de>> Deserialize<'de> for ShortOrLong<L> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor<L>(PhantomData<L>);

        impl<'de, L: Deserialize<'de>> de::Visitor<'de> for Visitor<L> {
            type Value = ShortOrLong<L>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a string or a mapping")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(ShortOrLong::Short(text.to_owned()))
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(ShortOrLong::Short(number.to_string()))
            }

            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(ShortOrLong::Short(number.to_string()))
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                L::deserialize(de::value::MapAccessDeserializer::new(map)).map(ShortOrLong::Long)
            }
        }

        deserializer.deserialize_any(Visitor(PhantomData))
    }
}

impl<L: JsonSchema> JsonSchema for ShortOrLong<L> {
    fn schema_name() -> Cow<'static, str> {
        format!("ShortOr{}", L::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let long = generator.subschema_for::<L>();
        json_schema!({ "anyOf": [{ "type": "string" }, long] })
    }
}

/// A list, of which a single item may stand alone.
pub fn one_or_many<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    struct Visitor<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de>> de::Visitor<'de> for Visitor<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("one of them, or a list")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<T>, E> {
            T::deserialize(de::value::StrDeserializer::new(text)).map(|item| vec![item])
        }

        fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Vec<T>, A::Error> {
            T::deserialize(de::value::MapAccessDeserializer::new(map)).map(|item| vec![item])
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Vec<T>, A::Error> {
            Vec::deserialize(de::value::SeqAccessDeserializer::new(list))
        }
    }

    deserializer.deserialize_any(Visitor(PhantomData))
}

/// The schema of [`one_or_many`].
pub fn one_or_many_schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let item = generator.subschema_for::<T>();
    json_schema!({ "anyOf": [item, { "type": "array", "items": item }] })
}

/// A mapping from names, or a list of names alone; what has no value is at its default.
pub fn names_or_map<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de> + Default,
{
    struct Visitor<K, V>(PhantomData<(K, V)>);

    impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de> + Default> de::Visitor<'de> for Visitor<K, V> {
        type Value = BTreeMap<K, V>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a mapping, or a list of names")
        }

        fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut entries = BTreeMap::new();
            while let Some((name, value)) = map.next_entry::<K, Option<V>>()? {
                entries.insert(name, value.unwrap_or_default());
            }
            Ok(entries)
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut entries = BTreeMap::new();
            while let Some(name) = list.next_element()? {
                entries.insert(name, V::default());
            }
            Ok(entries)
        }
    }

    deserializer.deserialize_any(Visitor(PhantomData))
}

/// The schema of [`names_or_map`].
pub fn names_or_map_schema<V: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    let value = generator.subschema_for::<V>();
    json_schema!({
        "anyOf": [
            { "type": "object", "additionalProperties": { "anyOf": [value, { "type": "null" }] } },
            { "type": "array", "items": { "type": "string" }, "uniqueItems": true }
        ]
    })
}

/// A mapping, or a list of `name=value`.
pub fn map_or_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, Option<Text>>, D::Error> {
    deserializer.deserialize_any(MapOrList::new(&['=']))
}

/// [`map_or_list`] without secrets; an entry without a value is empty.
pub fn plain_map_or_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    deserializer.deserialize_any(MapOrList::new(&['='])).map(plain)
}

/// Lines of `/etc/hosts`: a mapping from names to an address or several, or a list of `name:address`
/// or `name=address`. Several addresses of one name are parted by commas.
pub fn hosts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    struct Visitor;

    impl<'de> de::Visitor<'de> for Visitor {
        type Value = BTreeMap<String, String>;

        fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
            f.write_str("a mapping, or a list of `name:address`")
        }

        fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut hosts = BTreeMap::new();
            while let Some((name, addresses)) = map.next_entry::<String, Addresses>()? {
                addresses.0.into_iter().for_each(|address| add_host(&mut hosts, name.clone(), &address));
            }
            Ok(hosts)
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut hosts = BTreeMap::new();
            while let Some(line) = list.next_element::<Plain>()? {
                let (name, address) = line.split(&['=', ':']);
                add_host(&mut hosts, name, &address.map(|address| address.0).unwrap_or_default());
            }
            Ok(hosts)
        }
    }

    deserializer.deserialize_any(Visitor)
}

struct Addresses(Vec<String>);

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_or_many(deserializer).map(Self)
    }
}

fn add_host(hosts: &mut BTreeMap<String, String>, name: String, address: &str) {
    let address = address.trim();
    let address = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
    let known = hosts.entry(name).or_default();
    match known.is_empty() {
        true => address.clone_into(known),
        false => known.extend([",", address]),
    }
}

/// The schema of [`hosts`].
pub fn hosts_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            {
                "type": "object",
                "additionalProperties": {
                    "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }]
                }
            },
            { "type": "array", "items": { "type": "string" } }
        ]
    })
}

fn plain(map: BTreeMap<String, Option<Plain>>) -> BTreeMap<String, String> {
    map.into_iter().map(|(name, value)| (name, value.map(|value| value.0).unwrap_or_default())).collect()
}

/// The schema of the two above.
pub fn map_or_list_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "anyOf": [
            { "type": "object", "additionalProperties": { "type": ["string", "number", "boolean", "null"] } },
            { "type": "array", "items": { "type": "string" } }
        ]
    })
}

/// The schema of a mapping from names to scalars.
pub fn scalar_map_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "object", "additionalProperties": { "type": ["string", "number", "boolean", "null"] } })
}

/// A scalar's text that is no secret.
struct Plain(String);

impl<'de> Deserialize<'de> for Plain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        scalar_text(deserializer).map(Self)
    }
}

/// A line of a list that parts into a name and a value.
trait Line: Sized {
    fn split(self, separators: &[char]) -> (String, Option<Self>);
}

impl Line for Plain {
    fn split(self, separators: &[char]) -> (String, Option<Self>) {
        match self.0.split_once(separators) {
            Some((name, value)) => (name.trim().to_owned(), Some(Self(value.to_owned()))),
            None => (self.0.trim().to_owned(), None),
        }
    }
}

impl Line for Text {
    fn split(self, separators: &[char]) -> (String, Option<Self>) {
        let secret = self.is_secret();
        match self.expose().split_once(separators) {
            Some((name, value)) if secret => (name.trim().to_owned(), Some(Self::Secret(Secret::new(value)))),
            Some((name, value)) => (name.trim().to_owned(), Some(value.into())),
            None => (self.expose().trim().to_owned(), None),
        }
    }
}

struct MapOrList<T> {
    /// Whichever of them comes first in a list's line parts name and value.
    separators: &'static [char],
    value: PhantomData<T>,
}

impl<T> MapOrList<T> {
    fn new(separators: &'static [char]) -> Self {
        Self { separators, value: PhantomData }
    }
}

impl<'de, T: Line + Deserialize<'de>> de::Visitor<'de> for MapOrList<T> {
    type Value = BTreeMap<String, Option<T>>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "a mapping, or a list of `name{}value`", self.separators[0])
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
        while let Some(line) = list.next_element::<T>()? {
            let (name, value) = line.split(self.separators);
            entries.insert(name, value);
        }
        Ok(entries)
    }
}
