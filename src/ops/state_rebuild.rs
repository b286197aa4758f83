use std::sync::Arc;

use super::{
    Context, OpsError, ProjectRequest,
    context::State,
    hold::Hold,
    open::open,
    run::new_deployment,
    shared::Shared,
    state_archive::lock_all,
    state_verify::{examine, read_key},
};
use crate::{
    diagnostic::Class,
    name::ProjectName,
    observed::Fault,
    report::{Condition, Finding, RebuildReport, Records, SetAside},
    runtime::{ContainerEngine, Reading, Runtimes, VaultFiles, process::Processes},
    store::{Damaged, SqliteStore, StateDirectory, Store as _, StoreError, set_aside},
};

/// What a project has on this host alone.
const ONLY_HERE: [&str; 5] = [
    "the steps of deployments (`show`)",
    "what was kept of failures",
    "events (`watch`)",
    "snapshots",
    "the history of local processes",
];

/// Makes this host's state of a project anew from what the project keeps on its engine. A state that
/// is damaged is put aside first, and kept; one that is whole stays, and gets what it lacks. What runs
/// is not touched.
///
/// # Errors
/// If nothing of the project is kept on an engine, then nothing was changed; if someone deploys, or
/// the state was written by a newer version.
pub async fn rebuild_state(context: &Context, request: &ProjectRequest) -> Result<RebuildReport, OpsError> {
    let (project, host) = which(context, request)?;
    let engine = context.engine(host.as_deref())?;
    let reading = engine.read_all(&project).await?;
    if reading == Reading::NoVault {
        return Err(nothing_kept(&project));
    }
    let directory = StateDirectory::open(&context.env)?;
    let aside = put_damage_aside(&directory)?;
    let state = context.state()?;
    let before = records(&state, &project)?;
    let files = match reading {
        Reading::Open(files) => files,
        Reading::Shut | Reading::NoVault => opened(&state, &engine, &project).await?,
    };
    let taken = Shared::on(engine, &state, &project).take(&files)?;
    let after = records(&state, &project)?;
    let lost = files.lost.iter().map(|path| format!("no whole copy of `{path}` is left in the project's vault"));
    let unreadable: Vec<String> = taken.damage.iter().map(ToString::to_string).chain(lost).collect();
    let is_new = |id: &_| !before.deployments.contains(id);
    Ok(RebuildReport {
        ok: unreadable.is_empty(),
        project,
        directory: directory.path().to_owned(),
        set_aside: aside,
        brought_back: Records {
            made_values: after.made_values - before.made_values,
            deployments: after.deployments.into_iter().filter(is_new).collect(),
        },
        already_there: before,
        unreadable,
        not_brought_back: ONLY_HERE.to_vec(),
    })
}

/// The project that is meant, and the engine that its environment names. Needs no state.
fn which(context: &Context, request: &ProjectRequest) -> Result<(ProjectName, Option<String>), OpsError> {
    if let Some(name) = &request.project {
        return Ok((name.clone(), None));
    }
    let loaded = open(context, &request.plan)?.loaded;
    Ok((loaded.plan.project.clone(), loaded.target.host.clone()))
}

/// Looks through the state as `state verify` does, and puts an empty one in its place if it is damaged.
fn put_damage_aside(directory: &StateDirectory) -> Result<Option<SetAside>, OpsError> {
    let (has_database, has_key) = (directory.database().exists(), directory.key_file().exists());
    let mut findings = Vec::new();
    let key = if has_database || has_key { read_key(&directory.key_file(), &mut findings) } else { None };
    if has_database {
        match SqliteStore::open_copy(&directory.database()) {
            Ok(_) | Err(StoreError::Damaged { .. }) => drop(examine(&directory.database(), key, &mut findings)),
            // A newer version's, or one that cannot be read now, is not damaged.
            Err(other) => return Err(other.into()),
        }
    }
    let mut bad = findings.iter().filter(|finding| finding.condition == Condition::Bad).peekable();
    if bad.peek().is_none() {
        return Ok(None);
    }
    let problems = bad.map(|Finding { subject, text, .. }| format!("{subject}: {text}")).collect();
    let damaged = if key.is_some() { Damaged::Database } else { Damaged::Key };
    let _locks = lock_all(directory, "rebuilds the state")?;
    Ok(Some(SetAside { problems, kept_as: set_aside(directory, damaged)? }))
}

/// What is in a vault that is shut: to open it takes the project's lock.
async fn opened(
    state: &State,
    engine: &Arc<dyn ContainerEngine>,
    project: &ProjectName,
) -> Result<VaultFiles, OpsError> {
    let process = Arc::new(Processes::new(state.directory.path().to_owned(), state.key));
    let runtimes = Runtimes {
        docker: Some(engine.clone()),
        is_engine_needed: true,
        missing_engine: None,
        process,
        moves: Default::default(),
        sees_forgotten: false,
    };
    let message = "rebuilds the state of a host".to_owned();
    let hold = Hold::take(state, &runtimes, project, new_deployment(), Some(&message)).await?;
    let reading = engine.read_all(project).await;
    hold.release().await;
    match reading? {
        Reading::Open(files) => Ok(files),
        Reading::Shut | Reading::NoVault => Err(nothing_kept(project)),
    }
}

fn records(state: &State, project: &ProjectName) -> Result<Records, OpsError> {
    let deployments = state.store.deployments(Some(project))?;
    Ok(Records {
        deployments: deployments.into_iter().map(|record| record.id).collect(),
        made_values: state.store.made_values(project)?.len(),
    })
}

fn nothing_kept(project: &ProjectName) -> OpsError {
    let text = format!("nothing of `{project}` is kept on the engine: there is nothing to rebuild its state from");
    let hint = "nothing was changed: `orchestrate state restore` puts a backup in place; without one, move a damaged \
                `state.db` away, and the next `apply` finds what runs by its labels";
    Fault::new(Class::Configuration, "nothing-kept", text).hint(hint).into()
}
