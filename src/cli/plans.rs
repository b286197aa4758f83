//! What several plans in one call have in common.

use std::error::Error as StdError;

use super::{Exit, Format, Session, Terminal, apply::Follower, failure};
use crate::{
    diagnostic::{Class, Diagnostic},
    observed::Fault,
    ops::{OpsError, PlanEnd, PlanOutcome},
    report::{ErrorReport, PlanLine, PlanWord, PlansReport},
};

/// Says how several plans ended, and with what code the command does: that of the gravest.
pub fn finish(
    session: &Session,
    terminal: &Terminal,
    format: Format,
    follower: Follower,
    ends: Vec<PlanEnd>,
) -> anyhow::Result<Exit> {
    follower.finish()?;
    let exit = ends.iter().map(|end| exit_of(&end.outcome)).fold(Exit::Ok, Exit::and);
    let report = PlansReport { plans: ends.into_iter().map(line).collect() };
    let printed = match format {
        Format::Text => terminal.print(&format!("\n{}", report.to_text(terminal.data_ink))),
        Format::Json => terminal.print(&report.to_json()),
    };
    if let Err(error) = printed {
        // The exit code tells what became of the plans, not of the words about them.
        terminal.say(&format!("the report cannot be written: {error}\n"));
    }
    Ok(session.exit(exit))
}

fn exit_of(outcome: &PlanOutcome) -> Exit {
    match outcome {
        PlanOutcome::Ended(report) => Exit::from(report.outcome),
        PlanOutcome::Refused(error) => failure::failure_exit(error),
        // What it waits for has a code of its own.
        PlanOutcome::HeldBack { .. } => Exit::Ok,
        PlanOutcome::Interrupted => Exit::Failed,
    }
}

fn line(end: PlanEnd) -> PlanLine {
    let PlanEnd { plan, environment, file, outcome } = end;
    let (word, held_back_by, error, deployment) = match outcome {
        PlanOutcome::Ended(report) => (PlanWord::from(report.outcome), None, None, Some(*report)),
        PlanOutcome::Refused(error) => (PlanWord::Refused, None, Some(error_report(&error)), None),
        PlanOutcome::HeldBack { by } => (PlanWord::HeldBack, Some(by), None, None),
        PlanOutcome::Interrupted => (PlanWord::Interrupted, None, None, None),
    };
    PlanLine { plan, environment, file, outcome: word, held_back_by, error, deployment }
}

/// Why no deployment began, in a line.
fn error_report(error: &OpsError) -> ErrorReport {
    match error {
        OpsError::Fault(fault) => ErrorReport::from(fault),
        OpsError::Invalid { diagnostics, .. } | OpsError::InTheWay { diagnostics, .. } => {
            match diagnostics.iter().find(|diagnostic| diagnostic.is_error()) {
                Some(first) => of_diagnostic(first),
                None => of_words(error),
            }
        }
        OpsError::NoPlan
        | OpsError::NoProject { .. }
        | OpsError::Declined
        | OpsError::NobodyToAsk { .. }
        | OpsError::UnknownName { .. }
        | OpsError::Missing(_)
        | OpsError::Lock(_)
        | OpsError::EngineLock(_)
        | OpsError::State(_)
        | OpsError::Store(_)
        | OpsError::DataInDoubt { .. }
        | OpsError::CutOff { .. } => of_words(error),
    }
}

fn of_diagnostic(diagnostic: &Diagnostic) -> ErrorReport {
    ErrorReport {
        class: diagnostic.class,
        code: diagnostic.code.to_owned(),
        summary: diagnostic.summary.clone(),
        hint: Some(diagnostic.hints.join("\n")).filter(|hints| !hints.is_empty()),
    }
}

fn of_words(error: &OpsError) -> ErrorReport {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(because) = cause {
        text.push_str(&format!(": {because}"));
        cause = because.source();
    }
    let fault = Fault::new(Class::Deployment, "not-begun", text);
    ErrorReport { hint: failure::hint(error), ..ErrorReport::from(&fault) }
}
