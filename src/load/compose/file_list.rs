use std::path::{Path, PathBuf};

use super::notices::{Notices, warning};
use crate::load::{Inputs, library::Library, problem::list};

/// Names under which a Compose file is found without being named, in this order.
pub const COMPOSE_FILES: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];

/// Names of what is merged over a Compose file that was found beside it.
const OVERRIDE_FILES: [&str; 4] =
    ["compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"];

/// Whether a file's name says that it is a Compose file: `compose.yaml`, `docker-compose.prod.yml`.
pub fn is_compose_name(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = name.strip_suffix(".yaml").or_else(|| name.strip_suffix(".yml"));
    let rest = stem.and_then(|stem| stem.strip_prefix("docker-compose").or_else(|| stem.strip_prefix("compose")));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', '_']))
}

/// The files that make up the project, each merged over those before it.
pub(super) fn files(library: &Library, inputs: &Inputs, notices: &mut Notices) -> Vec<PathBuf> {
    let mut files = vec![inputs.plan_file.clone()];
    files.extend_from_slice(&inputs.compose.more_files);
    if inputs.compose.is_found {
        let directory = inputs.plan_file.parent().unwrap_or(Path::new("/"));
        let there = OVERRIDE_FILES.map(|name| directory.join(name));
        let there: Vec<&PathBuf> = there.iter().filter(|path| library.exists(path)).collect();
        if there.len() > 1 {
            let names: Vec<String> = there.iter().map(|path| library.shown(path)).collect();
            let summary = format!("there are several override files, and only the first is used: {}", list(&names));
            notices.add(warning("several-overrides", summary).hint("name the files with `-f`"));
        }
        files.extend(there.first().map(|path| path.to_path_buf()));
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_compose_files() {
        for name in ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.prod.yaml", "compose-dev.yml"]
        {
            assert!(is_compose_name(Path::new(name)), "{name}");
        }
        for name in ["plan.yaml", "composer.yaml", "compose.json", "compose", "my-compose.yaml"] {
            assert!(!is_compose_name(Path::new(name)), "{name}");
        }
    }
}
