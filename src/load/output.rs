use std::{collections::BTreeMap, fmt, sync::Arc};

use super::{Inputs, Node, library::Library, render::Workshop, variable::Variables};
use crate::{
    diagnostic::{Diagnostics, Span},
    expression::{Expressions, Scope, Variable},
    plan::{Plan, RuntimeKind, Service},
    secret::Secret,
};

/// What a plan gives out: templates that are rendered once it is known what runs.
pub struct Outputs {
    definitions: Vec<Definition>,
    expressions: Expressions,
    workshop: Arc<Workshop>,
    vars: Arc<BTreeMap<String, Variable>>,
    secrets: Arc<BTreeMap<String, Secret>>,
    env: Arc<BTreeMap<String, String>>,
    environment: Option<String>,
    plan: String,
}

struct Definition {
    name: String,
    value: serde_json::Value,
    span: Span,
    description: Option<String>,
    is_sensitive: bool,
}

/// An output as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct OutputValue {
    pub name: String,
    pub value: serde_json::Value,
    pub description: Option<String>,
    /// The plan says so, or a secret had a part in it.
    pub is_sensitive: bool,
}

/// What outputs are rendered with.
pub(super) struct Surroundings<'a> {
    pub library: &'a Arc<Library>,
    pub inputs: &'a Inputs,
    pub variables: &'a Variables,
    pub secrets: &'a Arc<BTreeMap<String, Secret>>,
}

/// Says nothing: it holds secrets.
impl fmt::Debug for Outputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("outputs")
    }
}

impl Outputs {
    /// Reads what a plan gives out, and tries each against a world in which all of the plan runs:
    /// what cannot be rendered then never can.
    pub(super) fn read(root: &Node, plan: &Plan, around: &Surroundings, problems: &mut Diagnostics) -> Self {
        let definitions = root.entries("outputs").iter().map(|entry| {
            let long = |key: &str| entry.value.get(key);
            let value = long("value").unwrap_or(&entry.value);
            Definition {
                name: entry.key.to_string(),
                value: value.to_json(),
                span: value.span,
                description: long("description").and_then(Node::as_text).map(str::to_owned),
                is_sensitive: long("sensitive").and_then(Node::as_scalar).and_then(super::Scalar::as_bool)
                    == Some(true),
            }
        });
        let workshop = Workshop::new(around.library.clone(), around.inputs.clone());
        let outputs = Self {
            definitions: definitions.collect(),
            expressions: workshop.expressions(),
            workshop,
            vars: around.variables.values.clone(),
            secrets: around.secrets.clone(),
            env: around.inputs.env.clone(),
            environment: plan.environment.as_ref().map(ToString::to_string),
            plan: plan.name.to_string(),
        };
        if !outputs.is_empty() {
            let assumed = plan.services.iter().map(|(name, service)| (name.to_string(), assumed(service)));
            let (_, found) = outputs.evaluate(&Arc::new(assumed.collect()));
            problems.extend(found);
        }
        outputs
    }

    pub fn is_empty(&self) -> bool {
        self.definitions.is_empty()
    }

    /// Their names, in the order of the plan.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.definitions.iter().map(|definition| definition.name.as_str())
    }

    /// What `now()` and `random_string()` made for the first time.
    pub(super) fn made(&self) -> BTreeMap<String, String> {
        self.workshop.made()
    }

    /// The outputs with these services, and what is wrong with those that have no value now.
    pub fn evaluate(&self, services: &Arc<BTreeMap<String, serde_json::Value>>) -> (Vec<OutputValue>, Diagnostics) {
        let scope = Scope {
            vars: &self.vars,
            secrets: &self.secrets,
            env: &self.env,
            environment: self.environment.as_deref(),
            plan: &self.plan,
            service: None,
            services: Some(services),
        };
        let (mut values, mut problems) = (Vec::new(), Diagnostics::new());
        for definition in &self.definitions {
            let output = |value, is_secret| OutputValue {
                name: definition.name.clone(),
                value,
                description: definition.description.clone(),
                is_sensitive: definition.is_sensitive || is_secret,
            };
            let Some(template) = definition.value.as_str().filter(|text| text.contains("{{")) else {
                values.push(output(definition.value.clone(), false));
                continue;
            };
            let place = format!("outputs.{}", definition.name);
            self.workshop.stand_in(definition.span.file);
            match self.expressions.render(template, &scope, &place) {
                Ok(rendered) => values.push(output(rendered.value, rendered.is_secret)),
                Err(error) => problems.push(self.workshop.problem(&place, (template, definition.span), &error)),
            }
        }
        (values, problems)
    }
}

/// What would be known of a service if it ran.
fn assumed(service: &Service) -> serde_json::Value {
    let of_process = service.expose.iter().filter(|_| service.runtime() == RuntimeKind::Process);
    let ports = service.ports.iter().map(|port| (port.target, port.protocol, port.published));
    let ports = ports.chain(of_process.map(|port| (port.port, port.protocol, Some(port.port))));
    let port = |(target, protocol, published): (u16, crate::plan::Protocol, Option<u16>)| {
        (format!("{target}/{}", protocol.as_str()), published.unwrap_or(1).into())
    };
    let ports: serde_json::Map<String, serde_json::Value> = ports.map(port).collect();
    let address = "127.0.0.1";
    let instance = serde_json::json!({ "name": "-", "number": 1, "id": "-", "address": address, "ports": ports });
    serde_json::json!({
        "address": address,
        "host": address,
        "ports": ports,
        "replicas": service.replicas(),
        "instances": vec![instance; service.replicas().min(8) as usize],
        "image": service.image.as_ref().map_or("-".to_owned(), ToString::to_string),
    })
}
