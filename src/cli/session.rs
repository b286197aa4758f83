use std::{
    collections::BTreeMap,
    future::Future,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
};

use tokio::signal::unix::{SignalKind, signal};

use super::{Exit, InputArguments, MorePlansArguments, PlanArguments, ProjectArguments, Terminal};
use crate::{
    ops::{ComposeRequest, Context, OpsError, PlanRequest, Project, ProjectRequest},
    report::WarningReport,
};

/// A command's connection with use cases: its surroundings, and threads to run on.
pub struct Session {
    pub context: Context,
    runtime: tokio::runtime::Runtime,
    /// The code of the signal that came first; 0 if none has.
    signalled: Arc<AtomicU8>,
}

impl Session {
    /// # Errors
    /// If the working directory is gone, or threads cannot be had.
    pub fn new(env: &BTreeMap<String, String>, host: Option<String>) -> anyhow::Result<Self> {
        let context = Context { env: Arc::new(env.clone()), host, ..Context::of_process()? };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        Ok(Self { context, runtime, signalled: Arc::default() })
    }

    /// Finds out which project is meant, and says what its user should know of that.
    ///
    /// # Errors
    /// If nobody can tell.
    pub fn project(&self, terminal: &Terminal, request: &ProjectRequest) -> Result<Project, OpsError> {
        let project = Project::find(&self.context, request)?;
        terminal.warn(&project.warnings.iter().map(WarningReport::from).collect::<Vec<_>>());
        Ok(project)
    }

    /// Runs what only looks: a signal ends the program as it would any other.
    pub fn look<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Runs what changes something: the first signal makes it go back, the second ends the program.
    ///
    /// # Errors
    /// If signals cannot be heard.
    pub fn change<F: Future>(&self, terminal: &Terminal, future: F) -> anyhow::Result<F::Output> {
        let _within = self.runtime.enter();
        for (kind, exit) in [
            (SignalKind::interrupt(), Exit::Interrupted),
            (SignalKind::terminate(), Exit::Terminated),
            (SignalKind::hangup(), Exit::Terminated),
        ] {
            let mut signals = signal(kind)?;
            let (interrupt, signalled, terminal) =
                (self.context.interrupt.clone(), self.signalled.clone(), terminal.clone());
            self.runtime.spawn(async move {
                while signals.recv().await.is_some() {
                    if signalled.swap(exit.code(), Ordering::SeqCst) != 0 {
                        std::process::exit(i32::from(exit.code()));
                    }
                    terminal.say("\ninterrupted: going back; once more leaves at once, and everything as it is\n");
                    interrupt.cancel();
                }
            });
        }
        Ok(self.runtime.block_on(future))
    }

    /// How the command ends, given how its use case did: a signal changes that.
    pub fn exit(&self, exit: Exit) -> Exit {
        let signalled = self.signalled.load(Ordering::SeqCst);
        let by_signal = [Exit::Interrupted, Exit::Terminated].into_iter().find(|exit| exit.code() == signalled);
        match (by_signal, exit) {
            // It had come to its end all the same.
            (_, Exit::Ok | Exit::ChangesPending) | (None, _) => exit,
            (Some(signal), exit) => exit.and(signal),
        }
    }
}

/// A plan as the command line names it.
pub fn plan_request(arguments: &PlanArguments) -> PlanRequest {
    let request = input_request(&arguments.inputs);
    let compose = ComposeRequest {
        files: arguments.compose_files.clone(),
        project_name: arguments.project_name.clone(),
        ..request.compose
    };
    PlanRequest { plan_file: arguments.plan.clone(), compose, ..request }
}

/// Several plans as the command line names them, with all else alike.
pub fn plan_requests(arguments: &PlanArguments, more: &MorePlansArguments) -> Vec<PlanRequest> {
    let first = plan_request(arguments);
    let further = |path: &PathBuf| PlanRequest { plan_file: Some(path.clone()), ..first.clone() };
    std::iter::once(first.clone()).chain(more.more_plans.iter().map(further)).collect()
}

/// A project as the command line names it.
pub fn project_request(arguments: &ProjectArguments) -> ProjectRequest {
    ProjectRequest { project: arguments.project.clone(), plan: plan_request(&arguments.plan) }
}

/// What goes into a plan, as the command line names it.
pub fn input_request(arguments: &InputArguments) -> PlanRequest {
    let var = |assignment: &super::Assignment| (assignment.name.clone(), assignment.value.clone());
    PlanRequest {
        plan_file: None,
        adopt: false,
        environment: arguments.environment.clone(),
        vars: arguments.vars.iter().map(var).collect(),
        compose: ComposeRequest {
            env_files: arguments.env_files.clone(),
            profiles: arguments.profiles.clone(),
            project_directory: arguments.project_directory.clone(),
            ..ComposeRequest::default()
        },
        ..PlanRequest::default()
    }
}
