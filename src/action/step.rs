use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Action, Phase};
use crate::{name::ServiceName, observed::Instance, plan::RuntimeKind};

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
#[derive(Debug, Clone, PartialEq)]
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
}

/// An instance that a deployment has to do with.
#[derive(Debug, Clone, PartialEq)]
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
}

/// The action DAG of a deployment. Steps are in an order in which they could be done one by one.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Actions {
    pub steps: Vec<Step>,
    pub slots: Vec<Slot>,
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
