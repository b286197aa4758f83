use super::{
    Context, OpsError, Project,
    standing::{OnDeed, Standing, hold_whole},
    start::{refuse_jobs, start_all},
    stop::{Stop, StopRequest, stop_all},
};
use crate::diagnostic::Diagnostics;

/// Stops services and starts them again, those that others depend on first. What was stopped on
/// purpose is started, too: it was asked for.
///
/// # Errors
/// As [`stop`](super::stop()) and [`start`](super::start()).
pub async fn restart(
    context: &Context,
    project: &Project,
    request: &StopRequest,
    warnings: &mut Diagnostics,
    on: &mut OnDeed<'_>,
) -> Result<(), OpsError> {
    let (hold, _) = hold_whole(context, project).await?;
    let restarted = async {
        let standing = Standing::look(context, project, warnings).await?;
        refuse_jobs(&standing, &request.services)?;
        stop_all(context, &standing, request, Stop::ForAMoment, on).await?;
        let standing = Standing::look(context, project, warnings).await?;
        let selected = standing.selected(&request.services)?;
        start_all(&standing, &request.services, &selected, on).await
    };
    let restarted = restarted.await;
    hold.release().await;
    restarted
}
