//! Whole deployments with one fault each, at every call in turn: they end, in one of the outcomes,
//! and the next one without a fault gets to what the plan says, with nothing left over.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use orchestrate::{
    journal::Outcome,
    ops::{ApplyRequest, Context, OpsError, PlanRequest, Quiet, apply},
    report::DeploymentReport,
    runtime::docker::Patience,
};

use super::{
    daemon::{Daemon, Rule},
    endpoint::Endpoint,
    injected::Injected,
    matrix::numbered,
    stage::{patience, patience_for},
    world::World,
};

const NEVER: Duration = Duration::from_secs(120);
const AT_ONCE: usize = 16;

/// `web` as it was, and as it is to be, with a database that it needs.
const BEFORE: &str = "\
apiVersion: orchestrate/v1
name: fleet
retry: { attempts: 3, initial: 1ms, max: 5ms }
services:
  web:
    image: test/app:1
    command: [sleep, \"600\"]
    environment: { VERSION: \"1\" }
    stop_grace_period: 0s
    checks: [{ command: [\"true\"], interval: 50ms, timeout: 500ms, retries: 20 }]
";
const AFTER: &str = "\
apiVersion: orchestrate/v1
name: fleet
retry: { attempts: 3, initial: 1ms, max: 5ms }
services:
  db:
    image: test/app:2
    command: [sleep, \"600\"]
    stop_grace_period: 0s
    volumes: [\"data:/data\"]
    networks: [back]
    checks: [{ command: [\"true\"], interval: 50ms, timeout: 500ms, retries: 20 }]
  web:
    image: test/app:1
    command: [sleep, \"600\"]
    environment: { VERSION: \"2\" }
    stop_grace_period: 0s
    networks: [back, default]
    depends_on: { db: { condition: service_healthy } }
    checks: [{ command: [\"true\"], interval: 50ms, timeout: 500ms, retries: 20 }]
networks: { back: {} }
volumes: { data: {} }
";

/// A directory with a plan and state, and the daemon that it is for.
struct Site {
    directory: tempfile::TempDir,
    daemon: Daemon,
}

impl Site {
    fn new(world: World) -> Self {
        Self { directory: tempfile::tempdir().unwrap(), daemon: Daemon::new(world) }
    }

    /// One with this world and the files of that directory.
    fn copy(world: &World, files: &Path) -> Self {
        let copy = Self::new(world.clone());
        copy_all(files, copy.directory.path());
        copy
    }

    async fn apply(&self, plan: &str, patience: Patience) -> Result<DeploymentReport, OpsError> {
        let path = self.directory.path();
        std::fs::write(path.join("plan.yaml"), plan).unwrap();
        let env = [
            ("ORCHESTRATE_STATE_DIR", path.join("state").display().to_string()),
            ("HOME", path.display().to_string()),
            ("DOCKER_HOST", self.daemon.address().to_string()),
        ];
        let context = Context {
            env: Arc::new(env.map(|(name, value)| (name.to_owned(), value)).into()),
            working_directory: path.to_owned(),
            patience,
            ..Context::of_process().unwrap()
        };
        let request = ApplyRequest { plan: PlanRequest::default(), is_agreed: true, ..ApplyRequest::default() };
        tokio::time::timeout(NEVER, apply(&context, &request, &mut Quiet)).await.expect("a deployment ends")
    }
}

fn copy_all(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
            let mode = entry.metadata().unwrap().permissions().mode();
            std::fs::DirBuilder::new().mode(mode & 0o7777).create(&target).unwrap();
            copy_all(&entry.path(), &target);
        } else if entry.file_type().unwrap().is_file() {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// What is there, less the tags that keep images.
fn fleet(daemon: &Daemon) -> Vec<String> {
    let mut lines = daemon.world().summary();
    lines.retain(|line| !line.starts_with("image "));
    lines
}

/// Which faults a call is given: all of them if it changes something; otherwise one, another for
/// each call in turn.
fn rules(endpoint: Endpoint, nth: usize) -> Vec<Rule> {
    let mut fitting: Vec<Injected> = Injected::ALL.into_iter().filter(|fault| fault.fits(endpoint)).collect();
    if !endpoint.changes() {
        fitting = vec![fitting[(nth + endpoint as usize) % fitting.len()]];
    }
    fitting.into_iter().map(|fault| Rule { endpoint, nth, fault }).collect()
}

/// A deployment is not sent between threads, so each has a runtime of its own.
fn alone<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// What all cases start from, and what is tried.
struct Start {
    world: World,
    state: tempfile::TempDir,
    called: Vec<Endpoint>,
    before: Vec<String>,
    after: Vec<String>,
}

async fn start() -> Start {
    let site = Site::new(World::new());
    assert_eq!(site.apply(BEFORE, patience()).await.unwrap().outcome, Outcome::Applied);
    let before = fleet(&site.daemon);
    let clean = Site::copy(&site.daemon.world(), site.directory.path());
    clean.daemon.rules([]);
    assert_eq!(clean.apply(AFTER, patience()).await.unwrap().outcome, Outcome::Applied);
    let (called, after) = (clean.daemon.called(), fleet(&clean.daemon));
    let world = site.daemon.world().clone();
    Start { world, state: site.directory, called, before, after }
}

#[test]
fn a_deployment_survives_a_fault_at_each_of_its_calls() {
    let start = alone(start());
    let cases: Vec<Rule> =
        numbered(&start.called).into_iter().flat_map(|(endpoint, nth)| rules(endpoint, nth)).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut ended = Vec::new();
        while let Some(rule) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (outcome, problems) = alone(async {
                let site = Site::copy(&start.world, start.state.path());
                case(&site, *rule, &start.before, &start.after).await
            });
            let place = |problem| format!("{rule:?}: {problem}");
            ended.push((outcome, problems.into_iter().map(place).collect::<Vec<_>>()));
        }
        ended
    };
    let ended: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let mut outcomes = BTreeMap::<&str, usize>::new();
    ended.iter().for_each(|(outcome, _)| *outcomes.entry(outcome).or_default() += 1);
    println!("{} calls, {outcomes:?}", start.called.len());
    let mut problems: Vec<&String> = ended.iter().flat_map(|(_, problems)| problems).collect();
    problems.sort();
    assert!(problems.is_empty(), "{} of {}: {problems:#?}", problems.len(), cases.len());
}

async fn case(site: &Site, rule: Rule, before: &[String], after: &[String]) -> (String, Vec<String>) {
    let mut problems = Vec::new();
    site.daemon.rules([rule]);
    let first = site.apply(AFTER, patience_for(rule.fault)).await;
    let now = fleet(&site.daemon);
    let without_volumes = |lines: &[String]| -> Vec<String> {
        lines.iter().filter(|line| !line.starts_with("volume ")).cloned().collect()
    };
    let (outcome, expected) = match &first {
        // It was not even begun.
        Err(_) => ("refused".to_owned(), Some(before)),
        Ok(report) => match report.outcome {
            Outcome::Applied | Outcome::Unchanged => ("applied".to_owned(), Some(after)),
            Outcome::Failed | Outcome::RolledBack => (format!("{:?}", report.outcome), Some(before)),
            Outcome::NeedsAttention => ("NeedsAttention".to_owned(), None),
        },
    };
    // What an applied deployment could not clean up is told, and left for the next one.
    if let Some(expected) = expected
        && outcome != "applied"
        && without_volumes(&now) != without_volumes(expected)
    {
        problems.push(format!("{outcome}, but there is\n  {}", now.join("\n  ")));
    }
    if outcome == "NeedsAttention" {
        problems.push(format!(
            "one fault needs attention: {:?}",
            first.as_ref().map(|report| (&report.error, &report.left))
        ));
    }
    site.daemon.rules([]);
    match site.apply(AFTER, patience()).await {
        Ok(report) if matches!(report.outcome, Outcome::Applied | Outcome::Unchanged) => {}
        again => {
            problems.push(format!("{outcome}, again it is {:?}", again.map(|report| (report.outcome, report.error))))
        }
    }
    let now = fleet(&site.daemon);
    if now != after {
        problems.push(format!("{outcome}, and again, it ends as\n  {}", now.join("\n  ")));
    }
    (outcome, problems)
}
