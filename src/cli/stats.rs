use std::{collections::BTreeMap, time::Duration};

use serde_json::json;

use super::{Exit, Format, Session, StatsArguments, Terminal, session::project_request};
use crate::{
    ops::Stats,
    report::{FORMAT_VERSION, UsageLine, usage_table},
};

/// Between two looks: what is used of a processor is told of this time.
const INTERVAL: Duration = Duration::from_secs(1);

/// `orchestrate stats`.
pub fn run(arguments: &StatsArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.which.inputs.host.clone())?;
    let project = session.project(terminal, &project_request(&arguments.which.project()))?;
    let is_drawn = std::io::IsTerminal::is_terminal(&std::io::stdout()) && arguments.format == Format::Text;
    session.look(async {
        let mut warnings = Vec::new();
        let begun = Stats::begin(&session.context, &project, &arguments.services, &mut warnings).await;
        terminal.warn_of(&warnings);
        let mut stats = begun?;
        stats.look().await?;
        loop {
            tokio::time::sleep(INTERVAL).await;
            let lines = stats.look().await?;
            let text = match arguments.format {
                Format::Text => usage_table(&lines, terminal.data_ink),
                Format::Json => line(&lines),
            };
            // The screen is cleared from its top on, so that what was there before does not stay.
            let frame = if is_drawn && !arguments.no_stream { format!("\u{1b}[H\u{1b}[J{text}") } else { text };
            if !terminal.print_on(&frame)? || arguments.no_stream {
                return Ok(Exit::Ok);
            }
            stats.refresh(&session.context).await?;
        }
    })
}

fn line(lines: &[UsageLine]) -> String {
    format!("{}\n", json!({ "format_version": FORMAT_VERSION, "instances": lines }))
}
