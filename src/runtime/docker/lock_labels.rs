//! A lock's record as the labels of a volume. What comes back is foreign text: anyone may have
//! written it.

use std::str::FromStr;

use super::{
    fault,
    labels::{self, Labels},
};
use crate::{
    name::{DeploymentId, ProjectName},
    observed::{LockProcess, LockRecord, LockState, Reached, UnfinishedDeployment, UnreadableLock},
    time::Timestamp,
};

/// Says which project's lock a volume is part of.
pub(super) const LOCK: &str = "io.orchestrate.lock";
const VERSION: &str = "io.orchestrate.lock.version";
const STATE: &str = "io.orchestrate.lock.state";
const OWNER: &str = "io.orchestrate.lock.owner";
const HOST: &str = "io.orchestrate.lock.host";
const MACHINE: &str = "io.orchestrate.lock.machine";
const BOOT: &str = "io.orchestrate.lock.boot";
const PID_NAMESPACE: &str = "io.orchestrate.lock.pid-namespace";
const PID: &str = "io.orchestrate.lock.pid";
const STARTED: &str = "io.orchestrate.lock.process-started";
const SINCE: &str = "io.orchestrate.lock.since";
const DEADLINE: &str = "io.orchestrate.lock.deadline";
const DEPLOYMENT: &str = "io.orchestrate.lock.deployment";
const MESSAGE: &str = "io.orchestrate.lock.message";
const UNFINISHED: &str = "io.orchestrate.lock.unfinished";

/// The format that is written.
const FORMAT: u64 = 1;
/// The longest text that is believed to be ours: random texts, boots and namespaces are below 64.
const TEXT_BYTES: usize = 128;
/// More unfinished deployments than a project can have: each needs a crash of its own, and the next
/// owner puts it right.
const UNFINISHED_BOUND: usize = 64;

/// The name of the volume that is a record.
pub(super) fn volume_name(project: &ProjectName, number: u64) -> String {
    format!("orchestrate-lock-{project}.{number}")
}

/// The number of the record that a volume is by its name.
pub(super) fn number(project: &ProjectName, name: &str) -> Option<u64> {
    let digits = name.strip_prefix("orchestrate-lock-")?.strip_prefix(project.as_str())?.strip_prefix('.')?;
    let number = digits.parse().ok()?;
    // `+1` and `01` would be second names of one record.
    (volume_name(project, number) == name).then_some(number)
}

/// Whether a volume says that it is part of the project's lock.
pub(super) fn is_of(project: &ProjectName, labels: &Labels) -> bool {
    labels::project(Some(labels)).as_ref() == Some(project) && labels.get(LOCK).is_some_and(|of| of == project.as_str())
}

pub(super) fn write(record: &LockRecord) -> Labels {
    let LockRecord { project, number: _, state, owner, process, since, deadline, deployment, message, unfinished } =
        record;
    let unfinished: Vec<String> =
        unfinished.iter().map(|left| format!("{}:{}", left.deployment, left.reached.as_str())).collect();
    let pairs = [
        (labels::PROJECT, project.to_string()),
        (LOCK, project.to_string()),
        (VERSION, FORMAT.to_string()),
        (STATE, state.as_str().to_owned()),
        (OWNER, owner.clone()),
        (HOST, process.host.clone()),
        (MACHINE, process.machine.clone()),
        (BOOT, process.boot.clone()),
        (PID_NAMESPACE, process.pid_namespace.clone()),
        (PID, process.pid.to_string()),
        (STARTED, process.started.to_string()),
        (SINCE, since.to_string()),
        (DEADLINE, deadline.to_string()),
        (DEPLOYMENT, deployment.to_string()),
        (UNFINISHED, unfinished.join(",")),
    ];
    let message = message.as_ref().map(|message| (MESSAGE, fault::clean(message)));
    pairs.into_iter().chain(message).map(|(label, value)| (label.to_owned(), value)).collect()
}

/// Reads the record of this number. Nothing is guessed: a record that is not whole is none.
pub(super) fn read(project: &ProjectName, number: u64, labels: &Labels) -> Result<LockRecord, UnreadableLock> {
    let found: u64 = parsed(labels, VERSION)?;
    if found > FORMAT {
        return Err(UnreadableLock::Newer { found, known: FORMAT });
    }
    let word = text(labels, STATE)?;
    Ok(LockRecord {
        project: project.clone(),
        number,
        state: LockState::ALL.into_iter().find(|state| state.as_str() == word).ok_or(damaged(STATE))?,
        owner: Some(text(labels, OWNER)?).filter(|owner| !owner.is_empty()).ok_or(damaged(OWNER))?,
        process: LockProcess {
            host: fault::clean(&text(labels, HOST)?),
            machine: text(labels, MACHINE)?,
            boot: text(labels, BOOT)?,
            pid_namespace: text(labels, PID_NAMESPACE)?,
            pid: parsed(labels, PID)?,
            started: parsed(labels, STARTED)?,
        },
        since: moment(labels, SINCE)?,
        deadline: moment(labels, DEADLINE)?,
        deployment: parsed(labels, DEPLOYMENT)?,
        message: labels.get(MESSAGE).map(|message| fault::clean(message)).filter(|message| !message.is_empty()),
        unfinished: unfinished(labels).ok_or(damaged(UNFINISHED))?,
    })
}

fn damaged(label: &'static str) -> UnreadableLock {
    UnreadableLock::Label { label }
}

fn text(labels: &Labels, label: &'static str) -> Result<String, UnreadableLock> {
    let is_sound = |text: &&String| text.len() <= TEXT_BYTES && !text.chars().any(char::is_control);
    labels.get(label).filter(is_sound).cloned().ok_or(damaged(label))
}

fn parsed<T: FromStr>(labels: &Labels, label: &'static str) -> Result<T, UnreadableLock> {
    text(labels, label)?.parse().map_err(|_| damaged(label))
}

fn moment(labels: &Labels, label: &'static str) -> Result<Timestamp, UnreadableLock> {
    Timestamp::parse(&text(labels, label)?).ok_or(damaged(label))
}

fn unfinished(labels: &Labels) -> Option<Vec<UnfinishedDeployment>> {
    let list = labels.get(UNFINISHED)?;
    let words = list.split(',').filter(|word| !word.is_empty()).take(UNFINISHED_BOUND + 1);
    let left: Option<Vec<_>> = words.map(one_unfinished).collect();
    left.filter(|left| left.len() <= UNFINISHED_BOUND)
}

fn one_unfinished(word: &str) -> Option<UnfinishedDeployment> {
    let (deployment, word) = word.split_once(':')?;
    let deployment: DeploymentId = deployment.parse().ok()?;
    let reached = Reached::ALL.into_iter().find(|reached| reached.as_str() == word)?;
    Some(UnfinishedDeployment { deployment, reached })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> LockRecord {
        let left = |id: &str, reached| UnfinishedDeployment { deployment: id.parse().unwrap(), reached };
        LockRecord {
            project: "app".parse().unwrap(),
            number: 7,
            state: LockState::Committed,
            owner: "0a1b".to_owned(),
            process: LockProcess {
                host: "laptop".to_owned(),
                machine: "m".to_owned(),
                boot: "b".to_owned(),
                pid_namespace: String::new(),
                pid: 42,
                started: 4711,
            },
            since: Timestamp::parse("2026-11-20T10:00:00Z").unwrap(),
            deadline: Timestamp::parse("2026-11-20T10:02:00.5Z").unwrap(),
            deployment: "0123abcd".parse().unwrap(),
            message: Some("try \"this\"".to_owned()),
            unfinished: vec![left("aaaaaaaa", Reached::BeforeCommit), left("bbbbbbbb", Reached::Commit)],
        }
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let project = "app".parse().unwrap();
        for record in [record(), LockRecord { message: None, unfinished: vec![], ..record() }] {
            let labels = write(&record);
            assert!(is_of(&project, &labels) && !is_of(&"other".parse().unwrap(), &labels));
            assert_eq!(read(&project, 7, &labels), Ok(record));
        }
    }

    #[test]
    fn what_is_damaged_is_said_and_never_free() {
        let table: [(&str, Option<&str>, &str); 11] = [
            (STATE, None, "its label `io.orchestrate.lock.state` is missing or damaged"),
            (STATE, Some("FREE"), "its label `io.orchestrate.lock.state` is missing or damaged"),
            (OWNER, Some(""), "its label `io.orchestrate.lock.owner` is missing or damaged"),
            (OWNER, Some("a\u{1b}[2J"), "its label `io.orchestrate.lock.owner` is missing or damaged"),
            (PID, Some("-1"), "its label `io.orchestrate.lock.pid` is missing or damaged"),
            (DEADLINE, Some("soon"), "its label `io.orchestrate.lock.deadline` is missing or damaged"),
            (DEPLOYMENT, Some("x"), "its label `io.orchestrate.lock.deployment` is missing or damaged"),
            (UNFINISHED, Some("aaaaaaaa:no"), "its label `io.orchestrate.lock.unfinished` is missing or damaged"),
            (UNFINISHED, None, "its label `io.orchestrate.lock.unfinished` is missing or damaged"),
            (VERSION, Some("2"), "it was written by a newer version (format 2, this one knows 1)"),
            (VERSION, None, "its label `io.orchestrate.lock.version` is missing or damaged"),
        ];
        for (label, value, expected) in table {
            let mut labels = write(&record());
            match value {
                Some(value) => drop(labels.insert(label.to_owned(), value.to_owned())),
                None => drop(labels.remove(label)),
            }
            let error = read(&"app".parse().unwrap(), 7, &labels).unwrap_err();
            assert_eq!(error.to_string(), expected, "{label} {value:?}");
        }
        let mut labels = write(&record());
        labels.insert(UNFINISHED.to_owned(), vec!["aaaaaaaa:held"; UNFINISHED_BOUND + 1].join(","));
        assert_eq!(read(&"app".parse().unwrap(), 7, &labels), Err(damaged(UNFINISHED)));
        labels = write(&LockRecord { message: Some("a\u{1b}[31m\nb".repeat(500)), ..record() });
        let message = read(&"app".parse().unwrap(), 7, &labels).unwrap().message.unwrap();
        assert!(message.starts_with("a [31m ba") && message.chars().count() == 301, "{message}");
    }

    #[test]
    fn a_volume_is_a_record_by_one_name_alone() {
        let project: ProjectName = "app".parse().unwrap();
        assert_eq!(volume_name(&project, 7), "orchestrate-lock-app.7");
        for (name, expected) in [
            ("orchestrate-lock-app.7", Some(7)),
            ("orchestrate-lock-app.07", None),
            ("orchestrate-lock-app.+7", None),
            ("orchestrate-lock-app.", None),
            ("orchestrate-lock-app.99999999999999999999", None),
            ("orchestrate-lock-app-lab.7", None),
            ("app.7", None),
        ] {
            assert_eq!(number(&project, name), expected, "{name}");
        }
    }
}
