use std::collections::BTreeMap;

use crate::{
    diagnostic::{Class, Diagnostic, Diagnostics, FileShift, Origins as _, Sources},
    graph::{Cycle, PlanOrder},
    load::{Neighbour, conflicts},
    ops::{Context, Opened, OpsError, PlanRequest, context::State, open, open::open_with_kept},
    plan::Plan,
};

/// Several plans that are valid, and in which order they go.
pub(super) struct Plans {
    pub opened: Vec<Opened>,
    pub order: PlanOrder,
    /// What is only worth a warning, of all of them.
    pub warnings: Diagnostics,
    pub sources: Sources,
    /// Where each plan's places lead among the sources of all.
    pub shifts: Vec<FileShift>,
}

/// Problems of several documents, and the texts of all of them.
#[derive(Default)]
pub(super) struct Collected {
    pub sources: Sources,
    pub diagnostics: Diagnostics,
}

impl Collected {
    pub fn add(&mut self, sources: &Sources, diagnostics: Diagnostics) -> FileShift {
        let shift = self.sources.absorb(sources);
        self.diagnostics.extend(diagnostics.into_iter().map(|diagnostic| shift.diagnostic(diagnostic)));
        shift
    }
}

/// Loads plans, with the values that were made once if there is a `state`. Positions in the order are
/// those of the requests.
///
/// # Errors
/// If anything in one of them is wrong, or two want what only one can have: then all that is wrong in
/// all of them.
pub(super) fn open_plans(
    context: &Context,
    requests: &[PlanRequest],
    state: Option<&State>,
) -> Result<Plans, OpsError> {
    let mut all = Collected::default();
    let mut opened = Vec::new();
    for request in requests {
        let result = match state {
            Some(state) => open_with_kept(context, request, state),
            None => open(context, request),
        };
        match result {
            Ok(plan) => {
                let shift = all.add(plan.loaded.document.sources(), plan.loaded.warnings.clone());
                opened.push((plan, shift));
            }
            Err(OpsError::Invalid { sources, diagnostics }) => drop(all.add(&sources, diagnostics)),
            Err(other) => return Err(other),
        }
    }
    all.diagnostics.extend(conflicts_on_each_engine(&opened));
    let plans: Vec<&Plan> = opened.iter().map(|(opened, _)| &opened.loaded.plan).collect();
    let order = PlanOrder::of(&plans);
    if let Err(cycles) = &order {
        all.diagnostics.extend(cycles.iter().map(|cycle| cycle_problem(cycle, &opened)));
    }
    let Collected { sources, diagnostics } = all;
    match order {
        Ok(order) if !diagnostics.iter().any(Diagnostic::is_error) => {
            let (opened, shifts) = opened.into_iter().unzip();
            Ok(Plans { opened, order, warnings: diagnostics, sources, shifts })
        }
        Ok(_) | Err(_) => Err(OpsError::Invalid { sources, diagnostics }),
    }
}

/// Plans for different engines have nothing in common.
fn conflicts_on_each_engine(opened: &[(Opened, FileShift)]) -> Diagnostics {
    let mut by_engine: BTreeMap<Option<&str>, Vec<Neighbour>> = BTreeMap::new();
    for (plan, shift) in opened {
        let neighbour = Neighbour {
            file: &plan.shown_file,
            plan: &plan.loaded.plan,
            document: &plan.loaded.document,
            shift: *shift,
        };
        by_engine.entry(plan.loaded.target.host.as_deref()).or_default().push(neighbour);
    }
    by_engine.values().flat_map(|plans| conflicts(plans)).collect()
}

fn cycle_problem(cycle: &Cycle<usize>, opened: &[(Opened, FileShift)]) -> Diagnostic {
    let plan = |position: usize| &opened[position].0.loaded;
    let positions = || cycle.path.iter().chain(cycle.path.first()).copied();
    let path: Vec<String> = positions().map(|position| format!("`{}`", plan(position).plan.name)).collect();
    let summary = match cycle.path.as_slice() {
        [alone] => format!("the plan `{}` is to come after itself", plan(*alone).plan.name),
        _ => format!("plans come after each other in a circle: {}", path.join(" → ")),
    };
    let diagnostic = Diagnostic::error("plan-cycle", Class::Dependency, summary)
        .hint("take one of these names out of `after`, or make one plan of them");
    positions().zip(positions().skip(1)).fold(diagnostic, |diagnostic, (from, to)| {
        let (from, shift) = (plan(from), opened[from].1);
        let to = &plan(to).plan.name;
        match from.document.span(&["after", to.as_str()]) {
            Some(span) => diagnostic.at(shift.span(span), format!("`{}` comes after `{to}`", from.plan.name)),
            None => diagnostic,
        }
    })
}
