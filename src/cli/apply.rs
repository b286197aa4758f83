use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
};

use anyhow::Context as _;

use super::{
    ApplyArguments, Exit, Format, Progress, ProgressMode, PullWhen, Reply, Session, Terminal, confirm, failure, plans,
    preview, session::plan_requests,
};
use crate::{
    change::{ForceRecreate, Request},
    diagnostic::{Diagnostic, Sources},
    event::{Event, Moment},
    name::{PlanName, ServiceName},
    ops::{
        self, ApplyRequest, Builds, Deeds, PlanEnd, PlanOutcome, PlanRequest, Preview, PreviewRequest, RunOptions,
        Watcher,
    },
    plan::PullPolicy,
    report::{
        DeploymentReport, Level, PreviewReport, Tone, WarningReport, count, deployment_text, diagnostics_text,
        event_json, event_line, junit, list,
    },
};

/// `orchestrate apply`.
pub fn run(arguments: &ApplyArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.plan.inputs.host.clone())?;
    let changes = Request {
        only: (!arguments.only.is_empty()).then(|| arguments.only.iter().cloned().collect()),
        no_dependencies: arguments.no_deps,
        force_recreate: force_recreate(arguments.force_recreate.as_deref()),
        remove_orphans: arguments.remove_orphans,
        pull: arguments.pull.map(pull_policy),
        ..Request::default()
    };
    let plans = plan_requests(&arguments.plan, &arguments.more);
    let plans = plans.into_iter().map(|plan| PlanRequest { adopt: arguments.adopt, ..plan });
    if arguments.dry_run {
        let of = |plan| PreviewRequest { plan, changes: changes.clone(), ..PreviewRequest::default() };
        let requests: Vec<PreviewRequest> = plans.map(of).collect();
        return preview::show(&session, &requests, arguments.detailed_exitcode, arguments.format, terminal);
    }
    let common = ApplyRequest {
        changes,
        run: RunOptions {
            parallelism: arguments.parallelism,
            timeout: arguments.timeout,
            no_rollback: arguments.no_rollback,
            keep_failed: arguments.keep_failed,
            no_snapshot: arguments.no_snapshot,
            message: arguments.message.clone(),
        },
        builds: if arguments.build { Builds::All } else { Builds::AsPlanned },
        is_agreed: arguments.yes,
        ..ApplyRequest::default()
    };
    let requests: Vec<ApplyRequest> = plans.map(|plan| ApplyRequest { plan, ..common.clone() }).collect();
    let mut follower = Follower::new(terminal, arguments.format, arguments.events.as_deref())?;
    let [request] = requests.as_slice() else {
        let deeds = if arguments.simulate { Deeds::Simulated } else { Deeds::Real };
        let applying = ops::apply_plans(&session.context, &requests, deeds, &mut follower);
        let ends = session.change(terminal, applying)??;
        let reports = ends.iter().filter_map(|end| match &end.outcome {
            PlanOutcome::Ended(report) => Some(&**report),
            PlanOutcome::Refused(_) | PlanOutcome::HeldBack { .. } | PlanOutcome::Interrupted => None,
        });
        write_tests(arguments, terminal, reports);
        return plans::finish(&session, terminal, arguments.format, follower, ends);
    };
    let report = match arguments.simulate {
        true => session.look(ops::simulate(&session.context, request, &mut follower))?,
        false => session.change(terminal, ops::apply(&session.context, request, &mut follower))??,
    };
    write_tests(arguments, terminal, [&report]);
    finish(&session, terminal, arguments.format, follower, &report)
}

/// `--junit`.
fn write_tests<'a>(
    arguments: &ApplyArguments,
    terminal: &Terminal,
    reports: impl IntoIterator<Item = &'a DeploymentReport>,
) {
    let written = arguments.junit.as_deref().map_or(Ok(()), |path| fs::write(path, junit(reports)));
    if let Err(error) = written {
        terminal.say(&format!("the tests' report cannot be written: {error}\n"));
    }
}

/// `--force-recreate`: without names it means all.
pub fn force_recreate(names: Option<&[ServiceName]>) -> ForceRecreate {
    match names {
        None => ForceRecreate::None,
        Some([]) => ForceRecreate::All,
        Some(names) => ForceRecreate::Services(names.iter().cloned().collect()),
    }
}

/// `--pull`.
pub fn pull_policy(when: PullWhen) -> PullPolicy {
    match when {
        PullWhen::Always => PullPolicy::Always,
        PullWhen::Missing => PullPolicy::Missing,
        PullWhen::Never => PullPolicy::Never,
    }
}

/// Prints how a deployment went.
pub fn finish(
    session: &Session,
    terminal: &Terminal,
    format: Format,
    follower: Follower,
    report: &DeploymentReport,
) -> anyhow::Result<Exit> {
    follower.finish()?;
    let printed = match format {
        Format::Text => terminal.print(&deployment_text(report, terminal.data_ink)),
        Format::Json => terminal.print(&report.to_json()),
    };
    if let Err(error) = printed {
        // The exit code tells what became of the deployment, not of the words about it.
        terminal.say(&format!("the report cannot be written: {error}\n"));
    }
    Ok(session.exit(Exit::from(report.outcome)))
}

/// Shows a deployment on the terminal and writes its events to a file.
pub struct Follower {
    terminal: Terminal,
    format: Format,
    mode: ProgressMode,
    /// Made when the deployment begins: until then questions may be asked.
    progress: Option<Progress>,
    events: Option<File>,
    /// The first trouble in writing events: the deployment goes on, and this is told in the end.
    trouble: Option<io::Error>,
}

impl Follower {
    /// # Errors
    /// If the file for events cannot be made.
    pub fn new(terminal: &Terminal, format: Format, events: Option<&Path>) -> anyhow::Result<Self> {
        let open = |path: &Path| {
            File::create(path).with_context(|| format!("events cannot be written to `{}`", path.display()))
        };
        let mode = match format {
            Format::Text => terminal.progress_mode(),
            Format::Json if terminal.talk_is_terminal => terminal.progress_mode(),
            Format::Json => ProgressMode::Silent,
        };
        Ok(Self {
            terminal: terminal.clone(),
            format,
            mode,
            progress: None,
            events: events.map(open).transpose()?,
            trouble: None,
        })
    }

    /// Clears the screen for what is said next.
    pub fn finish(self) -> anyhow::Result<()> {
        if let Some(progress) = self.progress {
            progress.finish();
        }
        match self.trouble {
            Some(trouble) => Err(trouble).context("the deployment went on, but its events could not be written"),
            None => Ok(()),
        }
    }
}

impl Watcher for Follower {
    fn event(&mut self, moment: &Moment) {
        if let Event::DeploymentStarted { services, .. } | Event::DeploymentResumed { services, .. } = moment.event {
            self.progress = Some(Progress::new(self.mode, services));
        }
        match &mut self.progress {
            Some(progress) => progress.handle(moment),
            // What is done before there is a deployment.
            None if matches!(self.mode, ProgressMode::Silent) => {}
            None => self
                .terminal
                .say(&event_line(&moment.event, Level::Normal).map_or_else(String::new, |line| line + "\n")),
        }
        if let (Some(file), None) = (&mut self.events, &self.trouble) {
            let line = event_json(moment);
            self.trouble = file.write_all(line.as_bytes()).err();
        }
    }

    fn warn(&mut self, warnings: &[Diagnostic]) {
        self.terminal.warn(&warnings.iter().map(WarningReport::from).collect::<Vec<_>>());
    }

    fn warn_of_plan(&mut self, warnings: &[Diagnostic], sources: &Sources) {
        // An obstacle is told as the error that it is here.
        let warnings: Vec<Diagnostic> = warnings.iter().filter(|warning| !warning.is_obstacle).cloned().collect();
        if !warnings.is_empty() {
            let Terminal { talk_ink, width, .. } = self.terminal;
            self.terminal.say(&diagnostics_text(&warnings, sources, talk_ink, width));
        }
    }

    fn confirm(&mut self, preview: &Preview) -> Option<bool> {
        let report = preview.report();
        if self.terminal.talk_is_terminal {
            self.terminal.say(&report.to_text(self.terminal.talk_ink));
        }
        agreed(&format!("Apply this to {}?", report.engine))
    }

    fn confirm_all(&mut self, previews: &[&Preview]) -> Option<bool> {
        let reports: Vec<PreviewReport> = previews.iter().map(|preview| preview.report()).collect();
        if self.terminal.talk_is_terminal {
            reports.iter().for_each(|report| self.terminal.say(&(report.to_text(self.terminal.talk_ink) + "\n")));
        }
        let engines: BTreeSet<&str> = reports.iter().map(|report| report.engine.as_str()).collect();
        let what = count(reports.len(), "plan");
        agreed(&format!("Apply these {what} to {}?", list(engines)))
    }

    fn plan_begins(&mut self, plan: &PlanName, file: &str) {
        if !matches!(self.mode, ProgressMode::Silent) && self.terminal.level != Level::Quiet {
            self.terminal.say(&format!("\n{} ({file})\n", self.terminal.talk_ink.paint(Tone::Strong, plan.as_str())));
        }
    }

    fn plan_ended(&mut self, end: &PlanEnd) {
        if let Some(progress) = self.progress.take() {
            progress.finish();
        }
        match &end.outcome {
            PlanOutcome::Ended(report) if self.format == Format::Text => {
                if let Err(error) = self.terminal.print(&deployment_text(report, self.terminal.data_ink)) {
                    self.terminal.say(&format!("the report cannot be written: {error}\n"));
                }
            }
            PlanOutcome::Refused(error) => {
                self.terminal.say(&failure::failure_text(error, self.terminal.talk_ink, self.terminal.width));
            }
            // The list in the end says it.
            PlanOutcome::Ended(_) | PlanOutcome::HeldBack { .. } | PlanOutcome::Interrupted => {}
        }
    }
}

/// What a person answers; `None` if there is none.
fn agreed(question: &str) -> Option<bool> {
    match confirm(question) {
        Ok(Reply::Yes) => Some(true),
        Ok(Reply::No) | Err(_) => Some(false),
        Ok(Reply::Nobody) => None,
    }
}
