//! Each action of each golden transition, failing for good; and each of them twice.

use std::{cell::RefCell, collections::BTreeSet, time::Instant};

use orchestrate::{
    action::{Action, CommandSite, InstanceHandle},
    diagnostic::Class,
    observed::Fault,
    plan::{Limits, RestartPolicy, RuntimeKind},
    runtime::simulated::World,
};
use serde_json::json;

use super::{
    golden::{Golden, transitions},
    kinds::KINDS,
    life::Cut,
    report,
    rig::Applied,
    weather::{Fate, Weather},
};
use crate::twice::{command, each_twice, of_a_file};

/// It fails, without an effect; nobody knows whether it had one, and it had, or had not.
fn fates() -> [Fate; 3] {
    let failed = Fault::new(Class::Deployment, "engine-error", "the engine failed");
    let unknown = Fault::new(Class::Timeout, "timeout", "no answer came in time").transient().outcome_unknown();
    [
        Fate { fault: Some(failed), takes_effect: false },
        Fate { fault: Some(unknown.clone()), takes_effect: false },
        Fate { fault: Some(unknown), takes_effect: true },
    ]
}

/// The calls of the transition, forward and back.
fn calls(golden: &Golden) -> BTreeSet<String> {
    let mut rig = golden.start();
    let Applied::Ended(oracle, _) = golden.run(&mut rig, &Weather::default(), Cut::default()) else {
        panic!("{} does not run", golden.name)
    };
    let forward = oracle.setup.actions.steps.iter().map(|step| step.action.to_string());
    forward.chain(oracle.intents.values().map(ToString::to_string)).collect()
}

#[test]
fn whichever_action_fails_the_invariants_hold() {
    let began = Instant::now();
    let mut runs = 0;
    for golden in transitions() {
        for call in calls(&golden) {
            for fate in fates() {
                let mut rig = golden.start();
                let context = format!("{}: `{call}`: {fate:?}", golden.name);
                rig.lasting.insert(call.clone(), fate);
                let applied = golden.run(&mut rig, &Weather::default(), Cut::default());
                assert!(matches!(applied, Applied::Ended(..)), "{context}: it does not end");
                let found: Vec<String> = rig.watchdog.violations.iter().map(ToString::to_string).collect();
                assert!(found.is_empty(), "{context}: {}", found.join("\n"));
                runs += 1;
            }
        }
    }
    report::write("failing_actions", json!({ "runs": runs, "violations": 0 }), began.elapsed().as_secs_f64());
}

#[tokio::test]
async fn each_action_may_be_done_and_undone_twice_in_the_simulated_world() {
    let world = RefCell::new(World::default());
    let mut golden = transitions();
    golden.retain(|golden| golden.name == "network and volume");
    let mut rig = golden[0].start();
    let Applied::Ended(oracle, _) = golden[0].run(&mut rig, &Weather::default(), Cut::default()) else {
        panic!("it does not run")
    };
    let made = oracle.setup.actions.steps.iter().map(|step| step.action.clone());
    let image = Action::PullImage { image: "db:1".parse().unwrap(), digest: None, platform: None };
    let build = Action::BuildImage {
        service: "db".parse().unwrap(),
        image: "db:1".parse().unwrap(),
        build: Box::default(),
        platform: None,
    };
    let handle = |name: &str| InstanceHandle { slot: 0, name: name.to_owned(), id: None };
    let [write, change, tell, remove] = of_a_file("/state/files/app/x/db-1/token", &handle("app-db-1"));
    let to = Limits { pids: Some(7), ..Limits::default() };
    let rest = [
        Action::ReleaseImage { project: "app".parse().unwrap(), image_id: "sha256:db:1".to_owned() },
        Action::SaveVolume {
            project: "app".parse().unwrap(),
            volume: "app_data".to_owned(),
            to: "/state/snapshots/app/x/data".to_owned(),
            timeout: orchestrate::plan::Interval::from_millis(1000),
        },
        Action::Dump {
            instance: handle("app-db-1"),
            command: serde_json::from_value(json!(["dump"])).unwrap(),
            to: "/state/snapshots/app/x/dump".to_owned(),
            timeout: orchestrate::plan::Interval::from_millis(1000),
        },
        Action::SetRestartPolicy { instance: handle("app-db-1"), from: RestartPolicy::No, to: RestartPolicy::Always },
        Action::SetLimits { instance: handle("app-db-1"), from: Limits::default(), to },
        Action::SetAliases {
            instance: handle("app-db-1"),
            network: "app_back".to_owned(),
            from: ["db".to_owned()].into(),
            to: ["base".to_owned()].into(),
        },
        command(CommandSite::Host),
        change,
        tell,
        Action::Rename { instance: handle("app-db-1"), to: "other".to_owned() },
        Action::Stop { instance: handle("other"), grace: orchestrate::plan::Interval::from_millis(0) },
        Action::Remove { instance: handle("other"), made_by: None },
        remove,
        Action::RemoveNetwork { name: "app_back".to_owned() },
        Action::RemoveVolume { name: "app_data".to_owned() },
    ];
    let actions = [image, build, write].into_iter().chain(made).chain(rest).collect();
    let kinds = each_twice(actions, |action| {
        std::future::ready(world.borrow_mut().perform(rig.now, RuntimeKind::Docker, &action).result)
    })
    .await;
    assert_eq!(kinds, KINDS.iter().copied().collect());
}
