use serde::Serialize;

use super::{Cell, Ink, Table, Tone, millis_text};
use crate::action::CommandKind;

/// How a hook or test of a deployment went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommandReport {
    pub kind: CommandKind,
    pub name: String,
    pub duration_ms: u64,
    /// Why it failed, if it did.
    pub error: Option<String>,
    /// The last lines that it wrote.
    pub output: Vec<String>,
}

/// Hooks and tests, a line each, and what those wrote that failed.
pub(super) fn commands_text(commands: &[CommandReport], ink: Ink) -> String {
    if commands.is_empty() {
        return String::new();
    }
    let failed = commands.iter().filter(|command| command.error.is_some() && !command.output.is_empty());
    let mut text: String = failed.map(|command| output_text(command, ink)).collect();
    let mut table = Table::new(["COMMAND", "NAME", "RESULT", "TOOK"]);
    for CommandReport { kind, name, duration_ms, error, .. } in commands {
        let result = match error {
            None => Cell::new("passed", Tone::Good),
            Some(_) => Cell::new("failed", Tone::Bad),
        };
        table.row([kind.as_str().into(), name.as_str().into(), result, millis_text(*duration_ms).into()]);
    }
    text.push_str(&table.render(ink));
    text
}

fn output_text(command: &CommandReport, ink: Ink) -> String {
    let title = ink.paint(Tone::Strong, &format!("{} {}", command.kind.as_str(), command.name));
    let lines = command.output.iter().map(|line| format!("  {} {line}\n", ink.paint(Tone::Faint, "|")));
    format!("{title}\n{}\n", lines.collect::<String>())
}
