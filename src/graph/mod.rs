//! The dependency graph of a plan's services, and the order of several plans.
//!
//! Built once from a plan; from then on a read-only value that answers in which order things can
//! be done, what is behind a service, and what the longest chain is. A cycle is refused with its
//! whole path. Invariant: a [`Graph`] has no cycle, and names only services of its plan.

mod build;
mod cycle;
mod plan_order;

pub use build::{Edge, Graph, find_cycles};
pub use cycle::{Cycle, cycle_diagnostics};
pub use plan_order::PlanOrder;

#[cfg(test)]
mod tests;
