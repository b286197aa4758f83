//! What a project goes through that Docker Compose made and `orchestrate` takes over.

use std::collections::BTreeSet;

use super::{compared::assert_alike, found::Found, stack::Stack};

pub fn run(name: &str) {
    let Some(stack) = Stack::new(name) else { return };
    stack.compose(&format!("up {}", stack.change.up));
    let made = Found::of(&stack.project);
    is_taken_over(&stack, &made);
    is_changed_and_brought_back(&stack, &made);
    is_removed(&stack, &made);
    is_made_alike(&stack, &made);
}

/// Nothing differs, so nothing is touched.
fn is_taken_over(stack: &Stack, made: &Found) {
    stack.orchestrate(&["preview", "--adopt", "--detailed-exitcode"]).exits(0);
    stack.orchestrate(&["apply", "--adopt"]).exits(0);
    stack.orchestrate(&["preview", "--detailed-exitcode"]).exits(0);
    let found = Found::of(&stack.project);
    assert_eq!(found.ids(), made.ids());
    assert_eq!(started(&found), started(made));
}

fn started(found: &Found) -> Vec<&str> {
    found.containers.values().map(|container| container["State"]["StartedAt"].as_str().unwrap()).collect()
}

/// One line replaces what it is about; going back makes it as Compose had made it.
fn is_changed_and_brought_back(stack: &Stack, made: &Found) {
    let change = &stack.change;
    stack.replace(&change.from, &change.to);
    let ran = stack.orchestrate(&["apply", "-y"]).exits(0);
    let replaced: BTreeSet<String> = Found::of(&stack.project).replaced_since(made).into_iter().collect();
    assert_eq!(replaced, change.replaces, "{}", ran.data);
    stack.orchestrate(&["preview", "--detailed-exitcode"]).exits(0);
    stack.orchestrate(&["rollback", "-y"]).exits(0);
    let back = Found::of(&stack.project);
    let replaced: BTreeSet<String> = back.replaced_since(made).into_iter().collect();
    assert!(replaced.is_subset(&change.replaces), "{replaced:?}");
    assert_alike(made, &back);
    stack.replace(&change.to, &change.from);
    stack.orchestrate(&["preview", "--detailed-exitcode"]).exits(0);
}

/// Volumes go only where they are named.
fn is_removed(stack: &Stack, made: &Found) {
    stack.orchestrate(&["destroy", "-y"]).exits(0);
    assert_eq!(left(stack, made), Vec::from_iter(made.volumes.keys().cloned()));
}

/// What is left on the engine, also of volumes that `found` had and nobody named.
fn left(stack: &Stack, found: &Found) -> Vec<String> {
    let left = Found::of(&stack.project);
    let named = left.containers.into_keys().chain(left.networks.into_keys()).chain(left.volumes.into_keys());
    named.chain(found.anonymous_volumes()).collect()
}

/// The same files, without anything there before.
fn is_made_alike(stack: &Stack, made: &Found) {
    stack.forget_adoption();
    stack.forget_images();
    stack.orchestrate(&["apply", "-y"]).exits(0);
    let ours = Found::of(&stack.project);
    assert_alike(made, &ours);
    stack.orchestrate(&["preview", "--detailed-exitcode"]).exits(0);
    let volumes = made.volume_keys().join(",");
    let arguments = ["destroy", "-y", "--volumes", &volumes];
    stack.orchestrate(&arguments[..if volumes.is_empty() { 2 } else { 4 }]).exits(0);
    assert_eq!(left(stack, &ours), Vec::<String>::new());
}
