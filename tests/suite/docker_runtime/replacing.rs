use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    net::TcpStream,
};

use orchestrate::{
    action::{Action, Effect, InstanceHandle, InstanceSpec, Inverse},
    observed::Instance,
    plan::{Limits, Network, NetworkAttachment, Port, RestartPolicy, Service},
};

use super::bench::{Bench, NOW, command, free_port, run};

/// Answers its number at port 80.
fn server(bench: &Bench, answer: &str, port: u16, network: &str) -> InstanceSpec {
    let change = |service: &mut Service| {
        service.command =
            command(&["sh", "-c", &format!("while true; do echo {answer} | nc -l -p 80 >/dev/null; done")]);
        service.restart = Some(RestartPolicy::Always);
        service.ports = Port::parse_short(&format!("127.0.0.1:{port}:80")).unwrap();
        service.deploy.resources.limits = Limits { memory: Some("32M".parse().unwrap()), ..Limits::default() };
        let aliases = BTreeSet::from(["web".to_owned()]);
        service.networks = BTreeMap::from([(network.to_owned(), NetworkAttachment { aliases, ..Default::default() })]);
    };
    bench.spec("web", change)
}

/// What the port answers, as soon as it does.
async fn ask(port: u16) -> String {
    tokio::task::spawn_blocking(move || {
        for _ in 0..2000 {
            let mut text = String::new();
            let read = TcpStream::connect(("127.0.0.1", port)).and_then(|mut stream| stream.read_to_string(&mut text));
            if read.is_ok() && !text.is_empty() {
                return text.trim().to_owned();
            }
            std::thread::yield_now();
        }
        "nothing".to_owned()
    })
    .await
    .unwrap()
}

/// What has to be as it was: all but the times.
fn body(instance: &Instance) -> Instance {
    Instance { started_at: None, log_since: None, reach: Default::default(), ..instance.clone() }
}

#[test]
fn a_replaced_instance_comes_back_as_it_was() {
    run(|bench| async move {
        let (network, port) = (bench.name("net"), free_port());
        let create = Action::CreateNetwork {
            name: network.clone(),
            network: Network::default(),
            project: bench.project.clone(),
        };
        bench.perform(create).await.unwrap();
        let (name, staged, retired) = (bench.name("web-1"), bench.name("web-1.new"), bench.name("web-1.old"));
        let old = bench.create(&name, server(&bench, "one", port, &network)).await.unwrap();
        let before = bench.start(&old).await.unwrap();
        assert_eq!(ask(port).await, "one");

        let named = |handle: &InstanceHandle, name: &str| InstanceHandle { name: name.to_owned(), ..handle.clone() };
        let new = InstanceHandle { slot: 1, name: staged.clone(), id: None };
        let spec = Box::new(server(&bench, "two", port, &network));
        let mut done: Vec<(Action, Effect)> = Vec::new();
        let create = Action::Create { instance: new.clone(), spec };
        let effect = bench.perform(create.clone()).await.unwrap();
        let Effect::Created { id } = effect.clone() else { panic!("{effect:?}") };
        done.push((create, effect));
        let new = InstanceHandle { id: Some(id), ..new };
        let steps = [
            Action::SetRestartPolicy { instance: old.clone(), from: RestartPolicy::Always, to: RestartPolicy::No },
            Action::Stop { instance: old.clone(), grace: NOW },
            Action::Rename { instance: old.clone(), to: retired },
            Action::Rename { instance: new.clone(), to: name.clone() },
            Action::Start { instance: named(&new, &name), grace: NOW },
        ];
        for step in steps {
            let effect = bench.perform(step.clone()).await.unwrap();
            done.push((step, effect));
        }
        assert_eq!(ask(port).await, "two");
        let replaced = bench.inspect(&new).await.unwrap();
        assert_eq!((replaced.name.as_str(), &replaced.networks), (name.as_str(), &before.networks));

        for (action, effect) in done.iter().rev() {
            let Inverse::Action(undo) = action.inverse(effect) else { panic!("{action} cannot be taken back") };
            bench.perform(undo).await.unwrap();
        }
        assert_eq!(ask(port).await, "one");
        assert_eq!(body(&bench.inspect(&old).await.unwrap()), body(&before));
        assert_eq!(bench.inspect(&new).await, None);
    });
}
