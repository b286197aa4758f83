//! Compose files → the text of a plan that means the same.
//!
//! The files are read as for deploying them: what belongs together is together, `extends`, `include` and
//! profiles are resolved. That tree is written out, each key with the comments that stood before it, and
//! each `$NAME` as a variable of the plan. What was written is loaded again and compared: where a
//! variable changed the meaning, values take its place.
//!
//! Invariants: the plan that comes out loads, and equals what the files mean, or the difference is told;
//! nothing that looks like a template in a Compose file becomes one.

mod comments;
mod convert;
mod paths;
mod template;
mod writer;

#[cfg(test)]
mod tests;

pub use convert::{ImportRequest, Imported, import};
pub use template::literal;
