use serde::Serialize;

use super::{count, versioned_json};
use crate::name::{DeploymentId, ProjectName};

/// Whose a project's lock is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LockReport {
    pub project: ProjectName,
    /// Who holds it on this host, and on the engine.
    pub holders: Vec<LockHolderReport>,
    /// Deployments that were cut off, which whoever takes the lock puts right first.
    pub unfinished: Vec<DeploymentId>,
}

/// One who holds a lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LockHolderReport {
    pub at: LockPlace,
    pub owner: OwnerWord,
    pub pid: u32,
    pub host: String,
    pub since: String,
    pub deployment: DeploymentId,
    pub message: Option<String>,
    /// The number of the record on the engine.
    pub token: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum LockPlace {
    Host,
    Engine,
}

/// What is known of an owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnerWord {
    /// It lives, or may live.
    Holds,
    /// Its process has ended: the next one takes the lock over.
    Ended,
    /// Not heard of for longer than its lease: the next one takes the lock over.
    Expired,
    /// Its record cannot be read.
    Unreadable,
}

impl OwnerWord {
    fn words(self) -> &'static str {
        match self {
            Self::Holds => "holds it",
            Self::Ended => "held it, and has ended: the next deployment takes it over",
            Self::Expired => "held it, and was not heard of since: the next deployment takes it over",
            Self::Unreadable => "holds it, but the record cannot be read",
        }
    }
}

impl LockReport {
    /// For people.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        if self.holders.is_empty() {
            text.push_str(&format!("the lock of project `{}` is free\n", self.project));
        }
        for holder in &self.holders {
            let place = match holder.at {
                LockPlace::Host => "on this host",
                LockPlace::Engine => "on its engine",
            };
            let message = holder.message.as_ref().map_or_else(String::new, |message| format!(" ({message})"));
            text.push_str(&format!(
                "{place}: process {} on `{}` {}; since {}, deployment `{}`{message}\n",
                holder.pid,
                holder.host,
                holder.owner.words(),
                holder.since,
                holder.deployment,
            ));
        }
        if !self.unfinished.is_empty() {
            let names: Vec<String> = self.unfinished.iter().map(|id| format!("`{id}`")).collect();
            let deployments = count(self.unfinished.len(), "deployment");
            text.push_str(&format!("left half done: {deployments}, {}\n", names.join(", ")));
        }
        text
    }

    /// For programs: `{format_version, project, holders: […], unfinished: […]}`.
    pub fn to_json(&self) -> String {
        versioned_json(self)
    }
}
