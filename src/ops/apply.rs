use std::{collections::BTreeMap, time::Duration};

use super::{
    Context, Opened, OpsError, PlanRequest, Preview, Watcher, adopt,
    build::build_before,
    checks::{Asked, Asking, GLANCE, ask_checks},
    context::State,
    hold::Hold,
    instances::refuse_unknown,
    look::wanted,
    open::open_with_kept,
    output::outputs_now,
    plans::refuse_undeployed,
    preview::runtimes,
    put_right::PuttingRight,
    recover::find_cut_off,
    run::{Run, RunOptions, engine_names, new_deployment},
    scale::scaled,
    shared::{Shared, bring_in},
    snapshot::cut_off::{half_restored, refuse_doubt},
    stop_notes::with_stops,
};
use crate::{
    action::Phase,
    change::{Changes, InstanceChange, Request, selection},
    diagnostic::{Class, Diagnostic, Diagnostics},
    driver::Clock,
    event::{Event, Moment, Stage},
    journal::Outcome,
    name::{DeploymentId, Digest, ProjectName, ServiceName},
    observed::{Fault, Observed},
    plan::{ImageReference, Importance, PullPolicy},
    report::{Chronicle, DeploymentReport, Ending, ErrorReport},
    runtime::{Observe as _, Runtimes},
    store::{DeploymentKind, Store as _},
};

/// What to apply, and how.
#[derive(Debug, Clone, Default)]
pub struct ApplyRequest {
    pub plan: PlanRequest,
    pub changes: Request,
    pub run: RunOptions,
    /// How many instances services are to have, whatever the plan says.
    pub scale: BTreeMap<ServiceName, u32>,
    /// What is built before anything else.
    pub builds: Builds,
    /// Do not ask before something is replaced or removed.
    pub is_agreed: bool,
    /// Nor if the preview is this one, which someone agreed to.
    pub agreed: Option<Digest>,
}

/// What is built although there is an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Builds {
    /// Only services that say so.
    #[default]
    AsPlanned,
    /// All services that are built.
    All,
}

/// Takes services from what runs now to what the plan says, proves that the result works, and puts
/// everything back if it does not.
///
/// # Errors
/// If nothing was begun: the plan is not valid, something stands in its way, someone else holds
/// the lock. How a deployment that was begun ended is in its report.
pub async fn apply(
    context: &Context,
    request: &ApplyRequest,
    watcher: &mut dyn Watcher,
) -> Result<DeploymentReport, OpsError> {
    let clock = Clock::start();
    let begun_at = clock.now();
    let state = context.state()?;
    let opened = open_with_kept(context, &request.plan, &state)?;
    let opened_at = clock.now();
    watcher.warn_of_plan(&opened.loaded.warnings, opened.loaded.document.sources());
    opened.refuse_obstacles()?;
    refuse_undeployed(context, &state, &opened, &request.changes.coming.plans).await?;
    let runtimes = runtimes(context, &state, &opened)?;
    let project = opened.loaded.plan.project.clone();
    if let Some(doubt) = half_restored(&state, &project)? {
        return Err(doubt);
    }
    let changes = with_stops(&state, &project, &request.changes);
    let request = &ApplyRequest { changes, ..request.clone() };
    let elsewhere = bring_in(&state, &runtimes, &project).await?;
    let opened = match elsewhere.has_news {
        true => open_with_kept(context, &request.plan, &state)?,
        false => opened,
    };
    let opened = scaled(opened, &request.scale)?;
    build_first(&runtimes, &opened, request, watcher).await?;
    // What to change is only known once the world is whole again.
    let is_whole =
        find_cut_off(&state, &project)?.is_none_or(|found| !found.is_to_be_ended()) && !elsewhere.is_half_done;
    let (opened, agreed) = match is_whole {
        false => (opened, None),
        true => {
            let preview = match Preview::of(&runtimes, opened, &request.changes).await {
                Err(error @ OpsError::InTheWay { .. }) => return Err(beside_another(&state, &project, error)?),
                result => result?,
            };
            watcher.warn(&preview.look.warnings);
            if preview.look.changes.is_empty() && !adopt::is_to_begin_with(&state, &preview)? {
                adopt::record(&preview.opened)?;
                let report = confirm_unchanged(&runtimes, &preview, clock).await?;
                if report.outcome == Outcome::Failed {
                    state.directory.look_at_lock(&project, Clock::start().now())?;
                }
                return Ok(with_outputs(report, &preview.opened, &preview.look.observed, watcher));
            }
            let digest = preview.report().digest;
            agree(&preview, request.is_agreed || request.agreed.as_ref() == Some(&digest), watcher)?;
            (preview.opened, Some(digest))
        }
    };
    let deployment = new_deployment();
    let hold = Hold::take(&state, &runtimes, &project, deployment, request.run.message.as_ref()).await?;
    let applying = Applying {
        context,
        state: &state,
        runtimes: &runtimes,
        hold: &hold,
        request,
        deployment,
        pre_validation: opened_at.since(begun_at),
        clock,
    };
    let report = applying.under_lock(opened, agreed, watcher).await;
    hold.release().await;
    report
}

/// Builds what is to be built anew, so that the preview knows what came of it.
async fn build_first(
    runtimes: &Runtimes,
    opened: &Opened,
    request: &ApplyRequest,
    watcher: &mut dyn Watcher,
) -> Result<(), OpsError> {
    let plan = &opened.loaded.plan;
    refuse_unknown(request.changes.only.iter().flatten(), &plan.services.keys().collect())?;
    let selected = selection(plan, &opened.graph, &request.changes);
    let is_chosen = |name: &ServiceName| {
        let is_always = plan.services[name].pull_policy == PullPolicy::Build;
        selected.contains(name) && (is_always || request.builds == Builds::All)
    };
    let clock = Clock::start();
    let mut on = |service: &ServiceName, _: &ImageReference| {
        let event = Event::ServiceStage { service: service.clone(), stage: Stage::Building };
        watcher.event(&Moment { at: clock.now(), event });
    };
    build_before(runtimes, opened, is_chosen, &mut on).await
}

/// [`build_first`], for a plan whose turn comes later.
pub(super) async fn build_ahead(
    context: &Context,
    state: &State,
    opened: &Opened,
    request: &ApplyRequest,
    watcher: &mut dyn Watcher,
) -> Result<(), OpsError> {
    build_first(&runtimes(context, state, opened)?, opened, request, watcher).await
}

/// What is applied once the lock is held.
struct Applying<'a> {
    context: &'a Context,
    state: &'a State,
    runtimes: &'a Runtimes,
    hold: &'a Hold,
    request: &'a ApplyRequest,
    deployment: DeploymentId,
    /// How long the plan took to load.
    pre_validation: Duration,
    clock: Clock,
}

impl Applying<'_> {
    /// Puts right what is half done, looks once more, asks if that shows something else than what
    /// was `agreed` to, and runs.
    async fn under_lock(
        &self,
        opened: Opened,
        agreed: Option<Digest>,
        watcher: &mut dyn Watcher,
    ) -> Result<DeploymentReport, OpsError> {
        let Self { context, state, runtimes, hold, request, deployment, clock, .. } = *self;
        // Values that were made once on another host are those that count.
        let opened = if hold.has_news { open_with_kept(context, &request.plan, state)? } else { opened };
        let looked_from = clock.now();
        let (target, project) = (&opened.loaded.target, &opened.loaded.plan.project);
        let putting = PuttingRight { context, state, runtimes, target, hold, project };
        refuse_doubt(state, project, hold).await?;
        if let Some(report) = putting.before_anything_else(watcher).await? {
            return Ok(report);
        }
        let preview = Preview::of(runtimes, opened, &request.changes).await?;
        if agreed.is_none() {
            watcher.warn(&preview.look.warnings);
        }
        if preview.look.changes.is_empty() && !adopt::is_to_begin_with(state, &preview)? {
            let report = confirm_unchanged(runtimes, &preview, clock).await?;
            return Ok(with_outputs(report, &preview.opened, &preview.look.observed, watcher));
        }
        if agreed != Some(preview.report().digest) {
            agree(&preview, request.is_agreed, watcher)?;
        }
        adopt::record(&preview.opened)?;
        keep_made_values(state, runtimes, &preview.opened).await?;
        let run = Run {
            context,
            state,
            runtimes,
            hold,
            deployment,
            kind: DeploymentKind::Apply,
            plan: &preview.opened.loaded.plan,
            graph: &preview.opened.graph,
            changes: &preview.look.changes,
            observed: &preview.look.observed,
            scrubber: &preview.opened.scrubber,
            target: &preview.opened.loaded.target,
            plan_file: &preview.opened.shown_file,
            plan_directory: &preview.opened.directory,
            arguments: preview.opened.arguments(),
            options: &request.run,
            prelude: vec![
                (Phase::PreValidation, self.pre_validation),
                (Phase::DependencyResolution, clock.now().since(looked_from)),
            ],
        };
        let report = run.execute(watcher).await?;
        if report.outcome != Outcome::Applied || preview.opened.loaded.outputs.is_empty() {
            return Ok(report);
        }
        match runtimes.observe(&wanted(&preview.opened.loaded.plan)).await {
            Ok(observed) => Ok(with_outputs(report, &preview.opened, &observed, watcher)),
            Err(fault) => {
                let text = format!("the outputs cannot be told: {}", fault.text);
                watcher.warn(&[Diagnostic::warning("outputs-unknown", fault.class, text)]);
                Ok(report)
            }
        }
    }
}

/// Adds what the plan gives out. What has no value is said, and is no failure: all that the plan
/// asked for is there.
fn with_outputs(
    report: DeploymentReport,
    opened: &Opened,
    observed: &Observed,
    watcher: &mut dyn Watcher,
) -> DeploymentReport {
    if report.outcome == Outcome::Failed {
        return report;
    }
    let (outputs, problems) = outputs_now(opened, observed);
    watcher.warn(&problems);
    DeploymentReport { outputs, ..report }
}

/// What is half-way done by someone else is no fault of the plan.
fn beside_another(state: &State, project: &ProjectName, error: OpsError) -> Result<OpsError, OpsError> {
    state.directory.look_at_lock(project, Clock::start().now())?;
    Ok(error)
}

/// Asks before something is replaced or removed, if there is someone to ask.
pub(super) fn agree(preview: &Preview, is_agreed: bool, watcher: &mut dyn Watcher) -> Result<(), OpsError> {
    watcher.warn(&starts_again(&preview.look.changes));
    if is_agreed || !preview.look.changes.is_disruptive() {
        return Ok(());
    }
    match watcher.confirm(preview) {
        Some(false) => Err(OpsError::Declined),
        Some(true) | None => Ok(()),
    }
}

/// Says which services are started again that someone stopped on purpose.
fn starts_again(changes: &Changes) -> Diagnostics {
    let stopped = changes.services.iter().filter_map(|change| {
        let is_stopped = |instance: &InstanceChange| match instance {
            InstanceChange::Start { old, .. } | InstanceChange::Replace { old } => old.is_stopped_on_purpose(),
            InstanceChange::Keep { .. }
            | InstanceChange::Create { .. }
            | InstanceChange::Update { .. }
            | InstanceChange::Remove { .. } => false,
        };
        change.instances.iter().any(is_stopped).then(|| {
            let cause =
                change.causes.iter().find(|cause| cause.field == "state").and_then(|cause| cause.before.clone());
            let how = cause.unwrap_or_else(|| "stopped on purpose".to_owned());
            let text = format!("`{}` was {how}, and is started again", change.service);
            Diagnostic::warning("starts-stopped", Class::Deployment, text)
        })
    });
    stopped.collect()
}

/// What `now()` and `random_string()` gave is kept before anything is made from it.
async fn keep_made_values(state: &State, runtimes: &Runtimes, opened: &Opened) -> Result<(), OpsError> {
    let (sealer, project) = (state.sealer(), &opened.loaded.plan.project);
    for (place, value) in &opened.loaded.made {
        state.store.made_once(project, place, &sealer.seal(value))?;
    }
    match Shared::of(state, runtimes, project) {
        Some(shared) if !opened.loaded.made.is_empty() => shared.push_values(&shared.prepare().await?).await,
        Some(_) | None => Ok(()),
    }
}

/// Nothing has to change: each check is asked once, and nothing is written anywhere.
async fn confirm_unchanged(runtime: &Runtimes, preview: &Preview, clock: Clock) -> Result<DeploymentReport, OpsError> {
    let begun_at = clock.now();
    let plan = &preview.opened.loaded.plan;
    let kept = preview.look.changes.services.iter().flat_map(|change| {
        change.instances.iter().filter_map(|instance| match instance {
            InstanceChange::Keep { instance } => Some(instance.as_ref()),
            InstanceChange::Create { .. }
            | InstanceChange::Replace { .. }
            | InstanceChange::Update { .. }
            | InstanceChange::Start { .. }
            | InstanceChange::Remove { .. } => None,
        })
    });
    let asking = Asking {
        runtime,
        plan,
        directory: &preview.opened.directory,
        scrubber: &preview.opened.scrubber,
        patience: GLANCE,
    };
    let asked = ask_checks(&asking, kept, |_| true).await;
    let failures = asked.iter().filter(|asked| !asked.answer.has_passed).map(|asked| {
        let Asked { service_name, check, answer, .. } = asked;
        (check.severity, format!("`{service_name}`: check `{}`: {}", check.label(), answer.text))
    });
    let chronicle = Chronicle::new(&preview.look.changes);
    let (critical, warnings): (Vec<_>, Vec<_>) =
        failures.partition(|(importance, _)| *importance == Importance::Critical);
    let report = chronicle.close(Ending {
        deployment: None,
        plan: plan.name.clone(),
        environment: plan.environment.clone(),
        engine: engine_names(&preview.look.observed),
        outcome: if critical.is_empty() { Outcome::Unchanged } else { Outcome::Failed },
        evidence: Vec::new(),
        arguments: preview.opened.arguments(),
        left: warnings.into_iter().map(|(_, text)| text).collect(),
    });
    let error = unhealthy(critical).as_ref().map(ErrorReport::from);
    let duration_ms = u64::try_from(clock.now().since(begun_at).as_millis()).unwrap_or(u64::MAX);
    Ok(DeploymentReport { error, duration_ms, ..report })
}

fn unhealthy(failures: Vec<(Importance, String)>) -> Option<Fault> {
    let mut texts: Vec<String> = failures.into_iter().map(|(_, text)| text).collect();
    texts.sort();
    let first = texts.first()?;
    let more = if texts.len() > 1 { format!(" (and {} more)", texts.len() - 1) } else { String::new() };
    let text = format!("nothing has to change, but not all is well: {first}{more}");
    Some(Fault::new(Class::HealthCheck, "unhealthy", text).hint("`orchestrate check` and `orchestrate logs` show more"))
}
