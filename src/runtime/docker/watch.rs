use std::{
    collections::{BTreeSet, HashMap},
    future::ready,
};

use bollard::{models::EventMessage, query_parameters::EventsOptions};
use futures_util::{
    StreamExt,
    stream::{BoxStream, select},
};

use super::{Docker, labels, ownership::COMPOSE_PROJECT};
use crate::{
    name::ProjectName,
    observed::{Fault, Health, RuntimeEvent},
    time::Timestamp,
};

/// The events that are of interest.
const EVENTS: [&str; 4] = ["start", "die", "oom", "health_status"];

/// What happens to the project's containers from now on.
///
/// The engine is asked for its time first, and then for all events since. It keeps the last few
/// hundred and replays them, so nothing is missed between the two, or before the stream is read.
pub(super) async fn watch(docker: &Docker, project: &ProjectName) -> Result<BoxStream<'static, RuntimeEvent>, Fault> {
    let call = docker.read(format!("watch the project `{project}`"));
    let system = call.run(docker.client()?.info()).await?;
    let since = system.system_time.as_deref().and_then(Timestamp::parse).map(in_seconds);
    let ours = labelled(docker, since.clone(), format!("{}={project}", labels::PROJECT))?;
    match docker.ownership().adopts(project) {
        // All labels of one question have to be there, so two are asked.
        true => Ok(select(ours, labelled(docker, since, format!("{COMPOSE_PROJECT}={project}"))?).boxed()),
        false => Ok(ours),
    }
}

/// What happens to containers with a label.
fn labelled(docker: &Docker, since: Option<String>, label: String) -> Result<BoxStream<'static, RuntimeEvent>, Fault> {
    let filters = HashMap::from([
        ("type".to_owned(), vec!["container".to_owned()]),
        ("label".to_owned(), vec![label]),
        ("event".to_owned(), EVENTS.map(str::to_owned).to_vec()),
    ]);
    let options = EventsOptions { since, until: None, filters: Some(filters) };
    let mut killed = BTreeSet::new();
    let (client, meter) = docker.streaming()?;
    // What cannot be read ends it: what comes after may be anything.
    let messages = client.events(Some(options)).take_while(|message| ready(message.is_ok()));
    let events = messages.filter_map(move |message| {
        meter.refill();
        ready(message.ok().and_then(|message| read(message, &mut killed)))
    });
    Ok(events.boxed())
}

/// As the engine takes a moment: seconds since the epoch, with nine digits of their fraction.
fn in_seconds(moment: Timestamp) -> String {
    let micros = moment.as_micros();
    format!("{}.{:06}000", micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000))
}

/// `killed` are the containers that ran out of memory and have not been reported dead yet; a
/// container is in it between two events that follow each other, so it stays small.
fn read(message: EventMessage, killed: &mut BTreeSet<String>) -> Option<RuntimeEvent> {
    let actor = message.actor?;
    let id = actor.id?;
    let action = message.action?;
    match action.as_str() {
        "start" => {
            killed.remove(&id);
            Some(RuntimeEvent::Started { id })
        }
        "oom" => {
            killed.insert(id);
            None
        }
        "die" => {
            let code = actor.attributes.as_ref().and_then(|attributes| attributes.get("exitCode"));
            let code = code.and_then(|code| code.parse().ok()).unwrap_or(-1);
            let killed_for_memory = killed.remove(&id);
            Some(RuntimeEvent::Exited { id, code, killed_for_memory })
        }
        other => {
            let health = match other.strip_prefix("health_status: ")? {
                "healthy" => Health::Healthy,
                "unhealthy" => Health::Unhealthy,
                "starting" => Health::Starting,
                _ => return None,
            };
            Some(RuntimeEvent::HealthChanged { id, health })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_written_in_seconds() {
        let moment = Timestamp::parse("2026-11-20T10:00:00.001456789Z").unwrap();
        assert_eq!(in_seconds(moment), "1795168800.001456000");
    }

    #[test]
    fn the_engines_events_are_read() {
        let mut killed = BTreeSet::new();
        let mut hear = |action: &str, id: &str| {
            let text = format!(
                r#"{{"Type":"container","Action":"{action}","Actor":{{"ID":"{id}","Attributes":{{"exitCode":"137"}}}}}}"#
            );
            read(serde_json::from_str(&text).unwrap(), &mut killed)
        };
        let exited = |id: &str, killed_for_memory| {
            Some(RuntimeEvent::Exited { id: id.to_owned(), code: 137, killed_for_memory })
        };
        assert_eq!(hear("start", "a"), Some(RuntimeEvent::Started { id: "a".to_owned() }));
        assert_eq!(hear("oom", "a"), None);
        assert_eq!(hear("die", "b"), exited("b", false));
        assert_eq!(hear("die", "a"), exited("a", true));
        assert_eq!(hear("die", "a"), exited("a", false));
        let healthy = RuntimeEvent::HealthChanged { id: "a".to_owned(), health: Health::Healthy };
        assert_eq!(hear("health_status: healthy", "a"), Some(healthy));
        assert_eq!(hear("exec_die", "a"), None);
    }
}
