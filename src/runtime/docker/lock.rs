use std::collections::HashMap;

use async_trait::async_trait;
use bollard::{
    models::{Volume, VolumeCreateRequest},
    query_parameters::{ListVolumesOptions, RemoveVolumeOptions},
};

use super::{Docker, fault, lock_labels};
use crate::{
    diagnostic::Class,
    name::ProjectName,
    observed::{Fault, LockRecord, TopRecord},
    runtime::{LockRegister, Put},
    time::Timestamp,
};

/// Records that one pass forgets at most; the next one goes on.
const FORGET_BOUND: usize = 64;

/// A record is a volume whose labels never change. Creating a volume is put-if-absent, and answers
/// whoever creates it with the labels of the first.
#[async_trait]
impl LockRegister for Docker {
    async fn top(&self, project: &ProjectName) -> Result<Option<TopRecord>, Fault> {
        // Where there is no engine, it is what says so best.
        self.engine().await?;
        let top = records(self, project).await?.into_iter().max_by_key(|(number, _)| *number);
        Ok(top.map(|(number, volume)| TopRecord {
            number,
            written_at: volume.created_at.as_ref().and_then(|moment| Timestamp::parse(moment)),
            content: lock_labels::read(project, number, &volume.labels),
            name: volume.name,
        }))
    }

    async fn put(&self, record: &LockRecord) -> Result<Put, Fault> {
        let name = lock_labels::volume_name(&record.project, record.number);
        let labels = lock_labels::write(record);
        let request =
            VolumeCreateRequest { name: Some(name.clone()), labels: Some(labels.clone()), ..Default::default() };
        let call = self.change(format!("put the lock's record `{name}`"));
        let there = call.run(self.client()?.create_volume(request)).await?;
        let is_as_put = labels.iter().all(|(label, value)| there.labels.get(label) == Some(value));
        Ok(match (is_as_put, lock_labels::is_of(&record.project, &there.labels)) {
            (true, _) => Put::Done,
            (false, true) => Put::Taken,
            (false, false) => Put::Blocked,
        })
    }

    async fn forget_below(&self, project: &ProjectName, number: u64) {
        // What fails here is found again the next time, and means nothing until then.
        let Ok(records) = records(self, project).await else { return };
        let Ok(client) = self.client() else { return };
        let old = records.into_iter().filter(|(found, _)| *found < number).take(FORGET_BOUND);
        let removals = old.map(|(_, volume)| async move {
            let call = self.change(format!("remove the lock's record `{}`", volume.name));
            drop(call.find(client.remove_volume(&volume.name, None::<RemoveVolumeOptions>)).await);
        });
        futures_util::future::join_all(removals).await;
    }

    async fn now(&self) -> Result<Timestamp, Fault> {
        let call = self.read("ask the engine for its time");
        let system = call.run(self.client()?.info()).await?;
        let now = system.system_time.as_deref().and_then(Timestamp::parse);
        now.ok_or_else(|| {
            let said = fault::clean(system.system_time.as_deref().unwrap_or_default());
            Fault::new(Class::Deployment, "engine-answer-unreadable", format!("the engine's time `{said}` is none"))
        })
    }
}

/// The volumes that are records of the project's lock, by name and label, each with its number.
async fn records(docker: &Docker, project: &ProjectName) -> Result<Vec<(u64, Volume)>, Fault> {
    let label = format!("{}={project}", lock_labels::LOCK);
    let filters = Some(HashMap::from([("label".to_owned(), vec![label])]));
    let call = docker.read(format!("read the lock of `{project}`"));
    let list = call.run(docker.client()?.list_volumes(Some(ListVolumesOptions { filters }))).await?;
    let volumes = list.volumes.into_iter().flatten().filter(|volume| lock_labels::is_of(project, &volume.labels));
    Ok(volumes.filter_map(|volume| Some((lock_labels::number(project, &volume.name)?, volume))).collect())
}
