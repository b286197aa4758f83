use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use super::{Context, OpsError, PlanRequest, RealFiles, open::inputs};
use crate::load::{self, Imported};

/// Where a plan is thought to be that is only printed.
const USUAL_FILE: &str = "plan.yaml";

/// Writes Compose files as a plan that means the same. `output` is where it will be; relative paths in it
/// start there.
///
/// # Errors
/// If they are not valid, or no Compose files.
pub fn import(context: &Context, request: &PlanRequest, output: Option<&PathBuf>) -> Result<Imported, OpsError> {
    let inputs = inputs(context, request, BTreeMap::new())?;
    let beside = || inputs.plan_file.with_file_name(USUAL_FILE);
    let plan_file = output.map_or_else(beside, |path| context.working_directory.join(path));
    Ok(load::import(Arc::new(RealFiles), &load::ImportRequest { inputs, plan_file })?)
}
