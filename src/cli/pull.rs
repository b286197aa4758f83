use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Exit, ProgressMode, PullArguments, RefreshWhen, Session, Terminal, session::project_request};
use crate::{
    ops::{self, Pulled},
    plan::ImageReference,
    report::Tone,
    runtime::{Progress, PullPolicy},
};

/// `orchestrate pull`.
pub fn run(arguments: &PullArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.which.inputs.host.clone())?;
    let project = session.project(terminal, &project_request(&arguments.which.project()))?;
    let policy = match arguments.policy {
        RefreshWhen::Always => PullPolicy::Always,
        RefreshWhen::Missing => PullPolicy::Missing,
    };
    let progress = say_progress(terminal);
    let ink = terminal.talk_ink;
    let mut failed = 0;
    let mut told = |image: &ImageReference, pulled: &Pulled| match pulled {
        Pulled::New => terminal.say(&format!("{image}: {}\n", ink.paint(Tone::Good, "pulled"))),
        Pulled::UpToDate => terminal.say(&format!("{image}: {}\n", ink.paint(Tone::Faint, "up to date"))),
        Pulled::Failed(fault) => {
            failed += 1;
            terminal.say(&format!("{image}: {}: {fault}\n", ink.paint(Tone::Bad, "failed")));
            if let Some(hint) = &fault.hint {
                terminal.say(&format!("  {}: {hint}\n", ink.paint(Tone::Strong, "hint")));
            }
        }
    };
    let what = (arguments.services.as_slice(), policy);
    session.look(ops::pull(&session.context, &project, what, &progress, &mut told))?;
    Ok(if failed > 0 && !arguments.ignore_pull_failures { Exit::Failed } else { Exit::Ok })
}

/// Shows how far pulls have come, on a terminal: a bar an image.
pub fn say_progress(terminal: &Terminal) -> impl Fn(Progress) + Send + Sync + use<> {
    let is_drawn = matches!(terminal.progress_mode(), ProgressMode::Board(_));
    let all = MultiProgress::with_draw_target(match is_drawn {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    });
    // Pulls run side by side, and each tells of itself: held for microseconds.
    let bars: Mutex<BTreeMap<String, ProgressBar>> = Mutex::default();
    move |progress| {
        let Progress::Pull { image, current_bytes, total_bytes } = progress else { return };
        let mut bars = bars.lock().unwrap_or_else(PoisonError::into_inner);
        let bar = bars.entry(image.clone()).or_insert_with(|| {
            let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes}");
            let bar = all.add(ProgressBar::new(total_bytes).with_message(image));
            bar.with_style(style.expect("the template is valid"))
        });
        bar.set_length(total_bytes);
        bar.set_position(current_bytes);
        if current_bytes >= total_bytes {
            bar.finish_and_clear();
        }
    }
}
