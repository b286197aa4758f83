use std::{net::SocketAddr, path::Path, time::Duration};

use tokio::time::timeout;

use super::{answer::failed, command, engine, file, http, log, tcp};
use crate::{
    health::Answer,
    observed::Instance,
    plan::{Check, CheckKind},
    runtime::Observe,
};

/// A command's runtime bounds and ends it itself; this is for a runtime that does not answer.
const COMMAND_GRACE: Duration = Duration::from_secs(1);

/// Asks a check's question once. Paths of files start at the plan's directory.
pub async fn probe(check: &Check, instance: &Instance, runtime: &dyn Observe, plan_directory: &Path) -> Answer {
    let limit = check.timeout.0;
    let (question, patience): (futures_util::future::BoxFuture<Answer>, Duration) = match &check.kind {
        CheckKind::Http(http) => (Box::pin(http::ask(http, instance)), limit),
        CheckKind::Tcp(tcp) => (Box::pin(tcp::ask(tcp, instance)), limit),
        CheckKind::Command(command) => {
            (Box::pin(command::ask(command, instance, runtime, limit)), limit.saturating_add(COMMAND_GRACE))
        }
        CheckKind::File(file) => (Box::pin(file::ask(file, plan_directory)), limit),
        CheckKind::Log(log) => (Box::pin(log::ask(log, instance, runtime)), limit),
        CheckKind::Engine => (Box::pin(engine::ask(instance, runtime)), limit),
    };
    let answer = timeout(patience, question).await;
    answer.unwrap_or_else(|_| failed(format!("no answer within {}", check.timeout)))
}

/// Where to dial a port of an instance, or the answer that says that this is not possible.
pub(super) fn address(instance: &Instance, port: u16) -> Result<SocketAddr, Answer> {
    instance.dial(port).ok_or_else(|| {
        let name = &instance.name;
        failed(format!("port {port} of `{name}` can be reached neither by its address nor by a published port"))
    })
}
