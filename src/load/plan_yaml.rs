use crate::plan::Plan;

/// A plan as YAML, for people: all values filled in, secrets as `***`.
pub fn plan_yaml(plan: &Plan) -> String {
    let mut text = serde_yaml::to_string(plan).expect("a plan has only string keys");
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
