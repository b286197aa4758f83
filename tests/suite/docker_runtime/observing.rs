use std::{net::IpAddr, time::Duration};

use futures_util::{StreamExt, TryStreamExt, stream::BoxStream};
use orchestrate::{
    action::Action,
    observed::{Health, InstanceState, Observed, Reach, RuntimeEvent, Wanted},
    plan::{Healthcheck, Interval, Limits, RuntimeKind},
    runtime::{LogLine, LogQuery, Observe, Stream, docker::Docker},
};

use super::bench::{NOW, command, run};

/// Longer than anything here takes; only a failure waits for it.
const PATIENCE: Duration = Duration::from_secs(60);

async fn next(events: &mut BoxStream<'static, RuntimeEvent>) -> RuntimeEvent {
    tokio::time::timeout(PATIENCE, events.next()).await.expect("an event in time").expect("one more event")
}

#[test]
fn a_plan_without_containers_needs_no_engine() {
    let wanted = Wanted {
        project: "app".parse().unwrap(),
        instance_names: Default::default(),
        images: Default::default(),
        executables: Default::default(),
        networks: Default::default(),
        volumes: Default::default(),
        runtimes: [RuntimeKind::Process].into(),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let docker = Docker::new("unix:///no/such/docker.sock".parse().unwrap());
    let Observed { engines, instances, .. } = runtime.block_on(docker.observe(&wanted)).unwrap();
    assert!(engines.is_empty() && instances.is_empty());
}

#[test]
fn what_runs_is_observed_and_can_be_dialled() {
    run(|bench| async move {
        let handle = bench.create(&bench.name("web-1"), bench.spec("web", |_| {})).await.unwrap();
        bench.create(&bench.name("api-1"), bench.spec("api", |_| {})).await.unwrap();
        let started = bench.start(&handle).await.unwrap();
        let observed = bench.observe(|_| {}).await;
        let names: Vec<&str> = observed.instances.iter().map(|instance| instance.identity.service.as_str()).collect();
        assert_eq!(names, ["api", "web"]);
        assert_eq!(observed.instances[1], started);
        assert!(matches!(started.reach, Reach::Address(IpAddr::V4(address)) if address.is_private()));
        let engine = &observed.engines[&RuntimeKind::Docker];
        assert!(engine.is_local && engine.name.ends_with(" at unix:///var/run/docker.sock"), "{}", engine.name);
    });
}

#[test]
fn lines_are_read_with_their_times() {
    run(|bench| async move {
        let lines = "for n in 1 2 3; do echo line $n; done; echo no >&2; head -c 20000 /dev/zero | tr '\\0' a; echo; \
            printf end";
        let spec = bench.spec("web", |service| service.command = command(&["sh", "-c", lines]));
        let handle = bench.create(&bench.name("web-1"), spec).await.unwrap();
        let id = handle.id.as_ref().unwrap();
        bench.start(&handle).await.unwrap();
        let read = async |query: LogQuery| -> Vec<LogLine> {
            let lines = bench.docker.logs(RuntimeKind::Docker, id, query).await.unwrap();
            tokio::time::timeout(PATIENCE, lines.try_collect()).await.unwrap().unwrap()
        };
        // To follow is to wait for the end.
        let all = read(LogQuery { follow: true, ..LogQuery::default() }).await;
        let text = |stream: Stream| -> Vec<String> {
            let lines = all.iter().filter(|line| line.stream == stream);
            lines.map(|line| line.text.chars().take(8).collect()).collect()
        };
        assert_eq!(text(Stream::Stdout), ["line 1", "line 2", "line 3", "aaaaaaaa", "end"]);
        assert_eq!(text(Stream::Stderr), ["no"]);
        assert!(all.iter().all(|line| line.at.is_some() && line.text.len() <= 16 * 1024));
        let tail = read(LogQuery { tail: Some(1), ..LogQuery::default() }).await;
        // The engine copies each output by itself: a busy one may write down "no" after "end".
        assert_eq!(tail, all[all.len() - 1..]);
        let last = all.iter().filter_map(|line| line.at).max().unwrap();
        let since = read(LogQuery { since: Some(last + Duration::from_micros(1)), ..LogQuery::default() }).await;
        assert_eq!(since, vec![]);
    });
}

#[test]
fn a_command_answers_with_its_code_and_output() {
    run(|bench| async move {
        let handle = bench.create(&bench.name("web-1"), bench.spec("web", |_| {})).await.unwrap();
        let id = handle.id.clone().unwrap();
        let run = async |words: &[&str], limit| {
            let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
            bench.docker.exec(RuntimeKind::Docker, &id, &words, limit).await
        };
        assert_eq!(run(&["true"], PATIENCE).await.unwrap_err().code, "instance-not-running");
        bench.start(&handle).await.unwrap();
        assert_eq!(bench.shell(&handle, "echo out; echo err >&2; exit 7").await.0, 7);
        let much = bench.shell(&handle, "head -c 200000 /dev/zero | tr '\\0' a").await;
        assert_eq!((much.0, much.1.len()), (0, 64 * 1024));
        let slow = run(&["sleep", "600"], Duration::from_millis(200)).await.unwrap_err();
        assert_eq!((slow.code.as_str(), slow.is_outcome_unknown), ("command-timeout", false));
        assert_eq!(run(&["no-such-program"], PATIENCE).await.unwrap().exit_code, 126);
    });
}

#[test]
fn what_happens_is_told() {
    run(|bench| async move {
        let spec = bench.spec("web", |service| {
            service.healthcheck = Some(Healthcheck {
                test: ["CMD-SHELL", "test -e /well"].map(Into::into).to_vec(),
                interval: Some(Interval::from_millis(50)),
                ..Healthcheck::default()
            });
        });
        let handle = bench.create(&bench.name("web-1"), spec).await.unwrap();
        let id = handle.id.clone().unwrap();
        let mut events = bench.docker.watch(&bench.project).await.unwrap();
        assert_eq!(bench.start(&handle).await.unwrap().health, Health::Starting);
        assert_eq!(next(&mut events).await, RuntimeEvent::Started { id: id.clone() });
        bench.shell(&handle, "touch /well").await;
        // It may have failed three times before it was well.
        let mut health = next(&mut events).await;
        if health == (RuntimeEvent::HealthChanged { id: id.clone(), health: Health::Unhealthy }) {
            health = next(&mut events).await;
        }
        assert_eq!(health, RuntimeEvent::HealthChanged { id: id.clone(), health: Health::Healthy });
        assert_eq!(bench.inspect(&handle).await.unwrap().health, Health::Healthy);
        bench.perform(Action::Stop { instance: handle.clone(), grace: NOW }).await.unwrap();
        assert_eq!(
            next(&mut events).await,
            RuntimeEvent::Exited { id: id.clone(), code: 137, killed_for_memory: false }
        );
        assert_eq!(bench.inspect(&handle).await.unwrap().health, Health::None);
        assert_eq!(bench.start(&handle).await.unwrap().health, Health::Starting);
    });
}

#[test]
fn running_out_of_memory_is_noticed() {
    run(|bench| async move {
        let spec = bench.spec("web", |service| {
            service.command = command(&["tail", "/dev/zero"]);
            let memory = Some("16M".parse().unwrap());
            service.deploy.resources.limits = Limits { memory, ..Limits::default() };
        });
        let handle = bench.create(&bench.name("web-1"), spec).await.unwrap();
        let id = handle.id.clone().unwrap();
        let mut events = bench.docker.watch(&bench.project).await.unwrap();
        bench.start(&handle).await.unwrap();
        assert_eq!(next(&mut events).await, RuntimeEvent::Started { id: id.clone() });
        assert_eq!(next(&mut events).await, RuntimeEvent::Exited { id, code: 137, killed_for_memory: true });
        let state = bench.inspect(&handle).await.unwrap().state;
        assert_eq!(state, InstanceState::Exited { code: 137, killed_for_memory: true });
    });
}
