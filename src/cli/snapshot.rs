use std::collections::BTreeMap;

use serde_json::json;

use super::{
    Exit, Format, ProjectArguments, Reply, Session, SnapshotArguments, SnapshotCommand, SnapshotCreateArguments,
    SnapshotRestoreArguments, Terminal, confirm, session::project_request,
};
use crate::{
    diagnostic::{Class, Diagnostic},
    event::Moment,
    name::SnapshotId,
    observed::Fault,
    ops::{self, OpsError, Preview, Project, PruneRequest, RestoreRequest, SnapshotRequest, Watcher},
    report::{
        DataPlan, RestoreReport, WarningReport, bytes_text, count, list, snapshot_json, snapshot_text, snapshots_json,
        snapshots_table, versioned_json,
    },
};

/// `orchestrate snapshot`.
pub fn run(arguments: &SnapshotArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    match &arguments.command {
        SnapshotCommand::Create(create) => self::create(create, terminal, env),
        SnapshotCommand::Restore(restore) => self::restore(restore, terminal, env),
        SnapshotCommand::List(arguments) => {
            let (_, project) = find(&arguments.project, terminal, env)?;
            let kept = ops::list_snapshots(&project)?;
            terminal.print(&match arguments.format {
                Format::Text => snapshots_table(&kept.project, &kept.snapshots, kept.work.as_ref(), terminal.data_ink),
                Format::Json => snapshots_json(&kept.project, &kept.snapshots, kept.work.as_ref()),
            })?;
            Ok(Exit::Ok)
        }
        SnapshotCommand::Show(arguments) => {
            let (_, project) = find(&arguments.project, terminal, env)?;
            let found = ops::show_snapshot(&project, &arguments.snapshot)?;
            terminal.print(&match arguments.format {
                Format::Text => snapshot_text(&found, terminal.data_ink),
                Format::Json => snapshot_json(&found),
            })?;
            Ok(Exit::Ok)
        }
        SnapshotCommand::Prune(arguments) => {
            let (session, project) = find(&arguments.project, terminal, env)?;
            let request = PruneRequest { keep: arguments.keep };
            let gone = ops::prune_snapshots(&session.context, &project, &request)?;
            removed(&gone, arguments.format, terminal)
        }
        SnapshotCommand::Rm(arguments) => {
            let (session, project) = find(&arguments.project, terminal, env)?;
            let gone = ops::remove_snapshot(&session.context, &project, &arguments.snapshot)?;
            removed(&[gone], arguments.format, terminal)
        }
    }
}

fn find(
    arguments: &ProjectArguments,
    terminal: &Terminal,
    env: &BTreeMap<String, String>,
) -> anyhow::Result<(Session, Project)> {
    let session = Session::new(env, arguments.plan.inputs.host.clone())?;
    let project = session.project(terminal, &project_request(arguments))?;
    Ok((session, project))
}

fn removed(gone: &[SnapshotId], format: Format, terminal: &Terminal) -> anyhow::Result<Exit> {
    match format {
        Format::Text if gone.is_empty() => terminal.say("no snapshot was removed\n"),
        Format::Text => terminal.say(&format!("{} removed: {}\n", count(gone.len(), "snapshot"), list(gone))),
        Format::Json => terminal.print(&versioned_json(&json!({ "removed": gone })))?,
    }
    Ok(Exit::Ok)
}

fn create(
    arguments: &SnapshotCreateArguments,
    terminal: &Terminal,
    env: &BTreeMap<String, String>,
) -> anyhow::Result<Exit> {
    let (session, project) = find(&arguments.project, terminal, env)?;
    let request = SnapshotRequest { services: arguments.services.clone(), message: arguments.message.clone() };
    let agree = |plan: &DataPlan| match plan.stopped.is_empty() {
        true => Ok(()),
        false => agree(plan, "Save this", arguments.yes, terminal),
    };
    let mut warnings = Warnings { terminal };
    let create = ops::create_snapshot(&session.context, &project, &request, &mut warnings, agree);
    let created = session.change(terminal, create)??;
    let (id, bytes) = (created.record.id, created.record.bytes());
    match arguments.format {
        Format::Text => {
            terminal.print(&format!("snapshot {id}: {}\n", bytes_text(bytes)))?;
            created.trouble.iter().for_each(|trouble| terminal.say(&format!("not well: {trouble}\n")));
        }
        Format::Json => terminal.print(&versioned_json(&json!({
            "snapshot": id,
            "bytes": bytes,
            "data": created.record.data,
            "trouble": created.trouble,
        })))?,
    }
    Ok(session.exit(if created.trouble.is_empty() { Exit::Ok } else { Exit::NeedsAttention }))
}

fn restore(
    arguments: &SnapshotRestoreArguments,
    terminal: &Terminal,
    env: &BTreeMap<String, String>,
) -> anyhow::Result<Exit> {
    let (session, project) = find(&arguments.project, terminal, env)?;
    let request = RestoreRequest {
        snapshot: arguments.snapshot.clone(),
        services: arguments.services.clone(),
        no_backup: arguments.no_backup,
        files: arguments.files,
        message: arguments.message.clone(),
    };
    let agree = |plan: &DataPlan| agree(plan, "Overwrite this", arguments.yes, terminal);
    let mut warnings = Warnings { terminal };
    let restore = ops::restore_snapshot(&session.context, &project, &request, &mut warnings, agree);
    let report = session.change(terminal, restore)??;
    restore_ended(&session, terminal, arguments.format, &report)
}

/// Says how a restore ended.
pub(super) fn restore_ended(
    session: &Session,
    terminal: &Terminal,
    format: Format,
    report: &RestoreReport,
) -> anyhow::Result<Exit> {
    terminal.print(&match format {
        Format::Text => report.to_text(),
        Format::Json => report.to_json(),
    })?;
    Ok(session.exit(if report.is_good() { Exit::Ok } else { Exit::NeedsAttention }))
}

/// Asks, always: services stop, or data goes.
fn agree(plan: &DataPlan, question: &str, is_agreed: bool, terminal: &Terminal) -> Result<(), OpsError> {
    if is_agreed {
        return Ok(());
    }
    terminal.say(&plan.to_text());
    match confirm(&format!("{question} on {}?", plan.engine)) {
        Ok(Reply::Yes) => Ok(()),
        Ok(Reply::No) | Err(_) => Err(OpsError::Declined),
        Ok(Reply::Nobody) => {
            let fault = Fault::new(Class::Configuration, "nobody-to-ask", "there is no terminal to ask on");
            Err(fault.hint("say `--yes` if that is what you want").into())
        }
    }
}

/// Passes warnings on; there is no deployment to follow.
struct Warnings<'t> {
    terminal: &'t Terminal,
}

impl Watcher for Warnings<'_> {
    fn event(&mut self, _: &Moment) {}

    fn warn(&mut self, warnings: &[Diagnostic]) {
        self.terminal.warn(&warnings.iter().map(WarningReport::from).collect::<Vec<_>>());
    }

    fn confirm(&mut self, _: &Preview) -> Option<bool> {
        None
    }
}
