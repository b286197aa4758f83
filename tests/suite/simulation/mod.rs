//! The real engine and journal in a simulated world, where everything goes wrong.
//!
//! A simulation is played from one number, its seed: random plans, random changes between them,
//! random trouble. `rig` holds the world, the store and the clock; `life` connects them with the
//! engine, loses answers and kills it; `oracle` knows what really happened, and `belief` what the
//! journal says; `invariants` are the design's twelve, looked at after every event or at the end.
//! `mutation` breaks the engine on purpose, to show that each of them notices.
//!
//! Invariants: no clock, no randomness, no thread has a part in a simulation: the same seed gives
//! the same transcript.

mod belief;
mod bite;
mod crash_points;
mod dice;
mod draft;
mod failing;
mod golden;
mod invariants;
pub mod kinds;
mod life;
mod mutation;
mod oracle;
mod report;
mod rig;
mod scenario;
mod seeds;
mod transcript;
mod watchdog;
mod weather;
