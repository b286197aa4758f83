//! A deployment's run as a state machine.
//!
//! The engine decides; the driver does. [`Engine::handle`] takes what happened, [`Engine::poll`]
//! says what to do next, [`Engine::next_wake`] when to come back if nothing happens. It knows
//! neither I/O nor clocks nor threads, so the same run can be driven against Docker, against
//! processes, or in virtual time, and gives the same transcript for the same inputs.
//!
//! Invariants:
//! - An action is performed only after its entry is durable: `Perform` follows `Recorded`.
//! - At most `parallelism` actions are under way.
//! - A service's instances start only when the conditions of its dependencies hold.
//! - Whatever happens, the run ends, in one of the five outcomes.
//!
//! Files: `setup` is what a run is given, `exchange` what it says and hears, `machine` the entry
//! points, `steps` the scheduling of actions, `services` and `watching` what becomes of instances,
//! `phases` the order of a deployment, `undo` the way back, `restored` whether what was put back is
//! well, `resume` going on after a crash, `commands` the plan's own hooks and tests.

mod commands;
mod exchange;
mod machine;
mod phases;
mod restored;
mod resume;
mod services;
mod setup;
mod steps;
mod undo;
mod watching;

pub use exchange::{Input, MonitorId, Output};
pub use machine::Engine;
pub use resume::{CannotResume, cut_off};
pub use setup::{Options, ServiceSetup, Setup};

#[cfg(test)]
mod tests;
