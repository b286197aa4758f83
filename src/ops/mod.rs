//! What one can do, one use case a file.
//!
//! Each reads as the sentence that it is: [`apply`] loads a plan, looks at the world, asks, locks,
//! looks again, runs and reports. A use case prints nothing and asks through the [`Watcher`] that
//! it is given, so the command line, a server or a library call it alike. Invariant: what only
//! looks ([`preview`], `status`, `check`) holds an [`Observe`](crate::runtime::Observe), which has
//! no call that changes anything.

mod abort;
mod adopt;
mod apply;
mod build;
mod check;
mod checks;
mod context;
mod copy;
mod destroy;
mod doctor;
mod error;
mod exec;
mod export;
mod files;
mod follow;
mod forget;
mod graph;
mod history;
mod hold;
mod image_lock;
mod import;
mod inspecting;
mod instances;
mod lock;
mod lock_images;
mod logs;
mod look;
mod nudge;
mod one_off;
mod open;
mod outdated;
mod output;
mod past;
mod plans;
mod preview;
mod project;
mod projects;
mod pull;
mod put_right;
mod recover;
mod render;
mod restart;
mod retain;
mod rollback;
mod run;
mod scale;
mod secret;
mod shared;
mod show;
mod simulate;
mod snapshot;
mod snapshots;
mod standing;
mod start;
mod state_archive;
mod state_rebuild;
mod state_verify;
mod status;
mod stop;
mod stop_notes;
mod stored;
mod unfinished;
mod validate;
mod watch;
mod watcher;

pub use abort::{Aborted, abort};
pub use apply::{ApplyRequest, Builds, apply};
pub use build::{BuildRequest, build};
pub use check::{CheckRequest, check};
pub use context::Context;
pub use copy::{Links, RemotePath, copy_in, copy_in_archive, copy_out, copy_out_archive};
pub use destroy::{DestroyRequest, destroy};
pub use doctor::doctor;
pub use error::OpsError;
pub use exec::exec;
pub use export::{ExportRequest, Exported, export};
pub use files::RealFiles;
pub use forget::{Forgetting, forget};
pub use graph::graph;
pub use history::{HistoryScope, history};
pub use import::import;
pub use inspecting::{Stats, images, ports, top};
pub use lock::{lock_status, release_lock};
pub use lock_images::lock_images;
pub use logs::{Logs, LogsRequest, NamedLine, logs};
pub use look::{Look, look};
pub use nudge::nudge;
pub use one_off::{OneOffRequest, RunningOneOff, run_once};
pub use open::{ComposeRequest, Opened, PlanRequest, find_plan, open};
pub use output::output;
pub use plans::{
    Deeds, PlanEnd, PlanOutcome, PlansValidation, apply_plans, destroy_plans, preview_plans, validate_plans,
};
pub use preview::{Preview, PreviewRequest, preview};
pub use project::{Project, ProjectRequest};
pub use projects::projects;
pub use pull::{Pulled, pull};
pub use recover::{RecoverRequest, recover};
pub use render::render;
pub use restart::{RestartRequest, restart};
pub use rollback::{RollbackPreview, RollbackRequest, preview_rollback, rollback};
pub use run::RunOptions;
pub use secret::secret;
pub use show::{Shown, show};
pub use simulate::simulate;
pub use snapshot::{
    CreatedSnapshot, KeptSnapshots, PruneRequest, RestoreRequest, SnapshotRequest, create_snapshot, finish_restore,
    list_snapshots, prune_snapshots, remove_snapshot, restore_snapshot, show_snapshot,
};
pub use standing::{Deed, OnDeed};
pub use start::{StartRequest, start};
pub use state_archive::{BackupReport, RestoreMode, RestoreReport, backup_state, restore_state, state_path};
pub use state_rebuild::rebuild_state;
pub use state_verify::verify_state;
pub use status::status;
pub use stop::{StopRequest, stop};
pub use unfinished::unfinished;
pub use validate::{ValidPlan, Validation, validate};
pub use watch::{OnEvent, WatchTarget, Watched, watch};
pub use watcher::{Quiet, Watcher};
