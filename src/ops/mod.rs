//! Use cases: one file and one function each.

mod files;

pub use files::RealFiles;
