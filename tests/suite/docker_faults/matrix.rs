//! Every operation, each of its calls, each fault: it ends, it says what is known and no more, and
//! done again it comes to what it would have been, with nothing done twice.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use orchestrate::{action::Action, diagnostic::Class, observed::Fault};
use tokio::{sync::Semaphore, task::JoinSet};

use super::{
    daemon::Rule,
    endpoint::Endpoint,
    injected::Injected,
    operations::{ACTIONS, InVault, Operation, What, number, operations},
    stage::{patience, patience_for},
    world::World,
};

/// No operation takes so long, whatever the engine does: a few limits, one after the other.
const NEVER: Duration = Duration::from_secs(120);
/// Cases at a time: most of them wait.
const AT_ONCE: usize = 48;

/// How an operation goes when nothing goes wrong.
struct Clean {
    called: Vec<Endpoint>,
    answer: String,
    summary: Vec<String>,
    log: Vec<String>,
}

async fn clean(operation: &Operation) -> Clean {
    let daemon = operation.stage().await;
    daemon.rules([]);
    let answer = operation.run(&daemon, patience()).await.unwrap();
    let world = daemon.world();
    Clean { called: daemon.called(), answer, summary: kept(&world), log: done(&world) }
}

pub fn run<F: Future<Output = ()> + Send + 'static>(test: F) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async { tokio::spawn(test).await.unwrap() });
}

#[test]
fn every_call_of_every_operation_survives_every_fault() {
    run(async {
        let (mut cases, mut tried, mut problems) = (JoinSet::new(), BTreeSet::new(), Vec::new());
        let room = Arc::new(Semaphore::new(AT_ONCE));
        for operation in operations() {
            let clean = Arc::new(clean(&operation).await);
            for (endpoint, nth) in numbered(&clean.called) {
                for fault in faults(&operation, endpoint, nth) {
                    tried.insert((endpoint, fault));
                    let rule = Rule { endpoint, nth, fault };
                    let (operation, clean, room) = (operation.clone(), clean.clone(), room.clone());
                    cases.spawn(async move {
                        let _room = room.acquire().await.unwrap();
                        case(&operation, &clean, rule).await
                    });
                }
            }
        }
        let count = cases.len();
        while let Some(ended) = cases.join_next().await {
            problems.extend(ended.unwrap());
        }
        problems.sort();
        assert!(problems.is_empty(), "{} of {count} cases:\n{}", problems.len(), problems.join("\n"));
        let pairs = |endpoint| {
            Injected::ALL.into_iter().filter(move |fault| fault.fits(endpoint)).map(move |fault| (endpoint, fault))
        };
        let all: BTreeSet<_> = Endpoint::ALL.into_iter().flat_map(pairs).collect();
        let untried: Vec<_> = all.difference(&tried).collect();
        assert!(untried.is_empty(), "no operation gets to {untried:?}");
        println!("{} endpoints x faults in {count} cases", tried.len());
    });
}

#[test]
fn every_kind_of_action_is_among_the_operations() {
    let actions = operations().into_iter().filter_map(|operation| match operation.what {
        What::Perform(action) => Some(number(&action)),
        _ => None,
    });
    assert_eq!(actions.collect::<BTreeSet<_>>(), (0..ACTIONS).collect());
}

/// Which faults a call is given: all of them. What others look at in the same way before they do
/// something is given one, another for each call in turn.
fn faults(operation: &Operation, endpoint: Endpoint, nth: usize) -> Vec<Injected> {
    let fitting: Vec<Injected> = Injected::ALL.into_iter().filter(|fault| fault.fits(endpoint)).collect();
    match &operation.what {
        // It is made ready as in the operation that does nothing else.
        What::Vault(InVault::WriteFirst) if !matches!(endpoint, Endpoint::ReadArchive | Endpoint::WriteArchive) => {
            vec![fitting[(endpoint as usize + nth) % fitting.len()]]
        }
        // A volume may be as large as the disk, which is what would bound it here.
        What::Perform(Action::SaveVolume { .. }) if endpoint == Endpoint::ReadArchive => {
            fitting.into_iter().filter(|fault| *fault != Injected::Endless).collect()
        }
        What::Vault(what) if !endpoint.changes() && endpoint != Endpoint::ReadArchive => {
            vec![fitting[(*what as usize * 5 + endpoint as usize + nth) % fitting.len()]]
        }
        _ => fitting,
    }
}

/// Each call with its number among those of its endpoint.
pub fn numbered(called: &[Endpoint]) -> Vec<(Endpoint, usize)> {
    let nth = |at: usize| called[..at].iter().filter(|earlier| **earlier == called[at]).count();
    (0..called.len()).map(|at| (called[at], nth(at))).collect()
}

/// One fault at one call: what went wrong.
async fn case(operation: &Operation, clean: &Clean, rule: Rule) -> Vec<String> {
    let Rule { endpoint, nth, fault: injected } = rule;
    let daemon = operation.stage().await;
    let before = kept(&daemon.world());
    daemon.rules([rule]);
    let first = tokio::time::timeout(NEVER, operation.run(&daemon, patience_for(injected))).await;
    assert_eq!(daemon.injected(), 1, "{} comes to {rule:?}", operation.name);
    let now = kept(&daemon.world());
    let mut problems = Vec::new();
    match &first {
        Err(_) => problems.push("it never ends".to_owned()),
        Ok(Ok(answer)) => problems.extend(wrong_answer(operation, clean, injected, answer, &now)),
        Ok(Err(fault)) => problems.extend(wrong_fault(operation, endpoint, injected, fault, now != before)),
    }
    daemon.rules([]);
    match operation.run(&daemon, patience()).await {
        Ok(answer) if answer == clean.answer || (answer == "already so" && !operation.only_reads()) => {}
        again => problems.push(format!("again it is {again:?}, not {}", clean.answer)),
    }
    let world = daemon.world();
    let last = kept(&world);
    if last != clean.summary {
        problems.push(format!("it ends as\n  {}\nnot\n  {}", last.join("\n  "), clean.summary.join("\n  ")));
    }
    if endpoint != Endpoint::RemoveContainer && world.summary().iter().any(|line| is_window(line)) {
        problems.push("the container that a volume was read through is still there".to_owned());
    }
    let done = done(&world);
    if done != clean.log {
        problems.push(format!("was done: {done:?}, not {:?}", clean.log));
    }
    let place = format!("{}: {endpoint:?} {nth} {injected:?}", operation.name);
    problems.into_iter().map(|problem| format!("{place}: {problem}")).collect()
}

fn wrong_answer(
    operation: &Operation,
    clean: &Clean,
    injected: Injected,
    answer: &str,
    now: &[String],
) -> Option<String> {
    let is_fine = match (&operation.what, injected) {
        // What is told of may have gaps.
        (What::Watch, _) => clean.answer.starts_with(answer),
        // What a log says is not the engine's; a list of what was is believed.
        (What::Logs, Injected::Garbage | Injected::CutJson) | (What::Observe, Injected::Stale) => true,
        (What::Perform(_), _) => now == clean.summary,
        (What::Vault(_), _) => answer == clean.answer && now == clean.summary,
        _ => answer == clean.answer,
    };
    (!is_fine).then(|| format!("answers {answer}, and the world is {now:?}"))
}

fn wrong_fault(
    operation: &Operation,
    endpoint: Endpoint,
    injected: Injected,
    fault: &Fault,
    has_changed: bool,
) -> Vec<String> {
    let mut problems = Vec::new();
    let (class, code, is_transient) = expected(operation, endpoint, injected);
    if (fault.class, fault.code.as_str(), fault.is_transient) != (class, code, is_transient) {
        problems.push(format!("is {fault:?}, not {class:?} {code} transient {is_transient}"));
    }
    let is_pull = matches!(operation.what, What::Perform(Action::PullImage { .. } | Action::BuildImage { .. }));
    let is_refusal = matches!(injected, Injected::Status(404 | 409 | 500 | 503));
    let is_unknown = !is_pull && (has_changed || (endpoint.changes() && !is_refusal));
    // Whoever writes to a vault, or saves data, may do so again, whatever became of the first time.
    let is_told = !matches!(operation.what, What::Vault(_) | What::Perform(Action::SaveVolume { .. }));
    if is_told && fault.is_outcome_unknown != is_unknown {
        problems.push(format!("the outcome's being unknown is {}: {fault:?}", fault.is_outcome_unknown));
    }
    let is_clean = |c: char| !c.is_control() && !matches!(c, '\u{202a}'..='\u{202e}');
    if fault.text.chars().count() > 500 || !fault.text.chars().all(is_clean) {
        problems.push(format!("its text is not one clean line: {:?}", fault.text));
    }
    problems
}

pub fn expected(operation: &Operation, endpoint: Endpoint, injected: Injected) -> (Class, &'static str, bool) {
    let is_save = matches!(operation.what, What::Perform(Action::SaveVolume { .. }));
    match injected {
        Injected::CutJson | Injected::Garbage if endpoint == Endpoint::ReadArchive && is_save => {
            (Class::Deployment, "volume-cut-off", true)
        }
        Injected::Status(404 | 409 | 500) if endpoint == Endpoint::BuildImage => {
            (Class::Dependency, "build-failed", false)
        }
        // It is no text, but an archive.
        Injected::CutJson | Injected::Garbage if endpoint == Endpoint::ReadArchive => {
            (Class::Deployment, "vault-unreadable", false)
        }
        Injected::Endless if endpoint == Endpoint::ReadArchive => (Class::Resource, "vault-too-large", false),
        // It was to become a terminal: any answer but that breaks the connection.
        Injected::CutJson | Injected::Garbage | Injected::Endless | Injected::SlowBody
            if endpoint == Endpoint::StartExec =>
        {
            (Class::Network, "engine-connection-broken", true)
        }
        // A message of a stream that breaks off is like a stream that does.
        Injected::CutJson if matches!(endpoint, Endpoint::PullImage | Endpoint::BuildImage | Endpoint::ImportImage) => {
            (Class::Network, "engine-connection-broken", true)
        }
        Injected::LostRequest | Injected::LostAnswer | Injected::Torn | Injected::CutBody | Injected::HeaderFlood => {
            (Class::Network, "engine-connection-broken", true)
        }
        Injected::Hang | Injected::HangAfter | Injected::SlowBody
            if matches!(operation.what, What::Exec) && !matches!(endpoint, Endpoint::InspectContainer) =>
        {
            (Class::Timeout, "command-timeout", false)
        }
        Injected::Hang | Injected::HangAfter | Injected::SlowBody => (Class::Timeout, "engine-timeout", true),
        Injected::CutJson | Injected::Garbage => (Class::Network, "engine-answer-unreadable", true),
        Injected::Endless if endpoint == Endpoint::ImportImage => (Class::Network, "engine-connection-broken", true),
        Injected::Endless => (Class::Network, "engine-answer-too-long", false),
        Injected::Status(404) => (Class::Dependency, "not-found", false),
        Injected::Status(409) => (Class::Deployment, "engine-conflict", false),
        Injected::Status(502 | 503) => (Class::Network, "engine-unavailable", true),
        Injected::Status(_) => (Class::Deployment, "engine-failed", false),
        Injected::Stale => (Class::Deployment, "nothing fails of it", false),
    }
}

/// A container that a volume is read through: if it cannot be taken away, it is the next time.
fn is_window(line: &str) -> bool {
    line.contains("container orchestrate-data-")
}

/// All that is there, but what nobody counts on.
fn kept(world: &World) -> Vec<String> {
    world.summary().into_iter().filter(|line| !is_window(line)).collect()
}

/// What was done, less what was made and removed again.
fn done(world: &World) -> Vec<String> {
    let mut left: Vec<String> = Vec::new();
    for line in world.log.iter().filter(|line| !is_window(line)) {
        let undone = line.strip_prefix("remove ").map(|what| format!("create {what}"));
        match undone.and_then(|undone| left.iter().position(|earlier| *earlier == undone)) {
            Some(at) => left.truncate(at),
            None => left.push(line.clone()),
        }
    }
    left
}
