use std::{collections::BTreeSet, time::Duration};

use super::{
    Context, OpsError, Project,
    standing::{OnDeed, Standing, hold_whole},
    start::{refuse_jobs, start_all},
    stop::{Stop, StopRequest, stop_all},
};
use crate::{diagnostic::Diagnostics, name::ServiceName};

/// What to stop and start again.
#[derive(Debug, Clone, Default)]
pub struct RestartRequest {
    /// All if it is empty.
    pub services: Vec<ServiceName>,
    /// Leave services alone that depend on these with `restart: true`.
    pub no_dependencies: bool,
    /// How long each may take before it is killed; as its plan says by default.
    pub timeout: Option<Duration>,
}

/// Stops services and starts them again, those that others depend on first, and with them what runs
/// and depends on them with `restart: true`. What was stopped on purpose is started, too, if it was
/// asked for.
///
/// # Errors
/// As [`stop`](super::stop()) and [`start`](super::start()).
pub async fn restart(
    context: &Context,
    project: &Project,
    request: &RestartRequest,
    warnings: &mut Diagnostics,
    on: &mut OnDeed<'_>,
) -> Result<(), OpsError> {
    let (hold, _) = hold_whole(context, project).await?;
    let restarted = async {
        let standing = Standing::look(context, project, warnings).await?;
        refuse_jobs(&standing, &request.services)?;
        let selected = affected(&standing, request)?;
        let services = selected.iter().cloned().collect();
        let stop = StopRequest { services, timeout: request.timeout };
        stop_all(context, &standing, &stop, Stop::ForAMoment, on).await?;
        let standing = Standing::look(context, project, warnings).await?;
        start_all(&standing, &request.services, &selected, on).await
    };
    let restarted = restarted.await;
    hold.release().await;
    restarted
}

/// The services that are named, and those that are to be restarted with them.
fn affected(standing: &Standing<'_>, request: &RestartRequest) -> Result<BTreeSet<ServiceName>, OpsError> {
    let mut affected = standing.selected(&request.services)?;
    let mut to_visit: Vec<ServiceName> = affected.iter().filter(|_| !request.no_dependencies).cloned().collect();
    while let Some(needed) = to_visit.pop() {
        for (name, service) in &standing.plan().services {
            let goes_with = service.depends_on.get(&needed).is_some_and(|dependency| dependency.restart);
            let runs = standing.instances_of(name).iter().any(|instance| instance.is_running());
            if goes_with && runs && !service.is_job() && affected.insert(name.clone()) {
                to_visit.push(name.clone());
            }
        }
    }
    Ok(affected)
}
