//! The command line: arguments in, exit code out.
//!
//! [`run`] parses, calls one command and prints what went wrong. A command is a function in a file
//! of its own that takes its arguments and the [`Terminal`], calls one use case and prints its
//! result: data to stdout, talk to stderr. Invariant: the process's environment, streams and
//! signals are only touched here and in the shell's other edges, never in a use case. Usage errors
//! exit with 64; [`Exit`] lists all codes.

mod apply;
mod arguments;
mod attached;
mod board;
mod build;
mod check;
mod completions;
mod cp;
mod deed;
mod destroy;
mod dispatch;
mod doctor;
mod exec;
mod exit;
mod export;
mod failure;
mod forget;
mod graph;
mod history;
mod images;
mod import;
mod init;
mod kill;
mod lock;
mod lock_images;
mod logs;
mod ls;
mod output;
mod plans;
mod port;
mod preview;
mod progress;
mod prompt;
mod pull;
mod recover;
mod render;
mod restart;
mod rollback;
mod run;
mod run_once;
mod scale;
mod schema;
mod secret;
mod session;
mod show;
mod snapshot;
mod start;
mod state;
mod stats;
mod status;
mod stop;
mod terminal;
mod top;
mod validate;
mod watch;
mod written;

pub use arguments::{
    AbortArguments, ApplyArguments, Arguments, Assignment, BuildArguments, CheckArguments, ColourChoice, Command,
    CommonArguments, CompletionsArguments, CpArguments, DestroyArguments, DoctorArguments, ExecArguments,
    ExportArguments, ForgetArguments, Format, GraphArguments, GraphFormat, HistoryArguments, ImagesArguments,
    ImportArguments, InitArguments, InputArguments, KillArguments, LockArguments, LockCommand, LockImagesArguments,
    LockReleaseArguments, LockStatusArguments, LogsArguments, LsArguments, MorePlansArguments, OutputArguments,
    PauseArguments, PlanArguments, PortArguments, PreviewArguments, ProjectArguments, PullArguments, PullWhen,
    RecoverArguments, RefreshWhen, RenderArguments, RenderFormat, RestartArguments, RollbackArguments, RunArguments,
    ScaleArguments, SchemaArguments, SchemaKind, SecretArguments, SecretCommand, SecretShowArguments, ShowArguments,
    Since, SnapshotArguments, SnapshotCommand, SnapshotCreateArguments, SnapshotRestoreArguments, StartArguments,
    StateArguments, StateBackupArguments, StateCommand, StatePathArguments, StateRebuildArguments,
    StateRestoreArguments, StateVerifyArguments, StatsArguments, StatusArguments, StopArguments, TopArguments,
    UnpauseArguments, ValidateArguments, WatchArguments, WhichArguments,
};
pub use exit::Exit;
pub use init::STARTER_PLAN;
pub use progress::{Progress, ProgressMode};
pub use prompt::{Reply, confirm};
pub use run::run;
pub use session::Session;
pub use terminal::Terminal;
