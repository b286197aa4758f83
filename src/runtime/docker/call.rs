use std::time::Duration;

use bollard::errors::Error;

use super::fault;
use crate::observed::Fault;

/// Whether a call only looks, or may change something: that decides what its failure leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    Read,
    Change,
}

/// One call to the engine: what it is for, in words, and how long it may take.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub intent: Intent,
    /// What was being done, for the message: ``start `app-web-1` ``.
    pub doing: String,
    pub limit: Duration,
}

/// What an engine that works answers in: a thousand times what its calls were measured to take,
/// since it may be busy with others.
pub(super) const USUAL_LIMIT: Duration = Duration::from_secs(30);

impl Call {
    pub fn read(doing: impl Into<String>) -> Self {
        Self { intent: Intent::Read, doing: doing.into(), limit: USUAL_LIMIT }
    }

    pub fn change(doing: impl Into<String>) -> Self {
        Self { intent: Intent::Change, doing: doing.into(), limit: USUAL_LIMIT }
    }

    pub fn within(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Waits for the engine's answer, no longer than the limit.
    pub async fn run<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<T, Fault> {
        match tokio::time::timeout(self.limit, answer).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(fault::from_error(self, &error)),
            Err(_) => Err(fault::timed_out(self)),
        }
    }

    /// [`run`](Self::run), for something that may not be there.
    pub async fn find<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<Option<T>, Fault> {
        let answer = async {
            match answer.await {
                Ok(value) => Ok(Some(value)),
                Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        self.run(answer).await
    }
}
