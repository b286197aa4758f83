use super::{
    OpsError, Project,
    context::State,
    recover::{CutOff, started_contents},
};
use crate::{
    diagnostic::{Class, Diagnostic, Severity},
    driver::Clock,
    journal::{DeploymentEnd, Entry, Journal, Outcome, StepStatus, Unfinished},
    name::ProjectName,
    report::{HistoryLine, Ink, RunState, UnfinishedReport},
    store::{DeploymentRecord, LockError, LockOwner, Store as _},
    time::Timestamp,
};

/// Where a project's last deployment stands, by its record and its journal.
pub(super) enum Last {
    /// It has come to its end, or there is none.
    Ended,
    /// All was done; only its record was not closed.
    Unclosed { record: Box<DeploymentRecord>, end: DeploymentEnd },
    /// It has not come to its end; or needs attention, and may be tried again.
    CutOff(Box<CutOff>),
    /// Its entries do not follow from each other.
    Damaged { record: Box<DeploymentRecord>, reason: String },
}

/// Where a project's last deployment stands. Writes nothing.
pub(super) fn last(state: &State, project: &ProjectName) -> Result<Last, OpsError> {
    match state.store.last_deployment(project)? {
        Some(record) => standing(state, record),
        None => Ok(Last::Ended),
    }
}

fn standing(state: &State, record: DeploymentRecord) -> Result<Last, OpsError> {
    if !matches!(record.outcome, None | Some(Outcome::NeedsAttention)) {
        return Ok(Last::Ended);
    }
    let entries = state.store.entries(record.id)?;
    let journal = match Journal::replay(&entries) {
        Ok(journal) => journal,
        Err(error) => return Ok(Last::Damaged { record: Box::new(record), reason: error.to_string() }),
    };
    Ok(match journal.unfinished() {
        Some(stands) => Last::CutOff(Box::new(CutOff { record, journal, stands })),
        None => {
            let end = DeploymentEnd {
                at: entries.last().map_or(record.started_at, |entry| entry.at),
                outcome: journal.outcome().unwrap_or(Outcome::Failed),
                error: journal.failure().map(|failure| failure.fault.clone()),
                // What its services run is read from the journal as far as it says.
                contents: started_contents(&journal),
            };
            Last::Unclosed { record: Box::new(record), end }
        }
    })
}

/// Who holds a project's lock on this host.
enum Holder {
    Nobody,
    Owner(Box<LockOwner>),
    /// It has it since this moment, and has not said who it is.
    Unknown,
}

impl Holder {
    fn of(state: &State, project: &ProjectName, now: Timestamp) -> Result<Self, OpsError> {
        match state.directory.look_at_lock(project, now) {
            Ok(()) => Ok(Self::Nobody),
            Err(LockError::Held { owner: Some(owner), .. }) => Ok(Self::Owner(owner)),
            Err(LockError::Held { owner: None, .. }) => Ok(Self::Unknown),
            Err(error @ LockError::File(_)) => Err(error.into()),
        }
    }

    /// Whether it is at the project's last deployment: its own, or one that it takes back first.
    fn is_at(&self, last: &DeploymentRecord) -> bool {
        match self {
            Self::Nobody => false,
            Self::Owner(owner) => owner.deployment == last.id || last.outcome.is_none(),
            Self::Unknown => last.outcome.is_none(),
        }
    }
}

/// Who is at a project's deployment now; `None` if nobody is. It may be one that has not begun.
pub(super) fn owner(state: &State, project: &ProjectName) -> Result<Option<Box<LockOwner>>, OpsError> {
    match Holder::of(state, project, Clock::start().now())? {
        Holder::Owner(owner) => Ok(Some(owner)),
        Holder::Nobody | Holder::Unknown => Ok(None),
    }
}

/// Whether someone is at this deployment, which is its project's last.
pub(super) fn is_running(state: &State, last: &DeploymentRecord) -> Result<bool, OpsError> {
    Ok(Holder::of(state, &last.project, Clock::start().now())?.is_at(last))
}

/// The project's deployment that runs, or was cut off. Writes nothing.
///
/// # Errors
/// If the state cannot be read.
pub fn unfinished(project: &Project) -> Result<Option<UnfinishedReport>, OpsError> {
    unfinished_of(&project.state, &project.name)
}

pub(super) fn unfinished_of(state: &State, project: &ProjectName) -> Result<Option<UnfinishedReport>, OpsError> {
    let now = Clock::start().now();
    let Some(record) = state.store.last_deployment(project)? else { return Ok(None) };
    // In this order: whoever ends it meanwhile lets the lock go last.
    if Holder::of(state, project, now)?.is_at(&record) {
        return Ok(Some(UnfinishedReport::running(&record, now)));
    }
    cut_off_report(state, project, now)
}

/// The project's last deployment, if nobody was at it and it has not come to its end.
pub(super) fn cut_off_report(
    state: &State,
    project: &ProjectName,
    now: Timestamp,
) -> Result<Option<UnfinishedReport>, OpsError> {
    match last(state, project)? {
        Last::CutOff(cut_off) if cut_off.is_to_be_ended() => {
            let CutOff { record, journal, stands } = *cut_off;
            if is_elsewhere(state, &record)? {
                let report = UnfinishedReport::running(&record, now);
                return Ok(Some(UnfinishedReport { state: RunState::Elsewhere, ..report }));
            }
            let last_at = last_heard_of(&record, &state.store.entries(record.id)?);
            let step = journal.steps().find(|(_, step)| step.status == StepStatus::Intended);
            let step = step.map(|(_, step)| step.action.to_string());
            Ok(Some(UnfinishedReport::cut_off(&record, last_at, stands, step, now)))
        }
        Last::Damaged { record, reason } => {
            let doing = Some(format!("its journal was damaged ({reason})"));
            let report = UnfinishedReport::cut_off(&record, record.started_at, Unfinished::Underway, None, now);
            Ok(Some(UnfinishedReport { doing, ..report }))
        }
        Last::Ended | Last::Unclosed { .. } | Last::CutOff(_) => Ok(None),
    }
}

/// Whether another host began it, and keeps its journal.
fn is_elsewhere(state: &State, record: &DeploymentRecord) -> Result<bool, OpsError> {
    Ok(state.store.setup(record.id)?.is_none() && state.store.entries(record.id)?.is_empty())
}

fn last_heard_of(record: &DeploymentRecord, entries: &[Entry]) -> Timestamp {
    entries.last().map_or(record.started_at, |entry| entry.at)
}

/// Says of each deployment whether it goes on. The records are newest first.
pub(super) fn stated(
    state: &State,
    records: Vec<DeploymentRecord>,
    now: Timestamp,
) -> Result<Vec<HistoryLine>, OpsError> {
    let mut seen = std::collections::BTreeSet::new();
    let line = |record: DeploymentRecord| {
        let is_last = seen.insert(record.project.clone());
        if is_last && Holder::of(state, &record.project, now)?.is_at(&record) {
            return Ok(HistoryLine { record, state: RunState::Running });
        }
        Ok(match (record.outcome, record.clone()) {
            (Some(_), record) => HistoryLine { record, state: RunState::Ended },
            (None, unended) if is_elsewhere(state, &unended)? => HistoryLine { record, state: RunState::Elsewhere },
            (None, unended) => match standing(state, unended)? {
                Last::Unclosed { mut record, end } => {
                    record.close(end);
                    HistoryLine { record: *record, state: RunState::Ended }
                }
                Last::Ended | Last::CutOff(_) | Last::Damaged { .. } => HistoryLine { record, state: RunState::CutOff },
            },
        })
    };
    records.into_iter().map(line).collect()
}

/// Adds to what stands in the way that someone is half-way through something else.
pub(super) fn note_unfinished(error: OpsError, unfinished: Option<&UnfinishedReport>) -> OpsError {
    match (error, unfinished) {
        (OpsError::InTheWay { sources, mut diagnostics }, Some(unfinished)) => {
            let text = unfinished.to_text(Ink::Plain);
            let text = text.trim_end().trim_start_matches("note: ");
            let note = Diagnostic::error("unfinished-deployment", Class::Deployment, text);
            diagnostics.push(Diagnostic { severity: Severity::Note, ..note });
            OpsError::InTheWay { sources, diagnostics }
        }
        (error, _) => error,
    }
}
