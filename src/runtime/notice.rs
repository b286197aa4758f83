//! Commands that tell an instance that its files have other contents.

use std::time::Duration;

use crate::{diagnostic::Class, observed::Fault, plan::CommandLine};

/// How long one may take: a deployment has to end.
pub(super) const LIMIT: Duration = Duration::from_secs(300);
/// How much of what one wrote is told, in bytes.
pub(super) const OUTPUT_LIMIT: usize = 1000;

/// What the end of one means: anything but exit code 0 is a failure.
pub(super) fn command_ended(line: &CommandLine, name: &str, code: Option<i64>, output: &[u8]) -> Result<(), Fault> {
    if code == Some(0) {
        return Ok(());
    }
    let ended = code.map_or_else(|| "had no end".to_owned(), |code| format!("exited with code {code}"));
    let output = String::from_utf8_lossy(&output[..output.len().min(OUTPUT_LIMIT)]);
    let output = output.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = if output.is_empty() { String::new() } else { format!(": {output}") };
    Err(Fault::new(Class::Deployment, "on-change-failed", format!("`{line}` in `{name}` {ended}{said}"))
        .hint("it is what `on_change` runs once new contents are in place"))
}
