//! What every runtime promises: an action that is done again changes nothing, and neither does what
//! takes it back.

use std::collections::{BTreeMap, BTreeSet};

use orchestrate::{
    action::{Action, CommandKind, CommandRun, CommandSite, Effect, InstanceHandle, Inverse, Notice},
    change::FileChange,
    observed::Fault,
    plan::{CommandLine, Interval},
};

use crate::simulation::kinds::kind;

/// Writes a file, changes it in place for an instance that runs, without a word and with one, and
/// removes it.
pub fn of_a_file(path: &str, instance: &InstanceHandle) -> [Action; 4] {
    let path = path.to_owned();
    let changed = |notices| {
        let files = vec![FileChange { path: path.clone(), from: "t".into(), to: "other".into() }];
        Action::SetFiles { instance: instance.clone(), files, notices }
    };
    let told = vec![Notice::Signal("SIGCONT".parse().unwrap()), Notice::Command(CommandLine(vec!["true".into()]))];
    [
        Action::WriteFile { path: path.clone(), content: "t".into(), mode: 0o444, uid: None, gid: None },
        changed(vec![]),
        changed(told),
        Action::RemoveFile { path: path.clone() },
    ]
}

/// Performs each of these twice, what undoes it twice, and then goes on with it done. Answers the
/// kinds of the actions.
pub async fn each_twice<F: Future<Output = Result<Effect, Fault>>>(
    actions: Vec<Action>,
    perform: impl Fn(Action) -> F,
) -> BTreeSet<&'static str> {
    let mut kinds = BTreeSet::new();
    let mut known = None;
    for mut action in actions {
        kinds.insert(kind(&action));
        // As the engine does: what has an id is meant by it.
        if let Some(instance) = action.instance_mut() {
            instance.id.clone_from(&known);
        }
        let first = done(&action, perform(action.clone()).await);
        let second = done(&action, perform(action.clone()).await);
        expect_same(&action, &first, &second);
        let Inverse::Action(inverse) = action.inverse(&first) else { continue };
        kinds.insert(kind(&inverse));
        let first = done(&inverse, perform(inverse.clone()).await);
        let second = done(&inverse, perform(inverse.clone()).await);
        expect_same(&inverse, &first, &second);
        if let Effect::Created { id } = done(&action, perform(action.clone()).await) {
            known = Some(id);
        }
    }
    kinds
}

/// A command that may run twice.
pub fn command(site: CommandSite) -> Action {
    Action::RunCommand {
        run: Box::new(CommandRun {
            kind: CommandKind::Test,
            name: "smoke".to_owned(),
            site,
            command: serde_json::from_value(serde_json::json!(["echo", "well"])).unwrap(),
            environment: BTreeMap::new(),
            working_dir: None,
            user: None,
            timeout: Interval::from_millis(10_000),
            is_idempotent: true,
            retries: 0,
            once: None,
        }),
    }
}

fn done(action: &Action, performed: Result<Effect, Fault>) -> Effect {
    performed.unwrap_or_else(|fault| panic!("{action}: {}: {fault}", fault.code))
}

/// The second time it was so already, or the answer is the same.
fn expect_same(action: &Action, first: &Effect, second: &Effect) {
    let is_same = match (first, second) {
        (Effect::Created { id }, Effect::Created { id: again }) => id == again,
        (Effect::Started { instance }, Effect::Started { instance: again }) => {
            (&instance.id, instance.started_at) == (&again.id, again.started_at)
        }
        (Effect::Saved { .. }, Effect::Saved { .. }) | (Effect::Ran { .. }, Effect::Ran { .. }) => first == second,
        // A start has to say what it started, also when that ran already: checks are asked there.
        (Effect::Started { .. }, Effect::AlreadySo) => false,
        (_, Effect::AlreadySo) => true,
        (Effect::Done, Effect::Done) => matches!(action, Action::WriteFile { .. }),
        (_, _) => false,
    };
    assert!(is_same, "{action}: first {first:?}, then {second:?}");
}
