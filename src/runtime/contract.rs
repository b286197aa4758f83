use std::{collections::BTreeSet, path::Path, time::Duration};

use async_trait::async_trait;
use futures_util::stream::BoxStream;

use super::{
    Attached, Chunks, ExecRequest, Nudge, OneOff, PathFacts, ProcessTable, PullPolicy, Usage, by_hand::not_here,
};
use crate::{
    action::{Action, Effect, InstanceSpec},
    name::ProjectName,
    observed::{Capacity, Difference, Fault, Instance, Observed, RuntimeEvent, Wanted},
    plan::{ImageReference, RuntimeKind},
    time::Timestamp,
};

/// Which of an instance's outputs a line was written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    Stdout,
    Stderr,
}

/// One line that an instance wrote, as it wrote it (neither cleaned nor scrubbed), at most
/// 16 KiB of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    pub at: Option<Timestamp>,
    pub stream: Stream,
    pub text: String,
}

/// Which lines to read.
#[derive(Debug, Clone, Default)]
pub struct LogQuery {
    /// Only so many of the last lines.
    pub tail: Option<usize>,
    pub since: Option<Timestamp>,
    /// Go on with what is written from now, until the instance is gone.
    pub follow: bool,
}

/// What a command inside an instance did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    pub exit_code: i64,
    /// The first 64 KiB of what it wrote, both outputs together.
    pub output: String,
}

/// How far a long action has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    Pull {
        image: String,
        current_bytes: u64,
        total_bytes: u64,
    },
    /// A build came to another of its steps.
    Build {
        image: String,
        step: u32,
        steps: u32,
        text: String,
    },
}

/// The reading half of a runtime.
#[async_trait]
pub trait Observe: Send + Sync {
    /// What exists now, as far as `wanted` asks. A runtime only answers for its own kind.
    ///
    /// # Errors
    /// If the engine cannot be reached or does not answer in time.
    async fn observe(&self, wanted: &Wanted) -> Result<Observed, Fault>;

    /// The ids of the images that are held for a project, by [`Action::HoldImage`].
    async fn held_images(&self, project: &ProjectName) -> Result<BTreeSet<String>, Fault> {
        let _ = project;
        Ok(BTreeSet::new())
    }

    /// What the host of the engine has; `None` where nobody tells.
    ///
    /// # Errors
    /// If the engine cannot be asked.
    async fn capacity(&self) -> Result<Option<Capacity>, Fault> {
        Ok(None)
    }

    /// What an image's registry calls it now, as in `sha256:…`; `None` from a runtime without images.
    ///
    /// # Errors
    /// If the registry does not have it, or cannot be asked.
    async fn registry_digest(&self, image: &ImageReference) -> Result<Option<String>, Fault> {
        let _ = image;
        Ok(None)
    }

    /// In what instances that Compose made differ from what these specs would make, in the same order.
    async fn differences(&self, adopted: &[(Instance, InstanceSpec)]) -> Result<Vec<Vec<Difference>>, Fault> {
        Ok(adopted.iter().map(|_| Vec::new()).collect())
    }

    /// One instance as it is now; `None` if it is gone.
    async fn inspect(&self, runtime: RuntimeKind, id: &str) -> Result<Option<Instance>, Fault>;

    /// Lines that an instance wrote, oldest first.
    async fn logs(
        &self,
        runtime: RuntimeKind,
        id: &str,
        query: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, Fault>>, Fault>;

    /// What happens to the project's instances from now on. The stream may have gaps, and may end:
    /// it makes things quicker, nothing relies on it.
    async fn watch(&self, project: &ProjectName) -> Result<BoxStream<'static, RuntimeEvent>, Fault>;

    /// Runs a command inside a running instance (on the host, in the process's directory and
    /// environment, for a process). It only reads as far as we are concerned: checks do it.
    ///
    /// # Errors
    /// `Class::Timeout` after `timeout`; the command is killed where that is possible.
    async fn exec(
        &self,
        runtime: RuntimeKind,
        id: &str,
        command: &[String],
        timeout: Duration,
    ) -> Result<ExecOutput, Fault>;

    /// What a running instance has used until now.
    async fn usage(&self, runtime: RuntimeKind, id: &str) -> Result<Usage, Fault> {
        let _ = (runtime, id);
        Err(not_here("tell what is used"))
    }

    /// The processes of a running instance.
    async fn processes(&self, runtime: RuntimeKind, id: &str) -> Result<ProcessTable, Fault> {
        let _ = (runtime, id);
        Err(not_here("list processes"))
    }

    /// What a path in an instance leads to; `None` if there is nothing.
    async fn path_facts(&self, runtime: RuntimeKind, id: &str, path: &str) -> Result<Option<PathFacts>, Fault> {
        let _ = (runtime, id, path);
        Err(not_here("look at files"))
    }

    /// What is at a path in an instance, as a tar archive.
    async fn copy_out(&self, runtime: RuntimeKind, id: &str, path: &str) -> Result<Chunks, Fault> {
        let _ = (runtime, id, path);
        Err(not_here("read files"))
    }
}

/// The whole of a runtime.
#[async_trait]
pub trait Runtime: Observe {
    /// Performs one action. Doing one again that has taken effect is not an error: it answers
    /// [`Effect::AlreadySo`], or the same effect.
    ///
    /// # Errors
    /// If it failed, or nobody knows (`is_outcome_unknown`).
    async fn perform(
        &self,
        runtime: RuntimeKind,
        action: &Action,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Effect, Fault>;

    /// Empties a volume of the project's, and fills it with what was saved of one. Nothing that has
    /// it mounted may run. Doing it again after it failed half-way ends at the same.
    ///
    /// # Errors
    /// If it failed: the volume holds anything between nothing and all then.
    async fn restore_volume(
        &self,
        project: &ProjectName,
        volume: &str,
        from: &Path,
        timeout: Duration,
    ) -> Result<(), Fault>;

    /// Runs a command inside a running instance, as [`exec`](Observe::exec) does, with a file as its
    /// standard input: it takes back what was dumped.
    ///
    /// # Errors
    /// If it ends with another exit code than 0: only the command knows what it has done then.
    async fn feed(
        &self,
        runtime: RuntimeKind,
        id: &str,
        command: &[String],
        from: &Path,
        timeout: Duration,
    ) -> Result<(), Fault>;

    /// Starts a command beside a running instance that a person wants to talk to.
    async fn attach(&self, runtime: RuntimeKind, id: &str, request: &ExecRequest) -> Result<Attached, Fault> {
        let _ = (runtime, id, request);
        Err(not_here("run commands"))
    }

    /// Starts something that runs once. Answers its id beside it, where it has one.
    async fn run_once(&self, runtime: RuntimeKind, one_off: &OneOff) -> Result<(Option<String>, Attached), Fault> {
        let _ = (runtime, one_off);
        Err(not_here("run something once"))
    }

    /// Writes a tar archive's contents into a directory of an instance, which has to be there.
    async fn copy_in(&self, runtime: RuntimeKind, id: &str, directory: &str, archive: Chunks) -> Result<(), Fault> {
        let _ = (runtime, id, directory, archive);
        Err(not_here("write files"))
    }

    /// Nudges a running instance.
    async fn nudge(&self, runtime: RuntimeKind, id: &str, nudge: &Nudge) -> Result<(), Fault> {
        let _ = (runtime, id, nudge);
        Err(not_here("send signals"))
    }

    /// Pulls an image; with [`PullPolicy::Always`] also if there is one of that name.
    async fn pull(
        &self,
        image: &ImageReference,
        policy: PullPolicy,
        progress: &(dyn Fn(Progress) + Send + Sync),
    ) -> Result<Effect, Fault> {
        let _ = (image, policy, progress);
        Err(not_here("pull images"))
    }
}
