//! Asking instances how they are: once, for all runtimes.
//!
//! [`probe`] asks one check's question one time and says what it saw; when to ask again and what
//! the answers add up to is [`health`](crate::health)'s. It dials from here, so an image needs no
//! curl, and reads at most a bounded part of what it is answered. Invariants: an [`Answer`]'s text
//! is one clean line of bounded length, and never holds an expected value that is a secret; a probe
//! is over when the check's timeout is. Deliberately absent: retries, redirects, kept connections
//! and caches: each answer is of now.
//!
//! [`Answer`]: crate::health::Answer

mod answer;
mod ask;
mod body;
mod command;
mod engine;
mod file;
mod http;
mod log;
mod tcp;

pub use ask::probe;

#[cfg(test)]
mod stub;
