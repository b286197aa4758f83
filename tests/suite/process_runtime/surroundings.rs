//! What a process finds around it: the state directory, programs, users.

use super::*;

#[tokio::test]
async fn a_state_directory_that_is_none_is_explained() {
    let world = World::new();
    std::fs::write(world.state(), "a file").unwrap();
    let fault = world.create("web", world.script(FOREVER)).await.unwrap_err();
    assert_eq!(fault.code, "state-not-usable");
    assert!(fault.text.contains(&world.state().display().to_string()), "{fault}");
}

#[tokio::test]
async fn programs_are_observed_by_their_content() {
    let world = World::new();
    write_program(&world.work("server"), "#!/bin/sh\n");
    let key = |word: &str| Program {
        word: word.to_owned(),
        working_dir: Some(world.work("").display().to_string()),
        path: None,
    };
    let wanted = Wanted { executables: [key("./server"), key("./missing")].into(), ..wanted() };
    let seen = world.processes.observe(&wanted).await.unwrap().executables;
    let digest = orchestrate::name::Digest::of(b"#!/bin/sh\n").to_string();
    assert_eq!(seen[&key("./server")], Ok(digest));
    assert_eq!(seen[&key("./missing")].as_ref().unwrap_err().code, "executable-not-found");
}

#[tokio::test]
async fn another_user_can_run_it_where_that_is_allowed() {
    let world = World::new();
    let service = Service {
        user: Some("65534:65534".to_owned()),
        working_dir: Some("/".to_owned()),
        ..world.script("echo $(id -u):$(id -g); exit 0")
    };
    let instance = match world.create("web", service).await {
        Ok(instance) => instance,
        Err(fault) => {
            assert_eq!(fault.code, "user-not-permitted");
            return;
        }
    };
    world.start(&instance).await.unwrap();
    world.until_exited(&instance).await;
    assert_eq!(world.output(&instance, LogQuery::default()).await, "o 65534:65534");
}
