//! Several plans in one call: each a deployment of its own, in the order of their `after`.
//!
//! All are loaded, and compared with each other and with the world, before anything is done with the
//! first. Then one goes after the other. One that does not come to a good end holds back those that
//! come after it; the others go on.

mod after;
mod ahead;
mod apply;
mod destroy;
mod open;
mod preview;
mod sequence;
mod validate;

pub(super) use after::refuse_undeployed;
pub use apply::{Deeds, apply_plans};
pub use destroy::destroy_plans;
pub use preview::preview_plans;
pub use sequence::{PlanEnd, PlanOutcome};
pub use validate::{PlansValidation, validate_plans};
