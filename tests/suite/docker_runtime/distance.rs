//! Engines that are far away, or out of order.

use orchestrate::{
    action::{Action, Effect, InstanceHandle},
    observed::Reach,
    plan::{Network, RuntimeKind},
    runtime::{Observe, Runtime},
};

use super::{
    bench::run,
    proxy::{Proxy, Trick},
};

#[test]
fn what_nobody_heard_the_end_of_can_be_done_again() {
    run(|bench| async move {
        let proxy = Proxy::new(Trick::Hangup("POST /containers/create"));
        let instance = InstanceHandle { slot: 0, name: bench.name("web-1"), id: None };
        let create = Action::Create { instance: instance.clone(), spec: Box::new(bench.spec("web", |_| {})) };
        let fault = proxy.docker.perform(RuntimeKind::Docker, &create, &|_| {}).await.unwrap_err();
        assert_eq!(fault.code, "engine-connection-broken");
        assert!(fault.is_outcome_unknown && fault.is_transient);
        let made = bench.client.inspect_container(&instance.name, None).await.unwrap();
        let again = bench.perform(create).await.unwrap();
        assert_eq!(again, Effect::Created { id: made.id.unwrap() });
    });
}

#[test]
fn an_engine_with_another_kernel_is_not_on_this_host() {
    run(|bench| async move {
        let proxy = Proxy::new(Trick::Rewrite("KernelVersion", "KernelVersioX"));
        let docker = &proxy.docker;
        let name = bench.name("net");
        let create =
            Action::CreateNetwork { name: name.clone(), network: Network::default(), project: bench.project.clone() };
        let effect = docker.perform(RuntimeKind::Docker, &create, &|_| {}).await;
        assert_eq!(effect, Ok(Effect::Done));
        let made = bench.client.inspect_network(&name, None).await.unwrap();
        let subnet = made.ipam.unwrap().config.unwrap().remove(0).subnet;
        assert!(subnet.is_some(), "it was made again with the subnet that the engine had picked");

        let path = "/tmp/orchestrate-test/a/b".to_owned();
        let write = Action::WriteFile { path, content: "x".into(), mode: 0o400, uid: None, gid: None };
        let fault = docker.perform(RuntimeKind::Docker, &write, &|_| {}).await.unwrap_err();
        assert_eq!(fault.code, "files-need-local-engine");

        let handle = bench.create(&bench.name("web-1"), bench.spec("web", |_| {})).await.unwrap();
        bench.start(&handle).await.unwrap();
        let observed = docker.observe(&bench.wanted()).await.unwrap();
        assert!(!observed.engines[&RuntimeKind::Docker].is_local);
        assert_eq!(observed.instances[0].reach, Reach::Nowhere);
        assert!(observed.listeners.iter().all(|listener| listener.holder.is_some()));
    });
}
