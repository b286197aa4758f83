use std::{borrow::Cow, sync::Arc};

use serde_json::Value;

use super::Service;
use crate::{name::Digest, secret::Salt};

/// The version that a spec document starts with.
pub const SPEC_VERSION: u32 = 1;

/// The parts of a service that say how it is orchestrated, not what an instance of it is: changing
/// them never replaces an instance.
const NOT_OF_THE_INSTANCE: [&str; 14] = [
    "build",
    "checks",
    "depends_on",
    "env_file",
    "ignore_changes",
    "irreversible",
    "kind",
    "label_file",
    "priority",
    "profiles",
    "pull_policy",
    "run",
    "runtime",
    "snapshot",
];

/// The parts that a runtime can change in place: they are compared by looking at the instance.
const IN_PLACE: [&str; 2] = ["restart", "deploy"];

/// Whether a field of a service says what an instance is, so that another value is a change; of
/// `deploy` only parts do.
pub fn is_of_the_instance(field: &str) -> bool {
    !NOT_OF_THE_INSTANCE.contains(&field) && field != "deploy"
}

/// What an instance of the service is, as the label `io.orchestrate.spec` keeps it: secrets are
/// fingerprints under the instance's own salt, defaults are left out, keys are in order.
pub fn spec_document(service: &Arc<Service>, salt: &Salt) -> serde_json::Value {
    let mut service = Cow::Borrowed(service.as_ref());
    if has_secrets(&service) {
        service.to_mut().visit_texts(&mut |text| text.fingerprint(salt));
    }
    let mut document = serde_json::to_value(&service).expect("a service has only string keys");
    if let Some(fields) = document.as_object_mut() {
        let devices = fields.get("deploy").map(|deploy| deploy["resources"]["reservations"]["devices"].clone());
        fields.retain(|field, _| !NOT_OF_THE_INSTANCE.contains(&field.as_str()) && !IN_PLACE.contains(&field.as_str()));
        // Of `deploy`, only the devices cannot be compared by looking.
        if let Some(devices) = devices.filter(|devices| !devices.is_null()) {
            let deploy = serde_json::json!({ "resources": { "reservations": { "devices": devices } } });
            fields.insert("deploy".to_owned(), deploy);
        }
        for list in ["configs", "secrets", "volumes"] {
            let items = fields.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
            items.filter_map(Value::as_object_mut).for_each(as_made);
        }
        fields.sort_keys();
    }
    // Not by `json!`, which would write the document out once more to copy it.
    let parts = [("version", SPEC_VERSION.into()), ("service", document)];
    serde_json::Value::Object(parts.map(|(key, value)| (key.to_owned(), value)).into_iter().collect())
}

/// A file as an instance was made with it: how a change of it is answered is not part of that.
fn as_made(file: &mut serde_json::Map<String, Value>) {
    file.remove("on_change");
    if let Some(Value::String(content)) = file.remove("content") {
        file.insert("digest".to_owned(), Digest::of(content.as_bytes()).as_str().into());
    }
}

/// Whether anything in it has to be fingerprinted; looks without copying.
fn has_secrets(service: &Service) -> bool {
    let words = service.command.iter().chain(&service.entrypoint).flat_map(|line| &line.0);
    let values = service.environment.values().flatten();
    let test = service.healthcheck.iter().flat_map(|healthcheck| &healthcheck.test);
    let files = service.configs.iter().chain(&service.secrets).filter_map(|file| file.digest.as_ref());
    words.chain(values).chain(test).chain(files).any(crate::secret::Text::is_secret)
}
