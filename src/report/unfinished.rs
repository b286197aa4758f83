use std::time::Duration;

use serde::Serialize;

use super::{Ink, Tone, duration_text};
use crate::{
    journal::{DeploymentRecord, Unfinished},
    name::DeploymentId,
    time::Timestamp,
};

/// Whether a deployment goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RunState {
    Ended,
    /// Someone on this host is at it.
    Running,
    /// It has not come to its end, and nobody is at it.
    CutOff,
    /// Another host began it, and knows.
    Elsewhere,
}

/// A project's deployment that has not come to its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnfinishedReport {
    pub deployment: DeploymentId,
    pub state: RunState,
    /// `user@host`.
    pub author: String,
    pub message: Option<String>,
    pub started_at: String,
    /// When it was last heard of, if it was cut off.
    pub last_at: Option<String>,
    /// What it was at then, as in `while …`.
    pub doing: Option<String>,
    /// Nothing is taken back any more: only its cleanup is left.
    pub is_committed: bool,
    /// Since it began if it runs, else since it was last heard of.
    #[serde(skip)]
    pub age: Duration,
}

impl UnfinishedReport {
    /// A deployment that someone is at.
    pub fn running(record: &DeploymentRecord, now: Timestamp) -> Self {
        Self {
            deployment: record.id,
            state: RunState::Running,
            author: record.author.clone(),
            message: record.message.clone(),
            started_at: record.started_at.to_string(),
            last_at: None,
            doing: None,
            is_committed: false,
            age: now.since(record.started_at),
        }
    }

    /// A deployment that nobody is at. `step` is the call that was under way.
    pub fn cut_off(
        record: &DeploymentRecord,
        last_at: Timestamp,
        stands: Unfinished,
        step: Option<String>,
        now: Timestamp,
    ) -> Self {
        let at_step = |step: &String| format!("it was to {step}");
        let (doing, is_committed) = match stands {
            Unfinished::Underway => (step.as_ref().map(at_step), false),
            Unfinished::Abandoned | Unfinished::NeedsAttention => (Some("it was taken back".to_owned()), false),
            Unfinished::Committed => (Some("it was cleaning up".to_owned()), true),
        };
        Self {
            state: RunState::CutOff,
            doing,
            is_committed,
            last_at: Some(last_at.to_string()),
            age: now.since(last_at),
            ..Self::running(record, now)
        }
    }

    /// A line about it and what becomes of it.
    pub fn to_text(&self, ink: Ink) -> String {
        let Self { deployment, author, age, .. } = self;
        // Nobody cares for the tenths of a second of what happened minutes ago.
        let age = duration_text(Duration::from_secs(age.as_secs()));
        let sentence = match self.state {
            RunState::Running => format!("is running, for {age}: `orchestrate watch` follows it"),
            RunState::Elsewhere => {
                let began = format!("was begun {age} ago on another host");
                format!("{began}, and runs or was cut off there: `orchestrate lock status` tells who holds the lock")
            }
            RunState::Ended | RunState::CutOff => {
                let doing = self.doing.as_ref().map(|doing| format!(" while {doing}")).unwrap_or_default();
                let next = if self.is_committed { "finishes its cleanup" } else { "takes it back" };
                format!("was cut off {age} ago{doing}: the next `apply` {next}, or `orchestrate recover`")
            }
        };
        format!("{}: deployment `{deployment}` by {author} {sentence}\n", ink.paint(Tone::Notable, "note"))
    }
}
