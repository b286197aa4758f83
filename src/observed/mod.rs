//! What exists now, as plain values.
//!
//! A runtime fills these in; the diff compares them with a plan. Nothing here knows how it was
//! observed, and nothing here says what ought to be.

mod engine;
mod fault;
mod forgotten;
mod instance;
mod lock;
mod moves;
mod runtime_event;
mod stop_note;
mod surroundings;
mod world;

pub use engine::{AddressRange, EngineFacts, Listener, RangeHolder};
pub use fault::Fault;
pub use instance::{Difference, Health, Identity, Instance, InstanceState, PublishedPort, Reach, SeenFile};
pub use lock::{LockProcess, LockRecord, LockState, Reached, TopRecord, UnfinishedDeployment, UnreadableLock};
pub use runtime_event::RuntimeEvent;
pub use stop_note::StopNote;
pub use surroundings::{Capacity, Disk, Surroundings};
pub use world::{Foreign, ImageFacts, NetworkFacts, Observed, VolumeFacts, Wanted};
