//! What is asked of instances: their processes, figures, ports and images.

use std::{collections::BTreeMap, time::Duration};

use futures_util::{StreamExt as _, stream};

use super::{Context, OpsError, Project, standing::Standing};
use crate::{
    diagnostic::Diagnostics,
    name::ServiceName,
    observed::{Fault, Instance, PublishedPort},
    report::{ImageLine, UsageLine},
    runtime::{Observe as _, ProcessTable, Usage},
};

/// Questions asked at once.
const MOST_QUESTIONS: usize = 16;

/// The ports that an instance has published.
///
/// # Errors
/// If there is no such instance.
pub async fn ports(
    context: &Context,
    project: &Project,
    (service, number): (&ServiceName, Option<u32>),
    warnings: &mut Diagnostics,
) -> Result<(String, Vec<PublishedPort>), OpsError> {
    let standing = Standing::look(context, project, warnings).await?;
    let instance = standing.one(service, number)?;
    Ok((instance.name.clone(), instance.ports.iter().copied().collect()))
}

/// The processes of instances that run, by the instances' names.
///
/// # Errors
/// If there is no such service, or a runtime cannot be asked.
pub async fn top(
    context: &Context,
    project: &Project,
    services: &[ServiceName],
    warnings: &mut Diagnostics,
) -> Result<Vec<(String, ProcessTable)>, OpsError> {
    let standing = Standing::look(context, project, warnings).await?;
    let standing = &standing;
    let running = chosen(standing, services)?;
    let asked = stream::iter(running).map(|instance| async move {
        let table = standing.runtimes.processes(instance.runtime, &instance.id).await?;
        Ok::<_, Fault>((instance.name.clone(), table))
    });
    let tables: Vec<_> = asked.buffered(MOST_QUESTIONS).collect().await;
    Ok(tables.into_iter().collect::<Result<_, _>>()?)
}

/// What the images of instances are.
///
/// # Errors
/// As [`top`].
pub async fn images(
    context: &Context,
    project: &Project,
    services: &[ServiceName],
    warnings: &mut Diagnostics,
) -> Result<Vec<ImageLine>, OpsError> {
    let standing = Standing::look(context, project, warnings).await?;
    let selected = standing.selected(services)?;
    let instances = selected.iter().flat_map(|name| standing.instances_of(name));
    Ok(instances.map(ImageLine::new).collect())
}

/// Looks at what instances use, again and again.
pub struct Stats<'a> {
    standing: Standing<'a>,
    services: Vec<ServiceName>,
    before: BTreeMap<String, Usage>,
}

impl<'a> Stats<'a> {
    /// Finds the instances.
    ///
    /// # Errors
    /// As [`top`].
    pub async fn begin(
        context: &Context,
        project: &'a Project,
        services: &[ServiceName],
        warnings: &mut Diagnostics,
    ) -> Result<Stats<'a>, OpsError> {
        let standing = Standing::look(context, project, warnings).await?;
        standing.selected(services)?;
        Ok(Self { standing, services: services.to_vec(), before: BTreeMap::new() })
    }

    /// What instances use now, and of the processor since the last look. An instance that ends
    /// meanwhile has no line.
    ///
    /// # Errors
    /// If the services cannot be told.
    pub async fn look(&mut self) -> Result<Vec<UsageLine>, OpsError> {
        let standing = &self.standing;
        let running = chosen(standing, &self.services)?;
        let asked = stream::iter(running).map(|instance| async move {
            let usage = standing.runtimes.usage(instance.runtime, &instance.id).await.ok();
            usage.map(|usage| (instance, usage))
        });
        let found: Vec<(&Instance, Usage)> =
            asked.buffered(MOST_QUESTIONS).filter_map(std::future::ready).collect().await;
        let line = |(instance, usage): &(&Instance, Usage)| {
            let before = self.before.get(&instance.id);
            UsageLine {
                service: instance.identity.service.clone(),
                instance: instance.name.clone(),
                cpu_percent: before.map(|before| percent(before, usage)),
                memory_bytes: usage.memory_bytes,
                memory_limit_bytes: usage.memory_limit_bytes,
                received_bytes: usage.received_bytes,
                sent_bytes: usage.sent_bytes,
                read_bytes: usage.read_bytes,
                written_bytes: usage.written_bytes,
                processes: usage.processes,
            }
        };
        let lines = found.iter().map(line).collect();
        self.before = found.into_iter().map(|(instance, usage)| (instance.id.clone(), usage)).collect();
        Ok(lines)
    }

    /// Looks at what is there anew: something may have been started or replaced.
    ///
    /// # Errors
    /// If a runtime cannot be asked.
    pub async fn refresh(&mut self, context: &Context) -> Result<(), OpsError> {
        self.standing = Standing::look(context, self.standing.project, &mut Vec::new()).await?;
        Ok(())
    }
}

/// Of one processor, since the look before.
fn percent(before: &Usage, now: &Usage) -> f64 {
    let passed = now.taken_at.saturating_duration_since(before.taken_at).max(Duration::from_millis(1));
    let used = Duration::from_nanos(now.cpu_ns.saturating_sub(before.cpu_ns));
    used.as_secs_f64() / passed.as_secs_f64() * 100.0
}

/// The instances of these services that run.
fn chosen<'s>(standing: &'s Standing<'_>, services: &[ServiceName]) -> Result<Vec<&'s Instance>, OpsError> {
    let selected = standing.selected(services)?;
    let instances = standing.instances.iter().filter(|(name, _)| selected.contains(*name));
    Ok(instances.flat_map(|(_, instances)| instances).filter(|instance| instance.is_running()).collect())
}
