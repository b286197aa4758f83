//! A world in memory, in virtual time, for tests and for `apply --simulate`.
//!
//! It keeps the rules that matter to a deployment: names are unique, a host port has one holder, an
//! instance that started is ready, exits or hangs when its [`Script`] says so, calls fail as
//! scripted and may lose their answer. It has no clock and no threads: every call is told `now` and
//! answers how long it would have taken. Deliberately absent: anything that runs.
//!
//! [`MemoryRegister`] and [`MemoryVault`] are what an engine keeps, in memory.

mod lock_register;
mod script;
mod vault;
mod world;

pub use lock_register::MemoryRegister;
pub use script::{Behaviour, CallFault, Script};
pub use vault::MemoryVault;
pub use world::{Performance, World};
