use super::{Context, OpsError, PlanRequest, open};
use crate::report::GraphReport;

/// Says in which order a plan's services can start. Asks no engine.
///
/// # Errors
/// If the plan is not valid.
pub fn graph(context: &Context, request: &PlanRequest) -> Result<GraphReport, OpsError> {
    Ok(GraphReport::from(&open(context, request)?.graph))
}
