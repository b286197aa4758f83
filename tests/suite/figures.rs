//! Where the suite writes down what it has proven.

use std::path::PathBuf;

/// A file in the target directory, wherever that is: a test's program is `debug/deps/<name>` in it.
pub fn file(name: &str) -> PathBuf {
    let program = std::env::current_exe().expect("a test knows its own program");
    program.ancestors().nth(3).expect("a test's program lies in the target directory").join(name)
}
