use bollard::{models::VolumeCreateRequest, query_parameters::RemoveVolumeOptions};

use super::{Docker, instance, labels, volume_data};
use crate::{action::Effect, name::ProjectName, observed::Fault, plan::Volume};

/// Makes a volume, unless one of that name is there: it may hold data, whoever made it.
pub(super) async fn create(
    docker: &Docker,
    name: &str,
    volume: &Volume,
    project: &ProjectName,
) -> Result<Effect, Fault> {
    let client = docker.client()?;
    let look = docker.read(format!("inspect the volume `{name}`"));
    if look.find(client.inspect_volume(name)).await?.is_some() {
        return Ok(Effect::AlreadySo);
    }
    let request = VolumeCreateRequest {
        name: Some(name.to_owned()),
        driver: volume.driver.clone(),
        driver_opts: Some(volume.driver_opts.clone().into_iter().collect()),
        labels: Some(labels::of_project(project, &volume.labels)),
        ..Default::default()
    };
    let call = docker.change(format!("create the volume `{name}`")).within(docker.patience().provide);
    call.run(client.create_volume(request)).await?;
    Ok(Effect::Done)
}

/// Removes a volume of ours with its data.
pub(super) async fn remove(docker: &Docker, name: &str) -> Result<Effect, Fault> {
    let client = docker.client()?;
    let look = docker.read(format!("inspect the volume `{name}`"));
    let Some(volume) = look.find(client.inspect_volume(name)).await? else { return Ok(Effect::AlreadySo) };
    if !docker.ownership().is_ours(Some(&volume.labels)) {
        return Err(instance::not_ours(name));
    }
    volume_data::sweep(docker, name).await?;
    let call = docker.change(format!("remove the volume `{name}`"));
    let removed = call.find(client.remove_volume(name, None::<RemoveVolumeOptions>)).await?;
    Ok(if removed.is_some() { Effect::Done } else { Effect::AlreadySo })
}
