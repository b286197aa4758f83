use std::error::Error;

use anyhow::Chain;

use super::Exit;
use crate::{
    observed::Fault,
    ops::OpsError,
    report::{Ink, Tone, diagnostics_text},
    store::{EngineLockError, LockError, StateFileError, StoreError},
};

/// An error as a person reads it, on the last line of what went wrong: what, why, what to do.
pub fn failure_text(error: &(dyn Error + 'static), ink: Ink, width: usize) -> String {
    if let Some(OpsError::Invalid { sources, diagnostics } | OpsError::InTheWay { sources, diagnostics }) = find(error)
    {
        return diagnostics_text(diagnostics, sources, ink, width);
    }
    let causes: Vec<String> = Chain::new(error).map(ToString::to_string).collect();
    let mut text = format!("{}: {}\n", ink.paint(Tone::Bad, "error"), causes[0]);
    let mut said = &causes[0];
    for cause in &causes[1..] {
        // Some errors repeat their source in their own text, or the other way round.
        if !said.ends_with(cause.as_str()) && !cause.ends_with(said.as_str()) {
            text.push_str(&format!("  because {cause}\n"));
        }
        said = cause;
    }
    for line in find::<Fault>(error).into_iter().flat_map(|fault| &fault.output) {
        text.push_str(&format!("  {} {line}\n", ink.paint(Tone::Faint, "|")));
    }
    if let Some(hint) = hint(error) {
        text.push_str(&format!("  {}: {hint}\n", ink.paint(Tone::Strong, "hint")));
    }
    text
}

/// The exit code of a command that ended with an error.
pub fn failure_exit(error: &(dyn Error + 'static)) -> Exit {
    match find::<OpsError>(error) {
        Some(OpsError::Invalid { .. }) => return Exit::InvalidDocument,
        Some(OpsError::UnknownName { .. }) => return Exit::Usage,
        Some(OpsError::CutOff { .. } | OpsError::DataInDoubt { .. }) => return Exit::NeedsAttention,
        Some(
            OpsError::InTheWay { .. }
            | OpsError::NoPlan
            | OpsError::NoProject { .. }
            | OpsError::Declined
            | OpsError::NobodyToAsk { .. }
            | OpsError::Missing(_)
            | OpsError::Fault(_)
            | OpsError::Lock(_)
            | OpsError::EngineLock(_)
            | OpsError::State(_)
            | OpsError::Store(_),
        )
        | None => {}
    }
    let is_held = match (find::<LockError>(error), find::<EngineLockError>(error)) {
        (Some(LockError::Held { .. }), _) => true,
        (Some(LockError::File(_)), _) | (None, None) => false,
        (None, Some(EngineLockError::Held(_) | EngineLockError::Contended { .. })) => true,
        (None, Some(EngineLockError::Unreadable { .. } | EngineLockError::Lost { .. } | EngineLockError::Fault(_))) => {
            false
        }
    };
    if is_held { Exit::LockHeld } else { Exit::Failed }
}

/// What to do about an error, if anyone along its causes knows.
pub fn hint(error: &(dyn Error + 'static)) -> Option<String> {
    // The outermost that knows a remedy knows most of what was wanted. A lock or a store wraps
    // what happened to its file, whose remedy is closer to the trouble.
    let file = find::<StateFileError>(error).map(StateFileError::hint);
    file.or_else(|| find::<LockError>(error).map(LockError::hint))
        .or_else(|| find::<EngineLockError>(error).and_then(EngineLockError::hint))
        .or_else(|| find::<StoreError>(error).map(StoreError::hint))
        .or_else(|| find::<Fault>(error).and_then(|fault| fault.hint.clone()))
        .or_else(|| find::<OpsError>(error).and_then(OpsError::hint))
}

fn find<'e, E: Error + Send + Sync + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    Chain::new(error).find_map(|cause| {
        let passed_on = || cause.downcast_ref().and_then(passed_on);
        cause.downcast_ref().or_else(|| passed_on()?.downcast_ref())
    })
}

/// What a use case only passed on: it speaks for itself, so the chain of causes does not name it.
fn passed_on(error: &OpsError) -> Option<&(dyn Error + 'static)> {
    match error {
        OpsError::Fault(fault) => Some(fault),
        OpsError::Lock(lock) => Some(lock),
        OpsError::EngineLock(lock) => Some(lock),
        OpsError::State(file) => Some(file),
        OpsError::Store(store) => Some(store),
        OpsError::Invalid { .. }
        | OpsError::InTheWay { .. }
        | OpsError::NoPlan
        | OpsError::NoProject { .. }
        | OpsError::Declined
        | OpsError::NobodyToAsk { .. }
        | OpsError::UnknownName { .. }
        | OpsError::Missing(_)
        | OpsError::DataInDoubt { .. }
        | OpsError::CutOff { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use std::{io, path::PathBuf};

    use anyhow::Context as _;

    use super::*;
    use crate::diagnostic::Class;

    #[test]
    fn an_error_says_what_why_and_what_to_do() {
        let full = StateFileError::Full {
            path: PathBuf::from("/state/key"),
            doing: "written",
            source: io::Error::from(io::ErrorKind::StorageFull),
        };
        let store = StoreError::Unusable { path: "/state/state.db".into(), doing: "opened", source: full.into() };
        let fault = Fault::new(Class::Network, "engine-down", "the engine does not answer").hint("start it");
        let table = [
            (
                anyhow::Error::new(store).context("the deployment cannot be written down"),
                "\
error: the deployment cannot be written down
  because the state in `/state/state.db` cannot be opened
  because `/state/key` cannot be written: its disk is full
  because no storage space
  hint: make room on the disk of `/state/key`, or set `ORCHESTRATE_STATE_DIR` to a directory of your own
",
            ),
            (anyhow::Error::new(fault), "error: the engine does not answer\n  hint: start it\n"),
            (anyhow::anyhow!("plain"), "error: plain\n"),
        ];
        for (error, text) in table {
            assert_eq!(failure_text(error.as_ref(), Ink::Plain, 100), text);
            assert_eq!(failure_exit(error.as_ref()), Exit::Failed);
        }
    }

    #[test]
    fn a_held_lock_has_a_code_of_its_own() {
        let held = LockError::Held { project: "shop".parse().unwrap(), owner: None, age: Default::default() };
        let error = Err::<(), _>(held).context("nothing was done").unwrap_err();
        assert_eq!(failure_exit(error.as_ref()), Exit::LockHeld);
        assert_eq!(
            failure_text(error.as_ref(), Ink::Plain, 100),
            "error: nothing was done\n  because project `shop` is locked\n  hint: try again in a moment\n"
        );
    }

    #[test]
    fn what_a_use_case_passes_on_keeps_its_remedy_and_its_code() {
        let held = || LockError::Held { project: "shop".parse().unwrap(), owner: None, age: Default::default() };
        let fault = Fault::new(Class::Network, "engine-down", "the engine does not answer").hint("start it");
        let table = [
            (
                OpsError::Lock(held()),
                Exit::LockHeld,
                "error: project `shop` is locked\n  hint: try again in a moment\n",
            ),
            (OpsError::Fault(fault), Exit::Failed, "error: the engine does not answer\n  hint: start it\n"),
            (
                OpsError::NoPlan,
                Exit::Failed,
                "error: there is no plan here: no `plan.yaml`, `orchestrate.yaml` or `compose.yaml`, here or upwards\n  \
                 hint: name one, or write a first one with `orchestrate init`\n",
            ),
        ];
        for (error, exit, text) in table {
            let error = anyhow::Error::new(error);
            assert_eq!(
                (failure_exit(error.as_ref()), failure_text(error.as_ref(), Ink::Plain, 100).as_str()),
                (exit, text)
            );
        }
    }
}
