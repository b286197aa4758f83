use std::{collections::BTreeMap, sync::Arc, time::Duration};

use futures_util::{
    StreamExt as _,
    future::{self, Either},
    stream::{self, BoxStream, SelectAll},
};

use super::instances::Instances;
use crate::{
    observed::{Fault, Instance, InstanceState, RuntimeEvent},
    plan::RuntimeKind,
    runtime::{LogLine, LogQuery, Observe},
    time::Timestamp,
};

/// A line, and what its instance is called.
pub(super) type Named = (Arc<str>, LogLine);

/// Where following finds what it follows.
#[async_trait::async_trait]
pub(super) trait Scene: Send + Sync {
    fn runtime(&self) -> &dyn Observe;

    /// The instances to follow, as they are now.
    async fn instances(&self) -> Result<Instances, Fault>;

    /// What an instance is called.
    fn name(&self, instance: &Instance) -> String;

    /// Whether someone is deploying, who may start more of them.
    fn is_deploying(&self) -> bool;
}

/// Lines of instances as they are written, of those that are made meanwhile too, until none of them
/// runs any more and nobody deploys. Without events the look around is repeated.
pub(super) fn follow(
    scene: Box<dyn Scene>,
    events: Option<BoxStream<'static, RuntimeEvent>>,
    first: Instances,
    query: LogQuery,
) -> BoxStream<'static, Result<Named, Fault>> {
    let following = Following { scene, events, streams: SelectAll::new(), known: BTreeMap::new(), has_active: false };
    stream::unfold((following, Some((first, query))), async |(mut following, first)| {
        if let Some((instances, query)) = first
            && let Err(fault) = following.take(instances, &query).await
        {
            return Some((Err(fault), (following, None)));
        }
        let line = following.next().await?;
        Some((line, (following, None)))
    })
    .boxed()
}

/// How long to wait before looking again where no event tells: that a deployment is over, or
/// anything at all if the runtime has no events.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

struct Following {
    scene: Box<dyn Scene>,
    /// `None` once they have ended.
    events: Option<BoxStream<'static, RuntimeEvent>>,
    streams: SelectAll<BoxStream<'static, Heard>>,
    /// The instances that are or were read, by id.
    known: BTreeMap<String, Reading>,
    /// One of them was active at the last look.
    has_active: bool,
}

struct Reading {
    name: Arc<str>,
    /// From when on it has not been read.
    since: Option<Timestamp>,
    is_open: bool,
    /// It has written something since it was opened the last time.
    has_spoken: bool,
}

enum Heard {
    Line(String, Result<LogLine, Fault>),
    /// The end of one run of the instance.
    End(String),
}

enum Happened {
    Heard(Heard),
    Event(RuntimeEvent),
    NoMoreEvents,
    TimeToLook,
}

impl Following {
    async fn next(&mut self) -> Option<Result<Named, Fault>> {
        loop {
            let happened = self.happened().await;
            let looked = match happened {
                Happened::Heard(Heard::Line(id, line)) => return Some(self.line(&id, line)),
                Happened::Heard(Heard::End(id)) => {
                    self.known.entry(id).and_modify(|reading| reading.is_open = false);
                    self.look().await
                }
                Happened::Event(RuntimeEvent::Started { .. }) | Happened::TimeToLook => self.look().await,
                Happened::Event(RuntimeEvent::Exited { .. } | RuntimeEvent::HealthChanged { .. }) => continue,
                Happened::NoMoreEvents => {
                    self.events = None;
                    continue;
                }
            };
            match looked {
                Ok(Outlook::More) => {}
                Ok(Outlook::Over) => return None,
                Err(fault) => return Some(Err(fault)),
            }
        }
    }

    /// Waits for whatever is next.
    async fn happened(&mut self) -> Happened {
        let needs_looks = !self.is_reading() && (self.events.is_none() || !self.has_active);
        let time = async {
            match needs_looks {
                true => tokio::time::sleep(BETWEEN_LOOKS).await,
                false => future::pending().await,
            }
        };
        let streams = &mut self.streams;
        let heard = async {
            match streams.next().await {
                Some(heard) => heard,
                None => future::pending().await,
            }
        };
        let events = &mut self.events;
        let event = async {
            match events {
                Some(events) => events.next().await,
                None => future::pending().await,
            }
        };
        tokio::select! {
            heard = heard => Happened::Heard(heard),
            event = event => event.map_or(Happened::NoMoreEvents, Happened::Event),
            () = time => Happened::TimeToLook,
        }
    }

    /// Whether an instance's lines may still come.
    fn is_reading(&self) -> bool {
        self.known.values().any(|reading| reading.is_open)
    }

    fn line(&mut self, id: &str, line: Result<LogLine, Fault>) -> Result<Named, Fault> {
        let line = line?;
        let reading = self.known.get_mut(id).expect("it was known before it was read");
        reading.since = line.at.map(|at| at + Duration::from_micros(1)).or(reading.since);
        reading.has_spoken = true;
        Ok((reading.name.clone(), line))
    }

    /// Looks around, and reads what runs and is not read yet.
    async fn look(&mut self) -> Result<Outlook, Fault> {
        // In this order: who has just stopped deploying has started all that there is to be seen.
        let is_deploying = self.scene.is_deploying();
        let looked = match self.scene.instances().await {
            Ok(instances) => self.take(instances, &LogQuery { follow: true, ..LogQuery::default() }).await,
            Err(fault) => Err(fault),
        };
        let is_over = !self.is_reading() && !is_deploying && !self.has_active;
        looked.map(|()| if is_over { Outlook::Over } else { Outlook::More })
    }

    async fn take(&mut self, instances: Instances, query: &LogQuery) -> Result<(), Fault> {
        self.has_active = false;
        for instance in instances.into_values().flatten() {
            self.has_active |= instance.is_active();
            // What is only made has nothing to say; it is told when it starts.
            if instance.state != InstanceState::Created {
                self.read(&instance, query).await?;
            }
        }
        Ok(())
    }

    async fn read(&mut self, instance: &Instance, query: &LogQuery) -> Result<(), Fault> {
        let (query, is_hasty) = match self.known.get(&instance.id) {
            Some(reading) if reading.is_open || instance.state != InstanceState::Running => return Ok(()),
            // Only what has not been read yet; without times there is no telling.
            Some(reading) => {
                let tail = reading.since.is_none().then_some(0);
                (LogQuery { since: reading.since, tail, follow: true }, !reading.has_spoken)
            }
            None => (query.clone(), false),
        };
        let since = query.since;
        let lines = open(self.scene.runtime(), instance, query, is_hasty).await?;
        self.streams.push(lines);
        let name = self.scene.name(instance).into();
        let reading = Reading { name, since, is_open: true, has_spoken: false };
        self.known.insert(instance.id.clone(), reading);
        Ok(())
    }
}

enum Outlook {
    More,
    /// Nothing runs any more, and nobody starts something.
    Over,
}

/// An instance's lines, and the end of them. `is_hasty`: the last look at them was in vain, so the
/// engine may not know yet that it is over.
async fn open(
    runtime: &dyn Observe,
    instance: &Instance,
    query: LogQuery,
    is_hasty: bool,
) -> Result<BoxStream<'static, Heard>, Fault> {
    let (kind, id): (RuntimeKind, String) = (instance.runtime, instance.id.clone());
    let lines = match is_hasty {
        true => Either::Left(stream::once(tokio::time::sleep(BETWEEN_LOOKS)).filter_map(async |()| None)),
        false => Either::Right(stream::empty()),
    };
    let (of_line, of_end) = (id.clone(), id.clone());
    let heard = runtime.logs(kind, &id, query).await?.map(move |line| Heard::Line(of_line.clone(), line));
    Ok(lines.chain(heard).chain(stream::once(future::ready(Heard::End(of_end)))).boxed())
}
