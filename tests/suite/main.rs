//! The integration tests: one binary, so that it is linked once.

mod bad_input;
mod command_line;
mod commands;
mod docker;
mod docker_faults;
mod docker_runtime;
mod engine;
mod figures;
mod fixture;
mod fuzzed;
mod killed;
mod process;
mod process_runtime;
mod scene;
mod simulation;
mod snapshots;
mod stacks;
mod structure;
mod twice;
