use super::sequence::{Named, PlanEnd, in_order};
use crate::{
    diagnostic::{Class, Diagnostic, Diagnostics, Sources},
    graph::{Cycle, PlanOrder},
    ops::{Context, DestroyRequest, OpsError, Project, Watcher, destroy, project::ProjectPlan},
    plan::Plan,
    report::PreviewReport,
};

/// Takes away several projects, in the order opposite to that in which they are applied. One that is
/// not gone holds back those that it came after. `agree` is asked for each.
///
/// # Errors
/// If their plans come after each other in a circle. How each ended is in its [`PlanEnd`].
pub async fn destroy_plans(
    context: &Context,
    projects: &[Project],
    request: &DestroyRequest,
    watcher: &mut dyn Watcher,
    agree: impl Fn(&PreviewReport) -> Result<(), OpsError>,
) -> Result<Vec<PlanEnd>, OpsError> {
    // Each is warned of when its turn comes.
    let known: Vec<ProjectPlan> = projects.iter().map(|project| project.plan(&mut Diagnostics::new())).collect();
    let plans: Vec<&Plan> = known.iter().map(ProjectPlan::plan).collect();
    let order = PlanOrder::of(&plans).map_err(|cycles| in_a_circle(&cycles, &plans))?.reversed();
    let names: Vec<Named> =
        plans.iter().zip(projects).map(|(plan, project)| Named::new(plan, &project.shown_file)).collect();
    let go = async |position: usize, watcher: &mut dyn Watcher| {
        destroy(context, &projects[position], request, watcher, &agree).await
    };
    Ok(in_order(&order, &names, || context.interrupt.is_cancelled(), watcher, go).await)
}

fn in_a_circle(cycles: &[Cycle<usize>], plans: &[&Plan]) -> OpsError {
    let problem = |cycle: &Cycle<usize>| {
        let path: Vec<String> =
            cycle.path.iter().chain(cycle.path.first()).map(|at| format!("`{}`", plans[*at].name)).collect();
        let summary = format!("plans come after each other in a circle: {}", path.join(" → "));
        Diagnostic::error("plan-cycle", Class::Dependency, summary).hint("destroy them one by one")
    };
    OpsError::Invalid { sources: Sources::default(), diagnostics: cycles.iter().map(problem).collect() }
}
