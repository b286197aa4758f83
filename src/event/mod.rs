//! Anything that a watcher can see of a deployment, as data.
//!
//! A closed enum: the terminal, `--events`, and later servers all consume the same values. Events
//! hold no secrets: texts in them were scrubbed where they came in.

mod kind;

pub use kind::{Event, Moment, PhaseStatus, Stage};
