use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{
    StreamExt as _,
    stream::{self, BoxStream},
};

use super::{
    Context, OpsError, PlanRequest,
    instances::{instances, refuse_unknown},
    open::open_with_kept,
    preview::runtimes,
};
use crate::{
    name::ServiceName,
    observed::{Fault, Instance},
    plan::Plan,
    runtime::{LogLine, LogQuery, Observe},
    secret::Scrubber,
    time::Timestamp,
};

/// Whose lines, and which.
#[derive(Debug, Clone, Default)]
pub struct LogsRequest {
    pub plan: PlanRequest,
    /// All if it is empty.
    pub services: Vec<ServiceName>,
    pub query: LogQuery,
}

/// Lines of several instances as one.
pub struct Logs {
    /// What the instances are called in front of their lines.
    pub names: Vec<String>,
    /// By time, or as they are written if they are followed; scrubbed, without control characters.
    pub lines: BoxStream<'static, Result<NamedLine, Fault>>,
}

/// A line, and the name of the instance that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedLine {
    pub name: Arc<str>,
    pub text: String,
}

/// Reads what services wrote, and goes on with what they write if asked to follow.
///
/// # Errors
/// If the plan is not valid, there is no such service, or a runtime cannot be asked.
pub async fn logs(context: &Context, request: &LogsRequest) -> Result<Logs, OpsError> {
    let state = context.state()?;
    let opened = open_with_kept(context, &request.plan, &state)?;
    let plan = &opened.loaded.plan;
    let runtime: Arc<dyn Observe> = Arc::new(runtimes(context, &state, &opened)?);
    let mut found = instances(runtime.as_ref(), plan).await?;
    refuse_unknown(&request.services, &plan.services.keys().chain(found.keys()).collect())?;
    found.retain(|name, _| request.services.is_empty() || request.services.contains(name));

    let chosen: Vec<(Arc<str>, Instance)> =
        found.into_values().flatten().map(|instance| (short_name(plan, &instance).into(), instance)).collect();
    let names = chosen.iter().map(|(name, _)| name.to_string()).collect();
    let mut streams = Vec::new();
    for (name, instance) in chosen {
        let lines = match request.query.follow {
            true => follow(runtime.clone(), instance, request.query.clone()),
            false => runtime.logs(instance.runtime, &instance.id, request.query.clone()).await?,
        };
        streams.push((name, lines));
    }
    let lines = match request.query.follow {
        true => as_written(streams),
        false => by_time(streams),
    };
    let scrubber = opened.scrubber;
    Ok(Logs { names, lines: lines.map(move |line| line.map(|(name, line)| scrubbed(&scrubber, name, &line))).boxed() })
}

type Lines = BoxStream<'static, Result<LogLine, Fault>>;
type Named = (Arc<str>, LogLine);

fn scrubbed(scrubber: &Scrubber, name: Arc<str>, line: &LogLine) -> NamedLine {
    NamedLine { name, text: scrubber.line(&line.text) }
}

/// An instance's name without the project's, which all of them share.
fn short_name(plan: &Plan, instance: &Instance) -> String {
    let prefix = format!("{}-", plan.project);
    instance.name.strip_prefix(&prefix).unwrap_or(&instance.name).to_owned()
}

fn as_written(streams: Vec<(Arc<str>, Lines)>) -> BoxStream<'static, Result<Named, Fault>> {
    let named = streams.into_iter().map(|(name, lines)| lines.map(move |line| Ok((name.clone(), line?))));
    stream::select_all(named).boxed()
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

/// How long to wait before an instance that is started again is read on.
const BEFORE_READING_ON: Duration = Duration::from_millis(250);

/// An instance's lines until it is over for good: an engine's stream ends with each run of it.
fn follow(runtime: Arc<dyn Observe>, instance: Instance, query: LogQuery) -> Lines {
    struct Following {
        runtime: Arc<dyn Observe>,
        instance: Instance,
        query: LogQuery,
        lines: Option<Lines>,
    }

    impl Following {
        async fn next(&mut self) -> Result<Option<LogLine>, Fault> {
            let (kind, id) = (self.instance.runtime, self.instance.id.clone());
            loop {
                let lines = match &mut self.lines {
                    Some(lines) => lines,
                    None => self.lines.insert(self.runtime.logs(kind, &id, self.query.clone()).await?),
                };
                if let Some(line) = lines.next().await {
                    let line = line?;
                    self.query.since = line.at.map(|at| at + Duration::from_micros(1)).or(self.query.since);
                    return Ok(Some(line));
                }
                self.lines = None;
                // Only what has not been read yet; without times there is no telling.
                self.query.tail = self.query.since.is_none().then_some(0);
                match self.runtime.inspect(kind, &id).await? {
                    Some(now) if now.is_active() => tokio::time::sleep(BEFORE_READING_ON).await,
                    Some(_) | None => return Ok(None),
                }
            }
        }
    }

    let following = Some(Following { runtime, instance, query, lines: None });
    stream::unfold(following, async |following| {
        let mut following = following?;
        match following.next().await {
            Ok(line) => Some((Ok(line?), Some(following))),
            Err(fault) => Some((Err(fault), None)),
        }
    })
    .boxed()
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
