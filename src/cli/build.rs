use std::{collections::BTreeMap, sync::Mutex};

use super::{BuildArguments, Exit, Session, Terminal, session::project_request};
use crate::{
    name::ServiceName,
    ops::{self, BuildRequest},
    plan::ImageReference,
    report::count,
    runtime::Progress,
};

/// `orchestrate build`.
pub fn run(arguments: &BuildArguments, terminal: &Terminal, env: &BTreeMap<String, String>) -> anyhow::Result<Exit> {
    let session = Session::new(env, arguments.which.inputs.host.clone())?;
    let request = BuildRequest {
        plan: project_request(&arguments.which.project()).plan,
        services: arguments.services.clone(),
        pull: arguments.pull,
        no_cache: arguments.no_cache,
    };
    // The engine's answers come while this waits for them: held for microseconds.
    let talk = Mutex::new(terminal.clone());
    let say = |text: String| {
        if let Ok(terminal) = talk.lock() {
            terminal.say(&text);
        }
    };
    let progress = |progress: Progress| match progress {
        Progress::Build { step, steps, text, .. } => say(format!("  step {step} of {steps}: {text}\n")),
        Progress::Pull { .. } => {}
    };
    let mut on = |service: &ServiceName, image: &ImageReference| say(format!("{service}: building {image}\n"));
    let built = session.look(ops::build(&session.context, &request, &progress, &mut on))?;
    terminal.say(&match built {
        0 => "no service is built: none has `build`\n".to_owned(),
        built => format!("{} built\n", count(built, "image")),
    });
    Ok(Exit::Ok)
}
