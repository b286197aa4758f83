use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, de};

use super::{
    Whole,
    form::{self, ShortOrLong},
    is_default,
};

/// A device of the host. In a document, `source[:target[:permissions]]` is short for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ShortOrLong<DeviceLong>")]
pub struct Device {
    pub source: String,
    pub target: String,
    /// Of `r`, `w` and `m`.
    pub permissions: String,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Device")]
struct DeviceLong {
    /// The device on the host; or, as `vendor/class=name`, one that a vendor describes (CDI).
    source: String,
    /// Its path in the container; that on the host by default.
    target: Option<String>,
    /// Of `r`, `w` and `m`; all by default.
    permissions: Option<String>,
}

impl From<ShortOrLong<DeviceLong>> for Device {
    fn from(document: ShortOrLong<DeviceLong>) -> Self {
        let DeviceLong { source, target, permissions } = match document {
            ShortOrLong::Long(long) => long,
            ShortOrLong::Short(text) => {
                let mut parts = text.splitn(3, ':').map(str::to_owned);
                let source = parts.next().unwrap_or_default();
                DeviceLong { source, target: parts.next(), permissions: parts.next() }
            }
        };
        Self {
            target: target.unwrap_or_else(|| source.clone()),
            permissions: permissions.unwrap_or_else(|| "rwm".to_owned()),
            source,
        }
    }
}

impl JsonSchema for Device {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ShortOrLongDevice".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        ShortOrLong::<DeviceLong>::json_schema(generator)
    }
}

/// Devices that the engine is asked for by what they can do.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DeviceRequest {
    /// What they have to be able to do, as in `[gpu]`.
    #[serde(skip_serializing_if = "is_default")]
    pub capabilities: Vec<String>,
    /// How many; `all`, or -1, for all there are.
    #[serde(skip_serializing_if = "is_default")]
    pub count: Option<DeviceCount>,
    #[serde(skip_serializing_if = "is_default")]
    pub device_ids: Vec<String>,
    #[serde(skip_serializing_if = "is_default")]
    pub driver: Option<String>,
    /// The driver's options.
    #[serde(skip_serializing_if = "is_default", deserialize_with = "form::plain_map_or_list")]
    #[schemars(schema_with = "form::map_or_list_schema")]
    pub options: BTreeMap<String, String>,
}

/// A number of devices; -1 is all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct DeviceCount(pub i64);

impl std::str::FromStr for DeviceCount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "all" => Ok(Self(-1)),
            other => other
                .parse::<Whole>()
                .map(|Whole(count)| Self(count))
                .map_err(|_| format!("`{other}` is neither a number of devices nor `all`")),
        }
    }
}

impl<'de> Deserialize<'de> for DeviceCount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        form::parsed(deserializer)
    }
}

impl JsonSchema for DeviceCount {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DeviceCount".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["integer", "string"], "format": "device-count" })
    }
}

/// `gpus: all`, or a list of requests.
pub(super) fn gpus<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<DeviceRequest>, D::Error> {
    struct Visitor;

    impl<'de> de::Visitor<'de> for Visitor {
        type Value = Vec<DeviceRequest>;

        fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            f.write_str("`all`, or a list of requests")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            match text {
                "all" => Ok(vec![DeviceRequest { count: Some(DeviceCount(-1)), ..DeviceRequest::default() }]),
                other => Err(E::custom(format!("`{other}` is no list of requests, and not `all`"))),
            }
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
            Vec::deserialize(de::value::SeqAccessDeserializer::new(list))
        }
    }

    deserializer.deserialize_any(Visitor)
}

/// The schema of [`gpus`].
pub(super) fn gpus_schema(generator: &mut SchemaGenerator) -> Schema {
    let request = generator.subschema_for::<DeviceRequest>();
    json_schema!({ "anyOf": [{ "type": "string", "enum": ["all"] }, { "type": "array", "items": request }] })
}
