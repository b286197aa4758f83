use std::{collections::BTreeMap, time::Duration};

use crate::{name::ServiceName, observed::Fault};

/// How instances of a service behave once they have started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Behaviour {
    /// From the start until checks pass; `None` is never.
    pub ready_after: Option<Duration>,
    /// From the start until it exits by itself, and with what code.
    pub exits_after: Option<(Duration, i64)>,
}

/// A call that fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallFault {
    /// The call, as the action prints itself (`start app-web-1`).
    pub call: String,
    /// How many calls from now are left alone before it fails.
    pub skip: u32,
    /// How often it fails.
    pub times: u32,
    pub fault: Fault,
    /// The call takes effect all the same; only its answer is lost.
    pub takes_effect: bool,
}

/// What happens in a simulated world beyond what is asked of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    /// Services that are not named here are ready 300 ms after their start; jobs end after that.
    pub behaviours: BTreeMap<ServiceName, Behaviour>,
    pub faults: Vec<CallFault>,
    /// Instances, by id, that someone removes right after a call.
    pub vanishing: BTreeMap<String, String>,
}

impl Script {
    pub const READY_AFTER: Duration = Duration::from_millis(300);

    /// How a service behaves.
    pub(super) fn behaviour(&self, service_name: &ServiceName, is_job: bool) -> Behaviour {
        let scripted = self.behaviours.get(service_name).cloned();
        scripted.unwrap_or(Behaviour {
            ready_after: Some(Self::READY_AFTER),
            exits_after: is_job.then_some((Self::READY_AFTER, 0)),
        })
    }

    /// The fault of this call, if it is to fail.
    pub(super) fn fault_of(&mut self, call: &str) -> Option<(Fault, bool)> {
        let scripted = self.faults.iter_mut().find(|scripted| scripted.times > 0 && scripted.call == call)?;
        if scripted.skip > 0 {
            scripted.skip -= 1;
            return None;
        }
        scripted.times -= 1;
        Some((scripted.fault.clone(), scripted.takes_effect))
    }
}
