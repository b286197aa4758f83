//! A Compose file is a plan already: stacks as people write them, on the real engine.
//!
//! Each directory of `tests/stacks` is a Compose project of several services, with a file `change` that
//! says how one line of it changes and what has to be replaced for it. Docker Compose brings it up;
//! `orchestrate` takes it over without a change, changes the line, goes back, and removes everything. Then it
//! makes the same stack itself, and what it made is compared with what Compose made, all that the engine
//! says of containers, networks and volumes, field by field. Where they may differ stands in
//! [`allowed`], with its reason. Deliberately absent: what a service does, beyond its own healthcheck.

mod allowed;
mod compared;
mod cycle;
mod found;
mod meaning;
mod stack;

use std::{collections::BTreeSet, path::PathBuf};

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/stacks")
}

/// A test for each stack, called as its directory.
macro_rules! stacks {
    ($($name:ident),* $(,)?) => {
        const STACKS: &[&str] = &[$(stringify!($name)),*];

        $(#[test]
        fn $name() {
            cycle::run(stringify!($name));
        })*
    };
}

stacks!(
    anchors,
    built,
    extended,
    hardened,
    health,
    included,
    legacy,
    lifecycle,
    limits,
    monitoring,
    networks,
    overrides,
    profiles,
    proxy,
    queue,
    settings,
    shop,
    sidecars,
    volumes,
    web_and_migration,
);

#[test]
fn every_stack_has_its_test() {
    let entries = std::fs::read_dir(directory()).unwrap();
    let there: BTreeSet<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(there, STACKS.iter().map(|name| (*name).to_owned()).collect());
}
