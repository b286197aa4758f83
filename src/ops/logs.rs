use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};

use super::{
    Context, OpsError, Project,
    follow::{Named, Scene, follow},
    instances::{Instances, instances, refuse_unknown},
    unfinished::unfinished,
};
use crate::{
    diagnostic::Diagnostics,
    driver::Clock,
    name::{ProjectName, ServiceName},
    observed::{Fault, Instance},
    plan::RuntimeKind,
    report::UnfinishedReport,
    runtime::{LogLine, LogQuery, Observe},
    secret::Scrubber,
    store::{LockError, StateDirectory},
    time::Timestamp,
};

/// Whose lines, and which.
#[derive(Debug, Clone, Default)]
pub struct LogsRequest {
    /// All if it is empty.
    pub services: Vec<ServiceName>,
    pub query: LogQuery,
}

/// Lines of several instances as one.
pub struct Logs {
    /// What the instances are called in front of their lines.
    pub names: Vec<String>,
    /// What could not be looked at.
    pub warnings: Diagnostics,
    /// The project's deployment that has not come to its end.
    pub unfinished: Option<UnfinishedReport>,
    /// By time, or as they are written if they are followed; scrubbed, without control characters.
    pub lines: BoxStream<'static, Result<NamedLine, Fault>>,
}

/// A line, and the name of the instance that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedLine {
    pub name: Arc<str>,
    pub text: String,
}

/// Reads what services wrote, and goes on with what they write if asked to follow: also those that
/// are started meanwhile.
///
/// # Errors
/// If there is no such service, or a runtime cannot be asked.
pub async fn logs(context: &Context, project: &Project, request: &LogsRequest) -> Result<Logs, OpsError> {
    let mut warnings = project.warnings.clone();
    let known = project.plan(&mut warnings);
    let (plan, needed) = (known.plan(), project.needed(&known));
    let runtime: Arc<dyn Observe> = Arc::new(project.runtimes(context, &needed)?);
    // Before the first look, so that nothing is missed between the two.
    let events = match request.query.follow {
        true => runtime.watch(&project.name).await.ok(),
        false => None,
    };
    let mut found = instances(runtime.as_ref(), &project.name, &needed, &mut warnings).await?;
    refuse_unknown(&request.services, &plan.services.keys().chain(found.keys()).collect())?;
    found.retain(|name, _| request.services.is_empty() || request.services.contains(name));

    let names = found.values().flatten().map(|instance| short_name(&project.name, instance)).collect();
    let lines = match request.query.follow {
        true => {
            let (services, state) = (request.services.clone(), project.state.directory.clone());
            let followed = Followed { runtime, project: project.name.clone(), needed, services, state };
            follow(Box::new(followed), events, found, request.query.clone())
        }
        false => written(runtime.as_ref(), &project.name, found, &request.query).await?,
    };
    let scrubber = known.scrubber().clone();
    let lines = lines.map(move |line| line.map(|(name, line)| scrubbed(&scrubber, name, &line))).boxed();
    Ok(Logs { names, warnings, unfinished: unfinished(project)?, lines })
}

/// What is there.
async fn written(
    runtime: &dyn Observe,
    project: &ProjectName,
    found: Instances,
    query: &LogQuery,
) -> Result<BoxStream<'static, Result<Named, Fault>>, Fault> {
    let mut streams = Vec::new();
    for instance in found.into_values().flatten() {
        let lines = runtime.logs(instance.runtime, &instance.id, query.clone()).await?;
        streams.push((short_name(project, &instance).into(), lines));
    }
    Ok(by_time(streams))
}

type Lines = BoxStream<'static, Result<LogLine, Fault>>;

fn scrubbed(scrubber: &Scrubber, name: Arc<str>, line: &LogLine) -> NamedLine {
    NamedLine { name, text: scrubber.line(&line.text) }
}

/// An instance's name without the project's, which all of them share.
fn short_name(project: &ProjectName, instance: &Instance) -> String {
    let prefix = format!("{project}-");
    instance.name.strip_prefix(&prefix).unwrap_or(&instance.name).to_owned()
}

/// Streams that are each in order, as one that is. A line without a time follows the one before it.
fn by_time(streams: Vec<(Arc<str>, Lines)>) -> BoxStream<'static, Result<Named, Fault>> {
    /// The next line of each stream that has one, by its time and the stream's place.
    struct Merge {
        streams: Vec<(Arc<str>, Lines)>,
        heads: BTreeMap<(Timestamp, usize), LogLine>,
        /// The streams whose next line is not among the heads, with the time of their last.
        behind: Vec<(usize, Timestamp)>,
    }

    let behind = (0..streams.len()).map(|place| (place, Timestamp::EPOCH)).collect();
    let merge = Merge { streams, heads: BTreeMap::new(), behind };
    stream::unfold(merge, async |mut merge| {
        while let Some((place, last)) = merge.behind.pop() {
            match merge.streams[place].1.next().await {
                Some(Ok(line)) => drop(merge.heads.insert((line.at.unwrap_or(last), place), line)),
                Some(Err(fault)) => return Some((Err(fault), merge)),
                None => {}
            }
        }
        let ((at, place), line) = merge.heads.pop_first()?;
        merge.behind.push((place, at));
        let name = merge.streams[place].0.clone();
        Some((Ok((name, line)), merge))
    })
    .boxed()
}

/// A project's instances of some services, to follow.
struct Followed {
    runtime: Arc<dyn Observe>,
    project: ProjectName,
    needed: BTreeSet<RuntimeKind>,
    services: Vec<ServiceName>,
    state: StateDirectory,
}

#[async_trait::async_trait]
impl Scene for Followed {
    fn runtime(&self) -> &dyn Observe {
        self.runtime.as_ref()
    }

    async fn instances(&self) -> Result<Instances, Fault> {
        let mut found = instances(self.runtime(), &self.project, &self.needed, &mut Vec::new()).await?;
        found.retain(|name, _| self.services.is_empty() || self.services.contains(name));
        Ok(found)
    }

    fn name(&self, instance: &Instance) -> String {
        short_name(&self.project, instance)
    }

    fn is_deploying(&self) -> bool {
        let held = self.state.look_at_lock(&self.project, Clock::start().now());
        matches!(held, Err(LockError::Held { .. }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::Stream;

    fn lines(name: &str, times: &[Option<i64>]) -> (Arc<str>, Lines) {
        let line = |at: &Option<i64>| LogLine {
            at: at.map(Timestamp::from_micros),
            stream: Stream::Stdout,
            text: at.map_or("-".to_owned(), |at| at.to_string()),
        };
        (name.into(), stream::iter(times.iter().map(line).map(Ok).collect::<Vec<_>>()).boxed())
    }

    #[tokio::test]
    async fn lines_of_several_instances_are_put_in_order() {
        let streams = vec![
            lines("a", &[Some(1), Some(4), None, Some(6)]),
            lines("b", &[Some(2), Some(4), Some(5)]),
            lines("c", &[]),
        ];
        let merged: Vec<String> = by_time(streams)
            .map(|line| line.map(|(name, line)| format!("{name}{}", line.text)).unwrap_or_default())
            .collect()
            .await;
        assert_eq!(merged, ["a1", "b2", "a4", "a-", "b4", "b5", "a6"]);
    }
}
