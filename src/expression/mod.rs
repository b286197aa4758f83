//! Templates in a plan's scalars: a bounded minijinja.
//!
//! A plan may come from a stranger's pull request, so a template must not be able to take the
//! process down. minijinja bounds instructions and recursion, not what one instruction makes, so
//! every template is compiled here with three changes. Its syntax tree is checked: no
//! includes, no deep nesting, only known filters. Its instructions are metered: what an
//! operator takes in, what a literal makes and what is written is paid for from one
//! budget. Its filters and tests are a closed list, each metered too, and those
//! that can multiply their input are ours or are checked before they run.
//!
//! That takes minijinja's parser and code generator, which it publishes without a promise to keep
//! them as they are: its version is pinned, and the bombs in the tests are what an upgrade has to
//! survive.
//!
//! Invariants: the memory that a render takes is bounded by the budget, whatever the template says;
//! a value that a secret or a sensitive variable had a part in is marked as secret as a whole;
//! no value, only names, is in an error's text once a secret was read. Values are immutable trees:
//! there is no `namespace`, so nothing can contain itself. Deliberately absent: includes, I/O, a
//! clock and randomness (they come through [`Host`]), and `{{ secrets }}` or `{{ env }}` as a whole.

mod check;
mod compile;
mod error;
mod filters;
mod functions;
mod json;
mod meter;
mod nearest;
mod render;
mod running_service;
mod scope;

pub use error::{ErrorKind, ExpressionError};
pub use render::{Expressions, FUEL, Rendered};
pub use scope::{Host, Scope, Variable};

#[cfg(test)]
mod bombs;
#[cfg(test)]
mod tests;
