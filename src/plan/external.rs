use serde::{Deserialize, Serialize, Serializer, de};

/// Whether something exists already, outside of the plan; the old form `{name: …}` says its name
/// with it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct External {
    pub is_external: bool,
    pub name: Option<String>,
}

#[derive(Serialize, Deserialize, schemars::JsonSchema)]
#[schemars(rename = "External")]
struct Named {
    /// Its name on the engine.
    #[serde(default)]
    name: Option<String>,
}

impl Serialize for External {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.name {
            Some(name) => Named { name: Some(name.clone()) }.serialize(serializer),
            None => serializer.serialize_bool(self.is_external),
        }
    }
}

impl<'de> Deserialize<'de> for External {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = External;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a boolean, or a mapping with a `name`")
            }

            fn visit_bool<E: de::Error>(self, is_external: bool) -> Result<External, E> {
                Ok(External { is_external, name: None })
            }

            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<External, A::Error> {
                let named = Named::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(External { is_external: true, name: named.name })
            }
        }

        deserializer.deserialize_any(Visitor)
    }
}

impl schemars::JsonSchema for External {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "BooleanOrExternal".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let named = generator.subschema_for::<Named>();
        schemars::json_schema!({ "anyOf": [{ "type": "boolean" }, named] })
    }
}
