use serde::Deserialize;

/// A value that a plan gives out once it is applied. In a document, the value alone is short for
/// `{value: …}`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Output {
    Long(OutputLong),
    Short(serde_json::Value),
}

#[derive(Debug, Clone, PartialEq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Output")]
pub struct OutputLong {
    /// The value: a template can use `vars`, `plan`, `environment` and what runs, as
    /// `services.web.port(80)`.
    #[schemars(schema_with = "scalar_schema")]
    pub value: serde_json::Value,
    /// What it is, for who reads the list.
    #[serde(default)]
    pub description: Option<String>,
    /// Shows it as `***` wherever it is not asked for by its name.
    #[serde(default)]
    pub sensitive: bool,
}

fn scalar_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": ["string", "number", "boolean"] })
}

impl schemars::JsonSchema for Output {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ScalarOrOutput".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let long = generator.subschema_for::<OutputLong>();
        schemars::json_schema!({ "anyOf": [{ "type": ["string", "number", "boolean"] }, long] })
    }
}
