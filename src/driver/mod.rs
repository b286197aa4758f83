//! The loop that connects the engine with the world.
//!
//! [`drive`] does so with a runtime, a store and a clock; [`simulate`] with a simulated world in
//! virtual time. Both only carry messages: what the engine says is done, what happens is told to
//! it. Invariants: entries are durable before the engine hears `Recorded`; every task that was
//! spawned is joined before the loop ends.

mod clock;
mod drive;
mod evidence;
mod fail_point;
mod keeper;
mod simulation;

pub use clock::Clock;
pub use drive::{Connections, DriveError, drive};
pub use fail_point::{FailPoint, fail_point};
pub use keeper::LockKeeper;
pub use simulation::{Simulation, simulate, simulate_until};
