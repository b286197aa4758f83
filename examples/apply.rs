//! Applies a plan from a program, and prints each event as it comes.
//!
//! `cargo run --example apply -- examples/quickstart/plan.yaml`

use std::process::ExitCode;

use orchestrate::{
    event::Moment,
    ops::{self, ApplyRequest, Context, PlanRequest, Preview, PreviewRequest, Watcher},
    report::{Level, event_line},
    runtime::process::supervise_if_asked,
};

struct Printer;

impl Watcher for Printer {
    fn event(&mut self, moment: &Moment) {
        if let Some(line) = event_line(&moment.event, Level::Verbose) {
            println!("{}  {line}", moment.at);
        }
    }

    fn confirm(&mut self, preview: &Preview) -> Option<bool> {
        println!("going on with: {}", preview.report().counts());
        Some(true)
    }
}

fn main() -> ExitCode {
    // The supervisors of local processes are this program, started again.
    if let Some(code) = supervise_if_asked() {
        return code;
    }
    let runtime = tokio::runtime::Runtime::new().expect("threads can be had");
    match runtime.block_on(deploy()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn deploy() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let context = Context::of_process()?;
    let plan = PlanRequest { plan_file: std::env::args_os().nth(1).map(Into::into), ..PlanRequest::default() };
    let preview = ops::preview(&context, &PreviewRequest { plan: plan.clone(), ..PreviewRequest::default() }).await?;
    println!("{}", preview.report().counts());
    let request = ApplyRequest { plan, ..ApplyRequest::default() };
    let report = ops::apply(&context, &request, &mut Printer).await?;
    println!("{}", report.outcome.as_str());
    Ok(if report.error.is_none() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
