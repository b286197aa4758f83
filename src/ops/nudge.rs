use super::{
    Context, OpsError, Project,
    standing::{Deed, OnDeed, Standing, hold_whole},
};
use crate::{
    diagnostic::Diagnostics,
    name::ServiceName,
    observed::InstanceState,
    runtime::{Nudge, Runtime as _},
};

/// Sends a signal to what runs of services, or holds it up and lets it go on.
///
/// # Errors
/// If someone else holds the lock, a deployment is half done, or a runtime refuses.
pub async fn nudge(
    context: &Context,
    project: &Project,
    (services, nudge): (&[ServiceName], &Nudge),
    warnings: &mut Diagnostics,
    on: &mut OnDeed<'_>,
) -> Result<(), OpsError> {
    let (hold, _) = hold_whole(context, project).await?;
    let nudged = async {
        let standing = Standing::look(context, project, warnings).await?;
        let selected = standing.selected(services)?;
        let instances = selected.iter().flat_map(|name| standing.instances_of(name));
        for instance in instances.filter(|instance| is_meant(instance.state, nudge)) {
            standing.runtimes.nudge(instance.runtime, &instance.id, nudge).await?;
            on(
                &instance.name,
                match nudge {
                    Nudge::Signal(_) => Deed::Signalled,
                    Nudge::Pause => Deed::Paused,
                    Nudge::Unpause => Deed::Unpaused,
                },
            );
        }
        Ok(())
    };
    let nudged = nudged.await;
    hold.release().await;
    nudged
}

/// Whether there is anything to do.
fn is_meant(state: InstanceState, nudge: &Nudge) -> bool {
    match (state, nudge) {
        (InstanceState::Running, Nudge::Signal(_) | Nudge::Pause) => true,
        (InstanceState::Paused, Nudge::Unpause | Nudge::Signal(_)) => true,
        (
            InstanceState::Created
            | InstanceState::Running
            | InstanceState::Paused
            | InstanceState::Restarting
            | InstanceState::Exited { .. }
            | InstanceState::Dead,
            _,
        ) => false,
    }
}
