use std::collections::HashMap;

use super::{Entry, Node};

/// The sections of a plan whose entries have names that others use.
const SECTIONS: [&str; 5] = ["services", "networks", "volumes", "configs", "secrets"];

/// What a plan defines, to be looked up by name: a plan of 10,000 services has as many look-ups.
pub(super) struct Names<'n> {
    sections: HashMap<&'static str, HashMap<&'n str, &'n Entry>>,
}

impl<'n> Names<'n> {
    pub fn of(plan: &'n Node) -> Self {
        let index = |section: &&'static str| {
            let entries = plan.entries(section).iter().map(|entry| (&*entry.key, entry));
            (*section, entries.collect())
        };
        Self { sections: SECTIONS.iter().map(index).collect() }
    }

    pub fn get(&self, section: &str, name: &str) -> Option<&'n Entry> {
        self.sections.get(section)?.get(name).copied()
    }

    pub fn is_defined(&self, section: &str, name: &str) -> bool {
        self.get(section, name).is_some()
    }
}
