use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write as _},
};

use anyhow::Context as _;

use super::{Exit, InitArguments, Terminal};

/// A plan to start from: two local processes, which need no engine.
pub const STARTER_PLAN: &str = include_str!("starter_plan.yaml");

/// `orchestrate init`: writes the starter plan where there is none.
pub fn run(arguments: &InitArguments, terminal: &Terminal) -> anyhow::Result<Exit> {
    let path = &arguments.plan;
    let mut file = match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            terminal.say(&format!("error: `{}` is there already, and is not overwritten\n", path.display()));
            return Ok(Exit::Failed);
        }
        Err(error) => return Err(error).with_context(|| format!("`{}` cannot be made", path.display())),
    };
    file.write_all(STARTER_PLAN.as_bytes()).with_context(|| format!("`{}` cannot be written", path.display()))?;
    let path = path.display();
    terminal.say(&format!("wrote `{path}`\n\nnext:\n  orchestrate preview {path}\n  orchestrate apply {path}\n"));
    Ok(Exit::Ok)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::{
        name::ServiceName,
        plan::{CheckKind, RuntimeKind, Service},
        report::{Ink, Level},
    };

    #[test]
    fn the_starter_plan_is_of_the_plan_language() {
        #[derive(serde::Deserialize)]
        struct Document {
            #[serde(rename = "apiVersion")]
            api_version: String,
            services: BTreeMap<ServiceName, Service>,
        }
        let document: Document = serde_yaml::from_str(STARTER_PLAN).unwrap();
        assert_eq!(document.api_version, "orchestrate/v1");
        let web = &document.services["web"];
        assert_eq!(web.runtime, Some(RuntimeKind::Process));
        assert!(matches!(&web.checks[0].kind, CheckKind::Http(http) if http.port == 8080), "{web:?}");
    }

    #[test]
    fn a_plan_is_never_overwritten() {
        let terminal = Terminal {
            data_ink: Ink::Plain,
            talk_ink: Ink::Plain,
            talk_is_terminal: false,
            level: Level::Normal,
            width: 80,
        };
        let directory = tempfile::tempdir().unwrap();
        let plan = directory.path().join("plan.yaml");
        let arguments = InitArguments { plan: plan.clone() };
        assert_eq!(run(&arguments, &terminal).unwrap(), Exit::Ok);
        assert_eq!(std::fs::read_to_string(&plan).unwrap(), STARTER_PLAN);
        std::fs::write(&plan, "mine").unwrap();
        assert_eq!(run(&arguments, &terminal).unwrap(), Exit::Failed);
        assert_eq!(std::fs::read_to_string(&plan).unwrap(), "mine");
    }
}
