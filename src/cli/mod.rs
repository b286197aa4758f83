//! The command line: arguments in, exit code out.
//!
//! [`run`] parses, calls one command and prints what went wrong. A command is a function in a file
//! of its own that takes its arguments and the [`Terminal`], calls one use case and prints its
//! result: data to stdout, talk to stderr. Invariant: the process's environment, streams and
//! signals are only touched here and in the shell's other edges, never in a use case. Usage errors
//! exit with 64; [`Exit`] lists all codes.

mod apply;
mod arguments;
mod board;
mod check;
mod completions;
mod destroy;
mod dispatch;
mod doctor;
mod exit;
mod failure;
mod graph;
mod history;
mod init;
mod lock;
mod logs;
mod preview;
mod progress;
mod prompt;
mod recover;
mod render;
mod rollback;
mod run;
mod schema;
mod session;
mod show;
mod snapshot;
mod state;
mod status;
mod terminal;
mod validate;
mod watch;

pub use arguments::{
    AbortArguments, ApplyArguments, Arguments, Assignment, CheckArguments, ColourChoice, Command, CommonArguments,
    CompletionsArguments, DestroyArguments, DoctorArguments, Format, GraphArguments, GraphFormat, HistoryArguments,
    InitArguments, InputArguments, LockArguments, LockCommand, LockReleaseArguments, LockStatusArguments,
    LogsArguments, PlanArguments, PreviewArguments, ProjectArguments, RecoverArguments, RenderArguments, RenderFormat,
    RollbackArguments, SchemaArguments, SchemaKind, ShowArguments, Since, SnapshotArguments, SnapshotCommand,
    SnapshotCreateArguments, SnapshotRestoreArguments, StateArguments, StateBackupArguments, StateCommand,
    StatePathArguments, StateRebuildArguments, StateRestoreArguments, StateVerifyArguments, StatusArguments,
    ValidateArguments, WatchArguments,
};
pub use exit::Exit;
pub use init::STARTER_PLAN;
pub use progress::{Progress, ProgressMode};
pub use prompt::{Reply, confirm};
pub use run::run;
pub use session::Session;
pub use terminal::Terminal;
