//! Our labels: what says whose an object is.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use crate::{
    action::InstanceSpec,
    name::ProjectName,
    observed::Identity,
    plan::{Hook, Kind, NetworkAttachment, SPEC_VERSION, Service},
    secret::Salt,
};

/// Labels as the engine gives and takes them.
pub(super) type Labels = HashMap<String, String>;

pub(super) const PROJECT: &str = "io.orchestrate.project";
/// On a project's vault, which is no instance.
pub(super) const STATE: &str = "io.orchestrate.state";
/// On what a volume's contents are reached through: the volume.
pub(super) const VOLUME_DATA: &str = "io.orchestrate.volume";
const SERVICE: &str = "io.orchestrate.service";
const INSTANCE: &str = "io.orchestrate.instance";
const ENVIRONMENT: &str = "io.orchestrate.environment";
const SPEC: &str = "io.orchestrate.spec";
const DEPLOYMENT: &str = "io.orchestrate.deployment";
const SALT: &str = "io.orchestrate.salt";
/// The networks that it joins, as JSON: the engine forgets one that it was taken out of.
const NETWORKS: &str = "io.orchestrate.networks";
/// Commands that run inside it after its start and before its stop, as JSON; only if it has any.
const HOOKS: &str = "io.orchestrate.hooks";
/// Only on jobs.
const KIND: &str = "io.orchestrate.kind";
const JOB: &str = "job";
/// Only on one-offs: what `run` made is no instance of its service.
const ONE_OFF: &str = "io.orchestrate.one-off";
const COMPOSE_PROJECT: &str = "com.docker.compose.project";

/// Whether an object may be changed: it has a project's label of ours.
pub(super) fn is_ours(labels: Option<&Labels>) -> bool {
    project(labels).is_some()
}

/// Whether a container runs once, to its end.
pub(super) fn is_job(labels: Option<&Labels>) -> bool {
    labels.and_then(|labels| labels.get(KIND)).is_some_and(|kind| kind == JOB)
}

/// Whether a container is a one-off, which is no instance of its service.
pub(super) fn is_one_off(labels: Option<&Labels>) -> bool {
    labels.is_some_and(|labels| labels.contains_key(ONE_OFF))
}

/// Marks a container that is made as a one-off.
pub(super) fn mark_one_off(labels: &mut Labels) {
    labels.insert(ONE_OFF.to_owned(), "true".to_owned());
}

/// The networks that an instance was made for; none if it was made before that was written down.
pub(super) fn networks(labels: Option<&Labels>) -> BTreeMap<String, NetworkAttachment> {
    let text = labels.and_then(|labels| labels.get(NETWORKS));
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// What runs inside a container after its start and before its stop.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Hooks {
    pub post_start: Vec<Hook>,
    pub pre_stop: Vec<Hook>,
}

/// The hooks that an instance was made with.
pub(super) fn hooks(labels: Option<&Labels>) -> Hooks {
    let text = labels.filter(|labels| is_ours(Some(labels))).and_then(|labels| labels.get(HOOKS));
    text.and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

/// Whether it is a vault, whosever. A service may carry any label, and is an instance all the same.
pub(super) fn is_vault(labels: Option<&Labels>) -> bool {
    labels.is_some_and(|labels| labels.contains_key(STATE) && !labels.contains_key(SERVICE))
}

/// The project that an object belongs to.
pub(super) fn project(labels: Option<&Labels>) -> Option<ProjectName> {
    labels?.get(PROJECT)?.parse().ok()
}

/// Whose an instance is; `None` if that is not written on it, or damaged.
pub(super) fn identity(labels: &Labels) -> Option<Identity> {
    Some(Identity {
        project: project(Some(labels))?,
        service: labels.get(SERVICE)?.parse().ok()?,
        number: labels.get(INSTANCE)?.parse().ok()?,
        environment: labels.get(ENVIRONMENT).and_then(|name| name.parse().ok()),
        deployment: labels.get(DEPLOYMENT)?.parse().ok()?,
    })
}

/// The spec that an instance was made from, if this version can read it.
pub(super) fn spec(labels: &Labels) -> Option<serde_json::Value> {
    let document: serde_json::Value = serde_json::from_str(labels.get(SPEC)?).ok()?;
    let version = document.get("version")?.as_u64()?;
    (version <= u64::from(SPEC_VERSION)).then_some(document)
}

pub(super) fn salt(labels: &Labels) -> Salt {
    Salt(labels.get(SALT).cloned().unwrap_or_default())
}

/// Whose an object seems to be that is not the project's, in words.
pub(super) fn owner(labels: Option<&Labels>) -> Option<String> {
    if let Some(project) = project(labels) {
        return Some(format!("the project `{project}`"));
    }
    labels?.get(COMPOSE_PROJECT).map(|project| format!("the Compose project `{project}`"))
}

/// The labels of a network or volume: what the plan asks for, and ours over it.
pub(super) fn of_project(project: &ProjectName, asked: &BTreeMap<String, String>) -> Labels {
    let mut labels: Labels = asked.clone().into_iter().collect();
    labels.insert(PROJECT.to_owned(), project.to_string());
    labels
}

/// The labels of a container: the service's own, and ours over them.
pub(super) fn of_instance(spec: &InstanceSpec) -> Labels {
    let identity = &spec.identity;
    let mut labels = of_project(&identity.project, &spec.service.labels);
    let environment = identity.environment.as_ref().map(|name| (ENVIRONMENT, name.to_string()));
    let ours = [
        (SERVICE, identity.service.to_string()),
        (INSTANCE, identity.number.to_string()),
        (DEPLOYMENT, identity.deployment.to_string()),
        (SPEC, spec.document.to_string()),
        (SALT, spec.salt.0.clone()),
        (NETWORKS, serde_json::to_string(&spec.networks).expect("networks have only string keys")),
    ];
    let Service { post_start, pre_stop, .. } = spec.service.as_ref();
    let has_hooks = !post_start.is_empty() || !pre_stop.is_empty();
    let hooks = has_hooks.then(|| {
        let hooks = Hooks { post_start: post_start.clone(), pre_stop: pre_stop.clone() };
        (HOOKS, serde_json::to_string(&hooks).expect("hooks have only string keys"))
    });
    let kind = (spec.service.kind == Kind::Job).then(|| (KIND, JOB.to_owned()));
    labels.extend(
        ours.into_iter().chain(environment).chain(kind).chain(hooks).map(|(label, value)| (label.to_owned(), value)),
    );
    labels
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn an_instance_says_whose_it_is() {
        let forged = BTreeMap::from([(PROJECT.to_owned(), "other".to_owned()), ("tier".to_owned(), "web".to_owned())]);
        let identity_made = Identity {
            project: "app".parse().unwrap(),
            service: "web".parse().unwrap(),
            number: 2,
            environment: Some("lab".parse().unwrap()),
            deployment: "0123abcd".parse().unwrap(),
        };
        let made = of_instance(&InstanceSpec {
            peers: Default::default(),
            linked: Default::default(),
            identity: identity_made.clone(),
            service: Arc::new(Service { labels: forged, ..Service::default() }),
            image_id: None,
            networks: BTreeMap::new(),
            files: vec![],
            document: Arc::new(serde_json::json!({ "version": 1, "service": {} })),
            salt: Salt("s".to_owned()),
        });
        assert_eq!(identity(&made), Some(identity_made));
        assert_eq!(made["tier"], "web");
        assert_eq!(spec(&made).unwrap().to_string(), r#"{"version":1,"service":{}}"#);
        assert_eq!(salt(&made).0, "s");
        assert_eq!(owner(Some(&made)).as_deref(), Some("the project `app`"));
        // Whatever else it carries, it is an instance.
        let posing = made.into_iter().chain([(STATE.to_owned(), "app".to_owned())]).collect();
        assert!(!is_vault(Some(&posing)));
    }

    #[test]
    fn what_cannot_be_read_is_not_guessed() {
        let labels = |pairs: &[(&str, &str)]| -> Labels {
            pairs.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())).collect()
        };
        assert!(!is_ours(None));
        assert!(!is_ours(Some(&labels(&[(PROJECT, "")]))));
        assert!(identity(&labels(&[(PROJECT, "app"), (SERVICE, "web"), (INSTANCE, "x")])).is_none());
        assert!(spec(&labels(&[(SPEC, r#"{"version":99}"#)])).is_none());
        assert!(spec(&labels(&[(SPEC, "{")])).is_none());
        let compose = labels(&[(COMPOSE_PROJECT, "shop")]);
        assert_eq!(owner(Some(&compose)).as_deref(), Some("the Compose project `shop`"));
    }
}
