use std::collections::BTreeMap;

use super::{Exit, Format, Session, Terminal, ValidateArguments, session::plan_requests};
use crate::{
    name::PlanName,
    ops::{self, PlansValidation, ValidPlan, Validation},
    report::{count, diagnostics_json, diagnostics_text},
};

/// `orchestrate validate`.
pub fn run(arguments: &ValidateArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, None)?;
    let requests = plan_requests(&arguments.plan, &arguments.more);
    let (diagnostics, sources, valid) = match requests.as_slice() {
        [request] => {
            let Validation { diagnostics, sources, valid } = ops::validate(&session.context, request)?;
            (diagnostics, sources, valid.map(|plan| size(&plan)))
        }
        several => {
            let PlansValidation { diagnostics, sources, valid } = ops::validate_plans(&session.context, several)?;
            (diagnostics, sources, valid.map(|plans| sizes(&plans)))
        }
    };
    match arguments.format {
        Format::Json => terminal.print(&diagnostics_json(&diagnostics, &sources))?,
        Format::Text => {
            if !diagnostics.is_empty() {
                terminal.say(&diagnostics_text(&diagnostics, &sources, terminal.talk_ink, terminal.width));
            }
            terminal.print(valid.as_deref().unwrap_or_default())?;
        }
    }
    Ok(if valid.is_some() { Exit::Ok } else { Exit::InvalidDocument })
}

fn size(ValidPlan { file, services, groups }: &ValidPlan) -> String {
    format!("{file} is valid: {} in {}\n", count(*services, "service"), count(*groups, "group"))
}

fn sizes(plans: &[(PlanName, ValidPlan)]) -> String {
    let sizes: String = plans.iter().map(|(_, plan)| size(plan)).collect();
    let names: Vec<String> = plans.iter().map(|(name, _)| format!("`{name}`")).collect();
    format!("{sizes}applied in this order: {}\n", names.join(", "))
}
