use std::collections::{BTreeMap, BTreeSet};

use orchestrate::{
    action::{Action, Effect, FileMount, InstanceHandle},
    observed::InstanceState,
    plan::{Limits, Mount, Network, NetworkAttachment, RestartPolicy, Volume},
};

use super::bench::{IMAGE, NOW, command, run};

#[test]
fn a_network_and_a_volume_are_made_once() {
    run(|bench| async move {
        let (network, volume) = (bench.name("net"), bench.name("data"));
        let project = bench.project.clone();
        let create =
            Action::CreateNetwork { name: network.clone(), network: Network::default(), project: project.clone() };
        assert_eq!(bench.perform_twice(create).await, [Effect::Done, Effect::AlreadySo]);
        let create = Action::CreateVolume { name: volume.clone(), volume: Volume::default(), project: project.clone() };
        assert_eq!(bench.perform_twice(create).await, [Effect::Done, Effect::AlreadySo]);

        let observed = bench
            .observe(|wanted| {
                wanted.networks = BTreeSet::from([network.clone(), "bridge".to_owned()]);
                wanted.volumes = BTreeSet::from([volume.clone(), "absent".to_owned()]);
            })
            .await;
        let facts = &observed.networks[&network];
        assert_eq!(
            (facts.project.as_ref(), facts.driver.as_str(), facts.is_internal),
            (Some(&project), "bridge", false)
        );
        assert_eq!(observed.networks.get("bridge").and_then(|facts| facts.project.as_ref()), None);
        assert_eq!(observed.volumes.keys().collect::<Vec<_>>(), [&volume]);
        assert_eq!(observed.volumes[&volume].project, Some(project));

        let made = bench.client.inspect_network(&network, None).await.unwrap();
        let subnet = made.ipam.unwrap().config.unwrap().remove(0).subnet;
        assert!(subnet.is_some_and(|subnet| subnet.starts_with("172.") || subnet.starts_with("192.168.")));

        let remove = Action::RemoveNetwork { name: network };
        assert_eq!(bench.perform_twice(remove).await, [Effect::Done, Effect::AlreadySo]);
    });
}

#[test]
fn an_instance_lives_and_every_step_may_be_done_twice() {
    run(|bench| async move {
        let name = bench.name("web-1");
        let spec = bench.spec("web", |service| {
            service.command = command(&["sh", "-c", "trap 'exit 3' TERM; touch /up; sleep 600 & wait"]);
            service.restart = Some(RestartPolicy::OnFailure { max_attempts: 4 });
        });
        let handle = bench.create(&name, spec.clone()).await.unwrap();
        let again = bench.create(&name, spec.clone()).await.unwrap();
        assert_eq!(handle, again, "the same container answers a create that is done again");

        let created = bench.inspect(&handle).await.unwrap();
        assert_eq!((created.state, created.started_at), (InstanceState::Created, None));
        assert_eq!((&created.identity, &created.salt), (&spec.identity, &spec.salt));
        assert_eq!(created.spec.as_ref(), Some(&spec.document));
        assert_eq!(created.restart_policy, RestartPolicy::OnFailure { max_attempts: 4 });

        let started = bench.start(&handle).await.unwrap();
        assert_eq!(started.state, InstanceState::Running);
        assert!(started.started_at.is_some());
        assert_eq!(bench.start(&handle).await.unwrap().started_at, started.started_at);

        let to = bench.name("web-1.old");
        let rename = Action::Rename { instance: handle.clone(), to: to.clone() };
        assert_eq!(bench.perform_twice(rename).await, [Effect::Done, Effect::AlreadySo]);
        assert_eq!(bench.inspect(&handle).await.unwrap().name, to);

        bench.shell(&handle, "until [ -e /up ]; do :; done").await;
        let stop = Action::Stop { instance: handle.clone(), grace: "10s".to_owned().try_into().unwrap() };
        assert_eq!(bench.perform_twice(stop).await, [Effect::Done, Effect::AlreadySo]);
        let exited = InstanceState::Exited { code: 3, killed_for_memory: false };
        assert_eq!(bench.inspect(&handle).await.unwrap().state, exited);

        let remove = Action::Remove { instance: handle.clone(), made_by: None };
        assert_eq!(bench.perform_twice(remove).await, [Effect::Done, Effect::AlreadySo]);
        assert_eq!(bench.inspect(&handle).await, None);
        let stop = Action::Stop { instance: handle.clone(), grace: NOW };
        assert_eq!(bench.perform(stop).await.unwrap(), Effect::AlreadySo);
        assert_eq!(bench.start(&handle).await.unwrap_err().code, "instance-not-found");
    });
}

#[test]
fn a_service_gets_what_it_asks_for() {
    run(|bench| async move {
        let (front, back) = (bench.name("front"), bench.name("back"));
        for name in [&front, &back] {
            let (name, network, project) = (name.clone(), Network::default(), bench.project.clone());
            bench.perform(Action::CreateNetwork { name, network, project }).await.unwrap();
        }
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("a/b/token").to_str().unwrap().to_owned();
        let content = "s3cret".into();
        let write = Action::WriteFile { path: file.clone(), content, mode: 0o444, uid: Some(7), gid: None };
        assert_eq!(bench.perform_twice(write).await, [Effect::Done, Effect::Done]);

        let volume = bench.name("data");
        let (name, project) = (volume.clone(), bench.project.clone());
        bench.perform(Action::CreateVolume { name, volume: Volume::default(), project }).await.unwrap();
        let mut spec = bench.spec("web", |service| {
            service.environment = BTreeMap::from([("GREETING".to_owned(), Some("hello world".into()))]);
            service.labels = BTreeMap::from([("tier".to_owned(), "web".to_owned())]);
            service.user = Some("7:8".to_owned());
            service.working_dir = Some("/tmp".to_owned());
            service.hostname = Some("grace".to_owned());
            service.read_only = true;
            service.tmpfs = vec![orchestrate::plan::Tmpfs("/run/t:size=1m".to_owned())];
            service.volumes = vec![
                Mount::parse_short(&format!("{volume}:/data")).unwrap(),
                Mount::parse_short("/usr/share/doc:/doc:ro").unwrap(),
            ];
            service.extra_hosts = BTreeMap::from([("db".to_owned(), "10.9.8.7".to_owned())]);
            service.cap_drop = BTreeSet::from(["NET_RAW".to_owned()]);
            service.sysctls = BTreeMap::from([("net.core.somaxconn".to_owned(), "77".to_owned())]);
            let limit = orchestrate::plan::Ulimit { soft: 100, hard: 200 };
            service.ulimits = BTreeMap::from([("nofile".to_owned(), limit)]);
            service.shm_size = Some("2M".parse().unwrap());
            service.init = Some(true);
            service.deploy.resources.limits =
                Limits { cpus: Some("0.5".parse().unwrap()), memory: Some("32M".parse().unwrap()), pids: Some(50) };
            let alias =
                |alias: &str| NetworkAttachment { aliases: BTreeSet::from([alias.to_owned()]), ..Default::default() };
            service.networks = BTreeMap::from([(front.clone(), alias("web")), (back.clone(), alias("api"))]);
        });
        spec.files = vec![FileMount { source: file.clone(), target: "/run/secrets/token".to_owned() }];
        let handle = bench.create(&bench.name("web-1"), spec.clone()).await.unwrap();
        let instance = bench.start(&handle).await.unwrap();
        assert_eq!(instance.networks.keys().collect::<Vec<_>>(), [&back, &front]);
        // Some engines add the host name.
        assert!(instance.networks[&front].contains("web") && instance.networks[&back].contains("api"));
        assert_eq!(instance.limits, spec.service.deploy.resources.limits);

        // The soft limit of what is executed is not asked for: runc itself may have raised it.
        let line = "id -u; id -g; pwd; hostname; echo $GREETING; cat /run/secrets/token; echo; grep -c db /etc/hosts; \
            cat /proc/sys/net/core/somaxconn; ulimit -Hn; df -m /dev/shm | tail -1 | awk '{print $2}'; \
            touch /x 2>/dev/null; echo $?; touch /doc/x 2>/dev/null; echo $?; grep -c ' /run/t ' /proc/mounts; \
            grep -c ' /data ' /proc/mounts; tr '\\0' ' ' < /proc/1/cmdline";
        let (code, output) = bench.shell(&handle, line).await;
        let lines: Vec<&str> = output.lines().collect();
        let expected = ["7", "8", "/tmp", "grace", "hello world", "s3cret", "1", "77", "200", "2", "1", "1", "1", "1"];
        assert_eq!((code, &lines[..14]), (0, &expected[..]));
        assert!(lines[14].contains("init"), "{output}");

        let inspected = bench.client.inspect_container(handle.id.as_ref().unwrap(), None).await.unwrap();
        assert_eq!(inspected.config.unwrap().labels.unwrap()["tier"], "web");
        let host = inspected.host_config.unwrap();
        assert_eq!(host.cap_drop, Some(vec!["NET_RAW".to_owned()]));

        let twice = [Effect::Done, Effect::AlreadySo];
        assert_eq!(bench.perform_twice(Action::RemoveFile { path: file }).await, twice);
    });
}

#[test]
fn policy_and_limits_change_in_place() {
    run(|bench| async move {
        let limits = |memory: &str, pids| Limits {
            cpus: Some("0.5".parse().unwrap()),
            memory: Some(memory.parse().unwrap()),
            pids: Some(pids),
        };
        let (low, high) = (limits("16M", 50), limits("64M", 90));
        let spec = bench.spec("web", |service| service.deploy.resources.limits = low.clone());
        let instance: InstanceHandle = bench.create(&bench.name("web-1"), spec).await.unwrap();
        bench.start(&instance).await.unwrap();
        let twice = [Effect::Done, Effect::AlreadySo];

        let (from, to) = (RestartPolicy::No, RestartPolicy::Always);
        let set = Action::SetRestartPolicy { instance: instance.clone(), from, to };
        assert_eq!(bench.perform_twice(set).await, twice);
        let set = Action::SetLimits { instance: instance.clone(), from: low.clone(), to: high.clone() };
        assert_eq!(bench.perform_twice(set.clone()).await, twice);
        let now = bench.inspect(&instance).await.unwrap();
        assert_eq!((now.restart_policy, now.limits), (to, high));

        let orchestrate::action::Inverse::Action(undo) = set.inverse(&Effect::Done) else { panic!("limits go back") };
        assert_eq!(bench.perform_twice(undo).await, twice);
        assert_eq!(bench.inspect(&instance).await.unwrap().limits, low);

        let nothing = Action::SetLimits { instance, from: low, to: Limits::default() };
        assert_eq!(bench.perform(nothing).await.unwrap_err().code, "limit-stays");
    });
}

#[test]
fn an_image_that_is_there_is_not_pulled_and_can_be_held() {
    run(|bench| async move {
        let pull = Action::PullImage { image: IMAGE.parse().unwrap(), digest: None, platform: None };
        assert_eq!(bench.perform(pull).await.unwrap(), Effect::AlreadySo);
        let hold = Action::HoldImage { project: bench.project.clone(), image_id: IMAGE.to_owned() };
        assert_eq!(bench.perform_twice(hold).await, [Effect::Done, Effect::AlreadySo]);

        let absent = "orchestrate-test/absent:1".parse().unwrap();
        let observed = bench.observe(|wanted| wanted.images = BTreeSet::from([IMAGE.parse().unwrap(), absent])).await;
        assert_eq!(observed.images.len(), 1);
        let facts = &observed.images[&IMAGE.parse().unwrap()];
        let held = format!("orchestrate/{}:{}", bench.project, &facts.id["sha256:".len()..][..12]);
        assert_eq!(bench.client.inspect_image(&held).await.unwrap().id.as_ref(), Some(&facts.id));
        let hold = Action::HoldImage { project: bench.project.clone(), image_id: facts.id.clone() };
        assert_eq!(bench.perform(hold).await.unwrap(), Effect::AlreadySo);
    });
}

#[test]
fn an_instance_finds_its_network_that_was_made_again() {
    run(|bench| async move {
        let name = bench.name("net");
        let (network, project) = (Network::default(), bench.project.clone());
        let create = Action::CreateNetwork { name: name.clone(), network, project };
        bench.perform(create.clone()).await.unwrap();
        let aliases = BTreeSet::from(["web".to_owned()]);
        let networks = BTreeMap::from([(name.clone(), NetworkAttachment { aliases, ..Default::default() })]);
        let spec = bench.spec("web", |service| service.networks = networks);
        let handle = bench.create(&bench.name("web-1"), spec).await.unwrap();
        let before = bench.start(&handle).await.unwrap();
        bench.perform(Action::Stop { instance: handle.clone(), grace: NOW }).await.unwrap();
        bench.client.remove_network(&name).await.unwrap();
        assert_eq!(bench.start(&handle).await.unwrap_err().code, "network-not-found");
        bench.perform(create).await.unwrap();
        assert_eq!(bench.start(&handle).await.unwrap().networks, before.networks);
    });
}
