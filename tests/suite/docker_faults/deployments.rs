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
    checks: [{ command: [\"true\"], interval: 50ms, timeout: 5s, retries: 20 }]
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
    checks: [{ command: [\"true\"], interval: 50ms, timeout: 5s, retries: 20 }]
  web:
    image: test/app:1
    command: [sleep, \"600\"]
    environment: { VERSION: \"2\" }
    stop_grace_period: 0s
    networks: [back, default]
    depends_on: { db: { condition: service_healthy } }
    checks: [{ command: [\"true\"], interval: 50ms, timeout: 5s, retries: 20 }]
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

/// What is there, less the tags that keep images and what is kept in the vault.
fn fleet(daemon: &Daemon) -> Vec<String> {
    let mut lines = daemon.world().summary();
    lines.retain(|line| !line.starts_with("image ") && !line.starts_with("orchestrate-state-"));
    lines
}

/// The same less what a deployment that is taken back leaves for the next one.
fn taken_back(lines: &[String]) -> Vec<&String> {
    let stays = |line: &&String| line.starts_with("volume ") || line.starts_with("container orchestrate-state-");
    lines.iter().filter(|line| !stays(line)).collect()
}

/// Whether other hosts can read how it ended.
fn is_told(daemon: &Daemon, report: &DeploymentReport) -> bool {
    let Some(id) = report.deployment else { return true };
    let kept = format!("orchestrate-state-fleet/deployments/{id}.json kept ");
    daemon.world().summary().iter().any(|line| line.starts_with(&kept) && !line.contains("\"outcome\":null"))
}

/// What the lock's last record says: its state and what is unfinished.
fn lock(daemon: &Daemon) -> (String, String) {
    let world = daemon.world();
    let number = |name: &str| name.rsplit_once('.').and_then(|(_, number)| number.parse::<u64>().ok());
    let last = world.locks().max_by_key(|(name, _)| number(name));
    let label = |label: &str| {
        let value = last.map(|(_, labels)| labels[format!("io.orchestrate.lock{label}")].clone());
        value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    };
    (label(".state"), label(".unfinished"))
}

/// Which faults a call is given, others for each call in turn: one of `parts` of them if it changes
/// something, otherwise a single one.
fn rules(endpoint: Endpoint, nth: usize, parts: usize) -> Vec<Rule> {
    let fitting: Vec<Injected> = Injected::ALL.into_iter().filter(|fault| fault.fits(endpoint)).collect();
    let step = if endpoint.changes() { parts } else { fitting.len() };
    let first = (nth + endpoint as usize) % step;
    fitting.into_iter().skip(first).step_by(step).map(|fault| Rule { endpoint, nth, fault }).collect()
}

/// A deployment is not sent between threads, so each has a runtime of its own.
fn alone<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

/// What all cases start from, and what is tried.
struct Start {
    plan: &'static str,
    world: World,
    state: tempfile::TempDir,
    called: Vec<Endpoint>,
    before: Vec<String>,
    after: Vec<String>,
}

/// A first deployment of `plan`, or one after `before`.
async fn start(before: Option<&str>, plan: &'static str) -> Start {
    let site = Site::new(World::new());
    if let Some(before) = before {
        assert_eq!(site.apply(before, patience()).await.unwrap().outcome, Outcome::Applied);
    }
    let before = fleet(&site.daemon);
    let clean = Site::copy(&site.daemon.world(), site.directory.path());
    clean.daemon.rules([]);
    assert_eq!(clean.apply(plan, patience()).await.unwrap().outcome, Outcome::Applied);
    let (called, after) = (clean.daemon.called(), fleet(&clean.daemon));
    let world = site.daemon.world().clone();
    Start { plan, world, state: site.directory, called, before, after }
}

#[test]
fn a_deployment_survives_a_fault_at_each_of_its_calls() {
    survives(&alone(start(Some(BEFORE), AFTER)), 3);
}

#[test]
fn a_first_deployment_survives_a_fault_at_each_of_its_calls() {
    survives(&alone(start(None, BEFORE)), 5);
}

fn survives(start: &Start, parts: usize) {
    let cases: Vec<Rule> =
        numbered(&start.called).into_iter().flat_map(|(endpoint, nth)| rules(endpoint, nth, parts)).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut ended = Vec::new();
        while let Some(rule) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (outcome, problems) = alone(async {
                let site = Site::copy(&start.world, start.state.path());
                case(&site, *rule, start).await
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

async fn case(site: &Site, rule: Rule, start: &Start) -> (String, Vec<String>) {
    let Start { plan, before, after, .. } = start;
    let mut problems = Vec::new();
    site.daemon.rules([rule]);
    let first = site.apply(plan, patience_for(rule.fault)).await;
    let now = fleet(&site.daemon);
    let (outcome, expected) = match &first {
        // Neither back nor forward: that is the next one's.
        Err(OpsError::CutOff { .. }) => ("cut off".to_owned(), None),
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
        && taken_back(&now) != taken_back(expected)
    {
        problems.push(format!("{outcome}, but there is\n  {}", now.join("\n  ")));
    }
    if outcome == "NeedsAttention" {
        problems.push(format!(
            "one fault needs attention: {:?}",
            first.as_ref().map(|report| (&report.error, &report.left))
        ));
    }
    let (state, left) = lock(&site.daemon);
    if !matches!(state.as_str(), "" | "free") || (left.is_empty() == (outcome == "cut off")) {
        problems.push(format!("{outcome}, and the lock is {state} with {left}"));
    }
    if let Ok(report) = &first {
        let is_said_untold = report.left.iter().any(|line| line.starts_with("other hosts do not know"));
        // What was done unheard is more than it says.
        let is_fine = match (is_told(&site.daemon, report), is_said_untold) {
            (true, true) => rule.fault.is_done(),
            (is_told, is_said_untold) => is_told != is_said_untold,
        };
        if !is_fine {
            problems.push(format!("{outcome}, told or not, it says {:?}", report.left));
        }
    }
    site.daemon.rules([]);
    match site.apply(plan, patience()).await {
        Ok(report) if matches!(report.outcome, Outcome::Applied | Outcome::Unchanged) => {}
        again => {
            problems.push(format!("{outcome}, again it is {:?}", again.map(|report| (report.outcome, report.error))))
        }
    }
    let now = fleet(&site.daemon);
    if now != *after {
        problems.push(format!("{outcome}, and again, it ends as\n  {}", now.join("\n  ")));
    }
    if !matches!((lock(&site.daemon).0.as_str(), lock(&site.daemon).1.as_str()), ("" | "free", "")) {
        problems.push(format!("{outcome}, and again, the lock is {:?}", lock(&site.daemon)));
    }
    (outcome, problems)
}

/// The call that writes the commit point down with the lock, and the look after it.
fn commit_calls(called: &[Endpoint]) -> (Rule, Rule) {
    let puts = called.iter().enumerate().filter(|(_, endpoint)| **endpoint == Endpoint::CreateVolume);
    // The last one gives the lock back.
    let at = puts.map(|(at, _)| at).rev().nth(1).unwrap();
    let nth = |endpoint| called[..at].iter().filter(|earlier| **earlier == endpoint).count();
    let rule = |endpoint, fault| Rule { endpoint, nth: nth(endpoint), fault };
    (rule(Endpoint::CreateVolume, Injected::LostAnswer), rule(Endpoint::ListVolumes, Injected::Status(500)))
}

#[test]
fn a_run_that_was_cut_off_at_its_commit_point_goes_the_way_that_the_lock_says() {
    let start = alone(start(Some(BEFORE), AFTER));
    let (put, look) = commit_calls(&start.called);
    let refused = Rule { fault: Injected::Status(500), ..put };
    // What the lock says, and what the next deployment has to do then.
    let table = [(vec![put, look], "committed", Outcome::Unchanged), (vec![refused], "held", Outcome::Applied)];
    for (rules, reached, next) in table {
        alone(async {
            let site = Site::copy(&start.world, start.state.path());
            site.daemon.rules(rules.clone());
            let first = site.apply(AFTER, patience()).await;
            let Err(OpsError::CutOff { deployment, .. }) = first else { panic!("{rules:?}: {first:?}") };
            assert_eq!(lock(&site.daemon), ("free".to_owned(), format!("{deployment}:{reached}")), "{rules:?}");
            site.daemon.rules([]);
            assert_eq!(site.apply(AFTER, patience()).await.unwrap().outcome, next, "{rules:?}");
            assert_eq!(fleet(&site.daemon), start.after, "{rules:?}");
            assert_eq!(lock(&site.daemon), ("free".to_owned(), String::new()), "{rules:?}");
        });
    }
}

#[test]
fn a_vault_whose_first_write_was_torn_is_written_by_the_next_deployment() {
    alone(async {
        let site = Site::new(World::new());
        site.daemon.rules([Rule { endpoint: Endpoint::WriteArchive, nth: 0, fault: Injected::Torn }]);
        let first = site.apply(BEFORE, patience()).await.unwrap();
        assert_eq!((first.outcome, first.left.len(), is_told(&site.daemon, &first)), (Outcome::Applied, 1, false));
        // Another host, which knows nothing.
        std::fs::remove_dir_all(site.directory.path().join("state")).unwrap();
        let next = site.apply(AFTER, patience()).await.unwrap();
        assert_eq!((next.outcome, next.left.len(), is_told(&site.daemon, &next)), (Outcome::Applied, 0, true));
    });
}
