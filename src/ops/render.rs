use super::{Context, Opened, OpsError, PlanRequest, open, open::open_with_kept};

/// Loads a plan as it is for an environment, with the values that were made once for it. Asks no
/// engine.
///
/// # Errors
/// If it is not valid, or such values cannot be read.
pub fn render(context: &Context, request: &PlanRequest) -> Result<Opened, OpsError> {
    let opened = open(context, request)?;
    if opened.loaded.made.is_empty() {
        // Then it needs no state directory either.
        return Ok(opened);
    }
    open_with_kept(context, request, &context.state()?)
}
