use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard},
    time::Duration,
};

use async_trait::async_trait;

use crate::{
    name::ProjectName,
    observed::{Fault, LockRecord, TopRecord},
    runtime::{LockRegister, Put},
    time::Timestamp,
};

/// Locks of projects, in memory. Its clock stands still until it is told to go on.
#[derive(Debug, Default)]
pub struct MemoryRegister {
    /// Several tasks use one register, as several hosts use one engine; each call is one moment.
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    now: Timestamp,
    records: BTreeMap<(ProjectName, u64), Slot>,
}

#[derive(Debug)]
enum Slot {
    Record(Box<TopRecord>),
    /// Something that is no record.
    Obstacle,
}

impl MemoryRegister {
    /// Lets the register's clock go on.
    pub fn advance(&self, duration: Duration) {
        let mut inner = self.lock();
        inner.now = inner.now + duration;
    }

    /// Puts something into a record's place that is none.
    pub fn obstruct(&self, project: &ProjectName, number: u64) {
        self.lock().records.insert((project.clone(), number), Slot::Obstacle);
    }

    /// Changes what is found of the highest record: damages it, or takes its moment away.
    pub fn spoil_top(&self, project: &ProjectName, spoil: impl FnOnce(&mut TopRecord)) {
        let mut inner = self.lock();
        let mut all = inner.records.iter_mut().rev().filter(|((of, _), _)| of == project);
        if let Some(top) = all.find_map(|(_, slot)| as_record_mut(slot)) {
            spoil(top);
        }
    }

    /// Removes all records, as someone does who prunes volumes.
    pub fn prune(&self) {
        self.lock().records.clear();
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nothing panics while it holds this")
    }
}

fn as_record(slot: &Slot) -> Option<&TopRecord> {
    match slot {
        Slot::Record(record) => Some(record),
        Slot::Obstacle => None,
    }
}

fn as_record_mut(slot: &mut Slot) -> Option<&mut TopRecord> {
    match slot {
        Slot::Record(record) => Some(record),
        Slot::Obstacle => None,
    }
}

#[async_trait]
impl LockRegister for MemoryRegister {
    async fn top(&self, project: &ProjectName) -> Result<Option<TopRecord>, Fault> {
        let inner = self.lock();
        let all = inner.records.iter().rev().filter(|((of, _), _)| of == project);
        Ok(all.filter_map(|(_, slot)| as_record(slot)).next().cloned())
    }

    async fn put(&self, record: &LockRecord) -> Result<Put, Fault> {
        let mut inner = self.lock();
        let written_at = Some(inner.now);
        let key = (record.project.clone(), record.number);
        Ok(match inner.records.get(&key) {
            Some(Slot::Obstacle) => Put::Blocked,
            Some(Slot::Record(there)) if there.content.as_ref() == Ok(record) => Put::Done,
            Some(Slot::Record(_)) => Put::Taken,
            None => {
                let name = format!("{}.{}", record.project, record.number);
                let content = Ok(record.clone());
                let there = TopRecord { number: record.number, name, written_at, content };
                inner.records.insert(key, Slot::Record(Box::new(there)));
                Put::Done
            }
        })
    }

    async fn forget_below(&self, project: &ProjectName, number: u64) {
        let is_old =
            |of: &ProjectName, found: u64, slot: &Slot| of == project && found < number && as_record(slot).is_some();
        self.lock().records.retain(|(of, found), slot| !is_old(of, *found, slot));
    }

    async fn now(&self) -> Result<Timestamp, Fault> {
        Ok(self.lock().now)
    }
}
