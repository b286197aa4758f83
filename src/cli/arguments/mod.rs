//! What can be typed. The doc comments are the help.

mod apply;
mod common;
mod convert;
mod daily;
mod inspect;
mod keep;
mod lock;
mod render;
mod snapshot;
mod state;

use clap::{Parser, Subcommand};

pub use apply::{
    AbortArguments, ApplyArguments, DestroyArguments, PreviewArguments, PullWhen, RecoverArguments, RollbackArguments,
};
pub use common::{
    Assignment, ColourChoice, CommonArguments, Format, InputArguments, MorePlansArguments, PlanArguments,
    ProjectArguments,
};
pub use convert::{ExportArguments, ImportArguments};
pub use daily::{
    BuildArguments, CpArguments, ExecArguments, ImagesArguments, KillArguments, LockImagesArguments, LsArguments,
    PauseArguments, PortArguments, PullArguments, RefreshWhen, RestartArguments, RunArguments, ScaleArguments,
    SecretArguments, SecretCommand, SecretShowArguments, StartArguments, StatsArguments, StopArguments, TopArguments,
    UnpauseArguments, WhichArguments,
};
pub use inspect::{CheckArguments, LogsArguments, Since, StatusArguments};
pub use keep::{ForgetArguments, OutputArguments};
pub use lock::{LockArguments, LockCommand, LockReleaseArguments, LockStatusArguments};
pub use render::{
    GraphArguments, GraphFormat, RenderArguments, RenderFormat, SchemaArguments, SchemaKind, ValidateArguments,
};
pub use snapshot::{SnapshotArguments, SnapshotCommand, SnapshotCreateArguments, SnapshotRestoreArguments};
pub use state::{
    CompletionsArguments, DoctorArguments, HistoryArguments, InitArguments, ShowArguments, StateArguments,
    StateBackupArguments, StateCommand, StatePathArguments, StateRebuildArguments, StateRestoreArguments,
    StateVerifyArguments, WatchArguments,
};

/// Takes services from what runs now to what a plan says, and proves that the result works.
///
/// Services start in dependency order, gated by health checks. If something fails, everything is
/// put back. Nothing is touched that `orchestrate` did not make.
#[derive(Debug, Parser)]
#[command(name = "orchestrate", version, disable_help_subcommand = true, max_term_width = 100)]
pub struct Arguments {
    #[command(flatten)]
    pub common: CommonArguments,
    #[command(subcommand)]
    pub command: Command,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    Apply(ApplyArguments),
    Preview(PreviewArguments),
    Validate(ValidateArguments),
    Render(RenderArguments),
    Graph(GraphArguments),
    Schema(SchemaArguments),
    #[command(visible_alias = "ps")]
    Status(StatusArguments),
    Check(CheckArguments),
    Logs(LogsArguments),
    Stop(StopArguments),
    Start(StartArguments),
    Restart(RestartArguments),
    Kill(KillArguments),
    Pause(PauseArguments),
    Unpause(UnpauseArguments),
    Scale(ScaleArguments),
    Exec(ExecArguments),
    Run(Box<RunArguments>),
    Cp(CpArguments),
    Port(PortArguments),
    Top(TopArguments),
    Stats(StatsArguments),
    Images(ImagesArguments),
    Pull(PullArguments),
    Output(OutputArguments),
    Forget(ForgetArguments),
    Build(BuildArguments),
    LockImages(LockImagesArguments),
    Secret(SecretArguments),
    Ls(LsArguments),
    Watch(WatchArguments),
    History(HistoryArguments),
    Show(ShowArguments),
    Rollback(RollbackArguments),
    Recover(RecoverArguments),
    Abort(AbortArguments),
    Lock(LockArguments),
    Snapshot(SnapshotArguments),
    Destroy(DestroyArguments),
    State(StateArguments),
    Import(ImportArguments),
    Export(ExportArguments),
    Init(InitArguments),
    Doctor(DoctorArguments),
    Completions(CompletionsArguments),
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
