use std::collections::BTreeMap;

use super::{
    ApplyRequest, Context, OpsError, Preview, Watcher,
    open::open_with_kept,
    preview::runtimes,
    run::{engine_names, new_deployment, random},
};
use crate::{
    action,
    driver::{Clock, simulate as run},
    engine::{Engine, Options, Setup},
    plan::RollbackStrategy,
    report::{Chronicle, DeploymentReport, Ending},
    runtime::simulated::{Script, World},
};

/// Runs a deployment against a copy of the world in memory, in virtual time: what would happen, in
/// which order and about how long it would take, if nothing failed. Changes nothing.
///
/// # Errors
/// As [`preview`](super::preview).
pub async fn simulate(
    context: &Context,
    request: &ApplyRequest,
    watcher: &mut dyn Watcher,
) -> Result<DeploymentReport, OpsError> {
    let state = context.state()?;
    let opened = open_with_kept(context, &request.plan, &state)?;
    watcher.warn_of_plan(&opened.loaded.warnings, opened.loaded.document.sources());
    opened.refuse_obstacles()?;
    let runtimes = runtimes(context, &state, &opened)?;
    let preview = Preview::of(&runtimes, opened, &request.changes).await?;
    let (plan, graph, look) = (&preview.opened.loaded.plan, &preview.opened.graph, &preview.look);
    let deployment = new_deployment();
    let start = Clock::start().now();
    let action_context = action::Context {
        deployment,
        salt_seed: String::new(),
        files_directory: "/simulated".to_owned(),
        snapshot_directory: Some("/simulated".to_owned()),
        snapshots: BTreeMap::new(),
        commands: Some(action::CommandContext::default()),
        released_images: Default::default(),
    };
    let actions = action::build(plan, graph, &look.changes, &look.observed, &action_context);
    let options = Options {
        deployment,
        parallelism: request.run.parallelism.unwrap_or(plan.parallelism),
        strategy: match request.run.no_rollback {
            true => RollbackStrategy::Manual,
            false => plan.rollback.strategy,
        },
        keep_failed: request.run.keep_failed,
        timeout: request.run.timeout,
        prelude: Vec::new(),
        seed: random(),
    };
    let mut world = World::from_observed(&look.observed, Script::default());
    let mut engine = Engine::new(Setup::new(plan, graph, &look.changes, actions, options), start);
    let simulation = run(&mut engine, &mut world, start);
    let mut chronicle = Chronicle::new(&look.changes);
    for moment in &simulation.moments {
        chronicle.record(moment);
        watcher.event(moment);
    }
    Ok(chronicle.close(Ending {
        deployment: None,
        plan: plan.name.clone(),
        environment: plan.environment.clone(),
        engine: format!("{} (simulated)", engine_names(&look.observed)),
        outcome: simulation.outcome.expect("a simulation that is not cut off comes to an end"),
        evidence: Vec::new(),
        arguments: preview.opened.arguments(),
        left: Vec::new(),
    }))
}
