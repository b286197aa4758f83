use serde::{Serialize, Serializer, ser::SerializeMap as _};

use super::{Cell, Ink, Table, json::versioned_json};
use crate::load::OutputValue;

/// A value that a plan gives out.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputReport {
    pub name: String,
    pub value: serde_json::Value,
    pub description: Option<String>,
    /// It is only shown to who asks for it by its name.
    pub sensitive: bool,
}

impl From<OutputValue> for OutputReport {
    fn from(output: OutputValue) -> Self {
        let OutputValue { name, value, description, is_sensitive } = output;
        Self { name, value, description, sensitive: is_sensitive }
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    value: &'a serde_json::Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    sensitive: bool,
}

impl OutputReport {
    /// The value as a person or a shell takes it: a text as it is, all else as JSON.
    pub fn text(&self) -> String {
        match &self.value {
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }

    /// For programs, with its value: somebody asked for it.
    pub fn to_json(&self) -> String {
        let Self { value, description, sensitive, name: _ } = self;
        versioned_json(&Shown { value, description: description.as_deref(), sensitive: *sensitive })
    }
}

/// All outputs, a line each; a sensitive one is `***`.
pub fn outputs_table(outputs: &[OutputReport], ink: Ink) -> String {
    let mut table = Table::new(["OUTPUT", "VALUE", "DESCRIPTION"]);
    for output in outputs {
        let value = if output.sensitive { "***".to_owned() } else { output.text() };
        let value = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect::<String>();
        let description = output.description.as_deref().map_or_else(Cell::none, Into::into);
        table.row([output.name.as_str().into(), value.into(), description]);
    }
    table.render(ink)
}

/// All outputs for programs: `{format_version, outputs: {NAME: {value, sensitive}}}`.
pub fn outputs_json(outputs: &[OutputReport]) -> String {
    #[derive(Serialize)]
    struct Document<'a> {
        #[serde(serialize_with = "by_name")]
        outputs: &'a [OutputReport],
    }
    versioned_json(&Document { outputs })
}

/// As a mapping by their names; sensitive values are `***`.
pub(super) fn by_name<S: Serializer>(outputs: &[OutputReport], serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(outputs.len()))?;
    let hidden = serde_json::Value::from("***");
    for OutputReport { name, value, description, sensitive } in outputs {
        let value = if *sensitive { &hidden } else { value };
        map.serialize_entry(name, &Shown { value, description: description.as_deref(), sensitive: *sensitive })?;
    }
    map.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sensitive_is_only_told_by_its_name() {
        let output = |name: &str, value: serde_json::Value, sensitive: bool| OutputReport {
            name: name.to_owned(),
            value,
            description: sensitive.then(|| "for the admin".to_owned()),
            sensitive,
        };
        let outputs = [output("port", 8080.into(), false), output("token", "hunter2".into(), true)];
        insta::assert_snapshot!(outputs_table(&outputs, Ink::Plain), @r"
        OUTPUT  VALUE  DESCRIPTION
        port    8080   -
        token   ***    for the admin
        ");
        insta::assert_snapshot!(outputs_json(&outputs), @r#"
        {
          "format_version": 1,
          "outputs": {
            "port": {
              "value": 8080,
              "sensitive": false
            },
            "token": {
              "value": "***",
              "description": "for the admin",
              "sensitive": true
            }
          }
        }
        "#);
        assert_eq!((outputs[0].text(), outputs[1].text()), ("8080".to_owned(), "hunter2".to_owned()));
    }
}
