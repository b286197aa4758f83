use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::name::ServiceName;

/// Something that has another name than before, and is the same: a service, as `web` or
/// `services.web`, or a volume, as `volumes.data`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Moved {
    /// What it was called.
    pub from: String,
    /// What it is called now.
    pub to: String,
}

/// What something is called in a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MovedName<'a> {
    Service(&'a str),
    Volume(&'a str),
}

impl<'a> MovedName<'a> {
    /// A name alone is a service's. `None` for what is neither.
    pub fn of(text: &'a str) -> Option<Self> {
        match text.split_once('.') {
            None => Some(Self::Service(text)),
            Some(("services", name)) => Some(Self::Service(name)),
            Some(("volumes", name)) => Some(Self::Volume(name)),
            Some(_) => None,
        }
    }
}

/// Today's names of services and volumes, by those that they had.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Moves {
    pub services: BTreeMap<ServiceName, ServiceName>,
    pub volumes: BTreeMap<String, String>,
}

impl Moves {
    pub fn of(moved: &[Moved]) -> Self {
        let mut moves = Self::default();
        for Moved { from, to } in moved {
            match (MovedName::of(from), MovedName::of(to)) {
                (Some(MovedName::Service(from)), Some(MovedName::Service(to))) => {
                    if let (Ok(from), Ok(to)) = (from.parse(), to.parse()) {
                        moves.services.insert(from, to);
                    }
                }
                (Some(MovedName::Volume(from)), Some(MovedName::Volume(to))) => {
                    moves.volumes.insert(from.to_owned(), to.to_owned());
                }
                (Some(MovedName::Service(_) | MovedName::Volume(_)) | None, _) => {}
            }
        }
        moves
    }

    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.volumes.is_empty()
    }

    /// What it is called today, after all moves: what moved twice is followed, circles are not.
    pub fn service(&self, name: &ServiceName) -> Option<&ServiceName> {
        let mut today = self.services.get(name)?;
        for _ in 0..self.services.len() {
            match self.services.get(today) {
                Some(next) => today = next,
                None => break,
            }
        }
        Some(today)
    }

    /// The same for a volume's key.
    pub fn volume(&self, key: &str) -> Option<&String> {
        let mut today = self.volumes.get(key)?;
        for _ in 0..self.volumes.len() {
            match self.volumes.get(today) {
                Some(next) => today = next,
                None => break,
            }
        }
        Some(today)
    }
}
