//! What one can do, one use case a file.
//!
//! Each reads as the sentence that it is: [`apply`] loads a plan, looks at the world, asks, locks,
//! looks again, runs and reports. A use case prints nothing and asks through the [`Watcher`] that
//! it is given, so the command line, a server or a library call it alike. Invariant: what only
//! looks ([`preview`], `status`, `check`) holds an [`Observe`](crate::runtime::Observe), which has
//! no call that changes anything.

mod apply;
mod context;
mod destroy;
mod error;
mod files;
mod look;
mod open;
mod preview;
mod rollback;
mod run;
mod simulate;
mod watcher;

pub use apply::{ApplyRequest, apply};
pub use context::Context;
pub use destroy::{DestroyRequest, destroy};
pub use error::OpsError;
pub use files::RealFiles;
pub use look::{Look, look};
pub use open::{Opened, PlanRequest, find_plan, open};
pub use preview::{Preview, PreviewRequest, preview};
pub use rollback::{RollbackPreview, RollbackRequest, preview_rollback, rollback};
pub use run::RunOptions;
pub use simulate::simulate;
pub use watcher::{Quiet, Watcher};
