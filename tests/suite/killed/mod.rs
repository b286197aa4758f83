//! The real program, killed: at each fail point, and at random moments; and [while it restores
//! data](restoring).
//!
//! A [`Site`](site::Site) is a project that stands at one of two versions of a plan. A
//! [`Trial`](trial::Trial) applies the other one, kills the program meanwhile, recovers in one of
//! the ways that there are, and compares the world with what it should be: as before, instance by
//! instance, if the commit point was not reached, else as a deployment that was left alone makes it.

#[cfg(feature = "fail-points")]
mod elsewhere;
mod moments;
#[cfg(feature = "fail-points")]
mod points;
#[cfg(feature = "fail-points")]
mod restoring;
mod site;
mod tally;
mod trial;
mod world;

/// What `cargo test` alone leaves out is said where nobody captures it.
#[cfg(not(feature = "fail-points"))]
#[test]
fn fail_points_are_left_out() {
    use std::io::Write as _;
    let text = "LEFT OUT: a kill at each fail point needs `cargo test --features fail-points`, as tests/run does\n";
    std::io::stderr().write_all(text.as_bytes()).unwrap();
    assert!(std::env::var_os("CI").is_none(), "{text}and CI is set");
}

/// Whether what takes minutes is asked for: `tests/run --long`.
fn is_long() -> bool {
    std::env::var_os("ORCHESTRATE_TEST_LONG").is_some()
}
