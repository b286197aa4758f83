use std::collections::{BTreeMap, VecDeque};

use futures_util::stream::{self, BoxStream, StreamExt as _};

use super::{
    directory::Directory,
    notify::{Change, Notifier},
    registry::is_id,
    status::{Activity, Condition, Status, UNKNOWN_EXIT_CODE},
};
use crate::runtime::RuntimeEvent;

/// What happens to the instances of a project from now on, those that are made later included.
///
/// The stream is empty where the kernel has no watches left.
pub(super) fn watch(project: Directory) -> BoxStream<'static, RuntimeEvent> {
    match Watch::new(project) {
        Ok(watch) => stream::unfold(watch, async |mut watch| watch.next().await.map(|event| (event, watch))).boxed(),
        Err(_) => stream::empty().boxed(),
    }
}

struct Watch {
    notifier: Notifier,
    project: Directory,
    project_watch: i32,
    instances: BTreeMap<i32, Watched>,
    pending: VecDeque<RuntimeEvent>,
}

struct Watched {
    id: String,
    directory: Directory,
    seen: Seen,
}

/// As much of an instance as tells what happened to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Seen {
    status: Option<Status>,
    is_over: bool,
}

impl Seen {
    fn read(directory: &Directory) -> Self {
        let condition = Condition::read(directory);
        Self { status: condition.status().cloned(), is_over: matches!(condition, Condition::Exited(_)) }
    }
}

impl Watch {
    fn new(project: Directory) -> std::io::Result<Self> {
        let notifier = Notifier::new()?;
        let project_watch = notifier.watch(&project)?;
        let mut watch = Self { notifier, project, project_watch, instances: BTreeMap::new(), pending: VecDeque::new() };
        for id in watch.project.names()?.into_iter().filter(|name| is_id(name)) {
            watch.add(id, Seen::read);
        }
        Ok(watch)
    }

    async fn next(&mut self) -> Option<RuntimeEvent> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Some(event);
            }
            for change in self.notifier.changes().await.ok()? {
                self.take(change);
            }
        }
    }

    fn take(&mut self, change: Change) {
        match change {
            Change::In { watch, name: Some(name) } if watch == self.project_watch => {
                if is_id(&name) {
                    self.add(name, |_| Seen::default());
                }
            }
            Change::In { watch, name: _ } => self.look(watch),
            Change::Anywhere => {
                let names = self.project.names().unwrap_or_default();
                names.into_iter().filter(|name| is_id(name)).for_each(|id| self.add(id, |_| Seen::default()));
            }
        }
    }

    /// Watches an instance that may be new; what has happened to it since it was `seen` is told.
    fn add(&mut self, id: String, seen: impl Fn(&Directory) -> Seen) {
        let Ok(directory) = self.project.child(&id) else { return };
        let Ok(watch) = self.notifier.watch(&directory) else { return };
        self.instances.entry(watch).or_insert_with(|| {
            let seen = seen(&directory);
            Watched { id, directory, seen }
        });
        self.look(watch);
    }

    fn look(&mut self, watch: i32) {
        let Some(watched) = self.instances.get_mut(&watch) else { return };
        let now = Seen::read(&watched.directory);
        if now != watched.seen {
            self.pending.extend(between(&watched.id, &watched.seen, &now));
            watched.seen = now;
        }
        if rustix::fs::fstat(&watched.directory).is_ok_and(|stat| stat.st_nlink == 0) {
            self.instances.remove(&watch);
        }
    }
}

/// What must have happened between two looks.
fn between(id: &str, before: &Seen, after: &Seen) -> Vec<RuntimeEvent> {
    let Some(now) = &after.status else { return Vec::new() };
    let is_up =
        |seen: &Seen| !seen.is_over && seen.status.as_ref().is_some_and(|status| status.activity == Activity::Running);
    let exited = |code: Option<i64>| RuntimeEvent::Exited {
        id: id.to_owned(),
        code: code.unwrap_or(UNKNOWN_EXIT_CODE),
        killed_for_memory: false,
    };
    let is_same_start =
        before.status.as_ref().is_some_and(|was| (was.pid, was.pid_started) == (now.pid, now.pid_started));
    let mut events = Vec::new();
    let mut was_up = is_up(before);
    if !is_same_start {
        if was_up {
            events.push(exited(now.exit_code.filter(|_| is_up(after))));
        }
        events.push(RuntimeEvent::Started { id: id.to_owned() });
        was_up = true;
    }
    if was_up && !is_up(after) {
        events.push(exited(now.exit_code.filter(|_| now.activity != Activity::Running)));
    }
    events
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Timestamp;

    fn seen(activity: Activity, pid: i32, exit_code: Option<i64>) -> Seen {
        let status = Status { activity, pid_started: 1, exit_code, ..Status::running(pid, Timestamp::EPOCH) };
        Seen { is_over: activity == Activity::Exited, status: Some(status) }
    }

    #[test]
    fn two_looks_tell_what_happened_between() {
        use Activity::{Exited, Restarting, Running};
        let died = Seen { is_over: true, ..seen(Running, 1, None) };
        let table = [
            (Seen::default(), seen(Running, 1, None), "started"),
            (Seen::default(), seen(Exited, 1, Some(0)), "started exited(0)"),
            (seen(Running, 1, None), seen(Exited, 1, Some(3)), "exited(3)"),
            (seen(Running, 1, None), seen(Restarting, 1, Some(3)), "exited(3)"),
            (seen(Restarting, 1, Some(3)), seen(Running, 2, Some(3)), "started"),
            (seen(Restarting, 1, Some(3)), seen(Exited, 1, Some(3)), ""),
            (seen(Running, 1, None), seen(Running, 2, Some(3)), "exited(3) started"),
            (seen(Running, 1, None), seen(Restarting, 2, Some(4)), "exited(-1) started exited(4)"),
            (seen(Running, 1, None), died, "exited(-1)"),
            (seen(Exited, 1, Some(0)), seen(Running, 2, None), "started"),
        ];
        for (before, after, expected) in table {
            let told: Vec<String> = between("id", &before, &after)
                .iter()
                .map(|event| match event {
                    RuntimeEvent::Started { .. } => "started".to_owned(),
                    RuntimeEvent::Exited { code, .. } => format!("exited({code})"),
                    RuntimeEvent::HealthChanged { .. } => "health".to_owned(),
                })
                .collect();
            assert_eq!(told.join(" "), expected, "{before:?} {after:?}");
        }
    }
}
