use async_trait::async_trait;

use crate::{
    name::ProjectName,
    observed::{Fault, LockRecord, TopRecord},
    time::Timestamp,
};

/// What became of a record that was put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// It is there as it was put, now or by an earlier try.
    Done,
    /// Another record of the project has its number, perhaps one that this version cannot read.
    Taken,
    /// In its place is something that says of itself that it is no record: somebody else's, or made
    /// half by an engine that was killed. It will never be one.
    Blocked,
}

/// A project's lock, where the effects are: an append-only register of numbered records.
///
/// What the lock's safety rests on: putting is put-if-absent and tells everyone the same record for
/// a number; a record that was put is seen by every reading that begins later, until it is
/// forgotten; and the highest record is never forgotten. Nothing is ever changed in place.
#[async_trait]
pub trait LockRegister: Send + Sync {
    /// The record with the highest number; `None` if there has never been one.
    async fn top(&self, project: &ProjectName) -> Result<Option<TopRecord>, Fault>;

    /// Puts a record, unless there is one of its number.
    ///
    /// # Errors
    /// After `is_outcome_unknown` it may be there, or come to be there yet.
    async fn put(&self, record: &LockRecord) -> Result<Put, Fault>;

    /// Removes the records below `number`, as far as that works: they mean nothing any more. There
    /// has to be a record of that number, or a higher one.
    async fn forget_below(&self, project: &ProjectName, number: u64);

    /// What the register's own clock says, by which it notes when records were written.
    async fn now(&self) -> Result<Timestamp, Fault>;
}
