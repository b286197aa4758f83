use std::collections::{BTreeSet, HashMap};

use bollard::{
    models::{ContainerCreateBody, NetworkCreateRequest},
    query_parameters::CreateContainerOptions,
};
use orchestrate::{
    action::{Action, InstanceHandle},
    observed::Foreign,
    plan::{Limits, Network, RestartPolicy, RuntimeKind},
};

use super::bench::{Bench, IMAGE, NOW, TEST_LABEL, run};

/// A running container of someone else's; its id.
async fn foreign(bench: &Bench, name: &str) -> String {
    let labels = [(TEST_LABEL, bench.project.as_str()), ("com.docker.compose.project", "shop")];
    let body = ContainerCreateBody {
        image: Some(IMAGE.to_owned()),
        cmd: Some(vec!["sleep".to_owned(), "600".to_owned()]),
        labels: Some(labels.map(|(label, value)| (label.to_owned(), value.to_owned())).into()),
        ..Default::default()
    };
    let options = CreateContainerOptions { name: Some(name.to_owned()), ..Default::default() };
    let id = bench.client.create_container(Some(options), body).await.unwrap().id;
    bench.client.start_container(&id, None).await.unwrap();
    id
}

#[test]
fn what_is_not_ours_is_left_alone() {
    run(|bench| async move {
        let name = bench.name("web-1");
        let id = foreign(&bench, &name).await;
        let before = bench.client.inspect_container(&id, None).await.unwrap();

        let observed = bench.observe(|wanted| wanted.instance_names = BTreeSet::from([name.clone()])).await;
        let owner = Some("the Compose project `shop`".to_owned());
        let expected = Foreign { runtime: RuntimeKind::Docker, id: id.clone(), name: name.clone(), owner };
        assert_eq!((observed.foreign, observed.instances), (vec![expected], vec![]));

        let fault = bench.create(&name, bench.spec("web", |_| {})).await.unwrap_err();
        let text = format!(
            "the container `{}`, which belongs to the Compose project `shop` has the name `{name}` already",
            &id[..12]
        );
        assert_eq!((fault.code.as_str(), fault.text), ("name-taken", text));

        for id in [Some(id.clone()), None] {
            let instance = InstanceHandle { slot: 0, name: name.clone(), id };
            let (no, always) = (RestartPolicy::No, RestartPolicy::Always);
            let limits = Limits { pids: Some(9), ..Limits::default() };
            for action in [
                Action::Stop { instance: instance.clone(), grace: NOW },
                Action::Start { instance: instance.clone(), grace: NOW },
                Action::Remove { instance: instance.clone(), made_by: None },
                Action::Rename { instance: instance.clone(), to: bench.name("x") },
                Action::SetRestartPolicy { instance: instance.clone(), from: no, to: always },
                Action::SetLimits { instance: instance.clone(), from: Limits::default(), to: limits },
            ] {
                assert_eq!(bench.perform(action.clone()).await.unwrap_err().code, "not-ours", "{action}");
            }
        }
        assert_eq!(bench.client.inspect_container(&id, None).await.unwrap(), before);
    });
}

#[test]
fn a_name_is_not_taken_from_another_instance() {
    run(|bench| async move {
        let handle = bench.create(&bench.name("web-1"), bench.spec("web", |_| {})).await.unwrap();
        let fault = bench.create(&handle.name, bench.spec("api", |_| {})).await.unwrap_err();
        assert_eq!(fault.code, "name-taken");
        let other = bench.create(&bench.name("api-1"), bench.spec("api", |_| {})).await.unwrap();
        let rename = Action::Rename { instance: other, to: handle.name };
        assert_eq!(bench.perform(rename).await.unwrap_err().code, "name-taken");
    });
}

#[test]
fn a_network_that_is_not_ours_is_left_alone() {
    run(|bench| async move {
        let name = bench.name("net");
        let labels = HashMap::from([(TEST_LABEL.to_owned(), bench.project.to_string())]);
        let request = NetworkCreateRequest { name: name.clone(), labels: Some(labels), ..Default::default() };
        bench.client.create_network(request).await.unwrap();
        let before = bench.client.inspect_network(&name, None).await.unwrap();
        let (network, project) = (Network::default(), bench.project.clone());
        let create = Action::CreateNetwork { name: name.clone(), network, project };
        assert_eq!(bench.perform(create).await.unwrap_err().code, "name-taken");
        let remove = Action::RemoveNetwork { name: name.clone() };
        assert_eq!(bench.perform(remove).await.unwrap_err().code, "not-ours");
        assert_eq!(bench.client.inspect_network(&name, None).await.unwrap(), before);
    });
}
