//! The integration tests: one binary, so that it is linked once.

mod command_line;
mod commands;
mod docker;
mod docker_runtime;
mod engine;
mod fixture;
mod process_runtime;
mod structure;
