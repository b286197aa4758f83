use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};

use super::{CommandRun, InstanceSpec};
use crate::{
    change::FileChange,
    name::{DeploymentId, Digest, ProjectName, ServiceName},
    observed::Instance,
    plan::{
        Build, CommandLine, ImageReference, Interval, Limits, Network, OnChange, RestartPolicy, SignalName, Volume,
    },
    secret::Text,
};

/// An instance that actions speak of: one that exists, or that a `Create` before them makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceHandle {
    /// Tells the instances of one deployment apart, whatever they are called at the moment.
    pub slot: u32,
    /// Its name when the action is performed.
    pub name: String,
    /// The runtime's id, once it is known. The engine fills it in before an action is recorded.
    pub id: Option<String>,
}

/// One call to a runtime.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
pub enum Action {
    PullImage {
        image: ImageReference,
        /// The digest that it is to have, where one of that name is there already.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<String>,
        /// Of an image for several platforms, as in `linux/arm64`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        platform: Option<String>,
    },
    /// Builds the image of a service, whether or not one of that name is there.
    BuildImage {
        service: ServiceName,
        image: ImageReference,
        /// With an absolute context, and a value for every argument.
        build: Box<Build>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        platform: Option<String>,
    },
    /// Keeps an image from being pruned, by a tag of ours: `orchestrate/<project>:<12 digits>`.
    HoldImage {
        project: ProjectName,
        image_id: String,
    },
    /// Takes away the tag that holds an image: nobody goes back to it any more.
    ReleaseImage {
        project: ProjectName,
        image_id: String,
    },
    CreateNetwork {
        name: String,
        network: Network,
        project: ProjectName,
    },
    RemoveNetwork {
        name: String,
    },
    CreateVolume {
        name: String,
        volume: Volume,
        project: ProjectName,
    },
    /// Removes a volume with its data: only ever because someone named it.
    RemoveVolume {
        name: String,
    },
    /// Writes a config or secret where containers can mount it. The path has the content's digest
    /// in it, so writing it again changes nothing.
    WriteFile {
        path: String,
        content: Text,
        mode: u32,
        uid: Option<u32>,
        gid: Option<u32>,
    },
    RemoveFile {
        path: String,
    },
    Create {
        instance: InstanceHandle,
        spec: Box<InstanceSpec>,
    },
    /// Removes an instance, its anonymous volumes too; stops it first if it runs.
    Remove {
        instance: InstanceHandle,
        /// Only one that this deployment made: another of its name may have been there before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        made_by: Option<DeploymentId>,
    },
    Rename {
        instance: InstanceHandle,
        to: String,
    },
    SetRestartPolicy {
        instance: InstanceHandle,
        from: RestartPolicy,
        to: RestartPolicy,
    },
    SetLimits {
        instance: InstanceHandle,
        from: Limits,
        to: Limits,
    },
    /// Joins an instance to a network anew, at the same address, with other names there.
    SetAliases {
        instance: InstanceHandle,
        /// Its name on the engine.
        network: String,
        from: BTreeSet<String>,
        to: BTreeSet<String>,
    },
    /// Puts other contents into files that an instance has mounted, and tells it. Files keep what
    /// they are to it: owner, mode, inode. What does not run by then is started instead of told.
    SetFiles {
        instance: InstanceHandle,
        files: Vec<FileChange>,
        /// How it is told, each time that this is done.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        notices: Vec<Notice>,
    },
    Start {
        instance: InstanceHandle,
        /// How long it may take to stop, should this be taken back.
        grace: Interval,
    },
    Stop {
        instance: InstanceHandle,
        grace: Interval,
    },
    /// Copies all that a volume holds into a file of a snapshot, as an archive. Nothing that writes
    /// to it may run.
    SaveVolume {
        project: ProjectName,
        /// Its name on the engine.
        volume: String,
        /// The file, absolute: whoever sees it sees all of it.
        to: String,
        timeout: Interval,
    },
    /// Runs a command inside an instance, whose output becomes a file of a snapshot.
    Dump {
        instance: InstanceHandle,
        command: CommandLine,
        /// As for `SaveVolume`.
        to: String,
        timeout: Interval,
    },
    /// Runs a hook or a test of the plan. Nobody can look whether it has run.
    RunCommand {
        run: Box<CommandRun>,
    },
}

/// How a running instance is told that its files have other contents. It may be told twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    Signal(SignalName),
    /// A command that runs inside it, and has to end with exit code 0.
    Command(CommandLine),
}

/// How an action is taken back.
#[derive(Debug, Clone, PartialEq)]
pub enum Inverse {
    Action(Action),
    /// Nothing has to be done; why.
    None(&'static str),
}

/// What a successful action brought to light.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "effect")]
pub enum Effect {
    Done,
    /// It was so already; an undo must leave it.
    AlreadySo,
    Created {
        id: String,
    },
    /// The instance as it was right after its start, or after it was told of other contents: its
    /// addresses, ports and start time.
    Started {
        instance: Box<Instance>,
    },
    /// The file of a snapshot as it was written.
    Saved {
        bytes: u64,
        digest: Digest,
    },
    /// A command came to a good end; the last lines that it wrote, cleaned.
    Ran {
        output: Vec<String>,
    },
}

impl Action {
    /// What takes this action back, once it has succeeded with `effect`.
    pub fn inverse(&self, effect: &Effect) -> Inverse {
        if *effect == Effect::AlreadySo {
            return Inverse::None("it was so before");
        }
        match self.clone() {
            Self::PullImage { .. } => Inverse::None("a pulled image does no harm"),
            Self::BuildImage { .. } => Inverse::None("an image that was built does no harm"),
            Self::HoldImage { .. } => Inverse::None("a tag does no harm, and is pruned with its deployment"),
            Self::ReleaseImage { .. } => Inverse::None("images are only released after the commit point"),
            Self::CreateNetwork { name, .. } => Inverse::Action(Self::RemoveNetwork { name }),
            Self::RemoveNetwork { .. } => Inverse::None("networks are only removed after the commit point"),
            Self::CreateVolume { .. } => Inverse::None("a volume may hold data by now: it stays and is reported"),
            Self::RemoveVolume { .. } => Inverse::None("volumes are only removed after the commit point"),
            Self::WriteFile { path, .. } => Inverse::Action(Self::RemoveFile { path }),
            Self::RemoveFile { .. } => Inverse::None("files are only removed after the commit point"),
            Self::Create { instance, spec } => Inverse::Action(Self::Remove {
                instance: instance.known(effect),
                made_by: Some(spec.identity.deployment),
            }),
            Self::Remove { .. } => Inverse::None("instances are only removed after the commit point"),
            Self::Rename { instance, to } => {
                let InstanceHandle { slot, name, id } = instance;
                Inverse::Action(Self::Rename { instance: InstanceHandle { slot, name: to, id }, to: name })
            }
            Self::SetRestartPolicy { instance, from, to } => {
                Inverse::Action(Self::SetRestartPolicy { instance, from: to, to: from })
            }
            Self::SetLimits { instance, from, to } => Inverse::Action(Self::SetLimits { instance, from: to, to: from }),
            Self::SetAliases { instance, network, from, to } => {
                Inverse::Action(Self::SetAliases { instance, network, from: to, to: from })
            }
            Self::SetFiles { instance, files, notices } => {
                let back = |FileChange { path, from, to }| FileChange { path, from: to, to: from };
                let files = files.into_iter().map(back).collect();
                Inverse::Action(Self::SetFiles { instance, files, notices })
            }
            Self::Start { instance, grace } => Inverse::Action(Self::Stop { instance, grace }),
            Self::Stop { instance, grace } => Inverse::Action(Self::Start { instance, grace }),
            Self::SaveVolume { .. } | Self::Dump { .. } => {
                Inverse::None("what was saved does no harm, and is what data can be restored from")
            }
            Self::RunCommand { .. } => Inverse::None("what a command did is known to its author alone"),
        }
    }

    /// The instance that it is about, if it is about one.
    pub fn instance(&self) -> Option<&InstanceHandle> {
        match self {
            Self::Create { instance, .. }
            | Self::Remove { instance, .. }
            | Self::Rename { instance, .. }
            | Self::SetRestartPolicy { instance, .. }
            | Self::SetLimits { instance, .. }
            | Self::SetAliases { instance, .. }
            | Self::SetFiles { instance, .. }
            | Self::Start { instance, .. }
            | Self::Stop { instance, .. }
            | Self::Dump { instance, .. } => Some(instance),
            Self::RunCommand { run } => run.instance(),
            Self::PullImage { .. }
            | Self::BuildImage { .. }
            | Self::HoldImage { .. }
            | Self::ReleaseImage { .. }
            | Self::CreateNetwork { .. }
            | Self::RemoveNetwork { .. }
            | Self::CreateVolume { .. }
            | Self::RemoveVolume { .. }
            | Self::WriteFile { .. }
            | Self::RemoveFile { .. }
            | Self::SaveVolume { .. } => None,
        }
    }

    /// [`instance`](Self::instance), to fill in its id.
    pub fn instance_mut(&mut self) -> Option<&mut InstanceHandle> {
        match self {
            Self::Create { instance, .. }
            | Self::Remove { instance, .. }
            | Self::Rename { instance, .. }
            | Self::SetRestartPolicy { instance, .. }
            | Self::SetLimits { instance, .. }
            | Self::SetAliases { instance, .. }
            | Self::SetFiles { instance, .. }
            | Self::Start { instance, .. }
            | Self::Stop { instance, .. }
            | Self::Dump { instance, .. } => Some(instance),
            Self::RunCommand { run } => run.instance_mut(),
            Self::PullImage { .. }
            | Self::BuildImage { .. }
            | Self::HoldImage { .. }
            | Self::ReleaseImage { .. }
            | Self::CreateNetwork { .. }
            | Self::RemoveNetwork { .. }
            | Self::CreateVolume { .. }
            | Self::RemoveVolume { .. }
            | Self::WriteFile { .. }
            | Self::RemoveFile { .. }
            | Self::SaveVolume { .. } => None,
        }
    }

    /// Whether an instance has to show that it is well after it: it starts, or is told of something.
    pub fn begins_a_run(&self) -> bool {
        match self {
            Self::Start { .. } => true,
            Self::SetFiles { notices, .. } => !notices.is_empty(),
            Self::PullImage { .. }
            | Self::BuildImage { .. }
            | Self::HoldImage { .. }
            | Self::ReleaseImage { .. }
            | Self::CreateNetwork { .. }
            | Self::RemoveNetwork { .. }
            | Self::CreateVolume { .. }
            | Self::RemoveVolume { .. }
            | Self::WriteFile { .. }
            | Self::RemoveFile { .. }
            | Self::Create { .. }
            | Self::Remove { .. }
            | Self::Rename { .. }
            | Self::SetRestartPolicy { .. }
            | Self::SetLimits { .. }
            | Self::SetAliases { .. }
            | Self::Stop { .. }
            | Self::SaveVolume { .. }
            | Self::Dump { .. }
            | Self::RunCommand { .. } => false,
        }
    }

    /// Hands every text that may be secret to `visit`: to seal or open them.
    pub fn visit_texts(&mut self, visit: &mut dyn FnMut(&mut Text)) {
        match self {
            Self::WriteFile { content, .. } => visit(content),
            Self::Create { spec, .. } => std::sync::Arc::make_mut(&mut spec.service).visit_texts(visit),
            Self::SetFiles { files, notices, .. } => {
                files.iter_mut().flat_map(|file| [&mut file.from, &mut file.to]).for_each(&mut *visit);
                notices.iter_mut().for_each(|notice| notice.visit_texts(visit));
            }
            Self::Dump { command, .. } => command.0.iter_mut().for_each(visit),
            Self::RunCommand { run } => run.visit_texts(visit),
            Self::BuildImage { build, .. } => build.0.args.values_mut().flatten().for_each(visit),
            Self::PullImage { .. }
            | Self::HoldImage { .. }
            | Self::ReleaseImage { .. }
            | Self::CreateNetwork { .. }
            | Self::RemoveNetwork { .. }
            | Self::CreateVolume { .. }
            | Self::RemoveVolume { .. }
            | Self::RemoveFile { .. }
            | Self::Remove { .. }
            | Self::Rename { .. }
            | Self::SetRestartPolicy { .. }
            | Self::SetLimits { .. }
            | Self::SetAliases { .. }
            | Self::Start { .. }
            | Self::Stop { .. }
            | Self::SaveVolume { .. } => {}
        }
    }
}

impl Notice {
    fn visit_texts(&mut self, visit: &mut dyn FnMut(&mut Text)) {
        match self {
            Self::Command(line) => line.0.iter_mut().for_each(visit),
            Self::Signal(_) => {}
        }
    }

    /// How one is told that has a notice; `None` for what needs none.
    pub(super) fn of(on_change: &OnChange) -> Option<Self> {
        match on_change {
            OnChange::Signal(signal) => Some(Self::Signal(signal.clone())),
            OnChange::Command(line) => Some(Self::Command(line.clone())),
            OnChange::Restart | OnChange::Ignore => None,
        }
    }
}

impl InstanceHandle {
    /// The same instance, with the id that creating it brought.
    fn known(self, effect: &Effect) -> Self {
        match effect {
            Effect::Created { id } => Self { id: Some(id.clone()), ..self },
            Effect::Done | Effect::AlreadySo | Effect::Started { .. } | Effect::Saved { .. } | Effect::Ran { .. } => {
                self
            }
        }
    }
}

impl fmt::Display for Action {
    /// One line, as a person would say it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PullImage { image, .. } => write!(f, "pull image {image}"),
            Self::BuildImage { image, .. } => write!(f, "build image {image}"),
            Self::HoldImage { image_id, .. } => write!(f, "hold image {image_id}"),
            Self::ReleaseImage { image_id, .. } => write!(f, "release image {image_id}"),
            Self::CreateNetwork { name, .. } => write!(f, "create network {name}"),
            Self::RemoveNetwork { name } => write!(f, "remove network {name}"),
            Self::CreateVolume { name, .. } => write!(f, "create volume {name}"),
            Self::RemoveVolume { name } => write!(f, "remove volume {name}"),
            Self::WriteFile { path, .. } => write!(f, "write file {path}"),
            Self::RemoveFile { path } => write!(f, "remove file {path}"),
            Self::Create { instance, .. } => write!(f, "create {}", instance.name),
            Self::Remove { instance, .. } => write!(f, "remove {}", instance.name),
            Self::Rename { instance, to } => write!(f, "rename {} to {to}", instance.name),
            Self::SetRestartPolicy { instance, from, to } => {
                write!(f, "set restart policy of {} from {from} to {to}", instance.name)
            }
            Self::SetLimits { instance, .. } => write!(f, "set limits of {}", instance.name),
            Self::SetAliases { instance, network, to, .. } => {
                let to: Vec<&str> = to.iter().map(String::as_str).collect();
                write!(f, "call {} in {network} {}", instance.name, to.join(", "))
            }
            Self::SetFiles { instance, files, .. } => {
                let names: Vec<&str> =
                    files.iter().map(|file| file.path.rsplit('/').next().unwrap_or_default()).collect();
                write!(f, "change {} of {} in place", names.join(", "), instance.name)
            }
            Self::Start { instance, .. } => write!(f, "start {}", instance.name),
            Self::Stop { instance, grace } => write!(f, "stop {} within {grace}", instance.name),
            Self::SaveVolume { volume, .. } => write!(f, "save volume {volume}"),
            Self::Dump { instance, .. } => write!(f, "dump the data of {}", instance.name),
            Self::RunCommand { run } => write!(f, "run {} {}", run.kind.as_str(), run.name),
        }
    }
}
