//! Everything that the program asks of an engine, each with the world that it needs.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use futures_util::{StreamExt as _, TryStreamExt as _};
use orchestrate::{
    action::{Action, Effect, InstanceHandle},
    observed::Fault,
    plan::{Build, BuildLong, Interval, Limits, RestartPolicy, RuntimeKind, Volume},
    runtime::{
        LogQuery, Observe as _, Runtime as _, Vault as _,
        docker::{Docker, Patience},
    },
};

use super::{
    daemon::Daemon,
    stage::{IMAGE, NOW, create, create_network, handle, job, patience, project, spec, wanted},
    world::{State, World, frame},
};

#[derive(Debug, Clone)]
pub enum What {
    Perform(Action),
    Observe,
    Inspect,
    Logs,
    Watch,
    Exec,
    Examine,
    HeldImages,
    Vault(InVault),
}

/// What is asked of a project's vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InVault {
    Prepare,
    /// What is missing is made first.
    WriteFirst,
    Write,
    Read,
    ReadAll,
    Remove,
    Destroy,
}

/// Something that is asked of an engine.
#[derive(Debug, Clone)]
pub struct Operation {
    pub name: &'static str,
    /// Performed before, without faults.
    before: Vec<Action>,
    /// Done to the world after that.
    change: fn(&mut World),
    pub what: What,
}

fn operation(name: &'static str, before: Vec<Action>, what: What) -> Operation {
    Operation { name, before, change: |_| {}, what }
}

fn perform(name: &'static str, before: Vec<Action>, action: Action) -> Operation {
    operation(name, before, What::Perform(action))
}

fn nets() -> Vec<Action> {
    vec![create_network("back"), create_network("front")]
}

fn made() -> Vec<Action> {
    [nets(), vec![create(&["front"])]].concat()
}

fn start() -> Action {
    Action::Start { instance: handle(), grace: NOW }
}

fn running() -> Vec<Action> {
    [made(), vec![start()]].concat()
}

fn volume() -> Action {
    Action::CreateVolume { name: "data".to_owned(), volume: Volume::default(), project: project() }
}

fn limits(pids: i64) -> Limits {
    Limits { pids: Some(pids), ..Limits::default() }
}

/// All of them. Whoever adds an action adds it to [`number`], and then here.
pub fn operations() -> Vec<Operation> {
    let mut all = vec![
        perform(
            "pull",
            vec![],
            Action::PullImage { image: "test/app:2".parse().unwrap(), digest: None, platform: None },
        ),
        perform("hold", vec![], Action::HoldImage { project: project(), image_id: IMAGE.to_owned() }),
        perform("release", vec![], Action::ReleaseImage { project: project(), image_id: IMAGE.to_owned() }),
        perform("create network", vec![], create_network("front")),
        perform("remove network", nets(), Action::RemoveNetwork { name: "front".to_owned() }),
        perform("remove no network", vec![], Action::RemoveNetwork { name: "front".to_owned() }),
        perform("create volume", vec![], volume()),
        perform("remove volume", vec![volume()], Action::RemoveVolume { name: "data".to_owned() }),
        perform("create", nets(), create(&["back", "front"])),
        perform("create a job", nets(), Action::Create { instance: handle(), spec: spec(&["front"], job) }),
        perform("remove", running(), Action::Remove { instance: handle(), made_by: None }),
        perform("rename", running(), Action::Rename { instance: handle(), to: "app-web-1.old".to_owned() }),
        perform("start", made(), start()),
        perform("start again", [running(), vec![stop()]].concat(), start()),
        perform("stop", running(), stop()),
    ];
    all.push(perform(
        "set restart policy",
        running(),
        Action::SetRestartPolicy { instance: handle(), from: RestartPolicy::No, to: RestartPolicy::Always },
    ));
    all.push(perform(
        "set limits",
        running(),
        Action::SetLimits { instance: handle(), from: limits(5), to: limits(9) },
    ));
    let names = |name: &str| BTreeSet::from([name.to_owned()]);
    let (network, from, to) = ("front".to_owned(), names("web"), names("other"));
    all.push(perform("set aliases", running(), Action::SetAliases { instance: handle(), network, from, to }));
    let (project, volume_name, to) = (project(), "data".to_owned(), String::new());
    let save = Action::SaveVolume { project, volume: volume_name, to: to.clone(), timeout: LONG };
    all.push(perform("save a volume", vec![volume()], save));
    let command = serde_json::from_value(serde_json::json!(["true"])).unwrap();
    let dump = Action::Dump { instance: handle(), command, to, timeout: LONG };
    all.push(perform("dump", running(), dump));
    all.push(perform("build", vec![], build()));
    let (path, content) = (String::new(), "content".into());
    all.push(perform("write file", vec![], Action::WriteFile { path, content, mode: 0o600, uid: None, gid: None }));
    all.push(perform("remove file", vec![], Action::RemoveFile { path: String::new() }));
    let job_made = [nets(), vec![Action::Create { instance: handle(), spec: spec(&["front"], job) }]].concat();
    all.push(perform("start a job", job_made, start()));
    all.push(Operation {
        change: |world| world.with("app-web-1", |container| drop(container.networks.remove("front"))),
        ..perform("finish creating", [nets(), vec![create(&["back", "front"])]].concat(), create(&["back", "front"]))
    });
    all.push(Operation {
        change: |world| world.with("app-web-1", |container| container.state = State::Paused),
        ..perform("start what is paused", running(), start())
    });
    all.push(Operation {
        change: |world| {
            let other = world.networks[1].clone();
            world.networks[1].id = format!("{}again", other.id);
        },
        ..perform("rejoin", [running(), vec![stop()]].concat(), start())
    });
    all.push(Operation {
        change: |world| {
            let mut second = world.networks[1].clone();
            second.id.push('2');
            world.networks.push(second);
        },
        ..perform("settle networks", nets(), create_network("front"))
    });
    let reads = [
        ("observe", What::Observe),
        ("inspect", What::Inspect),
        ("logs", What::Logs),
        ("watch", What::Watch),
        ("exec", What::Exec),
        ("examine", What::Examine),
        ("held images", What::HeldImages),
    ];
    all.extend(reads.map(|(name, what)| operation(name, [running(), vec![volume()]].concat(), what)));
    let in_vault = [
        ("prepare the vault", InVault::Prepare),
        ("write to the vault first", InVault::WriteFirst),
        ("write to the vault", InVault::Write),
        ("read a file of the vault", InVault::Read),
        ("read the vault", InVault::ReadAll),
        ("remove from the vault", InVault::Remove),
        ("destroy the vault", InVault::Destroy),
    ];
    all.extend(in_vault.map(|(name, what)| operation(name, vec![], What::Vault(what))));
    all
}

/// More than any call has.
const LONG: Interval = Interval(Duration::from_secs(100));

fn build() -> Action {
    let (service, image) = ("web".parse().unwrap(), "test/built:1".parse().unwrap());
    Action::BuildImage { service, image, build: Box::new(Build(BuildLong::default())), platform: None }
}

fn stop() -> Action {
    Action::Stop { instance: handle(), grace: NOW }
}

/// A number for each kind of action, from 0 without gaps.
pub fn number(action: &Action) -> usize {
    match action {
        Action::PullImage { .. } => 0,
        Action::HoldImage { .. } => 1,
        Action::CreateNetwork { .. } => 2,
        Action::RemoveNetwork { .. } => 3,
        Action::CreateVolume { .. } => 4,
        Action::RemoveVolume { .. } => 5,
        Action::WriteFile { .. } => 6,
        Action::RemoveFile { .. } => 7,
        Action::Create { .. } => 8,
        Action::Remove { .. } => 9,
        Action::Rename { .. } => 10,
        Action::SetRestartPolicy { .. } => 11,
        Action::SetLimits { .. } => 12,
        Action::Start { .. } => 13,
        Action::Stop { .. } => 14,
        Action::ReleaseImage { .. } => 15,
        Action::SetAliases { .. } => 16,
        Action::SaveVolume { .. } => 17,
        Action::Dump { .. } => 18,
        Action::BuildImage { .. } => 19,
        // Files in place are tried by the runtime's own tests, commands by those of hooks.
        Action::SetFiles { .. } => ACTIONS,
        Action::RunCommand { .. } => ACTIONS + 1,
    }
}

pub const ACTIONS: usize = 20;

impl Operation {
    /// A daemon where everything is ready for it, with an empty log.
    pub async fn stage(&self) -> Daemon {
        let mut world = World::new();
        let event = |action: &str| {
            let actor = serde_json::json!({ "ID": "some", "Attributes": { "exitCode": "0" } });
            serde_json::json!({ "Type": "container", "Action": action, "Actor": actor }).to_string() + "\n"
        };
        world.events = ["start", "die", "start", "die"].map(event).concat().into_bytes();
        world.lines = [frame(1, "2026-11-20T10:00:00Z one\n"), frame(2, "2026-11-20T10:00:01Z two\n")].concat();
        let daemon = Daemon::new(world);
        let docker = daemon.docker(patience());
        for action in &self.before {
            docker.perform(RuntimeKind::Docker, action, &|_| {}).await.unwrap();
        }
        if let What::Vault(InVault::Write | InVault::Read | InVault::ReadAll | InVault::Remove | InVault::Destroy) =
            self.what
        {
            docker.write(&project(), &files([("a", "one"), ("d/b", "bee")])).await.unwrap();
        }
        (self.change)(&mut daemon.world());
        daemon.world().log.clear();
        daemon
    }

    /// Does it: what came of it, in words.
    pub async fn run(&self, daemon: &Daemon, patience: Patience) -> Result<String, Fault> {
        let limit = patience.usual;
        let docker = daemon.docker(patience);
        // Whoever acts on a container knows its id, whatever it is called by now.
        let known = daemon.world().containers.first().map(|container| container.id.clone());
        let id = known.clone().unwrap_or_default();
        match &self.what {
            What::Perform(action) => {
                let mut action = action.clone();
                place_in(daemon.directory(), &mut action);
                if let (false, Some(instance)) = (matches!(action, Action::Create { .. }), action.instance_mut()) {
                    instance.id = known.clone();
                }
                let effect = docker.perform(RuntimeKind::Docker, &action, &|_| {}).await?;
                Ok(words(&effect, daemon))
            }
            What::Observe => docker
                .observe(&wanted())
                .await
                .map(|seen| format!("{:?} {:?} {:?} {:?}", seen.instances, seen.images, seen.networks, seen.volumes)),
            What::Inspect => docker.inspect(RuntimeKind::Docker, &id).await.map(|found| format!("{found:?}")),
            What::Logs => {
                let lines = docker.logs(RuntimeKind::Docker, &id, LogQuery::default()).await?;
                let lines: Vec<_> = lines.try_collect().await?;
                Ok(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join(","))
            }
            What::Watch => {
                let events = docker.watch(&project()).await?.map(|event| format!("{event:?}"));
                let mut heard = Vec::new();
                tokio::pin!(events);
                // One that hangs is never heard of again, and nobody relies on it.
                while let Ok(Some(event)) = tokio::time::timeout(limit, events.next()).await {
                    heard.push(event);
                }
                Ok(heard.join(","))
            }
            What::Exec => {
                let ran = docker.exec(RuntimeKind::Docker, &id, &["true".to_owned()], limit).await?;
                Ok(format!("{} {}", ran.exit_code, ran.output))
            }
            What::Examine => docker
                .examine()
                .await
                .map(|examination| format!("{examination:?}").replace(&daemon.address().to_string(), "ADDRESS")),
            What::HeldImages => docker.held_images(&project()).await.map(|held| format!("{held:?}")),
            What::Vault(what) => in_vault(&docker, *what).await,
        }
    }

    pub fn only_reads(&self) -> bool {
        match &self.what {
            What::Perform(_) => false,
            What::Vault(what) => matches!(what, InVault::Read | InVault::ReadAll),
            _ => true,
        }
    }
}

/// Says where on this host its files are.
fn place_in(directory: &Path, action: &mut Action) {
    match action {
        Action::WriteFile { path, .. } | Action::RemoveFile { path } => {
            *path = directory.join("files/web/file").display().to_string();
        }
        Action::SaveVolume { to, .. } | Action::Dump { to, .. } => {
            *to = directory.join("saved").display().to_string();
        }
        Action::BuildImage { build, .. } => {
            let context = directory.join("context");
            std::fs::create_dir_all(&context).unwrap();
            std::fs::write(context.join("Dockerfile"), "FROM test/app:1\n").unwrap();
            build.0.context = Some(context.display().to_string());
        }
        _ => {}
    }
}

fn files<const N: usize>(files: [(&str, &str); N]) -> BTreeMap<String, Vec<u8>> {
    files.map(|(path, content)| (path.to_owned(), content.into())).into()
}

async fn in_vault(docker: &Docker, what: InVault) -> Result<String, Fault> {
    let project = project();
    let reading = match what {
        InVault::Prepare => return docker.prepare(&project).await.map(|()| "done".to_owned()),
        InVault::WriteFirst | InVault::Write => {
            return docker.write(&project, &files([("a", "two"), ("c", "see")])).await.map(|()| "done".to_owned());
        }
        InVault::Remove => {
            return docker.remove(&project, &["a".to_owned()].into()).await.map(|()| "done".to_owned());
        }
        InVault::Destroy => return docker.destroy(&project).await.map(|()| "done".to_owned()),
        InVault::Read => docker.read(&project, "a").await?,
        InVault::ReadAll => docker.read_all(&project).await?,
    };
    Ok(format!("{reading:?}"))
}

/// An effect without ids; that of a creation has to be the container that is there.
fn words(effect: &Effect, daemon: &Daemon) -> String {
    match effect {
        Effect::Created { id } => {
            let InstanceHandle { name, .. } = handle();
            let there: BTreeSet<String> =
                daemon.world().containers.iter().map(|container| container.id.clone()).collect();
            assert_eq!(there, BTreeSet::from([id.clone()]), "`{name}` was made once, with this id");
            "created".to_owned()
        }
        Effect::Started { instance } => format!("started {:?}", instance.state),
        Effect::Done => "done".to_owned(),
        Effect::AlreadySo => "already so".to_owned(),
        Effect::Saved { bytes, digest } => format!("saved {bytes} {digest}"),
        Effect::Ran { output } => format!("ran: {}", output.join(" ")),
    }
}
