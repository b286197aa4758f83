//! Taking over what Compose made.

use std::path::Path;

use super::{Opened, OpsError, Preview, context::State};
use crate::{
    diagnostic::{Class, Diagnostic},
    journal::Outcome,
    load::with_adopted,
    observed::Fault,
    report::count,
    store::Store as _,
};

/// Whether a deployment is to be made of a preview without changes: going back leads to what was taken
/// over only if that is written down as one.
pub(super) fn is_to_begin_with(state: &State, preview: &Preview) -> Result<bool, OpsError> {
    let Opened { loaded, .. } = &preview.opened;
    if !loaded.target.adopts || preview.look.observed.instances.iter().all(|instance| instance.adopted.is_none()) {
        return Ok(false);
    }
    let before = state.store.deployments(Some(&loaded.plan.project))?;
    let has_begun = before.iter().any(|record| record.outcome == Some(Outcome::Applied));
    Ok(loaded.is_adopting && !has_begun)
}

/// Writes down that Compose's project belongs to the plan, if that is new: whoever comes next knows.
pub(super) fn record(opened: &Opened) -> Result<(), OpsError> {
    let Some(file) = &opened.loaded.adoption_record else { return Ok(()) };
    let project = &opened.loaded.plan.project;
    let failed = |error: std::io::Error| {
        let text = format!("cannot write down in `{}` that `{project}` is taken over: {error}", file.display());
        let hint = format!("write `adopt: [{project}]` into it yourself, and apply without `--adopt`");
        OpsError::from(Fault::new(Class::Permission, "not-recorded", text).hint(hint))
    };
    let before = match std::fs::read_to_string(file) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(failed(error)),
    };
    replace(file, &with_adopted(before.as_deref(), project)).map_err(failed)
}

/// Whoever reads the file sees what was there before, or all of what comes.
fn replace(file: &Path, text: &str) -> std::io::Result<()> {
    let mut beside = file.as_os_str().to_owned();
    beside.push(".new");
    std::fs::write(&beside, text)?;
    std::fs::rename(&beside, file)
}

/// Says what is taken over, or that there is nothing to take over.
pub(super) fn announce(preview: &Preview) -> Option<Diagnostic> {
    let loaded = &preview.opened.loaded;
    if !loaded.is_adopting {
        return None;
    }
    let project = &loaded.plan.project;
    let adopted = preview.look.observed.instances.iter().filter(|instance| instance.adopted.is_some()).count();
    let text = match adopted {
        0 => format!("Compose has no containers of the project `{project}` on this engine: there is nothing to adopt"),
        adopted => format!("{} of the Compose project `{project}` are taken over", count(adopted, "container")),
    };
    let code = if adopted == 0 { "nothing-to-adopt" } else { "adopting" };
    Some(Diagnostic::warning(code, Class::Configuration, text))
}
