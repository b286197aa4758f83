use std::collections::BTreeSet;

use super::{
    Context, OpsError, Project,
    instances::refuse_unknown,
    standing::{Deed, OnDeed, Standing, handle, hold_whole},
};
use crate::{
    action::Action,
    diagnostic::{Class, Diagnostics},
    name::ServiceName,
    observed::{Fault, Instance},
    plan::Plan,
    runtime::{Runtime as _, Runtimes},
};

/// What becomes of services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forgetting {
    /// They run on, and nothing here looks after them any more.
    LetGo,
    /// They are looked after again.
    TakeBack,
}

/// Lets services go that the plan no longer names, or takes them back. Nothing is stopped or
/// removed: what is let go gets a name that says so, for every host to see.
///
/// # Errors
/// If the plan still names one, there is none, or someone else holds the lock.
pub async fn forget(
    context: &Context,
    project: &Project,
    (services, what): (&[ServiceName], Forgetting),
    warnings: &mut Diagnostics,
    on: &mut OnDeed<'_>,
) -> Result<(), OpsError> {
    let (hold, _) = hold_whole(context, project).await?;
    let done = under_lock(context, project, (services, what), warnings, on).await;
    hold.release().await;
    done
}

async fn under_lock(
    context: &Context,
    project: &Project,
    (services, what): (&[ServiceName], Forgetting),
    warnings: &mut Diagnostics,
    on: &mut OnDeed<'_>,
) -> Result<(), OpsError> {
    let standing = Standing::look_at(context, project, what == Forgetting::TakeBack, warnings).await?;
    if what == Forgetting::LetGo {
        services.iter().try_for_each(|name| refuse_named(standing.plan(), name))?;
    }
    let is_meant = |instance: &&Instance| instance.is_forgotten() == (what == Forgetting::TakeBack);
    let found = standing.instances.values().flatten().filter(is_meant);
    let known: BTreeSet<&ServiceName> = found.clone().map(|instance| &instance.identity.service).collect();
    refuse_unknown(services, &known)?;
    for instance in found.filter(|instance| services.contains(&instance.identity.service)) {
        let (to, deed) = match instance.remembered_name() {
            Some(name) => (name.to_owned(), Deed::TakenBack),
            None => (instance.forgotten_name(), Deed::LetGo),
        };
        rename(&standing.runtimes, instance, to).await?;
        on(&instance.name, deed);
    }
    Ok(())
}

async fn rename(runtimes: &Runtimes, instance: &Instance, to: String) -> Result<(), Fault> {
    let action = Action::Rename { instance: handle(instance), to };
    runtimes.perform(instance.runtime, &action, &|_| {}).await.map(drop)
}

/// What the plan names would be made anew by the next apply, beside what was let go.
fn refuse_named(plan: &Plan, name: &ServiceName) -> Result<(), Fault> {
    if !plan.services.contains_key(name) {
        return Ok(());
    }
    let text = format!("the plan still names `{name}`");
    let hint = "take it out of the plan first: what the plan names is not let go";
    Err(Fault::new(Class::Configuration, "still-in-plan", text).hint(hint))
}
