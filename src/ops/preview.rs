use std::collections::{BTreeMap, BTreeSet};

use super::{
    Context, Opened, OpsError, PlanRequest, adopt,
    context::State,
    instances::refuse_unknown,
    look::{Look, compare, runtimes_of, wanted},
    open::open_with_kept,
    plans::refuse_undeployed,
    run::engine_names,
    scale::scaled,
    shared::bring_in,
    snapshot::cut_off::doubt_warning,
    stop_notes::with_stops,
    unfinished::{note_unfinished, unfinished_of},
};
use crate::{
    change::{ForceRecreate, Request, keep_moved_volumes, settle},
    diagnostic::{Diagnostic, Diagnostics},
    load::Loaded,
    name::ServiceName,
    report::{PreviewReport, UnfinishedReport, WarningReport},
    runtime::{Observe, Runtimes},
};

/// What to preview.
#[derive(Debug, Clone, Default)]
pub struct PreviewRequest {
    pub plan: PlanRequest,
    pub changes: Request,
    /// As in [`ApplyRequest::scale`](super::ApplyRequest).
    pub scale: BTreeMap<ServiceName, u32>,
}

/// What applying a plan would do.
pub struct Preview {
    pub opened: Opened,
    pub look: Look,
    /// The project's deployment that has not come to its end, where this is only a look.
    pub unfinished: Option<UnfinishedReport>,
}

/// Says what would change, and why. Changes nothing.
///
/// # Errors
/// If the plan is not valid, something stands in its way, or the engine cannot be asked.
pub async fn preview(context: &Context, request: &PreviewRequest) -> Result<Preview, OpsError> {
    let state = context.state()?;
    let opened = open_with_kept(context, &request.plan, &state)?;
    refuse_undeployed(context, &state, &opened, &request.changes.coming.plans).await?;
    let runtimes = runtimes(context, &state, &opened)?;
    let opened = match bring_in(&state, &runtimes, &opened.loaded.plan.project).await?.has_news {
        true => open_with_kept(context, &request.plan, &state)?,
        false => opened,
    };
    let opened = scaled(opened, &request.scale)?;
    let unfinished = unfinished_of(&state, &opened.loaded.plan.project)?;
    let changes = with_stops(&state, &opened.loaded.plan.project, &request.changes);
    match Preview::of(&runtimes, opened, &changes).await {
        Ok(mut preview) => {
            preview.look.warnings.extend(doubt_warning(&state, &preview.opened.loaded.plan.project)?);
            Ok(Preview { unfinished, ..preview })
        }
        Err(error) => Err(note_unfinished(error, unfinished.as_ref())),
    }
}

pub(super) fn runtimes(context: &Context, state: &State, opened: &Opened) -> Result<Runtimes, OpsError> {
    let plan = &opened.loaded.plan;
    let runtimes = context.runtimes(state, &plan.project, &opened.loaded.target, &runtimes_of(plan))?;
    Ok(runtimes.following(&plan.moved))
}

/// The doubts that loading the plan has not told already of the same place.
fn not_told(doubts: Diagnostics, opened: &Opened) -> impl Iterator<Item = Diagnostic> {
    let Loaded { warnings, document, .. } = &opened.loaded;
    let places = warnings.iter().filter_map(|told| Some((told.code, told.labels.first()?.span)));
    let told: BTreeSet<(&str, String)> =
        places.map(|(code, span)| (code, format!("written at {}", document.sources().position(span)))).collect();
    let is_new = move |doubt: &Diagnostic| {
        doubt.detail.as_ref().is_none_or(|place| !told.contains(&(doubt.code, place.clone())))
    };
    doubts.into_iter().filter(is_new)
}

impl Preview {
    pub(super) async fn of(runtime: &dyn Observe, mut opened: Opened, request: &Request) -> Result<Self, OpsError> {
        let loaded = &opened.loaded;
        let forced = match &request.force_recreate {
            ForceRecreate::None | ForceRecreate::All => None,
            ForceRecreate::Services(services) => Some(services),
        };
        let named = request.only.iter().chain(forced).flatten();
        refuse_unknown(named, &loaded.plan.services.keys().collect())?;
        let observed = runtime.observe(&wanted(&loaded.plan)).await?;
        keep_moved_volumes(&mut opened.loaded.plan, &observed);
        let mut request = request.clone();
        request.contents.extend(settle(&mut opened.loaded.plan, &observed));
        let loaded = &opened.loaded;
        let look = compare((runtime, observed), &loaded.plan, &opened.graph, &loaded.document, &request).await?;
        if look.obstacles.iter().any(Diagnostic::is_error) {
            let sources = loaded.document.sources().clone();
            return Err(OpsError::InTheWay { sources, diagnostics: look.obstacles });
        }
        let mut preview = Self { opened, look, unfinished: None };
        let doubts = std::mem::take(&mut preview.look.obstacles);
        preview.look.warnings.extend(not_told(doubts, &preview.opened));
        preview.look.warnings.extend(adopt::announce(&preview));
        Ok(preview)
    }

    /// For people and programs.
    pub fn report(&self) -> PreviewReport {
        let Look { observed, changes, warnings, .. } = &self.look;
        let report = PreviewReport::new(&self.opened.loaded.plan, &self.opened.graph, changes, engine_names(observed));
        let (warnings, unfinished) = (warnings.iter().map(WarningReport::from).collect(), self.unfinished.clone());
        let one_offs = observed.one_offs.iter().map(|one_off| one_off.name.clone()).collect();
        PreviewReport { one_offs, warnings, unfinished, ..report }
    }
}
