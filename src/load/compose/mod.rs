//! Compose files → the tree of a plan.
//!
//! The order, for each project: variables → the files one by one: parse, replace `$NAME`s, `extends`
//! → merge → `include`, each included project as one of its own. Then for the whole: `!reset` →
//! Compose's own schema → profiles → what Compose means without saying it → our own words below
//! `x-orchestrate`. What comes out goes through the rest of `load` like any plan, but for templates:
//! `{{ }}` is never looked at.
//!
//! Invariants: every node keeps its place, and what came through a variable names it; what Compose
//! refuses is refused; what Compose accepts and plans do not have is taken out with a warning, never
//! in silence; copies by `extends` and text by variables are bounded.
//! Deliberately absent: OCI and git resources for `include`, and anything that asks an engine.
//!
//! Relative paths start at the project's directory, in files that are named by `extends` at their
//! own, and in included projects at theirs.

mod devices;
mod extends;
mod file_list;
mod front;
mod included;
mod inputs;
mod interpolation;
mod meaning;
mod merge;
mod model;
mod notices;
mod number;
mod own_reactions;
mod own_words;
mod profile;
mod project_name;
mod shape;
mod specification;
mod substitution;
mod variables;

pub use file_list::{COMPOSE_FILES, is_compose_name};
pub use inputs::ComposeInputs;
pub use variables::dotenv_value;

pub(super) use front::{Composed, compose, is_compose};
pub(super) use interpolation::replace;
pub(super) use own_words::OWN_KEY;
pub(super) use project_name::identify;
pub(super) use shape::properties;
pub(super) use variables::Variables;

#[cfg(test)]
mod tests;
