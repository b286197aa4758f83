//! The integration tests: one binary, so that it is linked once.

mod command_line;
mod commands;
mod docker;
mod engine;
mod fixture;
mod structure;
