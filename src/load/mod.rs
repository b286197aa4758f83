//! Text → [`Plan`](crate::plan::Plan).
//!
//! The order: parse with spans → include → environment overlay → named checks → variables →
//! render → schema → typed → rules. [`load`] is that sentence. Every problem of a document comes
//! out in one go, each with its place; what was reported once is marked as broken in the tree, so
//! that nothing that follows from it is reported again.
//!
//! Invariants: a value can never change the document's structure, since templates are rendered
//! after parsing; a secret only reaches fields that hold a [`Text`](crate::secret::Text), because
//! the decoder presents it as something that nothing else understands; no file outside of the
//! repository's root is read; work and memory are bounded by the size of what was written.
//! Deliberately absent: I/O (texts come through [`Files`]), the graph and its cycles, and anything
//! that only the engine can know, such as whether an absolute bind path exists.
//!
//! Paths in a document start at the directory of the file that they are written in.

mod across;
mod adopted;
mod compose;
mod conflict;
mod content;
mod decode;
mod document;
mod dollar;
mod dotenv;
mod env_file;
mod files;
mod format;
mod hook_rule;
mod identity;
mod ignored_rule;
mod import;
mod include;
mod inputs;
mod library;
mod moved_rule;
mod named_check;
mod names;
mod network_rule;
mod node;
mod on_change_rule;
mod output;
mod overlay;
mod parse;
mod pipeline;
mod plan_yaml;
mod problem;
mod process_files_rule;
mod render;
mod rule;
mod schema;
mod settle;
mod sharing_rule;
mod snapshot_rule;
mod target;
mod validate;
mod variable;
mod vocabulary;

pub use across::{Neighbour, conflicts};
pub use adopted::{ADOPTED_FILE, with_adopted};
pub use compose::{COMPOSE_FILES, ComposeInputs, dotenv_value, is_compose_name};
pub use document::Document;
pub use files::{FileError, Files};
pub use identity::identify;
pub use import::{ImportRequest, Imported, import, literal};
pub use inputs::{EnvironmentChoice, Inputs, LoadFailure, Loaded};
pub use library::MAX_FILE_BYTES;
pub use output::{OutputValue, Outputs};
pub use pipeline::{load, repository_root};
pub use plan_yaml::{document_yaml, plan_yaml};
pub use problem::nearest;
pub use schema::{environment_schema, plan_schema};

use node::{Entry, MergeTag, Node, Scalar, ScalarKind, ScalarState, Value};

#[cfg(test)]
mod tests;
