use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{DeploymentRecord, Evidence, Store, StoreError};
use crate::{
    engine::Setup,
    journal::{DeploymentEnd, Entry},
    name::{DeploymentId, ProjectName},
};

/// State that lives as long as the process: for simulations and tests.
///
/// The mutex is there because [`Store`] is shared between threads; it is held for one call.
#[derive(Default)]
pub struct MemoryStore {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// In the order in which they began.
    deployments: Vec<Kept>,
    made_once: BTreeMap<(ProjectName, String), String>,
    seen_locks: BTreeMap<ProjectName, u64>,
}

struct Kept {
    record: DeploymentRecord,
    setup: Option<Setup>,
    plan: serde_json::Value,
    entries: BTreeMap<u64, Entry>,
    evidence: Vec<Evidence>,
}

impl MemoryStore {
    fn state(&self) -> MutexGuard<'_, State> {
        // Every call changes the state in one step that cannot panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn find(&self, id: DeploymentId) -> Option<&Kept> {
        self.deployments.iter().find(|kept| kept.record.id == id)
    }

    fn find_mut(&mut self, id: DeploymentId) -> Result<&mut Kept, StoreError> {
        let found = self.deployments.iter_mut().find(|kept| kept.record.id == id);
        found.ok_or_else(|| damaged(format!("deployment `{id}` never began")))
    }
}

fn damaged(reason: String) -> StoreError {
    StoreError::Damaged { path: PathBuf::from("memory"), reason }
}

impl Store for MemoryStore {
    fn begin(&self, deployment: &DeploymentRecord, setup: &Setup, plan: &serde_json::Value) -> Result<(), StoreError> {
        let mut state = self.state();
        if state.find(deployment.id).is_some() {
            return Err(damaged(format!("deployment `{}` began before", deployment.id)));
        }
        let (record, setup, plan) = (deployment.clone(), Some(setup.clone()), plan.clone());
        state.deployments.push(Kept { record, setup, plan, entries: BTreeMap::new(), evidence: Vec::new() });
        Ok(())
    }

    fn append(&self, deployment: DeploymentId, entries: &[Entry]) -> Result<(), StoreError> {
        let mut state = self.state();
        let kept = state.find_mut(deployment)?;
        let mut new = BTreeSet::new();
        for Entry { number, .. } in entries {
            if kept.entries.contains_key(number) || !new.insert(*number) {
                return Err(damaged(format!("entry {number} of deployment `{deployment}` is there already")));
            }
        }
        // One by one: two maps are only put together by building both anew.
        kept.entries.extend(entries.iter().map(|entry| (entry.number, entry.clone())));
        Ok(())
    }

    fn finish(&self, deployment: DeploymentId, end: &DeploymentEnd) -> Result<(), StoreError> {
        self.state().find_mut(deployment)?.record.close(end.clone());
        Ok(())
    }

    fn deployment(&self, id: DeploymentId) -> Result<Option<DeploymentRecord>, StoreError> {
        Ok(self.state().find(id).map(|kept| kept.record.clone()))
    }

    fn deployments(&self, project: Option<&ProjectName>) -> Result<Vec<DeploymentRecord>, StoreError> {
        let state = self.state();
        let newest_last_begun = state.deployments.iter().rev().map(|kept| &kept.record);
        let wanted = newest_last_begun.filter(|record| project.is_none_or(|project| record.project == *project));
        let mut records: Vec<DeploymentRecord> = wanted.cloned().collect();
        records.sort_by_key(|record| std::cmp::Reverse(record.started_at));
        Ok(records)
    }

    fn last_deployment(&self, project: &ProjectName) -> Result<Option<DeploymentRecord>, StoreError> {
        Ok(self.deployments(Some(project))?.into_iter().next())
    }

    fn plan(&self, id: DeploymentId) -> Result<Option<serde_json::Value>, StoreError> {
        Ok(self.state().find(id).map(|kept| kept.plan.clone()))
    }

    fn setup(&self, id: DeploymentId) -> Result<Option<Setup>, StoreError> {
        Ok(self.state().find(id).and_then(|kept| kept.setup.clone()))
    }

    fn import(&self, deployment: &DeploymentRecord, plan: &serde_json::Value) -> Result<(), StoreError> {
        let mut state = self.state();
        let record = deployment.clone();
        match state.deployments.iter_mut().find(|kept| kept.record.id == deployment.id) {
            Some(kept) => {
                kept.record = record;
                if kept.plan.is_null() {
                    kept.plan = plan.clone();
                }
            }
            None => {
                let (plan, entries) = (plan.clone(), BTreeMap::new());
                state.deployments.push(Kept { record, setup: None, plan, entries, evidence: Vec::new() });
            }
        }
        Ok(())
    }

    fn seen_lock(&self, project: &ProjectName) -> Result<Option<u64>, StoreError> {
        Ok(self.state().seen_locks.get(project).copied())
    }

    fn note_seen_lock(&self, project: &ProjectName, number: u64) -> Result<(), StoreError> {
        self.state().seen_locks.insert(project.clone(), number);
        Ok(())
    }

    fn forget(&self, id: DeploymentId) -> Result<(), StoreError> {
        self.state().deployments.retain(|kept| kept.record.id != id);
        Ok(())
    }

    fn entries(&self, id: DeploymentId) -> Result<Vec<Entry>, StoreError> {
        Ok(self.state().find(id).map(|kept| kept.entries.values().cloned().collect()).unwrap_or_default())
    }

    fn keep_evidence(&self, id: DeploymentId, evidence: &Evidence) -> Result<(), StoreError> {
        self.state().find_mut(id)?.evidence.push(evidence.clone());
        Ok(())
    }

    fn evidence(&self, id: DeploymentId) -> Result<Vec<Evidence>, StoreError> {
        Ok(self.state().find(id).map(|kept| kept.evidence.clone()).unwrap_or_default())
    }

    fn made_values(&self, project: &ProjectName) -> Result<BTreeMap<String, String>, StoreError> {
        let state = self.state();
        let of_project = state.made_once.iter().filter(|((owner, _), _)| owner == project);
        Ok(of_project.map(|((_, place), value)| (place.clone(), value.clone())).collect())
    }

    fn made_once(&self, project: &ProjectName, place: &str, value: &str) -> Result<String, StoreError> {
        let mut state = self.state();
        let kept = state.made_once.entry((project.clone(), place.to_owned())).or_insert_with(|| value.to_owned());
        Ok(kept.clone())
    }
}
