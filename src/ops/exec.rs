use super::{
    Context, OpsError, Project,
    standing::{Standing, running},
};
use crate::{
    diagnostic::Diagnostics,
    name::ServiceName,
    runtime::{Attached, ExecRequest, Runtime as _},
};

/// Starts a command beside an instance of a service that runs: its first, or the one of that number.
/// Takes no lock: whoever looks into something may do so while a deployment is under way.
///
/// # Errors
/// If there is no such instance, it does not run, or the command cannot be started.
pub async fn exec(
    context: &Context,
    project: &Project,
    (service, number): (&ServiceName, Option<u32>),
    request: &ExecRequest,
    warnings: &mut Diagnostics,
) -> Result<Attached, OpsError> {
    let standing = Standing::look(context, project, warnings).await?;
    let instance = running(standing.one(service, number)?)?;
    Ok(standing.runtimes.attach(instance.runtime, &instance.id, request).await?)
}
