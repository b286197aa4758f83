use orchestrate::{
    action::{Action, CommandSite, InstanceHandle},
    plan::{Build, BuildLong, ImageReference, Limits, Network, RestartPolicy, Volume},
};

use super::bench::{IMAGE, NOW, run};
use crate::{
    simulation::kinds::KINDS,
    twice::{command, each_twice, of_a_file},
};

/// An image that goes when its test ends.
struct Gone(String);

impl Drop for Gone {
    fn drop(&mut self) {
        crate::engine::untag(std::slice::from_ref(&self.0));
    }
}

#[test]
fn each_action_may_be_done_and_undone_twice_on_the_engine() {
    run(|bench| async move {
        let (name, project) = (bench.name("web-1"), bench.project.clone());
        let root = tempfile::tempdir().unwrap();
        let file = root.path().join("a/b/token").to_str().unwrap().to_owned();
        let limits = |memory: &str| Limits { memory: Some(memory.parse().unwrap()), ..Limits::default() };
        let spec = bench.spec("web", |service| service.deploy.resources.limits = limits("32M"));
        let handle = |name: &str| InstanceHandle { slot: 0, name: name.to_owned(), id: None };
        let (this, other, network, volume) =
            (handle(&name), bench.name("other"), bench.name("net"), bench.name("data"));
        let context = root.path().join("context");
        std::fs::create_dir(&context).unwrap();
        std::fs::write(context.join("Dockerfile"), format!("FROM {IMAGE}\nLABEL text={}\n", bench.name("built")))
            .unwrap();
        let built: ImageReference = format!("{}:1", bench.name("built")).parse().unwrap();
        let _gone = Gone(built.to_string());
        let context = Some(context.display().to_string());
        let build = Box::new(Build(BuildLong { context, ..BuildLong::default() }));
        let [write, change, tell, remove] = of_a_file(&file, &this);
        let actions = vec![
            Action::PullImage { image: IMAGE.parse().unwrap(), digest: None, platform: None },
            Action::BuildImage { service: "web".parse().unwrap(), image: built, build, platform: None },
            Action::HoldImage { project: project.clone(), image_id: IMAGE.to_owned() },
            Action::CreateNetwork { name: network.clone(), network: Network::default(), project: project.clone() },
            Action::CreateVolume { name: volume.clone(), volume: Volume::default(), project },
            write,
            Action::Create { instance: this.clone(), spec: Box::new(spec) },
            Action::SetRestartPolicy { instance: this.clone(), from: RestartPolicy::No, to: RestartPolicy::Always },
            Action::SetLimits { instance: this.clone(), from: limits("32M"), to: limits("64M") },
            Action::Start { instance: this.clone(), grace: NOW },
            command(CommandSite::Instance(this.clone())),
            change,
            tell,
            Action::SetAliases {
                instance: this.clone(),
                network: network.clone(),
                from: Default::default(),
                to: ["web".to_owned()].into(),
            },
            Action::Rename { instance: this.clone(), to: other.clone() },
            Action::Stop { instance: handle(&other), grace: NOW },
            Action::Remove { instance: handle(&other), made_by: None },
            Action::ReleaseImage { project: bench.project.clone(), image_id: IMAGE.to_owned() },
            remove,
            Action::RemoveNetwork { name: network },
            Action::RemoveVolume { name: volume },
        ];
        let kinds = each_twice(actions, |action| {
            let bench = bench.clone();
            async move { bench.perform(action).await }
        })
        .await;
        // What saves data is tried with real data by the tests of snapshots.
        let expected = KINDS.iter().copied().filter(|kind| !["SaveVolume", "Dump"].contains(kind)).collect();
        assert_eq!(kinds, expected);
    });
}
