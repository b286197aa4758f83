use std::sync::Arc;

use super::{Context, OpsError, Project, run::new_deployment};
use crate::{
    diagnostic::Diagnostics,
    driver::Clock,
    observed::LockRecord,
    report::{LockHolderReport, LockPlace, LockReport, OwnerWord},
    runtime::LockRegister,
    store::{
        Claim, LockError, LockOwner, LockStatus, ReleaseMode, Standing, lock_status as status_on_engine, owner_life,
        release_by_hand,
    },
};

/// Says whose a project's lock is. Changes nothing.
///
/// # Errors
/// If the engine or the state cannot be asked.
pub async fn lock_status(context: &Context, project: &Project) -> Result<LockReport, OpsError> {
    let mut report = LockReport { project: project.name.clone(), holders: Vec::new(), unfinished: Vec::new() };
    match project.state.directory.look_at_lock(&project.name, Clock::start().now()) {
        Ok(()) | Err(LockError::Held { owner: None, .. }) => {}
        Err(LockError::Held { owner: Some(owner), .. }) => report.holders.push(on_host(*owner)),
        Err(error) => return Err(error.into()),
    }
    if let Some(register) = register(context, project)?
        && let Some(LockStatus { top, standing }) =
            status_on_engine(register.as_ref(), &project.name, owner_life).await?
    {
        match top.content {
            Ok(record) => {
                report.holders.extend(on_engine(&record, standing));
                report.unfinished = record.left_unfinished().iter().map(|left| left.deployment).collect();
            }
            Err(source) => {
                return Err(crate::store::EngineLockError::Unreadable {
                    project: project.name.clone(),
                    name: top.name,
                    source,
                }
                .into());
            }
        }
    }
    Ok(report)
}

fn on_host(owner: LockOwner) -> LockHolderReport {
    LockHolderReport {
        at: LockPlace::Host,
        owner: OwnerWord::Holds,
        pid: owner.pid,
        host: owner.host,
        since: owner.since.to_string(),
        deployment: owner.deployment,
        message: owner.message,
        token: None,
    }
}

fn on_engine(record: &LockRecord, standing: Standing) -> Option<LockHolderReport> {
    let owner = match standing {
        Standing::Free => return None,
        Standing::Held => OwnerWord::Holds,
        Standing::OwnerEnded => OwnerWord::Ended,
        Standing::Expired => OwnerWord::Expired,
        Standing::Unreadable => OwnerWord::Unreadable,
    };
    Some(LockHolderReport {
        at: LockPlace::Engine,
        owner,
        pid: record.process.pid,
        host: record.process.host.clone(),
        since: record.since.to_string(),
        deployment: record.deployment,
        message: record.message.clone(),
        token: Some(record.number),
    })
}

/// Gives back the lock on the engine that its owner left behind; with `Force` also one whose owner
/// may live. What that owner left half done is put right by whoever comes next. Answers whose it was;
/// `None` if it was free.
///
/// # Errors
/// If its owner lives and it is not forced, or the engine fails. The lock on this host goes with its
/// process, and only so.
pub async fn release_lock(
    context: &Context,
    project: &Project,
    mode: ReleaseMode,
) -> Result<Option<LockRecord>, OpsError> {
    let now = Clock::start().now();
    project.state.directory.look_at_lock(&project.name, now)?;
    let Some(register) = register(context, project)? else { return Ok(None) };
    let claim = Claim::new(project.name.clone(), new_deployment(), None);
    Ok(release_by_hand(register.as_ref(), &claim, owner_life, now, mode).await?)
}

fn register(context: &Context, project: &Project) -> Result<Option<Arc<dyn LockRegister>>, OpsError> {
    let known = project.plan(&mut Diagnostics::new());
    Ok(project.runtimes(context, &project.needed(&known))?.lock_register())
}
