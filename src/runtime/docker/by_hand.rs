//! What a person asks of a container, and no deployment does.

use std::time::Instant;

use bollard::{
    models::{ContainerMemoryStats, ContainerStatsResponse},
    query_parameters::{KillContainerOptions, StatsOptions, TopOptions},
};
use futures_util::StreamExt as _;

use super::{Docker, fault, instance};
use crate::{
    diagnostic::Class,
    observed::Fault,
    runtime::{Nudge, ProcessTable, Usage},
};

/// The id of a container that is ours, and its name.
pub(super) async fn ours(docker: &Docker, id: &str) -> Result<(String, String), Fault> {
    let container = instance::owned(docker, id).await?.ok_or_else(|| {
        Fault::new(Class::Dependency, Fault::INSTANCE_NOT_FOUND, format!("`{id}` does not exist any more"))
    })?;
    let name = container.name.as_deref().map_or(id, |name| name.trim_start_matches('/')).to_owned();
    Ok((container.id.unwrap_or_else(|| id.to_owned()), name))
}

/// What it has used until now. Only numbers are answered, so whose it is does not matter.
pub(super) async fn usage(docker: &Docker, id: &str) -> Result<Usage, Fault> {
    let call = docker.read(format!("ask what `{id}` uses"));
    let options = StatsOptions { stream: false, one_shot: true };
    let client = docker.client()?;
    let mut answers = Box::pin(client.stats(id, Some(options)));
    let answer = call.run(async { answers.next().await.transpose() }).await?;
    answer.map(|stats| read(&stats, Instant::now())).ok_or_else(|| fault::incomplete(&call, "figures"))
}

fn read(stats: &ContainerStatsResponse, taken_at: Instant) -> Usage {
    let cpu = stats.cpu_stats.as_ref().and_then(|cpu| cpu.cpu_usage.as_ref()?.total_usage);
    let networks = stats.networks.as_ref();
    let sum = |of: fn(&bollard::models::ContainerNetworkStats) -> Option<u64>| {
        networks.map(|networks| networks.values().filter_map(of).sum())
    };
    let blocks = stats.blkio_stats.as_ref().and_then(|blocks| blocks.io_service_bytes_recursive.as_ref());
    let moved = |op: &str| {
        let entries = blocks.into_iter().flatten();
        let of_op = entries.filter(|entry| entry.op.as_ref().is_some_and(|found| found.eq_ignore_ascii_case(op)));
        of_op.filter_map(|entry| entry.value).sum()
    };
    let memory = stats.memory_stats.clone().unwrap_or_default();
    Usage {
        taken_at,
        cpu_ns: cpu.unwrap_or(0),
        memory_bytes: held(&memory),
        memory_limit_bytes: memory.limit,
        received_bytes: sum(|network| network.rx_bytes),
        sent_bytes: sum(|network| network.tx_bytes),
        read_bytes: Some(moved("read")),
        written_bytes: Some(moved("write")),
        processes: stats.pids_stats.as_ref().and_then(|processes| processes.current),
    }
}

/// Without files that are only kept in memory for next time, which the kernel counts too: in its
/// first version of control groups under one name, in its second under another.
fn held(memory: &ContainerMemoryStats) -> u64 {
    let usage = memory.usage.unwrap_or(0);
    let counted = |name: &str| memory.stats.as_ref().and_then(|stats| stats.get(name)).copied();
    let inactive = counted("total_inactive_file").or(counted("inactive_file")).unwrap_or(0);
    usage.saturating_sub(inactive)
}

/// Its processes, as the host's `ps` lists them.
pub(super) async fn processes(docker: &Docker, id: &str) -> Result<ProcessTable, Fault> {
    let (id, name) = ours(docker, id).await?;
    let call = docker.read(format!("list the processes of `{name}`"));
    let listed = call.run(docker.client()?.top_processes(&id, None::<TopOptions>)).await?;
    Ok(ProcessTable { titles: listed.titles.unwrap_or_default(), rows: listed.processes.unwrap_or_default() })
}

pub(super) async fn nudge(docker: &Docker, id: &str, nudge: &Nudge) -> Result<(), Fault> {
    let (id, name) = ours(docker, id).await?;
    let client = docker.client()?;
    match nudge {
        Nudge::Signal(signal) => {
            let options = KillContainerOptions { signal: signal.clone() };
            docker.change(format!("send {signal} to `{name}`")).run(client.kill_container(&id, Some(options))).await
        }
        Nudge::Pause => docker.change(format!("pause `{name}`")).run(client.pause_container(&id)).await,
        Nudge::Unpause => docker.change(format!("unpause `{name}`")).run(client.unpause_container(&id)).await,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_are_read_whatever_the_kernel_calls_them() {
        let first = json!({ "usage": 900, "limit": 1000, "stats": { "total_inactive_file": 300, "inactive_file": 1 } });
        let second = json!({ "usage": 900, "limit": 1000, "stats": { "inactive_file": 200 } });
        for (memory, expected) in [(first, 600), (second, 700), (json!({}), 0)] {
            let stats = json!({
                "cpu_stats": { "cpu_usage": { "total_usage": 5 } },
                "memory_stats": memory,
                "networks": { "eth0": { "rx_bytes": 1, "tx_bytes": 2 }, "eth1": { "rx_bytes": 10, "tx_bytes": 20 } },
                "blkio_stats": { "io_service_bytes_recursive": [
                    { "op": "Read", "value": 3 }, { "op": "write", "value": 4 }, { "op": "read", "value": 5 },
                ] },
                "pids_stats": { "current": 6 },
            });
            let usage = read(&serde_json::from_value(stats).unwrap(), Instant::now());
            assert_eq!(usage.memory_bytes, expected);
            assert_eq!((usage.cpu_ns, usage.processes), (5, Some(6)));
            assert_eq!((usage.received_bytes, usage.sent_bytes), (Some(11), Some(22)));
            assert_eq!((usage.read_bytes, usage.written_bytes), (Some(8), Some(4)));
        }
    }
}
