use super::{
    ahead::given,
    open::{Plans, open_plans},
};
use crate::{
    diagnostic::{Class, Diagnostic, Diagnostics, Origins as _, Sources},
    load::nearest,
    name::PlanName,
    ops::{Context, OpsError, PlanRequest, ValidPlan},
};

/// What is to be said about several plans.
pub struct PlansValidation {
    pub diagnostics: Diagnostics,
    pub sources: Sources,
    /// The plans in the order in which they would be applied, if all are valid and fit together.
    pub valid: Option<Vec<(PlanName, ValidPlan)>>,
}

/// Says everything that is wrong with several plans, and with applying them together. Asks no engine.
///
/// # Errors
/// If a file of theirs that is not a plan cannot be used.
pub fn validate_plans(context: &Context, requests: &[PlanRequest]) -> Result<PlansValidation, OpsError> {
    match open_plans(context, requests, None) {
        Ok(plans) => Ok(valid(plans)),
        Err(OpsError::Invalid { sources, diagnostics }) => Ok(PlansValidation { diagnostics, sources, valid: None }),
        Err(other) => Err(other),
    }
}

fn valid(plans: Plans) -> PlansValidation {
    let mistaken = mistaken_names(&plans);
    let of = |position: &usize| {
        let opened = &plans.opened[*position];
        let valid = ValidPlan::of(opened);
        (opened.loaded.plan.name.clone(), valid)
    };
    let valid = plans.order.sequence().iter().map(of).collect();
    let diagnostics = plans.warnings.into_iter().chain(mistaken).collect();
    PlansValidation { diagnostics, sources: plans.sources, valid: Some(valid) }
}

/// Names in `after` that are none of the plans given, and nearly are: only the engine could tell
/// whether such a plan is deployed.
fn mistaken_names(plans: &Plans) -> Diagnostics {
    let given = given(plans);
    let mut diagnostics = Diagnostics::new();
    for (opened, shift) in plans.opened.iter().zip(&plans.shifts) {
        let plan = &opened.loaded.plan;
        let others = || given.iter().filter(|name| **name != plan.name).map(PlanName::as_str);
        for name in plan.after.iter().filter(|name| !given.contains(*name)) {
            let Some(nearest) = nearest(name.as_str(), others()) else { continue };
            let summary = format!("`{}` comes after `{name}`, which is none of these plans", plan.name);
            let warning = Diagnostic::warning("unknown-plan", Class::Configuration, summary)
                .hint(format!("did you mean `{nearest}`?"));
            diagnostics.push(match opened.loaded.document.span(&["after", name.as_str()]) {
                Some(span) => warning.at(shift.span(span), "named here"),
                None => warning,
            });
        }
    }
    diagnostics
}
