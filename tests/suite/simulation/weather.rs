use std::time::Duration;

use orchestrate::{
    diagnostic::Class,
    observed::Fault,
    plan::Plan,
    runtime::simulated::{Behaviour, Script},
};

use super::dice::Dice;

/// How likely things go wrong in one run, in thousandths.
#[derive(Debug, Clone, Default)]
pub struct Weather {
    /// A call fails and had no effect.
    pub refused: u32,
    /// A call's answer is lost, whether it had an effect or not.
    pub lost: u32,
    /// What fails goes on failing.
    pub lasting: u32,
    /// The process is killed: at each write, call and answer.
    pub crash: u32,
    /// Someone interrupts it: at each input.
    pub cancel: u32,
    /// The clock jumps: at each input.
    pub jump: u32,
    pub lose_event: u32,
    pub repeat_event: u32,
    /// A look shows what was there some calls ago.
    pub stale: u32,
    /// Someone removes an instance: after each call.
    pub vanish: u32,
    /// The daemon restarts: after each call.
    pub daemon: u32,
    /// A service does not work: each of them.
    pub bad_service: u32,
}

impl Weather {
    /// Most runs see few kinds of trouble, so that each is seen alone and with each other.
    pub fn random(dice: &mut Dice) -> Self {
        let mut some = |per_mille, most: usize| if dice.chance(per_mille) { 1 + dice.below(most) as u32 } else { 0 };
        Self {
            refused: some(300, 60),
            lost: some(300, 80),
            lasting: some(300, 700),
            crash: some(350, 30),
            cancel: some(100, 20),
            jump: some(150, 60),
            lose_event: some(200, 1000),
            repeat_event: some(200, 500),
            stale: some(100, 100),
            vanish: some(120, 30),
            daemon: some(100, 20),
            bad_service: some(350, 300),
        }
    }

    /// How services behave that do not work.
    pub fn script(&self, dice: &mut Dice, plan: &Plan) -> Script {
        let mut script = Script::default();
        for (name, service) in &plan.services {
            if !dice.chance(self.bad_service) {
                continue;
            }
            let after = Duration::from_millis(dice.below(3000) as u64);
            let behaviour = match (dice.below(4), service.is_job()) {
                (0 | 1, true) => Behaviour { ready_after: None, exits_after: Some((after, 2)) },
                (_, true) => Behaviour { ready_after: None, exits_after: Some((after * 3, 0)) },
                (0, false) => Behaviour { ready_after: None, exits_after: None },
                (1, false) => Behaviour { ready_after: Some(after), exits_after: None },
                (2, false) => Behaviour { ready_after: Some(Duration::ZERO), exits_after: Some((after, 3)) },
                (_, false) => Behaviour { ready_after: Some(after), exits_after: Some((after * 2, 0)) },
            };
            script.behaviours.insert(name.clone(), behaviour);
        }
        script
    }

    /// What becomes of a call.
    pub fn fate(&self, dice: &mut Dice) -> Fate {
        if dice.chance(self.refused) {
            let fault = match dice.below(3) {
                0 => Fault::new(Class::Network, "connection-refused", "the connection was refused").transient(),
                1 => Fault::new(Class::Resource, "no-space", "no space is left"),
                _ => Fault::new(Class::Deployment, "engine-error", "the engine failed"),
            };
            return Fate { fault: Some(fault), takes_effect: false };
        }
        if dice.chance(self.lost) {
            let fault = Fault::new(Class::Timeout, "timeout", "no answer came in time").outcome_unknown();
            let fault = if dice.chance(700) { fault.transient() } else { fault };
            return Fate { fault: Some(fault), takes_effect: dice.chance(500) };
        }
        Fate { fault: None, takes_effect: true }
    }
}

/// What becomes of a call.
#[derive(Debug, Clone)]
pub struct Fate {
    pub fault: Option<Fault>,
    pub takes_effect: bool,
}
