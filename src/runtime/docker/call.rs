use std::time::Duration;

use bollard::errors::Error;
use futures_util::{Stream, StreamExt};

use super::{fault, transport::Meter};
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

impl Call {
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

    /// The next message of a stream; `None` at its end. The limit is for each message.
    pub async fn next<T>(
        &self,
        messages: &mut (impl Stream<Item = Result<T, Error>> + Unpin),
        meter: &Meter,
    ) -> Result<Option<T>, Fault> {
        let message = tokio::time::timeout(self.limit, messages.next()).await;
        meter.refill();
        match message {
            Ok(message) => message.transpose().map_err(|error| fault::from_stream(self, &error, meter)),
            Err(_) => Err(fault::timed_out(self)),
        }
    }

    /// [`run`](Self::run), for something that may not be there.
    pub async fn find<T>(&self, answer: impl Future<Output = Result<T, Error>>) -> Result<Option<T>, Fault> {
        let answer = async {
            match answer.await {
                Ok(value) => Ok(Some(value)),
                Err(Error::DockerResponseServerError { status_code: 404, message }) if is_absent(&message) => Ok(None),
                Err(error) => Err(error),
            }
        };
        self.run(answer).await
    }
}

/// Whether a 404 is the engine's word on an object. Someone else's between us and it, or that it
/// does not know the call, is not.
fn is_absent(message: &str) -> bool {
    let lower = message.to_lowercase();
    // The last is said of a path in a container.
    lower.contains("no such")
        || lower.contains("could not find the file")
        || (lower.contains("not found") && !lower.contains("page not found"))
}
