use std::net::TcpListener;

use orchestrate::{
    action::Action,
    diagnostic::Class,
    observed::Fault,
    plan::{Mount, Port},
    runtime::{Observe, docker::Docker},
};

use super::bench::{command, run};

fn summary(fault: &Fault) -> (Class, &str) {
    (fault.class, fault.code.as_str())
}

#[test]
fn a_port_that_is_taken_is_named() {
    run(|bench| async move {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let observed = bench.observe(|_| {}).await;
        assert!(observed.listeners.iter().any(|listener| listener.port == port && listener.holder.is_none()));

        let publish = |bench: &super::bench::Bench, service_name: &str, port: u16| {
            let ports = Port::parse_short(&format!("127.0.0.1:{port}:80")).unwrap();
            bench.spec(service_name, |service| service.ports = ports)
        };
        let first = bench.create(&bench.name("a-1"), publish(&bench, "a", port)).await.unwrap();
        let fault = bench.start(&first).await.unwrap_err();
        assert_eq!(summary(&fault), (Class::Resource, "port-in-use"));
        assert_eq!(fault.text, format!("cannot start `{}`: port {port} of the host is taken", first.name));

        drop(listener);
        bench.start(&first).await.unwrap();
        let observed = bench.observe(|_| {}).await;
        let holder = format!("container {} of ", first.name);
        let is_holder = |found: &Option<String>| found.as_ref().is_some_and(|found| found.starts_with(&holder));
        let mut listeners = observed.listeners.iter();
        assert!(listeners.any(|listener| listener.port == port && is_holder(&listener.holder)));
        let second = bench.create(&bench.name("b-1"), publish(&bench, "b", port)).await.unwrap();
        assert_eq!(summary(&bench.start(&second).await.unwrap_err()), (Class::Resource, "port-in-use"));
    });
}

#[test]
fn what_a_plan_has_wrong_is_said() {
    run(|bench| async move {
        let name = bench.name("web-1");
        let mount = Mount::parse_short("/no/such/place:/x").unwrap();
        let fault = bench.create(&name, bench.spec("web", |service| service.volumes = vec![mount])).await.unwrap_err();
        assert_eq!(summary(&fault), (Class::Configuration, "bind-source-missing"));
        assert!(fault.text.contains("`/no/such/place`"), "{}", fault.text);
        assert!(!std::path::Path::new("/no").exists());

        let absent = bench.spec("web", |service| service.image = Some("orchestrate-test/absent:1".parse().unwrap()));
        let fault = bench.create(&name, absent).await.unwrap_err();
        assert_eq!(summary(&fault), (Class::Dependency, "image-not-found"));

        let wrong = bench.spec("web", |service| service.command = command(&["no-such-program"]));
        let handle = bench.create(&name, wrong).await.unwrap();
        let fault = bench.start(&handle).await.unwrap_err();
        assert_eq!(summary(&fault), (Class::Configuration, "command-not-found"));

        // Port 1 of the engine's host: nobody listens there.
        let pull = Action::PullImage { image: "127.0.0.1:1/absent:1".parse().unwrap(), digest: None, platform: None };
        let fault = bench.perform(pull).await.unwrap_err();
        assert_eq!((summary(&fault), fault.is_transient), ((Class::Network, "registry-unreachable"), false));
    });
}

#[test]
fn an_engine_that_is_not_there_is_said() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for address in ["unix:///no/such/docker.sock", "tcp://127.0.0.1:1"] {
        let docker = Docker::new(address.parse().unwrap());
        let fault = runtime.block_on(docker.watch(&"app".parse().unwrap())).err().unwrap();
        assert_eq!(summary(&fault), (Class::Network, "engine-unreachable"), "{fault}");
        assert!(!fault.is_outcome_unknown);
    }
}
