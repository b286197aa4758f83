use super::{
    Context, OpsError, Project, RecoverRequest, Watcher,
    recover::{find_cut_off, recover},
    snapshot::cut_off::half_restored,
};
use crate::{
    diagnostic::Class,
    journal::DeploymentRecord,
    observed::Fault,
    report::DeploymentReport,
    store::{LockError, Store as _},
};

/// What became of a deployment that was to be aborted.
#[derive(Debug)]
pub enum Aborted {
    /// There was none under way, and none that was cut off.
    Nothing,
    /// It was taken back here.
    TakenBack(Box<DeploymentReport>),
    /// Whoever ran it was asked to stop, and brought it to its end.
    ByItsOwner(Box<DeploymentRecord>),
}

/// Takes back the deployment that is under way, or was cut off, and stops. One that another process
/// of this host runs is asked to go back, and waited for; `on_asked` is told its process id.
///
/// # Errors
/// As [`recover`], and if the process cannot be asked.
pub async fn abort(
    context: &Context,
    project: &Project,
    request: &RecoverRequest,
    watcher: &mut dyn Watcher,
    on_asked: impl FnOnce(u32),
) -> Result<Aborted, OpsError> {
    let report = match recover(context, project, request, watcher).await {
        Err(OpsError::Lock(LockError::Held { owner: Some(owner), .. })) => {
            owner.ask_to_stop().map_err(|error| cannot_ask(owner.pid, &error))?;
            on_asked(owner.pid);
            let (directory, waited_for) = (project.state.directory.clone(), project.name.clone());
            tokio::task::spawn_blocking(move || directory.wait_for_lock(&waited_for))
                .await
                .expect("waiting for a lock does not panic")?;
            // What was under way was no deployment, and has no way back but the one that it tells of.
            if let Some(doubt) = half_restored(&project.state, &project.name)? {
                return Err(doubt);
            }
            if find_cut_off(&project.state, &project.name)?.is_none() {
                let record = project.state.store.deployment(owner.deployment)?;
                return Ok(record.map_or(Aborted::Nothing, |record| Aborted::ByItsOwner(Box::new(record))));
            }
            recover(context, project, request, watcher).await?
        }
        ended => ended?,
    };
    Ok(report.map_or(Aborted::Nothing, |report| Aborted::TakenBack(Box::new(report))))
}

fn cannot_ask(pid: u32, error: &std::io::Error) -> Fault {
    Fault::new(Class::Permission, "cannot-signal", format!("process {pid} cannot be asked to stop: {error}"))
        .hint("abort it as the user who runs it")
}
