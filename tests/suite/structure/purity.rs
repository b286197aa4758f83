use super::{
    expect_none,
    imports::{CORE, MODULES},
    mask::is_word,
    paths::{CodePath, paths},
    source::{Source, sources},
};

/// Paths that lead out of the core: to files, the network, the environment, the clock.
const EFFECTS: [&[&str]; 11] = [
    &["std", "fs"],
    &["std", "env"],
    &["std", "process"],
    &["std", "net", "TcpListener"],
    &["std", "net", "TcpStream"],
    &["std", "net", "UdpSocket"],
    &["std", "net", "ToSocketAddrs"],
    &["std", "os"],
    &["std", "time", "SystemTime"],
    &["std", "time", "Instant"],
    &["tokio"],
];

/// How a test begins that another one runs in a process of its own: it is not left out.
const RUN_BY_ANOTHER: &str = "#[ignore = \"the child of `";

const PRINTING: [&str; 5] = ["print", "println", "eprint", "eprintln", "dbg"];

fn effects(source: &Source) -> Vec<String> {
    if !source.module().is_some_and(|module| MODULES[..CORE].contains(&module)) {
        return Vec::new();
    }
    let paths = paths(&source.masked).into_iter().filter(is_effect).map(|path| (path.offset, path.segments.join("::")));
    let prints = PRINTING.iter().flat_map(|name| words(&source.masked, &format!("{name}!")));
    let mut found: Vec<(usize, String)> = paths.chain(prints).collect();
    found.retain(|(offset, _)| !source.is_test(*offset));
    found.sort();
    found.iter().map(|(offset, what)| format!("{}: `{what}` in the core", source.place(*offset))).collect()
}

/// Whether the path is one of the effects, or asks a clock: `Timestamp::now`.
fn is_effect(path: &CodePath) -> bool {
    let asks_a_clock = matches!(path.segments.as_slice(), [.., clock, now]
        if now == "now" && clock.starts_with(|c: char| c.is_uppercase()));
    asks_a_clock || EFFECTS.iter().any(|effect| path.starts_with(effect))
}

/// Where a text stands as a word of its own.
fn words(masked: &str, word: &str) -> Vec<(usize, String)> {
    let goes_on = |offset: usize| {
        let before = word.starts_with(is_word) && masked[..offset].ends_with(is_word);
        let behind = word.ends_with(is_word) && masked[offset + word.len()..].starts_with(is_word);
        before || behind
    };
    let offsets = masked.match_indices(word).map(|(offset, _)| offset).filter(|offset| !goes_on(*offset));
    offsets.map(|offset| (offset, word.to_owned())).collect()
}

fn unsafe_or_ignored(source: &Source) -> Vec<String> {
    let is_run = |offset: usize| source.text[offset..].starts_with(RUN_BY_ANOTHER);
    let found = ["unsafe", "#[ignore"].into_iter().flat_map(|word| words(&source.masked, word));
    found
        .filter(|(offset, _)| !is_run(*offset))
        .map(|(offset, word)| format!("{}: `{word}`", source.place(offset)))
        .collect()
}

fn unwraps(source: &Source) -> Vec<String> {
    let found = words(&source.masked, ".unwrap()").into_iter().filter(|(offset, _)| !source.is_test(*offset));
    found.map(|(offset, _)| format!("{}: `unwrap` outside of tests", source.place(offset))).collect()
}

#[test]
fn the_core_has_no_effects() {
    let violations: Vec<String> = sources().iter().flat_map(effects).collect();
    expect_none(&violations, "The core returns values and takes `now`; the effect belongs into the shell.");
}

#[test]
fn nothing_is_unsafe_and_no_test_is_ignored() {
    let violations: Vec<String> = sources().iter().flat_map(unsafe_or_ignored).collect();
    expect_none(&violations, "Find the safe way; and mend, or delete, a test that cannot run.");
}

#[test]
fn only_tests_unwrap() {
    let violations: Vec<String> = sources().iter().flat_map(unwraps).collect();
    expect_none(&violations, "Return the error, or `expect(\"why this cannot be\")`.");
}

#[test]
fn an_effect_in_the_core_is_found() {
    let found = |name: &str, text: &str| effects(&Source::new(name, text)).join("\n");
    let table = [
        ("use std::{fmt, fs};", "std::fs"),
        ("use std::{env::var, net::{IpAddr, TcpStream}};", "std::env::var std::net::TcpStream"),
        ("let now = SystemTime::now();", "SystemTime::now"),
        ("let now = jiff::Timestamp::now();", "jiff::Timestamp::now"),
        ("tokio::spawn(x);", "tokio::spawn"),
        ("println!(); eprintln!(); sprint!();", "println! eprintln!"),
        ("use std::net::IpAddr; let now = self.now(); // std::fs", ""),
        ("#[cfg(test)]\nmod tests { use std::fs; }", ""),
    ];
    for (text, expected) in table {
        let effects: Vec<String> = found("src/plan/port.rs", text)
            .lines()
            .map(|line| line.split('`').nth(1).unwrap_or_default().to_owned())
            .collect();
        assert_eq!(effects.join(" "), expected, "{text}");
    }
    assert_eq!(found("src/plan/port.rs", "\nuse std::fs;"), "src/plan/port.rs:2: `std::fs` in the core");
    assert_eq!(found("src/store/open.rs", "use std::fs;"), "");
}

#[test]
fn unsafe_ignored_and_unwrapped_code_is_found() {
    let source = |text: &str| Source::new("src/store/open.rs", text);
    assert_eq!(unsafe_or_ignored(&source("unsafe { x() }")), ["src/store/open.rs:1: `unsafe`"]);
    assert_eq!(unsafe_or_ignored(&source("#[ignore = \"slow\"]\nfn f() {}")), ["src/store/open.rs:1: `#[ignore`"]);
    assert!(unsafe_or_ignored(&source("#[ignore = \"the child of `f`\"]\nfn g() {}")).is_empty());
    assert!(unsafe_or_ignored(&source("#![forbid(unsafe_code)] // unsafe")).is_empty());
    assert_eq!(unwraps(&source("\nx.unwrap();")), ["src/store/open.rs:2: `unwrap` outside of tests"]);
    assert!(unwraps(&source("x.unwrap_or(1); #[cfg(test)]\nmod tests { fn f() { x.unwrap(); } }")).is_empty());
}
