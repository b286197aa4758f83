use std::{
    collections::BTreeMap,
    io::{self, BufWriter, Write as _},
};

use futures_util::StreamExt as _;

use super::{Exit, LogsArguments, Session, Terminal, session::input_request};
use crate::{
    driver::Clock,
    ops::{self, Logs, LogsRequest, PlanRequest, Project, ProjectRequest},
    report::{LogLines, Tone, WarningReport},
    runtime::LogQuery,
};

/// `orchestrate logs`.
pub fn run(arguments: &LogsArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.inputs.host.clone())?;
    let request = LogsRequest {
        services: arguments.services.clone(),
        query: LogQuery {
            tail: arguments.tail,
            since: arguments.since.map(|since| since.moment(Clock::start().now())),
            follow: arguments.follow,
        },
    };
    let plan = PlanRequest { plan_file: arguments.plan.clone(), ..input_request(&arguments.inputs) };
    let wanted = ProjectRequest { project: arguments.project.clone(), plan };
    session.look(async {
        let project = Project::find(&session.context, &wanted)?;
        let logs = ops::logs(&session.context, &project, &request).await?;
        terminal.warn(&logs.warnings.iter().map(WarningReport::from).collect::<Vec<_>>());
        terminal.note(logs.unfinished.as_ref());
        write_out(logs, arguments.follow, terminal).await
    })
}

/// Writes lines as they come; in one go where nobody waits for them. Ends early, and quietly, when
/// nobody reads them any more.
async fn write_out(mut logs: Logs, is_followed: bool, terminal: &Terminal) -> anyhow::Result<Exit> {
    let prefixed = LogLines::new(logs.names, terminal.data_ink);
    let mut output = BufWriter::new(io::stdout());
    let mut exit = Exit::Ok;
    while let Some(line) = logs.lines.next().await {
        let written = match line {
            Ok(line) => output.write_all(prefixed.line(&line.name, &line.text).as_bytes()),
            Err(fault) => {
                // The others' lines are worth reading all the same.
                terminal.say(&format!("{}: {fault}\n", terminal.talk_ink.paint(Tone::Bad, "error")));
                exit = Exit::Failed;
                Ok(())
            }
        };
        let flushed = if is_followed { written.and_then(|()| output.flush()) } else { written };
        if let Some(exit) = broken_off(flushed)? {
            return Ok(exit);
        }
    }
    Ok(broken_off(output.flush())?.unwrap_or(exit))
}

fn broken_off(result: io::Result<()>) -> io::Result<Option<Exit>> {
    match result {
        Ok(()) => Ok(None),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Some(Exit::Ok)),
        Err(error) => Err(error),
    }
}
