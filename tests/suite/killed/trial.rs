//! One kill, one recovery, one comparison.

use std::{
    collections::BTreeSet,
    fmt,
    os::unix::process::ExitStatusExt as _,
    process::{Command, Output, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::site::{Ground, Reference, Site, Version};

/// When the program is killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kill {
    /// When it comes to a fail point for the nth time.
    #[cfg_attr(not(feature = "fail-points"), expect(dead_code))]
    At { point: String, nth: usize },
    /// After so long.
    After(Duration),
}

/// What finds and ends the deployment that was cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// The plan from before is applied.
    Apply,
    Recover,
    /// `recover` with a state directory that knows nothing. Only where an engine does.
    Elsewhere,
    Resume,
}

impl Way {
    pub const ALL: [Self; 4] = [Self::Apply, Self::Recover, Self::Elsewhere, Self::Resume];

    fn line(self) -> &'static str {
        match self {
            Self::Apply => "apply -y --remove-orphans --format json",
            Self::Recover | Self::Elsewhere => "recover --format json",
            Self::Resume => "recover --resume --format json",
        }
    }
}

#[derive(Debug, Clone)]
pub struct Trial {
    pub kill: Kill,
    pub way: Way,
    /// A second kill, of the recovery.
    pub again: Option<Kill>,
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "kill {}, ", self.kill)?;
        if let Some(again) = &self.again {
            write!(f, "kill its recovery {again}, ")?;
        }
        write!(f, "recover by {:?}", self.way)
    }
}

impl fmt::Display for Kill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At { point, nth } => write!(f, "at {point}:{nth}"),
            Self::After(delay) => write!(f, "after {} ms", delay.as_millis()),
        }
    }
}

/// How a trial that found nothing wrong went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Passed {
    pub was_killed: bool,
    pub was_killed_again: bool,
    pub end: End,
}

/// What became of the deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    NotBegun,
    TakenBack,
    Applied,
}

/// Whether a deployment that was killed there is past its commit point, where that is certain.
fn is_committed_at(point: &str) -> Option<bool> {
    match point {
        "before-lock" | "host-lock-taken" | "lock-taken" | "before-begin" | "after-begin" | "before-lock-commit" => {
            Some(false)
        }
        "between-commits" | "after-commit" | "in-cleanup" | "before-ending" | "before-finish" | "after-finish"
        | "before-release" | "after-release" => Some(true),
        _ => None,
    }
}

impl Kill {
    /// Runs a command and kills it. Answers whether it came to that.
    fn run(&self, mut command: Command) -> (bool, Output) {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let output = match self {
            Self::At { point, nth } => {
                command.env("ORCHESTRATE_FAIL_POINT", format!("{point}:{nth}"));
                command.output().unwrap()
            }
            Self::After(delay) => {
                let mut child = command.spawn().unwrap();
                std::thread::sleep(*delay);
                child.kill().unwrap();
                child.wait_with_output().unwrap()
            }
        };
        (output.status.signal() == Some(9), output)
    }
}

/// Runs a command, which has to succeed, and reads what it prints.
fn ran(command: &mut Command, way: Way, what: &str) -> Result<Value, String> {
    let output = command.output().unwrap();
    let said = || {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        format!("{}\n{}", text(&output.stdout), text(&output.stderr))
    };
    let read = || serde_json::from_slice(&output.stdout).map_err(|error| format!("{what}: {error}: {}", said()));
    match output.status.code() {
        // Whoever wants to go on hears that it could only go back.
        Some(3) if way == Way::Resume => read(),
        Some(0) => read(),
        code => Err(format!("{what} exits with {code:?}: {}", said())),
    }
}

impl Site {
    /// Applies the other version, kills it, recovers, and compares. What is wrong is the error: the
    /// site is not to be used again then.
    pub fn try_out(&mut self, trial: &Trial, reference: &Reference) -> Result<Passed, String> {
        let (from, to) = (self.at, self.at.other());
        let before = self.world();
        // The oldest is forgotten when there are many: they are told by their ids.
        let known: BTreeSet<String> = self.history().iter().map(|record| record["deployment"].to_string()).collect();
        self.plan(to);
        let (was_killed, output) = trial.kill.run(self.command("apply -y --remove-orphans"));
        if !was_killed && output.status.code() != Some(0) {
            return Err(format!("it was not killed, and failed: {}", String::from_utf8_lossy(&output.stderr)));
        }
        let way =
            if self.ground() == Ground::Processes && trial.way == Way::Elsewhere { Way::Recover } else { trial.way };
        if way == Way::Apply {
            self.plan(from);
        }
        let host = (way == Way::Elsewhere).then(|| self.another_host());
        let recovery = |site: &Self| {
            let mut command = site.command(way.line());
            if let Some(host) = &host {
                command.env("ORCHESTRATE_STATE_DIR", host);
            }
            command
        };
        let was_killed_again = trial.again.as_ref().is_some_and(|again| again.run(recovery(self)).0);
        let report = ran(&mut recovery(self), way, "the recovery")?;
        let end = match way {
            // It was put right before this host heard of it.
            Way::Elsewhere if !was_killed_again => {
                match (end_of(report.get("outcome"))?, self.end_by_the_world(reference)?) {
                    // It had come to its end, and told the engine so.
                    (End::NotBegun, End::Applied) => End::Applied,
                    (end, _) => end,
                }
            }
            Way::Elsewhere => self.end_by_the_world(reference)?,
            Way::Apply | Way::Recover | Way::Resume => {
                let history = self.history();
                let is_new = |record: &&Value| !known.contains(&record["deployment"].to_string());
                end_of(history.iter().rfind(is_new).map(|record| &record["outcome"]))?
            }
        };
        if let Kill::At { point, .. } = &trial.kill
            && was_killed
            && let Some(is_committed) = is_committed_at(point)
            && way != Way::Resume
            && (end == End::Applied) != is_committed
        {
            return Err(format!("killed there it is {end:?}"));
        }
        self.at = match (end, way) {
            (End::NotBegun | End::TakenBack, _) | (End::Applied, Way::Apply) => from,
            (End::Applied, Way::Recover | Way::Elsewhere | Way::Resume) => to,
        };
        self.is_as_it_should_be(way, reference)?;
        if end != End::Applied && self.world().ids != before.ids {
            return Err(format!("{end:?}, but other instances: {:#?}, not {:#?}", self.world().ids, before.ids));
        }
        if self.world().made != before.made {
            return Err(format!("what was made once is made again: {:?}, not {:?}", self.world().made, before.made));
        }
        Ok(Passed { was_killed, was_killed_again, end })
    }

    fn is_as_it_should_be(&mut self, way: Way, reference: &Reference) -> Result<(), String> {
        let expected = reference.of(self.at);
        self.plan(self.at);
        if way == Way::Elsewhere {
            // What is not written on containers is set again by the next deployment.
            ran(&mut self.command("apply -y --remove-orphans --format json"), Way::Apply, "the next apply here")?;
            self.has_orphaned_files = true;
        }
        let found = self.world();
        let mut unlike = found.unlike(expected);
        unlike.retain(|line| !(self.has_orphaned_files && line.contains(": file ")));
        if !unlike.is_empty() {
            return Err(format!("it should be as {:?} is: {}", self.at, unlike.join("\n  ")));
        }
        let again = ran(&mut self.command("apply -y --remove-orphans --format json"), Way::Apply, "the second apply")?;
        if again["outcome"] != "unchanged" {
            return Err(format!("a second apply is {}: {again:#}", again["outcome"]));
        }
        let after = self.world();
        if after != found {
            return Err(format!("an unchanged apply changes: {after:#?}, not {found:#?}"));
        }
        if let Some(open) = self.history().iter().find(|record| record["outcome"].is_null()) {
            return Err(format!("history has one without an end: {open:#}"));
        }
        let lock = ran(&mut self.command("lock status --format json"), Way::Apply, "lock status")?;
        let is_free = |key: &str| lock[key].as_array().is_some_and(Vec::is_empty);
        match is_free("holders") && is_free("unfinished") {
            true => Ok(()),
            false => Err(format!("the lock is held: {lock:#}")),
        }
    }

    /// Two recoveries of another host told of it one half each.
    fn end_by_the_world(&self, reference: &Reference) -> Result<End, String> {
        let is_there = |version: Version| {
            let (found, wanted) = (self.world(), reference.of(version));
            wanted.instances.keys().all(|name| found.instances.contains_key(name)) && {
                let web = wanted.instances.keys().find(|name| name.contains("-web-")).cloned().unwrap_or_default();
                found.instances.get(&web) == wanted.instances.get(&web)
            }
        };
        match (is_there(self.at), is_there(self.at.other())) {
            (true, false) => Ok(End::TakenBack),
            (false, true) => Ok(End::Applied),
            _ => Err(format!("it is neither as before nor as after: {:#?}", self.world())),
        }
    }
}

fn end_of(outcome: Option<&Value>) -> Result<End, String> {
    match outcome.and_then(Value::as_str) {
        None if outcome.is_none_or(Value::is_null) => Ok(End::NotBegun),
        Some("rolled_back" | "failed") => Ok(End::TakenBack),
        Some("applied") => Ok(End::Applied),
        other => Err(format!("it ended as {other:?}")),
    }
}
