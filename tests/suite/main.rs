//! The integration tests: one binary, so that it is linked once.

mod bad_input;
mod command_line;
mod commands;
mod docker;
mod engine;
mod fixture;
mod process;
mod scene;
mod structure;
