//! What is wrong gives one clear message and the right exit code, and changes nothing.

mod bombs;
mod documents;
mod files;
mod state;

use crate::scene::Scene;

/// What a command said that was refused: its exit code, its message. It must not have written data
/// or made an instance.
fn refusal(scene: &Scene, line: &str) -> String {
    let ran = scene.run(line);
    assert_eq!(ran.data, "", "{line}");
    assert!(scene.instances().is_empty(), "{line}");
    format!("exit {}\n{}", ran.code, ran.talk)
}
