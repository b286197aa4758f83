//! The Docker runtime, with the real client in front, against an engine that misbehaves: a daemon
//! in memory, so that no Docker is needed, or the real one with a proxy before it.

mod daemon;
mod deployments;
mod endpoint;
mod http;
mod injected;
mod kept;
mod locking;
mod matrix;
mod operations;
mod own_engine;
mod real;
#[cfg(feature = "fail-points")]
mod recovering;
mod restart;
mod stage;
mod streams;
mod world;
