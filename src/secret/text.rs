use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::{Salt, SealError, Sealer, Secret};

/// A string in a plan that may be, or hold, a secret. Only fields of this type accept one.
///
/// Secrets are written down in one of two forms, which take the secret's place before anything is
/// serialized: sealed, where it has to be used again, and as a fingerprint, where it only has to
/// be compared. A plain secret serializes as `***`, so forgetting to do so loses it rather than
/// shows it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Text {
    Plain(String),
    Secret(Secret),
    Sealed(String),
    Fingerprint(String),
}

impl Text {
    /// The name under which a deserializer is asked for a text that may be secret.
    pub const NEWTYPE: &'static str = "$orchestrate::Text";

    /// The plain text, secret or not, for the runtime call that needs it.
    ///
    /// # Panics
    /// On a sealed text or a fingerprint: they are opened when they are read back.
    pub fn expose(&self) -> &str {
        match self {
            Self::Plain(text) => text,
            Self::Secret(secret) => secret.expose(),
            Self::Sealed(_) | Self::Fingerprint(_) => panic!("a sealed text was used before it was opened"),
        }
    }

    pub fn is_secret(&self) -> bool {
        !matches!(self, Self::Plain(_))
    }

    /// Seals a secret so that it can be written down; leaves everything else.
    pub fn seal(&mut self, sealer: &Sealer) {
        if let Self::Secret(secret) = self {
            *self = Self::Sealed(sealer.seal(secret.expose()));
        }
    }

    /// Opens what [`seal`](Self::seal) closed.
    ///
    /// # Errors
    /// If it was sealed with another key, or changed since.
    pub fn open(&mut self, sealer: &Sealer) -> Result<(), SealError> {
        if let Self::Sealed(sealed) = self {
            *self = Self::Secret(Secret::new(sealer.open(sealed)?));
        }
        Ok(())
    }

    /// Puts a fingerprint in a secret's place.
    pub fn fingerprint(&mut self, salt: &Salt) {
        if let Self::Secret(secret) = self {
            *self = Self::Fingerprint(secret.fingerprint(salt));
        }
    }
}

impl Default for Text {
    fn default() -> Self {
        Self::Plain(String::new())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::Plain(text.to_owned())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::Plain(text)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => f.pad(text),
            Self::Secret(_) | Self::Sealed(_) | Self::Fingerprint(_) => f.pad("***"),
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => write!(f, "{text:?}"),
            Self::Secret(_) | Self::Sealed(_) | Self::Fingerprint(_) => f.write_str("***"),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Written {
    Sealed(String),
    Fingerprint(String),
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Plain(text) => serializer.serialize_str(text),
            Self::Secret(secret) => serializer.collect_str(secret),
            Self::Sealed(sealed) => Written::Sealed(sealed.clone()).serialize(serializer),
            Self::Fingerprint(print) => Written::Fingerprint(print.clone()).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a string, a number or a boolean")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(text.into())
            }

            fn visit_string<E: de::Error>(self, text: String) -> Result<Text, E> {
                Ok(text.into())
            }

            fn visit_bool<E: de::Error>(self, value: bool) -> Result<Text, E> {
                Ok(value.to_string().into())
            }

            fn visit_i64<E: de::Error>(self, value: i64) -> Result<Text, E> {
                Ok(value.to_string().into())
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Text, E> {
                Ok(value.to_string().into())
            }

            fn visit_f64<E: de::Error>(self, value: f64) -> Result<Text, E> {
                Ok(value.to_string().into())
            }

            /// `load`'s deserializer presents a secret as its bytes; no format that is read from a
            /// file does so for a string.
            fn visit_bytes<E: de::Error>(self, plain: &[u8]) -> Result<Text, E> {
                let plain = std::str::from_utf8(plain).map_err(|_| E::custom("a secret that is not UTF-8"))?;
                Ok(Text::Secret(Secret::new(plain)))
            }

            /// Formats that know no newtypes hand over what is inside.
            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Text, D::Error> {
                deserializer.deserialize_any(self)
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Text, A::Error> {
                Written::deserialize(de::value::MapAccessDeserializer::new(map)).map(|written| match written {
                    Written::Sealed(sealed) => Text::Sealed(sealed),
                    Written::Fingerprint(print) => Text::Fingerprint(print),
                })
            }
        }

        deserializer.deserialize_newtype_struct(Self::NEWTYPE, Visitor)
    }
}

impl schemars::JsonSchema for Text {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Text".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": ["string", "number", "boolean"] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Salt;

    #[test]
    fn texts_are_read_back_as_they_were_written_down() {
        let sealer = Sealer::new([1; 32]);
        let secret = || Text::Secret(Secret::new("hunter2"));
        let (mut sealed, mut fingerprint) = (secret(), secret());
        sealed.seal(&sealer);
        fingerprint.fingerprint(&Salt("salt".to_owned()));
        for text in [Text::from("plain"), Text::from("sealed"), sealed.clone(), fingerprint] {
            let json = serde_json::to_string(&text).unwrap();
            assert!(!json.contains("hunter2"), "{json}");
            assert_eq!(serde_json::from_str::<Text>(&json).unwrap(), text, "{json}");
            let value = serde_json::to_value(&text).unwrap();
            assert_eq!(serde_json::from_value::<Text>(value).unwrap(), text, "{json}");
        }
        sealed.open(&sealer).unwrap();
        assert_eq!(sealed, secret());
        assert_eq!(serde_json::to_string(&secret()).unwrap(), "\"***\"");
    }

    #[test]
    fn plain_documents_hold_no_secrets() {
        let texts: Vec<Text> = serde_yaml::from_str("[text, 8080, -1, true, 1.5]").unwrap();
        assert_eq!(texts, ["text", "8080", "-1", "true", "1.5"].map(Text::from));
        assert!(serde_json::from_str::<Text>("{\"sealed\": \"a\", \"more\": 1}").is_err());
    }

    #[test]
    fn what_load_presents_as_bytes_is_a_secret() {
        struct Loaded;

        impl<'de> Deserializer<'de> for Loaded {
            type Error = de::value::Error;

            fn deserialize_any<V: de::Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
                visitor.visit_bytes(b"hunter2")
            }

            serde::forward_to_deserialize_any! {
                bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit unit_struct
                newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
            }
        }

        assert_eq!(Text::deserialize(Loaded).unwrap(), Text::Secret(Secret::new("hunter2")));
    }
}
