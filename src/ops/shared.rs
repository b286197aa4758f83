use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{OpsError, context::State, hold::Hold};
use crate::{
    diagnostic::Class,
    driver::{FailPoint, fail_point},
    journal::DeploymentRecord,
    name::{DeploymentId, ProjectName},
    observed::{Fault, LockState},
    plan::Plan,
    runtime::{Reading, Runtimes, Vault, VaultFiles},
    secret::Sealer,
    store::{Store as _, VaultKey, VaultKeyError},
};

/// What a project keeps on its engine, so that other hosts, and the next run of a pipeline, have the
/// same history and the same values that were made once.
///
/// The store of this host stays what everything is read from: what others wrote is brought in first,
/// if the lock's register says that someone else was there since. Secrets are sealed with the
/// vault's key there, and with this host's here.
pub(super) struct Shared<'a> {
    state: &'a State,
    project: &'a ProjectName,
    vault: Arc<dyn Vault>,
}

/// One deployment as it lies in the vault.
#[derive(Serialize, Deserialize)]
struct KeptDeployment {
    format: u32,
    record: DeploymentRecord,
    /// Secrets sealed.
    plan: serde_json::Value,
}

/// The values that were made once, as they lie in the vault.
#[derive(Serialize, Deserialize)]
struct KeptValues {
    format: u32,
    /// Sealed, by place.
    values: BTreeMap<String, String>,
}

/// What taking in a vault's files came to.
#[derive(Debug, Default)]
pub(super) struct Taken {
    has_new: bool,
    /// Deployments that another host put right from labels, without their plans, which this one has.
    unplanned: Vec<DeploymentId>,
    /// What of the vault cannot be read.
    pub damage: Vec<Fault>,
}

/// What a vault has of one deployment.
struct Found {
    is_new: bool,
    lacks_plan: Option<DeploymentId>,
}

/// What of a vault is new here, and what it lacks.
#[derive(Debug, Default)]
struct Pulled {
    has_news: bool,
    unplanned: Vec<DeploymentId>,
}

impl Taken {
    /// The vault's fault concerns one file of it; all else ends the taking.
    fn note(&mut self, has_new: Result<bool, OpsError>) -> Result<(), OpsError> {
        match has_new {
            Ok(has_new) => self.has_new |= has_new,
            Err(OpsError::Fault(fault)) => self.damage.push(fault),
            Err(other) => return Err(other),
        }
        Ok(())
    }

    /// What came of it, if all could be read.
    fn whole(self) -> Result<Pulled, OpsError> {
        match self.damage.into_iter().next() {
            Some(fault) => Err(fault.into()),
            None => Ok(Pulled { has_news: self.has_new, unplanned: self.unplanned }),
        }
    }
}

const FORMAT: u32 = 1;
const VALUES: &str = "made.json";
const DEPLOYMENTS: &str = "deployments/";

/// What the lock on the engine says of other hosts.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Elsewhere {
    /// They wrote something that was not known here.
    pub has_news: bool,
    /// A deployment runs, or was left in the middle.
    pub is_half_done: bool,
}

/// Brings in what other hosts wrote since this one looked last. Changes nothing but this host's own
/// store.
///
/// # Errors
/// If the engine or the state fails.
pub(super) async fn bring_in(state: &State, runtimes: &Runtimes, project: &ProjectName) -> Result<Elsewhere, OpsError> {
    let Some((_, top)) = runtimes.lock_of(project).await? else { return Ok(Elsewhere::default()) };
    // Where there is no record, all may have been removed: the vault tells.
    let number = top.as_ref().map(|top| top.number);
    let record = top.and_then(|top| top.content.ok());
    let is_half_done = record.as_ref().is_some_and(|record| !record.left_unfinished().is_empty());
    if number.is_some() && state.store.seen_lock(project)? == number {
        return Ok(Elsewhere { has_news: false, is_half_done });
    }
    let pulled = match Shared::of(state, runtimes, project) {
        Some(shared) => shared.pull().await?,
        None => Some(Pulled::default()),
    };
    let has_news = pulled.as_ref().is_some_and(|pulled| pulled.has_news);
    // What cannot be read now, or lacks what this host has, is looked at again under the lock; and while
    // someone deploys, more is to come.
    let is_settled = pulled.is_some_and(|pulled| pulled.unplanned.is_empty());
    let is_free = record.is_some_and(|record| record.state == LockState::Free);
    if let (Some(number), true) = (number, is_free && is_settled) {
        state.store.note_seen_lock(project, number)?;
    }
    Ok(Elsewhere { has_news, is_half_done })
}

impl<'a> Shared<'a> {
    pub fn on(vault: Arc<dyn Vault>, state: &'a State, project: &'a ProjectName) -> Self {
        Self { state, project, vault }
    }

    /// `None` for a project without an engine.
    pub fn of(state: &'a State, runtimes: &Runtimes, project: &'a ProjectName) -> Option<Self> {
        runtimes.vault().map(|vault| Self::on(vault, state, project))
    }

    /// Whether there is a vault, open or shut: then the project has been deployed before.
    pub async fn is_there(&self) -> Result<bool, OpsError> {
        match self.vault.read(self.project, VALUES).await? {
            Reading::Open(_) | Reading::Shut => Ok(true),
            Reading::NoVault => Ok(false),
        }
    }

    /// Brings in all that the vault has; `None` if it is shut, which only who holds the lock may change.
    async fn pull(&self) -> Result<Option<Pulled>, OpsError> {
        match self.vault.read_all(self.project).await? {
            Reading::Open(files) => self.take(&files)?.whole().map(Some),
            Reading::NoVault => Ok(Some(Pulled::default())),
            Reading::Shut => Ok(None),
        }
    }

    /// Brings in all that the vault has, and opens it if it is shut: passwords that were made once
    /// must not be made again because someone pruned containers. What it lacks and this host has is
    /// written there. Answers whether something was new. The caller holds the lock.
    pub async fn pull_under_lock(&self) -> Result<bool, OpsError> {
        let pulled = match self.pull().await? {
            Some(pulled) => pulled,
            None => {
                self.vault.prepare(self.project).await?;
                self.pull().await?.unwrap_or_default()
            }
        };
        if !pulled.unplanned.is_empty() {
            let key = self.prepare().await?;
            for deployment in pulled.unplanned {
                self.push(&key, deployment).await?;
            }
        }
        Ok(pulled.has_news)
    }

    /// Takes in what can be read of a vault's files.
    ///
    /// # Errors
    /// If there is no key to open them, or the state fails.
    pub fn take(&self, files: &VaultFiles) -> Result<Taken, OpsError> {
        let mut taken = Taken::default();
        let Some(key) = VaultKey::in_files(self.project, files).map_err(no_key)? else { return Ok(taken) };
        let (theirs, ours) = (key.sealer(), self.state.sealer());
        taken.note(self.take_values(files, &theirs, &ours))?;
        for (path, content) in files.whole.iter().filter(|(path, _)| path.starts_with(DEPLOYMENTS)) {
            let found = self.take_deployment(path, content, &theirs, &ours);
            if let Ok(Found { lacks_plan: Some(deployment), .. }) = &found {
                taken.unplanned.push(*deployment);
            }
            taken.note(found.map(|found| found.is_new))?;
        }
        Ok(taken)
    }

    fn take_values(&self, files: &VaultFiles, theirs: &Sealer, ours: &Sealer) -> Result<bool, OpsError> {
        let Some(content) = files.whole.get(VALUES) else { return Ok(false) };
        let kept: KeptValues = read(VALUES, content)?;
        let known = self.state.store.made_values(self.project)?;
        let mut has_new = false;
        for (place, sealed) in kept.values.iter().filter(|(place, _)| !known.contains_key(*place)) {
            let value = theirs.open(sealed).map_err(|error| damaged(VALUES, &error.to_string()))?;
            self.state.store.made_once(self.project, place, &ours.seal(&value))?;
            has_new = true;
        }
        Ok(has_new)
    }

    fn take_deployment(&self, path: &str, content: &[u8], theirs: &Sealer, ours: &Sealer) -> Result<Found, OpsError> {
        let KeptDeployment { record, plan, .. } = read(path, content)?;
        let known = self.state.store.deployment(record.id)?;
        let has_plan = self.state.store.plan(record.id)?.is_some_and(|plan| !plan.is_null());
        // Whoever put it right from labels had no plan of it.
        let lacks_plan = (plan.is_null() && has_plan).then_some(record.id);
        let is_known = known.is_some_and(|known| known.outcome.is_some() || record.outcome.is_none());
        if is_known && (plan.is_null() || has_plan) {
            return Ok(Found { is_new: false, lacks_plan });
        }
        self.state.store.import(&record, &resealed(&plan, theirs, ours, path)?)?;
        Ok(Found { is_new: true, lacks_plan })
    }

    /// Makes ready to write, which takes a quarter of a second the first time. The caller holds the
    /// lock.
    pub async fn prepare(&self) -> Result<VaultKey, OpsError> {
        VaultKey::read_or_make(self.vault.as_ref(), self.project).await.map_err(no_key)
    }

    /// Writes down a deployment as this host's store has it. The caller holds the lock.
    pub async fn push(&self, key: &VaultKey, deployment: DeploymentId) -> Result<(), OpsError> {
        let store = &self.state.store;
        let (Some(record), plan) = (store.deployment(deployment)?, store.plan(deployment)?) else { return Ok(()) };
        let path = format!("{DEPLOYMENTS}{deployment}.json");
        let plan = resealed(&plan.unwrap_or_default(), &self.state.sealer(), &key.sealer(), &path)?;
        self.write(&path, &KeptDeployment { format: FORMAT, record, plan }).await
    }

    /// Forgets deployments. The caller holds the lock.
    pub async fn forget(&self, deployments: &[DeploymentId]) -> Result<(), OpsError> {
        let paths = deployments.iter().map(|id| format!("{DEPLOYMENTS}{id}.json")).collect();
        Ok(self.vault.remove(self.project, &paths).await?)
    }

    /// Takes the whole vault away. The caller holds the lock.
    pub async fn destroy(&self) -> Result<(), OpsError> {
        Ok(self.vault.destroy(self.project).await?)
    }

    /// Writes down the values that were made once, before anything is made from them. The caller
    /// holds the lock.
    pub async fn push_values(&self, key: &VaultKey) -> Result<(), OpsError> {
        let (ours, theirs) = (self.state.sealer(), key.sealer());
        let known = self.state.store.made_values(self.project)?;
        let opened = known.into_iter().filter_map(|(place, sealed)| Some((place, ours.open(&sealed).ok()?)));
        let values = opened.map(|(place, value)| (place, theirs.seal(&value))).collect();
        self.write(VALUES, &KeptValues { format: FORMAT, values }).await
    }

    async fn write(&self, path: &str, document: &impl Serialize) -> Result<(), OpsError> {
        let content = serde_json::to_vec(document).expect("what is kept has only string keys");
        fail_point(FailPoint::BeforeVaultWrite);
        self.vault.write(self.project, &BTreeMap::from([(path.to_owned(), content)])).await?;
        fail_point(FailPoint::AfterVaultWrite);
        Ok(())
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &str, content: &[u8]) -> Result<T, OpsError> {
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let broken = |error: serde_json::Error| damaged(path, &error.to_string());
    let Format { format } = serde_json::from_slice(content).map_err(broken)?;
    if format > FORMAT {
        let text = format!("`{path}` in the project's vault was written by a newer version (format {format})");
        return Err(Fault::new(Class::Configuration, "vault-newer", text).hint("update `orchestrate`").into());
    }
    serde_json::from_slice(content).map_err(broken)
}

/// A stored plan with its secrets sealed by another key. One that is not there stays so.
fn resealed(plan: &serde_json::Value, from: &Sealer, to: &Sealer, path: &str) -> Result<serde_json::Value, OpsError> {
    if plan.is_null() {
        return Ok(serde_json::Value::Null);
    }
    let mut plan: Plan = serde_json::from_value(plan.clone()).map_err(|error| damaged(path, &error.to_string()))?;
    let mut trouble = None;
    plan.visit_texts(&mut |text| match text.open(from) {
        Ok(()) => text.seal(to),
        Err(error) => trouble = Some(error),
    });
    match trouble {
        Some(error) => Err(damaged(path, &error.to_string())),
        None => Ok(serde_json::to_value(&plan).expect("a plan has only string keys")),
    }
}

fn no_key(error: VaultKeyError) -> OpsError {
    let hint = error.hint();
    match error {
        VaultKeyError::Fault(fault) => fault.into(),
        other => {
            let fault = Fault::new(Class::Configuration, "vault-key", other.to_string());
            Fault { hint, ..fault }.into()
        }
    }
}

fn damaged(path: &str, reason: &str) -> OpsError {
    let text = format!("`{path}` in the project's vault is damaged: {reason}");
    Fault::new(Class::Configuration, "vault-damaged", text).into()
}

/// Makes a project's vault ready while its deployment runs. The caller holds the lock until it has
/// been written to.
pub(super) fn prepare_beside(runtimes: &Runtimes, hold: &Hold, project: &ProjectName) {
    if let (Some(vault), Some(_)) = (runtimes.vault(), &hold.keeper) {
        let project = project.clone();
        // What goes wrong shows when the vault is written to.
        tokio::spawn(async move { drop(vault.prepare(&project).await) });
    }
}

/// Writes a deployment that has ended to its project's vault. Answers what to tell if that fails: the
/// deployment is what it is all the same, and is written down here.
pub(super) async fn push_ended(
    state: &State,
    runtimes: &Runtimes,
    hold: &Hold,
    record: &DeploymentRecord,
) -> Option<String> {
    let shared = Shared::of(state, runtimes, &record.project).filter(|_| hold.keeper.is_some())?;
    let push = async { shared.push(&shared.prepare().await?, record.id).await };
    let error = push.await.err()?;
    Some(format!("other hosts do not know of this deployment yet: {error}"))
}
