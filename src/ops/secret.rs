use super::{OpsError, Project, instances::unknown};
use crate::secret::Text;

/// The value of one secret of a plan, because someone asked for it by its name.
///
/// # Errors
/// If the plan has no such secret, or it has no value here.
pub fn secret(project: &Project, name: &str) -> Result<Text, OpsError> {
    let known = project.plan(&mut Vec::new());
    let secrets = &known.plan().secrets;
    let Some(secret) = secrets.get(name) else {
        let names: Vec<&str> = secrets.keys().map(String::as_str).collect();
        let all = names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        let otherwise =
            if names.is_empty() { "the plan has no secrets".to_owned() } else { format!("there are: {all}") };
        return Err(unknown("secret", name, &names, &otherwise));
    };
    secret.content.clone().ok_or_else(|| OpsError::Missing(format!("the secret `{name}` has no value here")))
}
