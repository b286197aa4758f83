//! Local processes, each under a supervisor of its own: the runtime that needs no engine.
//!
//! An instance is a directory `<state>/processes/<project>/<id>/`:
//!
//! | file | written by | what |
//! |---|---|---|
//! | `instance.json` | the runtime | what it is: name, identity, launch, spec; secrets sealed |
//! | `state.json` | its supervisor | what was last true: pid with start time, activity, exit code |
//! | `lock` | its supervisor | locked as long as that lives: the proof of life |
//! | `control.sock` | its supervisor | one JSON line a wish: stop, another restart policy |
//! | `log`, `log.1` … | its supervisor | its output, a time and a stream a line |
//!
//! A supervisor is this program run again, in its own session, so that it outlives whoever
//! started it; secrets go to it over its standard input. If it is killed, the process is found
//! again by pid and start time, and can be stopped. Nothing here survives a reboot, and nothing
//! comes back after one: an apply brings it back.
//!
//! Invariants: only what lies below the state directory is touched; no secret is written in the
//! clear; a name is held by one instance. Deliberately absent: limits, networks, mounts, and
//! isolation of any kind, which are what containers are for.

mod account;
mod by_hand;
mod create;
mod data_command;
mod directory;
mod environment;
mod exec;
mod executable;
mod files;
mod inherited;
mod launch;
mod listeners;
mod log_line;
mod log_reader;
mod notify;
mod observe;
mod perform;
mod processes;
mod protocol;
mod record;
mod registry;
mod signal;
mod status;
mod stop;
mod supervisor;
mod trouble;
mod watch;

pub use account::own_name;
pub(crate) use notify::awaitable;
pub use processes::Processes;
pub use status::UNKNOWN_EXIT_CODE;
pub use supervisor::supervise_if_asked;
