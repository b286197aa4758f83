use jsonschema::{
    JsonType, ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind},
    paths::{Location, LocationSegment},
};
use serde_json::Value as Json;

use super::{
    Node,
    format::{FORMATS, complaint},
    problem::{MOST_PROBLEMS, list, nearest, suggest, wrong},
    vocabulary::refusal,
};
use crate::diagnostic::{Diagnostic, Diagnostics, Span};

/// A compiled schema, which turns what does not meet it into diagnostics.
pub(super) struct Schema {
    schema: Json,
    validator: Validator,
}

impl Schema {
    pub fn new(schema: Json) -> Self {
        let mut options = jsonschema::options()
            .should_validate_formats(true)
            .should_ignore_unknown_formats(true)
            .with_pattern_options(jsonschema::PatternOptions::regex());
        for (name, check) in FORMATS {
            options = options.with_format(name, move |text: &str| check(text).is_ok());
        }
        let validator = options.build(&schema).expect("the schema is generated, and a test builds it");
        Self { schema, validator }
    }

    /// Adds what is wrong with a node to `problems`; `path` is where it stands, for the messages.
    pub fn check(&self, node: &Node, path: &str, problems: &mut Diagnostics) {
        let json = node.to_json();
        if self.validator.is_valid(&json) {
            return;
        }
        let mut report = Report { schema: &self.schema, root: node, path, problems };
        self.validator.iter_errors(&json).take(MOST_PROBLEMS + 1).for_each(|error| report.add(&error));
    }
}

struct Report<'a> {
    schema: &'a Json,
    root: &'a Node,
    path: &'a str,
    problems: &'a mut Diagnostics,
}

impl Report<'_> {
    fn add(&mut self, error: &ValidationError) {
        let node = self.node(error.instance_path());
        if node.is_broken() {
            return;
        }
        let name = self.name(error.instance_path());
        if let ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } = error.kind() {
            return self.add_nearest(error, context, node.span, &name);
        }
        if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind() {
            let unexpected = unexpected.iter().take(MOST_PROBLEMS + 1);
            let spans = unexpected.clone().map(|key| node.entry(key).map_or(node.span, |entry| entry.key_span));
            for (key, span) in unexpected.zip(spans.collect::<Vec<_>>()) {
                let diagnostic = self.unknown_key(error, key, span, &name);
                self.problems.push(diagnostic);
            }
            return;
        }
        if node.is_secret() {
            self.problems.push(secret_refused(&name, node.span));
            return;
        }
        let format = self.definition(error.evaluation_path()).1["format"].as_str();
        let diagnostic = explain(error, node, &name, format).at(node.span, "here");
        self.problems.push(diagnostic);
    }

    /// Of several forms, what is wrong with the one whose type fits.
    fn add_nearest(
        &mut self,
        error: &ValidationError,
        forms: &[Vec<ValidationError<'static>>],
        span: Span,
        name: &str,
    ) {
        let here = error.instance_path();
        if let Some(form) = forms.iter().find(|form| !form.iter().any(|error| is_misfit(error, here))) {
            form.iter().for_each(|error| self.add(error));
            return;
        }
        let mut types = Vec::new();
        forms.iter().flatten().for_each(|error| expected_types(error, here, &mut types));
        let node = self.node(here);
        if node.is_secret() {
            self.problems.push(secret_refused(name, span));
            return;
        }
        let diagnostic = wrong_type(node, name, &types).at(span, "here");
        self.problems.push(diagnostic);
    }

    fn unknown_key(&self, error: &ValidationError, key: &str, span: Span, name: &str) -> Diagnostic {
        let (definition, schema) = self.definition(error.evaluation_path());
        let place = if name.is_empty() { "the document".to_owned() } else { format!("`{name}`") };
        match refusal(definition, key) {
            None => {}
            Some("") => {
                return wrong("not-supported-yet", format!("`{key}` in {place} is not supported yet"))
                    .at(span, "not supported yet")
                    .hint("take it out; nothing is ignored in silence");
            }
            Some(reason) => {
                return wrong("not-supported", format!("`{key}` in {place} is not supported"))
                    .at(span, "not supported")
                    .hint(reason);
            }
        }
        let diagnostic = wrong("unknown-key", format!("`{key}` is not a key of {place}")).at(span, "unknown");
        let known: Vec<&str> =
            schema["properties"].as_object().into_iter().flatten().map(|(known, _)| known.as_str()).collect();
        suggest(diagnostic, key, known, "keys here")
    }

    /// The schema that a keyword's location leads to, and the name of the definition it is in.
    fn definition(&self, location: &Location) -> (&str, &Json) {
        let (mut name, mut schema) = ("", self.schema);
        let segments: Vec<LocationSegment> = location.iter().collect();
        for segment in &segments[..segments.len().saturating_sub(1)] {
            schema = match segment {
                LocationSegment::Property(key) => &schema[&**key],
                LocationSegment::Index(index) => &schema[*index],
            };
            let definition = schema.as_str().and_then(|reference| reference.strip_prefix("#/$defs/"));
            let found = definition.and_then(|key| self.schema["$defs"].as_object()?.get_key_value(key));
            if let Some((key, definition)) = found {
                (name, schema) = (key, definition);
            }
        }
        (name, schema)
    }

    fn node(&self, location: &Location) -> &Node {
        let mut node = self.root;
        for segment in location.iter() {
            let child = match segment {
                LocationSegment::Property(key) => node.get(&key),
                LocationSegment::Index(index) => node.as_list().and_then(|items| items.get(index)),
            };
            let Some(child) = child else { return node };
            node = child;
        }
        node
    }

    /// A place as people write it: `services.web.ports[0]`.
    fn name(&self, location: &Location) -> String {
        let mut name = self.path.to_owned();
        for segment in location.iter() {
            match segment {
                LocationSegment::Property(key) if name.is_empty() => name.push_str(&key),
                LocationSegment::Property(key) => name.extend([".", &key]),
                LocationSegment::Index(index) => name.push_str(&format!("[{index}]")),
            }
        }
        name
    }
}

/// Whether a form is refused for its type already, rather than for what is in it.
fn is_misfit(error: &ValidationError, here: &Location) -> bool {
    if error.instance_path() != here {
        return false;
    }
    match error.kind() {
        ValidationErrorKind::Type { .. } => true,
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            context.iter().all(|form| form.iter().any(|error| is_misfit(error, here)))
        }
        _ => false,
    }
}

fn expected_types(error: &ValidationError, here: &Location, types: &mut Vec<JsonType>) {
    if error.instance_path() != here {
        return;
    }
    match error.kind() {
        ValidationErrorKind::Type { kind } => types_of(kind, types),
        ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
            context.iter().flatten().for_each(|error| expected_types(error, here, types));
        }
        _ => {}
    }
}

fn types_of(kind: &TypeKind, types: &mut Vec<JsonType>) {
    let mut add = |kind| {
        if kind != JsonType::Null && !types.contains(&kind) {
            types.push(kind);
        }
    };
    match kind {
        TypeKind::Single(kind) => add(*kind),
        TypeKind::Multiple(kinds) => kinds.iter().for_each(add),
    }
}

fn explain(error: &ValidationError, node: &Node, name: &str, format: Option<&str>) -> Diagnostic {
    let text = node.as_text().unwrap_or_default();
    match error.kind() {
        ValidationErrorKind::Type { kind } => {
            let mut types = Vec::new();
            types_of(kind, &mut types);
            match format {
                Some("duration-text") if node.as_text().is_some() => {
                    let summary = format!("`{name}` is a duration, and `{text}` has no unit");
                    wrong("wrong-type", summary).hint(format!("write it as in `{text}s`"))
                }
                Some(_) | None => wrong_type(node, name, &types),
            }
        }
        ValidationErrorKind::Format { format } => {
            let complaint = complaint(format, text).unwrap_or_else(|| format!("`{text}` is not a {format}"));
            wrong("invalid-value", format!("`{name}`: {complaint}"))
        }
        ValidationErrorKind::Required { property } => {
            let property = property.as_str().unwrap_or_default();
            let summary = match name {
                "" => format!("`{property}` is missing"),
                name => format!("`{name}` needs `{property}`"),
            };
            wrong("missing-key", summary)
        }
        ValidationErrorKind::Enum { options } => {
            let options: Vec<&str> = options.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
            let diagnostic =
                wrong("invalid-value", format!("`{name}` cannot be `{text}`: it is one of {}", list(&options)));
            match nearest(text, options) {
                Some(nearest) => diagnostic.hint(format!("did you mean `{nearest}`?")),
                None => diagnostic,
            }
        }
        ValidationErrorKind::Constant { expected_value } => {
            let expected = expected_value.as_str().map_or_else(|| expected_value.to_string(), str::to_owned);
            wrong("invalid-value", format!("`{name}` has to be `{expected}`"))
        }
        ValidationErrorKind::Minimum { limit } => {
            wrong("out-of-range", format!("`{name}` is {text}, less than {limit}"))
        }
        ValidationErrorKind::Maximum { limit } => {
            wrong("out-of-range", format!("`{name}` is {text}, more than {limit}"))
        }
        ValidationErrorKind::UniqueItems => wrong("invalid-value", format!("`{name}` lists the same thing twice")),
        ValidationErrorKind::MinProperties { .. } | ValidationErrorKind::MaxProperties { .. } => {
            wrong("invalid-value", format!("`{name}` needs exactly one of its keys"))
        }
        _ => wrong("invalid-value", format!("`{name}`: {error}")),
    }
}

fn wrong_type(node: &Node, name: &str, types: &[JsonType]) -> Diagnostic {
    let words: Vec<&str> = types.iter().copied().map(type_name).collect();
    let expected = match words.as_slice() {
        [] => "something else".to_owned(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    };
    let what = if name.is_empty() { "the document".to_owned() } else { format!("`{name}`") };
    let diagnostic = wrong("wrong-type", format!("{what} has to be {expected}, not {}", node.describe()));
    let text = node.as_text().unwrap_or_default();
    match types {
        _ if node.is_null() => diagnostic.hint("give it a value, or take the key out"),
        [JsonType::String] if node.as_text().is_some() => diagnostic.hint(format!("quote it: \"{text}\"")),
        [JsonType::Boolean] if matches!(text, "yes" | "on" | "Yes" | "On") => diagnostic.hint("write `true`"),
        [JsonType::Boolean] if matches!(text, "no" | "off" | "No" | "Off") => diagnostic.hint("write `false`"),
        _ => diagnostic,
    }
}

fn type_name(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Array => "a list",
        JsonType::Boolean => "a boolean",
        JsonType::Integer => "an integer",
        JsonType::Null => "nothing",
        JsonType::Number => "a number",
        JsonType::Object => "a mapping",
        JsonType::String => "a string",
    }
}

pub(super) fn secret_refused(name: &str, span: Span) -> Diagnostic {
    wrong("secret-not-allowed", format!("a secret cannot stand in `{name}`: it would be visible there"))
        .at(span, "a secret comes in here")
        .hint("secrets can stand in `environment`, `command`, `entrypoint`, `content` of configs, and checks")
}
