//! The process runtime with real processes: each test has a state directory of its own, and ends
//! what it started.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    os::unix::{fs::PermissionsExt as _, net::UnixStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use futures_util::{StreamExt as _, stream::BoxStream};
use orchestrate::{
    action::{Action, CommandSite, Effect, InstanceHandle, InstanceSpec},
    diagnostic::Class,
    observed::{Fault, Identity, Instance, InstanceState, Wanted},
    plan::{CommandLine, Interval, Logging, Program, RestartPolicy, RuntimeKind, Service, spec_document},
    runtime::{LogQuery, Observe as _, Runtime as _, RuntimeEvent, process::Processes},
    secret::{Salt, Secret, Text},
};

mod surroundings;

const ORCHESTRATE: &str = env!("CARGO_BIN_EXE_orchestrate");
const PROCESS: RuntimeKind = RuntimeKind::Process;
/// Nothing here takes so long, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(60);
const GRACE: Interval = Interval::from_millis(30_000);
/// Runs until it is stopped, and is ended by the first signal.
const FOREVER: &str = "echo ready; exec sleep 1000";

struct World {
    temporary: tempfile::TempDir,
    processes: Processes,
}

impl World {
    fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        std::fs::create_dir(temporary.path().join("work")).unwrap();
        let processes = processes(&temporary.path().join("state"), ORCHESTRATE.as_ref());
        Self { temporary, processes }
    }

    fn work(&self, name: &str) -> PathBuf {
        self.temporary.path().join("work").join(name)
    }

    fn state(&self) -> PathBuf {
        self.temporary.path().join("state")
    }

    /// A service that runs this shell script.
    fn script(&self, script: &str) -> Service {
        self.program(&["/bin/sh", "-c", script])
    }

    fn program(&self, words: &[&str]) -> Service {
        Service {
            runtime: Some(PROCESS),
            command: Some(CommandLine(words.iter().map(|word| Text::from(*word)).collect())),
            working_dir: Some(self.temporary.path().join("work").display().to_string()),
            ..Service::default()
        }
    }

    async fn perform(&self, action: Action) -> Result<Effect, Fault> {
        let performed = self.processes.perform(PROCESS, &action, &|_| {});
        tokio::time::timeout(PATIENCE, performed).await.expect("the action ends")
    }

    async fn create(&self, name: &str, service: Service) -> Result<InstanceHandle, Fault> {
        self.create_as(name, service, None).await
    }

    async fn create_as(&self, name: &str, service: Service, image_id: Option<String>) -> Result<InstanceHandle, Fault> {
        let instance = InstanceHandle { slot: 0, name: name.to_owned(), id: None };
        let spec = Box::new(spec("fleet", service, image_id));
        match self.perform(Action::Create { instance: instance.clone(), spec }).await? {
            Effect::Created { id } => Ok(InstanceHandle { id: Some(id), ..instance }),
            other => panic!("creating had the effect {other:?}"),
        }
    }

    async fn start(&self, instance: &InstanceHandle) -> Result<Effect, Fault> {
        self.perform(Action::Start { instance: instance.clone(), grace: GRACE }).await
    }

    async fn stop(&self, instance: &InstanceHandle) -> Result<Effect, Fault> {
        self.perform(Action::Stop { instance: instance.clone(), grace: GRACE }).await
    }

    async fn created_and_started(&self, name: &str, service: Service) -> InstanceHandle {
        let instance = self.create(name, service).await.unwrap();
        let effect = self.start(&instance).await.unwrap();
        assert!(matches!(effect, Effect::Started { .. }), "{effect:?}");
        instance
    }

    async fn look(&self, instance: &InstanceHandle) -> Instance {
        self.processes.inspect(PROCESS, id(instance)).await.unwrap().expect("the instance exists")
    }

    /// Waits until the instance is as it should be, woken by the runtime's own events.
    async fn until(&self, instance: &InstanceHandle, is_there: impl Fn(&Instance) -> bool) -> Instance {
        let mut events = self.events().await;
        let reached = async {
            loop {
                let seen = self.look(instance).await;
                if is_there(&seen) {
                    return seen;
                }
                events.next().await.expect("events go on");
            }
        };
        match tokio::time::timeout(PATIENCE, reached).await {
            Ok(seen) => seen,
            Err(_) => panic!("still not there: {:?}", self.look(instance).await),
        }
    }

    async fn until_exited(&self, instance: &InstanceHandle) -> i64 {
        let is_over = |seen: &Instance| matches!(seen.state, InstanceState::Exited { .. });
        match self.until(instance, is_over).await.state {
            InstanceState::Exited { code, .. } => code,
            other => panic!("{other:?}"),
        }
    }

    async fn events(&self) -> BoxStream<'static, RuntimeEvent> {
        self.processes.watch(&"fleet".parse().unwrap()).await.unwrap()
    }

    /// Waits until the instance has written this line.
    async fn until_line(&self, instance: &InstanceHandle, expected: &str) {
        let query = LogQuery { follow: true, ..LogQuery::default() };
        let mut lines = self.processes.logs(PROCESS, id(instance), query).await.unwrap();
        let found = async {
            while let Some(line) = lines.next().await {
                if line.unwrap().text == expected {
                    return;
                }
            }
            panic!("it ended without the line {expected:?}");
        };
        tokio::time::timeout(PATIENCE, found).await.expect("the line comes");
    }

    /// All that it wrote, as `o text|e text`.
    async fn output(&self, instance: &InstanceHandle, query: LogQuery) -> String {
        let lines = self.processes.logs(PROCESS, id(instance), query).await.unwrap();
        let lines: Vec<_> = tokio::time::timeout(PATIENCE, lines.collect()).await.expect("the log ends");
        let told = lines.into_iter().map(|line| {
            let line = line.unwrap();
            format!("{} {}", if line.stream == orchestrate::runtime::Stream::Stdout { 'o' } else { 'e' }, line.text)
        });
        told.collect::<Vec<_>>().join("|")
    }

    fn directory(&self, instance: &InstanceHandle) -> PathBuf {
        self.state().join("processes/fleet").join(id(instance))
    }

    /// What its supervisor wrote of it.
    fn status(&self, instance: &InstanceHandle) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.directory(instance).join("state.json")).unwrap()).unwrap()
    }

    fn pid(&self, instance: &InstanceHandle) -> u64 {
        self.status(instance)["pid"].as_u64().unwrap()
    }
}

impl Drop for World {
    /// Whatever a failed test left running is asked to end, at once.
    fn drop(&mut self) {
        let Ok(instances) = std::fs::read_dir(self.state().join("processes/fleet")) else { return };
        for instance in instances.flatten() {
            if let Ok(mut connection) = UnixStream::connect(instance.path().join("control.sock")) {
                let _ = connection.write_all(b"{\"version\":1,\"wish\":\"stop\",\"grace\":\"0s\"}\n");
                let _ = connection.read_to_end(&mut Vec::new());
            }
        }
    }
}

fn processes(state: &Path, supervisor: &Path) -> Processes {
    Processes::with_supervisor(state.to_owned(), [7; 32], supervisor.to_owned())
}

fn id(instance: &InstanceHandle) -> &str {
    instance.id.as_deref().expect("it was created")
}

fn spec(project: &str, service: Service, image_id: Option<String>) -> InstanceSpec {
    let (service, salt) = (Arc::new(service), Salt("salt".to_owned()));
    InstanceSpec {
        peers: Default::default(),
        linked: Default::default(),
        identity: Identity {
            project: project.parse().unwrap(),
            service: "web".parse().unwrap(),
            number: 1,
            environment: None,
            deployment: "abcd1234".parse().unwrap(),
        },
        document: Arc::new(spec_document(&service, &salt)),
        service,
        image_id,
        networks: Default::default(),
        files: Vec::new(),
        salt,
    }
}

fn restarting(service: Service, policy: RestartPolicy) -> Service {
    Service { restart: Some(policy), ..service }
}

fn is_alive(pid: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, fields)| !fields.starts_with('Z'))
}

/// A signal has been sent, and the kernel is about to see to it.
async fn until_dead(pid: u64) {
    let dead = async {
        while is_alive(pid) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, dead).await.expect("it ends");
}

fn write_program(path: &Path, content: &str) {
    std::fs::write(path, content).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}

#[tokio::test]
async fn an_instance_is_created_started_stopped_started_again_and_removed() {
    let world = World::new();
    let script = "echo \"$ORCHESTRATE_PROJECT/$ORCHESTRATE_SERVICE/$ORCHESTRATE_INSTANCE\"; exec sleep 1000";
    let instance = world.create("fleet-web-1", world.script(script)).await.unwrap();
    assert_eq!(world.look(&instance).await.state, InstanceState::Created);
    assert_eq!(world.create("fleet-web-1", world.script(script)).await.unwrap(), instance, "the same once more");

    let Effect::Started { instance: started } = world.start(&instance).await.unwrap() else { panic!() };
    assert_eq!(started.state, InstanceState::Running);
    assert_eq!(started.dial(8080).unwrap().to_string(), "127.0.0.1:8080");
    assert_eq!(world.look(&instance).await, *started);
    assert!(matches!(world.start(&instance).await.unwrap(), Effect::Started { .. }));

    world.until_line(&instance, "fleet/web/1").await;
    assert_eq!(world.stop(&instance).await.unwrap(), Effect::Done);
    let stopped = InstanceState::Exited { code: 128 + 15, killed_for_memory: false };
    assert_eq!(world.look(&instance).await.state, stopped);
    assert_eq!(world.stop(&instance).await.unwrap(), Effect::AlreadySo);
    assert!(matches!(world.start(&instance).await.unwrap(), Effect::Started { .. }));
    let pid = world.pid(&instance);
    assert_eq!(
        world.perform(Action::Remove { instance: instance.clone(), made_by: None }).await.unwrap(),
        Effect::Done
    );
    assert!(!is_alive(pid));
    assert_eq!(world.processes.inspect(PROCESS, id(&instance)).await.unwrap(), None);
    assert_eq!(
        world.perform(Action::Remove { instance: instance.clone(), made_by: None }).await.unwrap(),
        Effect::AlreadySo
    );
    assert_eq!(world.start(&instance).await.unwrap_err().code, "instance-not-found");
}

#[tokio::test]
async fn each_action_may_be_done_and_undone_twice() {
    let world = World::new();
    let handle = |name: &str| InstanceHandle { slot: 0, name: name.to_owned(), id: None };
    let (this, other) = (handle("twice"), handle("other"));
    let spec = Box::new(spec("fleet", world.script(FOREVER), None));
    let path = world.temporary.path().join("files/twice-1/config").display().to_string();
    let [write, change, tell, remove] = crate::twice::of_a_file(&path, &this);
    let actions = vec![
        Action::Create { instance: this.clone(), spec },
        Action::SetRestartPolicy { instance: this.clone(), from: RestartPolicy::No, to: RestartPolicy::Always },
        Action::Start { instance: this.clone(), grace: GRACE },
        crate::twice::command(CommandSite::Instance(this.clone())),
        crate::twice::command(CommandSite::Host),
        write,
        change,
        tell,
        remove,
        Action::Rename { instance: this, to: "other".to_owned() },
        Action::Stop { instance: other.clone(), grace: GRACE },
        Action::Remove { instance: other, made_by: None },
    ];
    let kinds = crate::twice::each_twice(actions, |action| world.perform(action)).await;
    let expected = "Create Remove RemoveFile Rename RunCommand SetFiles SetRestartPolicy Start Stop WriteFile";
    assert_eq!(kinds.into_iter().collect::<Vec<_>>().join(" "), expected);
}

#[tokio::test]
async fn how_a_process_ended_is_told() {
    let world = World::new();
    for (number, (script, code)) in [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137)].into_iter().enumerate() {
        let instance = world.created_and_started(&format!("job-{number}"), world.script(script)).await;
        assert_eq!(world.until_exited(&instance).await, code, "{script}");
        assert_eq!(world.look(&instance).await.has_completed(), code == 0);
    }
}

#[tokio::test]
async fn a_failing_service_is_restarted_as_often_as_its_policy_says() {
    let world = World::new();
    let policy = RestartPolicy::OnFailure { max_attempts: 2 };
    let service = restarting(world.script("echo run >> runs; exit 4"), policy);
    let instance = world.created_and_started("web", service).await;
    assert_eq!(world.until_exited(&instance).await, 4);
    assert_eq!(world.look(&instance).await.restart_count, 2);
    assert_eq!(std::fs::read_to_string(world.work("runs")).unwrap(), "run\nrun\nrun\n");
}

#[tokio::test]
async fn a_service_that_always_restarts_stays_stopped_once_it_is_stopped() {
    let world = World::new();
    let script = "echo run >> runs; [ $(wc -l < runs) -ge 3 ] || exit 0; exec sleep 1000";
    let service = restarting(world.script(script), RestartPolicy::Always);
    let instance = world.created_and_started("web", service).await;
    world.until(&instance, |seen| seen.is_running() && seen.restart_count == 2).await;
    assert_eq!(world.stop(&instance).await.unwrap(), Effect::Done);
    assert!(matches!(world.look(&instance).await.state, InstanceState::Exited { code: 143, .. }));
}

#[tokio::test]
async fn a_restart_policy_can_be_changed_while_it_runs() {
    let world = World::new();
    let (always, no) = (RestartPolicy::Always, RestartPolicy::No);
    let instance = world.created_and_started("web", restarting(world.script(FOREVER), always)).await;
    let action = Action::SetRestartPolicy { instance: instance.clone(), from: always, to: no };
    assert_eq!(world.perform(action.clone()).await.unwrap(), Effect::Done);
    assert_eq!(world.perform(action).await.unwrap(), Effect::AlreadySo);
    Command::new("kill").arg(world.pid(&instance).to_string()).status().unwrap();
    assert_eq!(world.until_exited(&instance).await, 143);
    assert_eq!(world.look(&instance).await.restart_policy, no);
}

#[tokio::test]
async fn what_ignores_its_signal_is_killed_after_the_grace() {
    let world = World::new();
    let script = "trap '' TERM; echo ready; while :; do sleep 1000; done";
    let instance = world.created_and_started("web", world.script(script)).await;
    world.until_line(&instance, "ready").await;
    let grace = Interval::from_millis(50);
    let stopped = world.perform(Action::Stop { instance: instance.clone(), grace }).await.unwrap();
    assert_eq!(stopped, Effect::Done);
    assert!(matches!(world.look(&instance).await.state, InstanceState::Exited { code: 137, .. }));
}

#[tokio::test]
async fn its_own_stop_signal_is_used() {
    let world = World::new();
    let script = "exec 2>/dev/null; trap 'echo told; exit 5' USR1; echo ready; while :; do sleep 0.01; done";
    let service = Service { stop_signal: Some("SIGUSR1".to_owned()), ..world.script(script) };
    let instance = world.created_and_started("web", service).await;
    world.until_line(&instance, "ready").await;
    world.stop(&instance).await.unwrap();
    assert!(matches!(world.look(&instance).await.state, InstanceState::Exited { code: 5, .. }));
    assert_eq!(world.output(&instance, LogQuery::default()).await, "o ready|o told");
}

#[tokio::test]
async fn descendants_end_with_their_service_even_in_sessions_of_their_own() {
    let world = World::new();
    let script =
        "setsid sh -c 'trap \"\" TERM; echo $$ > stray; echo ready; while :; do sleep 1000; done' & exec sleep 1000";
    let instance = world.created_and_started("web", world.script(script)).await;
    world.until_line(&instance, "ready").await;
    let stray: u64 = std::fs::read_to_string(world.work("stray")).unwrap().trim().parse().unwrap();
    assert!(is_alive(stray));
    world.stop(&instance).await.unwrap();
    assert!(!is_alive(stray));
}

#[tokio::test]
async fn logs_are_read_by_number_and_time_and_followed_to_their_end() {
    let world = World::new();
    let script = "echo one; echo two >&2; printf three; until [ -e go ]; do sleep 0.01; done; echo; echo four";
    let instance = world.created_and_started("web", world.script(script)).await;
    world.until_line(&instance, "two").await;
    let follow = LogQuery { follow: true, ..LogQuery::default() };
    let followed = world.output(&instance, follow);
    let go = async { std::fs::write(world.work("go"), "").unwrap() };
    let (mut followed, ()) = tokio::join!(followed, go);
    // Which of two streams is read first is not known.
    if followed.starts_with("e two|") {
        followed = followed.replacen("e two|o one", "o one|e two", 1);
    }
    assert_eq!(followed, "o one|e two|o three|o four");
    let tail = LogQuery { tail: Some(2), ..LogQuery::default() };
    assert_eq!(world.output(&instance, tail).await, "o three|o four");
    let since = world.look(&instance).await.started_at.unwrap();
    let all = LogQuery { since: Some(since), ..LogQuery::default() };
    assert_eq!(world.output(&instance, all).await.split('|').count(), 4);
    let none = LogQuery { since: Some(since + Duration::from_secs(1000)), ..LogQuery::default() };
    assert_eq!(world.output(&instance, none).await, "");
}

#[tokio::test]
async fn logs_are_rotated_by_size() {
    let world = World::new();
    let options = [("max-size".to_owned(), "1k".to_owned()), ("max-file".to_owned(), "2".to_owned())];
    let logging = Logging { driver: None, options: options.into() };
    let script = "i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo line $i; sleep 0.001; done";
    let service = Service { logging: Some(logging), ..world.script(script) };
    let instance = world.created_and_started("web", service).await;
    world.until_exited(&instance).await;
    let logs: BTreeSet<String> = std::fs::read_dir(world.directory(&instance))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("log"))
        .collect();
    assert_eq!(logs, BTreeSet::from(["log".to_owned(), "log.1".to_owned()]));
    let output = world.output(&instance, LogQuery::default()).await;
    let numbers: Vec<u32> = output.split('|').map(|line| line.rsplit(' ').next().unwrap().parse().unwrap()).collect();
    let expected: Vec<u32> = (numbers[0]..=200).collect();
    assert_eq!(numbers, expected, "the last lines, none missing among them");
    assert!(numbers[0] > 1);
}

/// Starts a service and says so. Other tests run it as a program of its own, which leaves the
/// service behind, and goes or stays.
#[tokio::test]
async fn starter() {
    let mut world = World::new();
    let others = std::env::var_os("STARTER_STATE");
    if let Some(state) = &others {
        world.processes = processes(state.as_ref(), ORCHESTRATE.as_ref());
    }
    let service = Service { working_dir: Some("/".to_owned()), ..world.script(FOREVER) };
    let instance = world.created_and_started("web", service).await;
    println!("started");
    match others {
        None => assert_eq!(world.stop(&instance).await.unwrap(), Effect::Done),
        Some(_) if std::env::var_os("STARTER_STAYS").is_some() => std::future::pending().await,
        Some(_) => {}
    }
}

fn starter_command(world: &World) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "process_runtime::starter", "--nocapture"]).env("STARTER_STATE", world.state());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn the_only_instance(world: &World) -> InstanceHandle {
    let seen = world.processes.observe(&wanted()).await.unwrap().instances;
    assert_eq!(seen.len(), 1);
    InstanceHandle { slot: 0, name: seen[0].name.clone(), id: Some(seen[0].id.clone()) }
}

fn wanted() -> Wanted {
    Wanted {
        project: "fleet".parse().unwrap(),
        instance_names: BTreeSet::new(),
        images: BTreeSet::new(),
        executables: BTreeSet::new(),
        networks: BTreeSet::new(),
        volumes: BTreeSet::new(),
        runtimes: [PROCESS].into(),
    }
}

#[tokio::test]
async fn whoever_reads_the_starters_output_is_not_held_up() {
    let world = World::new();
    // It ends when both pipes are closed, which a supervisor or service that had them would prevent.
    let output = starter_command(&world).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("started"), "{output:?}");
    let instance = the_only_instance(&world).await;
    assert!(world.look(&instance).await.is_running());
    assert_eq!(world.stop(&instance).await.unwrap(), Effect::Done);
}

#[tokio::test]
async fn nor_is_who_reads_what_else_the_starter_was_handed() {
    let world = World::new();
    let program = starter_command(&world);
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "exec \"$@\" 3>&1 7>&2", "sh"]).arg(program.get_program()).args(program.get_args());
    let output = shell.env("STARTER_STATE", world.state()).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("started"), "{output:?}");
    let instance = the_only_instance(&world).await;
    assert!(world.look(&instance).await.is_running());
    assert_eq!(world.stop(&instance).await.unwrap(), Effect::Done);
}

#[tokio::test]
async fn a_service_survives_the_death_of_its_starter() {
    let world = World::new();
    let mut starter = starter_command(&world).env("STARTER_STAYS", "1").spawn().unwrap();
    let mut lines = BufReader::new(starter.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains("started")));
    starter.kill().unwrap();
    starter.wait().unwrap();
    let instance = the_only_instance(&world).await;
    assert!(world.look(&instance).await.is_running());
    world.until_line(&instance, "ready").await;
    assert_eq!(world.stop(&instance).await.unwrap(), Effect::Done);
}

#[tokio::test]
async fn a_supervisor_survives_the_replacement_of_its_program() {
    let mut world = World::new();
    let program = world.work("orchestrate");
    std::fs::copy(ORCHESTRATE, &program).unwrap();
    world.processes = processes(&world.state(), &program);
    let script = "echo run >> runs; until [ -e go ]; do sleep 0.01; done; rm go; exit 1";
    let service = restarting(world.script(script), RestartPolicy::Always);
    let instance = world.created_and_started("web", service).await;
    std::fs::remove_file(&program).unwrap();
    write_program(&program, "#!/bin/false\n");
    std::fs::write(world.work("go"), "").unwrap();
    world.until(&instance, |seen| seen.is_running() && seen.restart_count == 1).await;
    assert_eq!(world.stop(&instance).await.unwrap(), Effect::Done);
}

#[tokio::test]
async fn a_replaced_executable_is_started_again_as_it_was() {
    let world = World::new();
    let program = world.work("server");
    write_program(&program, "#!/bin/sh\necho first; exec sleep 1000\n");
    let instance = world.created_and_started("web", world.program(&["./server"])).await;
    let image_id = world.look(&instance).await.image_id;
    assert!(image_id.starts_with("sha256:"), "{image_id}");
    world.until_line(&instance, "first").await;
    world.stop(&instance).await.unwrap();

    write_program(&program, "#!/bin/sh\necho second; exec sleep 1000\n");
    let newer = world.created_and_started("newer", world.program(&["./server"])).await;
    world.until_line(&newer, "second").await;
    world.stop(&newer).await.unwrap();
    world.start(&instance).await.unwrap();
    assert_eq!(world.look(&instance).await.image_id, image_id);
    world.until(&instance, Instance::is_running).await;
    world.stop(&instance).await.unwrap();
    assert_eq!(world.output(&instance, LogQuery::default()).await.replace("o first", "first"), "first|first");
    // What a stored deployment names is run, whatever is there by now.
    let recreated = world.create_as("again", world.program(&["./server"]), Some(image_id.clone())).await.unwrap();
    world.start(&recreated).await.unwrap();
    world.until_line(&recreated, "first").await;
    world.stop(&recreated).await.unwrap();
    assert_eq!(world.look(&recreated).await.image_id, image_id);
}

#[tokio::test]
async fn a_program_may_be_made_between_create_and_start() {
    let world = World::new();
    let instance = world.create("web", world.program(&["./server"])).await.unwrap();
    assert_eq!(world.look(&instance).await.image_id, "");
    assert_eq!(world.start(&instance).await.unwrap_err().code, "executable-not-found");
    write_program(&world.work("server"), "#!/bin/sh\necho made; exec sleep 1000\n");
    world.start(&instance).await.unwrap();
    world.until_line(&instance, "made").await;
    world.stop(&instance).await.unwrap();
}

#[tokio::test]
async fn a_secret_reaches_the_service_and_no_file() {
    let world = World::new();
    let secret = |text: &str| Text::Secret(Secret::new(text));
    let mut service = world.script("[ ${#TOKEN} = 20 ] && [ ${#0} = 15 ] && echo right; exit 1");
    service.environment.insert("TOKEN".to_owned(), Some(secret("tok3n-in-environment")));
    service.command.as_mut().unwrap().0.push(secret("w0rd-in-command"));
    let policy = RestartPolicy::OnFailure { max_attempts: 1 };
    let instance = world.created_and_started("web", restarting(service, policy)).await;
    world.until_exited(&instance).await;
    assert_eq!(world.output(&instance, LogQuery::default()).await, "o right|o right");
    let found = Command::new("grep").args(["-rlE", "tok3n|w0rd"]).arg(world.state()).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&found.stdout), "");
}

#[tokio::test]
async fn a_process_that_lost_its_supervisor_is_found_and_stopped() {
    let world = World::new();
    let instance = world.created_and_started("web", world.script(FOREVER)).await;
    let pid = world.pid(&instance);
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let supervisor: u64 = stat.rsplit_once(") ").unwrap().1.split(' ').nth(1).unwrap().parse().unwrap();
    let command = std::fs::read_to_string(format!("/proc/{supervisor}/cmdline")).unwrap();
    assert!(command.contains("__supervise"), "{command:?}");
    Command::new("kill").args(["-9", &supervisor.to_string()]).status().unwrap();
    until_dead(supervisor).await;
    assert!(world.look(&instance).await.is_running());
    assert!(matches!(world.start(&instance).await.unwrap(), Effect::Started { .. }));
    assert_eq!(world.stop(&instance).await.unwrap(), Effect::Done);
    assert!(!is_alive(pid));
    let unknown = InstanceState::Exited { code: -1, killed_for_memory: false };
    assert_eq!(world.look(&instance).await.state, unknown);
    assert!(matches!(world.start(&instance).await.unwrap(), Effect::Started { .. }));
    world.stop(&instance).await.unwrap();
}

#[tokio::test]
async fn events_tell_of_starts_and_ends() {
    let world = World::new();
    let mut events = world.events().await;
    let policy = RestartPolicy::OnFailure { max_attempts: 1 };
    let instance = world.created_and_started("web", restarting(world.script("exit 9"), policy)).await;
    let mut told = Vec::new();
    while told.len() < 4 {
        let event = tokio::time::timeout(PATIENCE, events.next()).await.expect("an event comes").unwrap();
        told.push(match event {
            RuntimeEvent::Started { id: started } if started == id(&instance) => "started".to_owned(),
            RuntimeEvent::Exited { id: exited, code, .. } if exited == id(&instance) => format!("exited {code}"),
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(told, ["started", "exited 9", "started", "exited 9"]);
}

#[tokio::test]
async fn commands_run_beside_the_service_and_are_bounded() {
    let world = World::new();
    let mut service = world.script(FOREVER);
    service.environment.insert("TOKEN".to_owned(), Some(Text::Secret(Secret::new("tok3n"))));
    let instance = world.created_and_started("web", service).await;
    let exec = async |script: &str, timeout_ms: u64| {
        let command = ["sh", "-c", script].map(str::to_owned);
        world.processes.exec(PROCESS, id(&instance), &command, Duration::from_millis(timeout_ms)).await
    };
    let done = exec("pwd; echo $TOKEN >&2; exit 3", 60_000).await.unwrap();
    assert_eq!(
        (done.exit_code, done.output),
        (3, format!("{}\ntok3n\n", world.work("").display().to_string().trim_end_matches('/')))
    );
    let large = exec("yes | head -c 200000", 60_000).await.unwrap();
    assert_eq!((large.exit_code, large.output.len()), (0, 64 << 10));
    let left = exec("sleep 1000 & echo $!", 60_000).await.unwrap();
    until_dead(left.output.trim().parse().unwrap()).await;
    let late = exec("echo $$ > late; sleep 1000", 300).await.unwrap_err();
    assert_eq!((late.class, late.code.as_str()), (Class::Timeout, "exec-timeout"));
    world.stop(&instance).await.unwrap();
    assert_eq!(exec("true", 60_000).await.unwrap_err().code, "not-running");
}

#[tokio::test]
async fn names_are_held_by_one_instance() {
    let world = World::new();
    let first = world.create("web", world.script(FOREVER)).await.unwrap();
    let other = InstanceHandle { slot: 1, name: "web".to_owned(), id: None };
    let spec = Box::new(spec("elsewhere", world.script(FOREVER), None));
    let taken = world.perform(Action::Create { instance: other.clone(), spec: spec.clone() }).await.unwrap_err();
    assert_eq!(taken.text, "the name `web` is taken by service `web` of project `fleet`");
    let rename = |to: &str| Action::Rename { instance: first.clone(), to: to.to_owned() };
    assert_eq!(world.perform(rename("web.old")).await.unwrap(), Effect::Done);
    assert_eq!(world.perform(rename("web.old")).await.unwrap(), Effect::AlreadySo);
    assert!(matches!(world.perform(Action::Create { instance: other, spec }).await, Ok(Effect::Created { .. })));
    assert_eq!(world.perform(rename("web")).await.unwrap_err().code, "name-taken");
    assert_eq!(world.look(&first).await.name, "web.old");
    let wanted = Wanted { instance_names: ["web".to_owned()].into(), ..wanted() };
    let observed = world.processes.observe(&wanted).await.unwrap();
    let foreign: Vec<_> = observed.foreign.iter().map(|one| (one.name.as_str(), one.owner.as_deref())).collect();
    assert_eq!(foreign, [("web", Some("elsewhere"))]);
    assert_eq!(observed.instances.len(), 1);
}

#[tokio::test]
async fn a_supervisor_that_does_not_answer_is_told_by_signal() {
    let world = World::new();
    let service = restarting(world.script(FOREVER), RestartPolicy::Always);
    let instance = world.created_and_started("web", service).await;
    std::fs::remove_file(world.directory(&instance).join("control.sock")).unwrap();
    let change = Action::SetRestartPolicy {
        instance: instance.clone(),
        from: RestartPolicy::Always,
        to: RestartPolicy::UnlessStopped,
    };
    assert_eq!(world.perform(change).await.unwrap_err().code, "supervisor-deaf");
    assert_eq!(world.stop(&instance).await.unwrap(), Effect::Done);
    assert!(matches!(world.look(&instance).await.state, InstanceState::Exited { code: 143, .. }));
}

#[tokio::test]
async fn a_state_directory_may_be_deeper_than_a_sockets_path_is_long() {
    let mut world = World::new();
    let deep = world.temporary.path().join("d".repeat(120)).join("state");
    world.processes = processes(&deep, ORCHESTRATE.as_ref());
    let (always, no) = (RestartPolicy::Always, RestartPolicy::No);
    let instance = world.created_and_started("web", restarting(world.script(FOREVER), always)).await;
    let change = Action::SetRestartPolicy { instance: instance.clone(), from: always, to: no };
    assert_eq!(world.perform(change).await.unwrap(), Effect::Done);
    assert_eq!(world.stop(&instance).await.unwrap(), Effect::Done);
}

#[tokio::test]
async fn of_two_at_once_one_wins() {
    let world = World::new();
    let of = |project: &str, slot: u32| Action::Create {
        instance: InstanceHandle { slot, name: "web".to_owned(), id: None },
        spec: Box::new(spec(project, world.script(FOREVER), None)),
    };
    let (ours, theirs) = tokio::join!(world.perform(of("fleet", 0)), world.perform(of("elsewhere", 1)));
    let codes: Vec<_> = [ours, theirs].into_iter().filter_map(|made| made.err().map(|fault| fault.code)).collect();
    assert_eq!(codes, ["name-taken"]);
    let instance = world.create("db", world.script("echo run >> runs; echo ready; exec sleep 1000")).await.unwrap();
    let started = tokio::join!(world.start(&instance), world.start(&instance));
    let is_start = |effect: &Effect| matches!(effect, Effect::Started { .. });
    match (started.0, started.1) {
        (Ok(one), Ok(other)) => assert!(is_start(&one) != is_start(&other), "{one:?} {other:?}"),
        // The other had it, and had not come to say so.
        (Ok(one), Err(fault)) | (Err(fault), Ok(one)) => {
            assert!(is_start(&one) && fault.code == "instance-taken" && fault.is_transient, "{one:?} {fault:?}");
        }
        both => panic!("{both:?}"),
    }
    world.until_line(&instance, "ready").await;
    world.stop(&instance).await.unwrap();
    assert_eq!(std::fs::read_to_string(world.work("runs")).unwrap(), "run\n");
}

#[tokio::test]
async fn a_damaged_instance_takes_nothing_from_the_others() {
    let world = World::new();
    let first = world.create("first", world.script(FOREVER)).await.unwrap();
    let second = world.create("second", world.script(FOREVER)).await.unwrap();
    for content in ["", "{", "{\"version\": 1, \"name\": \"first\"}"] {
        std::fs::write(world.directory(&first).join("instance.json"), content).unwrap();
        let seen = world.processes.observe(&wanted()).await.unwrap().instances;
        assert_eq!(seen.iter().map(|seen| seen.id.as_str()).collect::<Vec<_>>(), [id(&second)], "{content:?}");
    }
    std::fs::write(world.directory(&first).join("instance.json"), "{\"version\": 99, \"new\": true}").unwrap();
    assert_eq!(world.processes.observe(&wanted()).await.unwrap_err().code, "state-newer");
}

#[tokio::test]
async fn what_cannot_be_started_is_explained() {
    let world = World::new();
    write_program(&world.work("lost"), "#!/no/such/interpreter\n");
    write_program(&world.work("text"), "plain text");
    std::fs::write(world.work("notes"), "not executable").unwrap();
    let nowhere = Service { working_dir: Some("/no/such/directory".to_owned()), ..world.program(&["/bin/true"]) };
    let table = [
        (world.program(&["no-such-program"]), "executable-not-found"),
        (world.program(&["./lost"]), "executable-not-found"),
        (world.program(&["./notes"]), "executable-not-executable"),
        (world.program(&["./text"]), "executable-not-started"),
        (nowhere, "working-directory-not-found"),
        (Service { stop_signal: Some("NOPE".to_owned()), ..world.script("") }, "unknown-signal"),
        (Service { user: Some("no-such-user".to_owned()), ..world.script("") }, "user-not-found"),
    ];
    for (number, (service, code)) in table.into_iter().enumerate() {
        let started = async {
            let instance = world.create(&format!("web-{number}"), service).await?;
            let fault = world.start(&instance).await.map(|_| ());
            assert_eq!(world.look(&instance).await.state, InstanceState::Created, "{code}");
            fault
        };
        let fault = started.await.unwrap_err();
        assert_eq!(fault.code, code, "{fault}");
        assert!(fault.hint.is_some(), "{fault}");
    }
}
