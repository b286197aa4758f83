use crate::plan::Plan;

/// A plan as YAML, for people: all values filled in, secrets as `***`.
pub fn plan_yaml(plan: &Plan) -> String {
    let mut text = serde_yaml::to_string(plan).expect("a plan has only string keys");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}

/// A document of a plan as YAML, its keys in the order that they have.
pub fn document_yaml(document: &serde_json::Value) -> String {
    serde_yaml::to_string(document).expect("a document has only string keys")
}
