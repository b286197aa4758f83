use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Action, InstanceSpec, Phase};
use crate::{name::ServiceName, observed::Instance, plan::RuntimeKind, secret::Text};

/// A step of a deployment's action DAG.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub u32);

impl StepId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Display for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// One action and what has to come before it. A step only follows steps of its own phase or an
/// earlier one, and phases follow each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    pub id: StepId,
    pub phase: Phase,
    pub runtime: RuntimeKind,
    pub service: Option<ServiceName>,
    pub action: Action,
    /// Steps that have to be done before.
    pub after: Vec<StepId>,
    /// Whether the conditions of the service's `depends_on` have to hold before.
    pub waits_for_dependencies: bool,
    /// It is for a deployment that has failed, and part of no other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_on_failure: bool,
}

impl Step {
    /// A step that is part of every run, and waits for nothing but these.
    pub(super) fn new(id: StepId, phase: Phase, runtime: RuntimeKind, action: Action, after: Vec<StepId>) -> Self {
        Self { id, phase, runtime, service: None, action, after, waits_for_dependencies: false, is_on_failure: false }
    }
}

/// An instance that a deployment has to do with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Slot {
    pub service: ServiceName,
    pub number: u32,
    /// Its name once the deployment is over.
    pub name: String,
    pub runtime: RuntimeKind,
    /// The instance as it was observed; `None` if this deployment makes it.
    pub observed: Option<Box<Instance>>,
    /// Whether it is to be there in the end.
    pub stays: bool,
    /// What it was made from: to make it again should it be gone when it is to be put back, and
    /// for the checks that it has to pass then. `None` for what this deployment makes, and where
    /// it is not known any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Box<InstanceSpec>>,
}

/// The action DAG of a deployment. Steps are in an order in which they could be done one by one.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Actions {
    pub steps: Vec<Step>,
    pub slots: Vec<Slot>,
}

impl Actions {
    /// Hands every text that may be secret to `visit`: to seal or open them.
    pub fn visit_texts(&mut self, visit: &mut dyn FnMut(&mut Text)) {
        self.steps.iter_mut().for_each(|step| step.action.visit_texts(visit));
        let snapshots = self.slots.iter_mut().filter_map(|slot| slot.snapshot.as_mut());
        snapshots.for_each(|spec| std::sync::Arc::make_mut(&mut spec.service).visit_texts(visit));
    }
}

impl fmt::Display for Actions {
    /// One line a step: `#3 service_deployment  web: start app-web-1 (after #1, dependencies)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for step in &self.steps {
            write!(f, "{} {}  ", step.id, step.phase.as_str())?;
            if let Some(service) = &step.service {
                write!(f, "{service}: ")?;
            }
            write!(f, "{}", step.action)?;
            let mut reasons: Vec<String> = step.after.iter().map(StepId::to_string).collect();
            reasons.extend(step.waits_for_dependencies.then(|| "dependencies".to_owned()));
            match reasons.is_empty() {
                true => writeln!(f)?,
                false => writeln!(f, " (after {})", reasons.join(", "))?,
            }
        }
        Ok(())
    }
}
