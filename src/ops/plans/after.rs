use std::collections::{BTreeMap, BTreeSet};

use crate::{
    diagnostic::{Class, Diagnostic, Diagnostics, Origins as _},
    journal::{DeploymentKind, Outcome},
    load::nearest,
    name::{PlanName, ProjectName},
    ops::{Context, Opened, OpsError, context::State, instances::instances, look::runtimes_of, preview::runtimes},
    plan::Plan,
    store::{DeploymentRecord, Store as _},
};

/// Refuses a plan that comes after others which are neither applied together with it (`given`) nor
/// deployed already.
pub(in crate::ops) async fn refuse_undeployed(
    context: &Context,
    state: &State,
    opened: &Opened,
    given: &BTreeSet<PlanName>,
) -> Result<(), OpsError> {
    let plan = &opened.loaded.plan;
    let mut diagnostics = Diagnostics::new();
    if plan.after.iter().all(|name| given.contains(name)) {
        return Ok(());
    }
    let records = state.store.deployments(None)?;
    for name in plan.after.iter().filter(|name| !given.contains(*name)) {
        if !is_deployed(name, plan, &records) && !runs(context, state, opened, name).await? {
            let known = given.iter().chain(records.iter().map(|record| &record.plan_name)).map(PlanName::as_str);
            diagnostics.push(not_deployed(opened, name, known.filter(|known| *known != plan.name.as_str())));
        }
    }
    match diagnostics.is_empty() {
        true => Ok(()),
        false => Err(OpsError::InTheWay { sources: opened.loaded.document.sources().clone(), diagnostics }),
    }
}

/// Whether a plan was applied for the same environment, and not destroyed since, as far as this host
/// knows.
fn is_deployed(name: &PlanName, plan: &Plan, records: &[DeploymentRecord]) -> bool {
    let mut last: BTreeMap<&ProjectName, &DeploymentRecord> = BTreeMap::new();
    let is_meant = |record: &&DeploymentRecord| {
        record.plan_name == *name && record.environment == plan.environment && record.outcome == Some(Outcome::Applied)
    };
    // Newest first.
    for record in records.iter().filter(is_meant) {
        last.entry(&record.project).or_insert(record);
    }
    last.values().any(|record| record.kind != DeploymentKind::Destroy)
}

/// Whether something runs of a plan that nobody deployed from here, by what its project is usually
/// called.
async fn runs(context: &Context, state: &State, opened: &Opened, name: &PlanName) -> Result<bool, OpsError> {
    let project = match &opened.loaded.plan.environment {
        Some(environment) => format!("{name}-{environment}"),
        None => name.to_string(),
    };
    let Ok(project) = project.parse::<ProjectName>() else { return Ok(false) };
    let needed = runtimes_of(&opened.loaded.plan);
    let runtimes = runtimes(context, state, opened)?;
    let found = instances(&runtimes, &project, &needed, &mut Diagnostics::new()).await?;
    Ok(found.values().flatten().any(|instance| instance.is_running()))
}

fn not_deployed<'a>(opened: &Opened, name: &PlanName, known: impl Iterator<Item = &'a str>) -> Diagnostic {
    let plan = &opened.loaded.plan;
    let target = plan.environment.as_ref().map_or_else(String::new, |environment| format!(" in `{environment}`"));
    let summary = format!("`{}` comes after `{name}`, which is not deployed{target}", plan.name);
    let diagnostic = Diagnostic::error("after-not-deployed", Class::Dependency, summary);
    let diagnostic = match opened.loaded.document.span(&["after", name.as_str()]) {
        Some(span) => diagnostic.at(span, "named here"),
        None => diagnostic,
    };
    let diagnostic = match nearest(name.as_str(), known) {
        Some(nearest) => diagnostic.hint(format!("did you mean `{nearest}`?")),
        None => diagnostic,
    };
    diagnostic.hint(format!("apply `{name}` before it, or both in one call; or take it out of `after`"))
}
