//! Values as text: for people, and for programs.
//!
//! Everything here turns a value that is complete into a text that is complete. For each kind of
//! value there is one text form, readable without colour, and one JSON form; both are made from
//! the same value. Invariants: JSON starts with [`FORMAT_VERSION`] and only grows; the same value
//! gives the same bytes; control characters of foreign texts do not pass. Deliberately absent:
//! terminals, their size, the clock, and any state between two calls.

mod checks;
mod chronicle;
mod commands;
mod daily;
mod deployment;
mod deployment_text;
mod diagnostics;
mod doctor;
mod event_line;
mod excerpt;
mod grammar;
mod graph;
mod history;
mod image_lock;
mod ink;
mod json;
mod junit;
mod lock;
mod log_lines;
mod outputs;
mod plans;
mod preview;
mod quantity;
mod rebuild;
mod show;
mod snapshots;
mod status;
mod table;
mod unfinished;

pub use checks::{CheckResult, ChecksReport, checks_table};
pub use chronicle::{Chronicle, Ending};
pub use commands::CommandReport;
pub use daily::{ImageLine, ProjectLine, UsageLine, images_table, processes_text, projects_table, usage_table};
pub use deployment::{DeploymentReport, ErrorReport, PhaseReport, ServiceReport, ServiceResult};
pub use deployment_text::deployment_text;
pub use diagnostics::{WarningReport, diagnostics_json, diagnostics_text, warnings_text};
pub use doctor::{Condition, DoctorReport, Finding, doctor_text};
pub use event_line::{Level, event_json, event_line, outcome_words};
pub use grammar::{count, digits, list};
pub use graph::{GraphReport, graph_dot, graph_mermaid, graph_text};
pub use history::{HistoryLine, history_json, history_table};
pub use image_lock::{ImageLockReport, LockedImage};
pub use ink::{Ink, Tone};
pub use json::{FORMAT_VERSION, versioned_json};
pub use junit::junit;
pub use lock::{LockHolderReport, LockPlace, LockReport, OwnerWord};
pub use log_lines::LogLines;
pub use outputs::{OutputReport, outputs_json, outputs_table};
pub use plans::{PlanLine, PlanWord, PlansReport, previews_json};
pub use preview::{CauseReport, ChangeReport, PreviewReport};
pub use quantity::{bytes_text, duration_text, millis_text};
pub use rebuild::{RebuildReport, Records, SetAside};
pub use show::{show_json, show_text};
pub use snapshots::{
    DataPlan, RestoreReport, RestoreState, RestoredData, snapshot_json, snapshot_text, snapshots_json, snapshots_table,
};
pub use status::{HealthWord, InstanceStatus, OneOffStatus, ServiceStatus, StatusReport, StoppedReport, status_table};
pub use table::{Cell, Table};
pub use unfinished::{RunState, UnfinishedReport};
