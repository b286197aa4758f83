use std::{collections::BTreeMap, sync::Arc};

use crate::secret::Secret;

/// What the names in a template stand for. The maps are shared, since a plan has many templates.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// `vars.NAME`, also `config.NAME`.
    pub vars: &'a Arc<BTreeMap<String, Variable>>,
    /// `secrets.NAME`.
    pub secrets: &'a Arc<BTreeMap<String, Secret>>,
    /// `env.NAME` and `env('NAME', default)`.
    pub env: &'a Arc<BTreeMap<String, String>>,
    /// `environment`: null without one.
    pub environment: Option<&'a str>,
    /// `plan`: the plan's name.
    pub plan: &'a str,
    /// `service`: the name of the service that the template is in, null outside of services.
    pub service: Option<&'a str>,
    /// `services.NAME`: what runs, where a template is about that.
    pub services: Option<&'a Arc<BTreeMap<String, serde_json::Value>>>,
}

/// A variable's value.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    pub value: serde_json::Value,
    /// What it has a part in is secret.
    pub sensitive: bool,
}

/// What templates ask of the world. `place` says where in the plan the template is; what is made
/// for a place is made once and kept.
pub trait Host {
    /// The content of a file of the plan; `Err` says in one line why there is none.
    fn file(&self, path: &str) -> Result<String, String>;

    /// The moment of the place's first render, in RFC 3339.
    fn now(&self, place: &str) -> String;

    /// Random letters and digits.
    fn random_string(&self, place: &str, length: usize) -> String;
}
