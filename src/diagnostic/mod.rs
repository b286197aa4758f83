//! Problems as values: what is wrong, where, why, and what to do.
//!
//! Any part of the core may return [`Diagnostic`]s; only `report` turns them into text. A
//! diagnostic never holds a secret: labels point into files, and summaries quote names.
//! Deliberately absent: colour, terminal width, and reading files. The texts that spans point
//! into come along as [`Sources`].

mod problem;
mod source;

pub use problem::{Class, Diagnostic, Diagnostics, Label, Severity};
pub use source::{FileId, FileShift, Origin, Origins, Position, Sources, Span};
