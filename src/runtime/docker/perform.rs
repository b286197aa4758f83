use super::{
    Docker, aliases, attach, build_image, create, data_command, files, image, network,
    pull::{self, Pull},
    running, set_files, volume, volume_data,
};
use crate::{
    action::{Action, CommandRun, CommandSite, Effect, InstanceHandle},
    observed::Fault,
    runtime::{OneOff, Progress, Streams, command, host_file::Access},
};

/// Performs one action.
pub(super) async fn perform(
    docker: &Docker,
    action: &Action,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Effect, Fault> {
    match action {
        Action::PullImage { image, digest, platform } => {
            let pull = Pull { image, digest: digest.as_deref(), platform: platform.as_deref() };
            pull::pull(docker, &pull, progress).await
        }
        Action::BuildImage { image, build, platform, .. } => {
            build_image::build(docker, image, &build.0, platform.as_deref(), progress).await
        }
        Action::HoldImage { project, image_id } => image::hold(docker, project, image_id).await,
        Action::ReleaseImage { project, image_id } => image::release(docker, project, image_id).await,
        Action::CreateNetwork { name, network, project } => network::create(docker, name, network, project).await,
        Action::RemoveNetwork { name } => network::remove(docker, name).await,
        Action::CreateVolume { name, volume, project } => volume::create(docker, name, volume, project).await,
        Action::RemoveVolume { name } => volume::remove(docker, name).await,
        Action::WriteFile { path, content, mode, uid, gid } => {
            let access = Access { mode: *mode, uid: *uid, gid: *gid };
            files::write(docker, path, content, access).await
        }
        Action::RemoveFile { path } => files::remove(docker, path).await,
        Action::Create { instance, spec } => create::create(docker, instance, spec).await,
        Action::Remove { instance, made_by } => running::remove(docker, instance, *made_by).await,
        Action::Rename { instance, to } => running::rename(docker, instance, to).await,
        Action::SetRestartPolicy { instance, to, .. } => running::set_restart_policy(docker, instance, *to).await,
        Action::SetLimits { instance, to, .. } => running::set_limits(docker, instance, to).await,
        Action::SetAliases { instance, network, to, .. } => aliases::set(docker, instance, network, to).await,
        Action::SetFiles { instance, files, notices } => set_files::set(docker, instance, files, notices).await,
        Action::Start { instance, .. } => running::start(docker, instance).await,
        Action::Stop { instance, grace } => running::stop(docker, instance, *grace).await,
        Action::SaveVolume { project, volume, to, timeout } => {
            volume_data::save(docker, project, volume, to, timeout.0).await
        }
        Action::Dump { instance, command, to, timeout } => {
            data_command::dump(docker, instance, &command.expose(), to, timeout.0).await
        }
        Action::RunCommand { run } => run_command(docker, run).await,
    }
}

/// Runs a hook or test in a container: in one that runs, or in one of its own, which is removed.
async fn run_command(docker: &Docker, run: &CommandRun) -> Result<Effect, Fault> {
    match &run.site {
        CommandSite::Host => command::to_its_end(run, command::on_host(run)?).await,
        CommandSite::Instance(instance) => {
            let id = instance.id.as_deref().unwrap_or(&instance.name);
            command::to_its_end(run, attach::exec(docker, id, &command::exec_request(run)).await?).await
        }
        CommandSite::Container { name, spec } => {
            let (name, spec, streams) = (name.clone(), spec.clone(), Streams::default());
            let made = InstanceHandle { slot: u32::MAX, name: name.clone(), id: None };
            let one_off = OneOff { name, spec, streams, is_removed_by_engine: false };
            let ended = match attach::run_once(docker, &one_off).await {
                Ok((_, attached)) => command::to_its_end(run, attached).await,
                Err(fault) => Err(fault),
            };
            // What cannot be removed now is a one-off: `status` lists it, and `destroy` takes it away.
            drop(running::remove(docker, &made, None).await);
            ended
        }
    }
}
