use std::collections::BTreeSet;

use super::{OpsError, context::State};
use crate::{
    diagnostic::{Class, Diagnostic, Diagnostics},
    name::ProjectName,
    observed::{Fault, Observed},
    plan::{Plan, RuntimeKind, TargetDocument},
    store::{DeploymentRecord, Store as _},
};

/// Where the last deployment of a project, however it ended, may have left something.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub runtimes: BTreeSet<RuntimeKind>,
    pub target: TargetDocument,
}

impl Past {
    /// As the store has it. Of a project that was never deployed from here, nothing is known: it
    /// may be that the state was lost.
    pub fn of(state: &State, project: &ProjectName) -> Result<Self, OpsError> {
        let last = state.store.last_deployment(project)?;
        Ok(last.map(|record| Self { runtimes: used(&record), target: record.target }).unwrap_or_default())
    }
}

/// The runtimes that a deployment used.
pub(super) fn used(record: &DeploymentRecord) -> BTreeSet<RuntimeKind> {
    match &record.runtimes {
        Some(runtimes) => runtimes.clone(),
        // Older versions only wrote down what the engines are called.
        None => record.engine.split(", ").map(named).collect(),
    }
}

fn named(engine: &str) -> RuntimeKind {
    if engine.starts_with("docker ") { RuntimeKind::Docker } else { RuntimeKind::Process }
}

/// The runtimes that a deployment which begins may leave something on: those that its plan needs,
/// those that have something of the project now, and those that may and could not be asked.
pub(super) fn to_remember(plan: &Plan, observed: &Observed) -> BTreeSet<RuntimeKind> {
    let planned = plan.services.values().map(|service| service.runtime());
    let present = observed.instances.iter().map(|instance| instance.runtime);
    let mut networks = observed.networks.values().filter(|network| network.project.as_ref() == Some(&plan.project));
    let with_networks = networks.next().map(|_| RuntimeKind::Docker);
    planned.chain(present).chain(with_networks).chain(observed.unreachable.keys().copied()).collect()
}

/// Says of each engine that an earlier deployment used and that cannot be asked now what that means.
pub(super) fn warn_of_unreachable(observed: &Observed) -> Diagnostics {
    observed.unreachable.values().map(out_of_reach).collect()
}

fn out_of_reach(fault: &Fault) -> Diagnostic {
    let text = format!("what an earlier deployment left on its engine is not seen: {fault}");
    let warning = Diagnostic::warning("engine-out-of-reach", Class::Network, text);
    match &fault.hint {
        Some(hint) => warning.hint(hint.clone()),
        None => warning,
    }
}

/// Refuses to go on where something would be left in silence.
pub(super) fn refuse_unreachable(observed: &Observed) -> Result<(), Fault> {
    match observed.unreachable.values().next() {
        Some(fault) => Err(fault.clone()),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_engines_tell_what_an_older_version_used() {
        use RuntimeKind::{Docker, Process};

        let table = [
            ("docker 20.10.24 at unix:///var/run/docker.sock", vec![Docker]),
            ("docker 20.10.24 at tcp://engine:2375, local processes", vec![Docker, Process]),
            ("local processes", vec![Process]),
        ];
        for (engine, expected) in table {
            let found: BTreeSet<RuntimeKind> = engine.split(", ").map(named).collect();
            assert_eq!(found, expected.into_iter().collect(), "{engine}");
        }
    }
}
