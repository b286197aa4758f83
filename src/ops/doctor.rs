use std::collections::BTreeMap;

use super::Context;
use crate::{
    diagnostic::Class,
    observed::Fault,
    report::{DoctorReport, Finding, bytes_text, count, list},
    runtime::docker::{Docker, EngineAddress, EngineExamination, OLDEST_ENGINE, resolve_host},
    store::{StateDirectory, Store as _},
};

/// Looks at everything that a deployment needs, and says what is in its way. Needs no plan and no
/// engine.
pub async fn doctor(context: &Context) -> DoctorReport {
    let mut findings = vec![Finding::good("orchestrate", env!("CARGO_PKG_VERSION"))];
    findings.extend(state_findings(&context.env));
    findings.extend(engine_findings(context).await);
    DoctorReport::new(findings)
}

/// With less room than this, a deployment may fail half-way for want of a journal.
const LITTLE_ROOM_BYTES: u64 = 256 << 20;
const NO_ROOM_BYTES: u64 = 16 << 20;

fn state_findings(env: &BTreeMap<String, String>) -> Vec<Finding> {
    let directory = match StateDirectory::open(env) {
        Ok(directory) => directory,
        Err(error) => return vec![Finding::bad("state directory", because(&error), error.hint())],
    };
    let path = directory.path().display();
    let elsewhere = "make room, or set `ORCHESTRATE_STATE_DIR` to a directory on another disk";
    let room = match directory.free_bytes() {
        None => Finding::good("state directory", path.to_string()),
        Some(free) => {
            let text = format!("{path}, {} free", bytes_text(free));
            match free {
                ..NO_ROOM_BYTES => Finding::bad("state directory", text, elsewhere),
                NO_ROOM_BYTES..LITTLE_ROOM_BYTES => Finding::doubtful("state directory", text, elsewhere),
                LITTLE_ROOM_BYTES.. => Finding::good("state directory", text),
            }
        }
    };
    let key = match directory.sealing_key() {
        Ok(_) => Finding::good("sealing key", "readable by its owner alone"),
        Err(error) => Finding::bad("sealing key", because(&error), error.hint()),
    };
    vec![room, database(&directory), key]
}

fn database(directory: &StateDirectory) -> Finding {
    let examined = directory.store().and_then(|store| {
        store.examine()?;
        store.deployments(None)
    });
    match examined {
        Ok(records) => Finding::good("database", format!("intact, {}", count(records.len(), "deployment"))),
        Err(error) => Finding::bad("database", because(&error), error.hint()),
    }
}

/// What went wrong, and why, in a line.
fn because(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

const ENGINE: &str = "docker engine";

async fn engine_findings(context: &Context) -> Vec<Finding> {
    let address = match resolve_host(context.host.as_deref(), None, &context.env) {
        Ok(address) => address,
        Err(fault) => return vec![Finding::bad(ENGINE, fault.text.clone(), remedy(&fault))],
    };
    let mut findings: Vec<Finding> = rival(context, &address).into_iter().collect();
    match Docker::with_patience(address, context.patience.clone()).examine().await {
        Ok(examination) => findings.extend(examined(&examination)),
        Err(fault) => findings.push(unreachable(&fault, context.host.is_some())),
    }
    findings
}

fn remedy(fault: &Fault) -> String {
    fault.hint.clone().unwrap_or_else(|| "look at the engine's own log".to_owned())
}

/// An engine that is not there is only missed by plans with containers, unless it was asked for.
fn unreachable(fault: &Fault, is_asked_for: bool) -> Finding {
    match (fault.class, is_asked_for) {
        (Class::Network, false) => {
            let remedy = format!("only plans with containers need one: {}", remedy(fault));
            Finding::doubtful(ENGINE, fault.text.clone(), remedy)
        }
        (_, true) | (_, false) => Finding::bad(ENGINE, fault.text.clone(), remedy(fault)),
    }
}

fn examined(engine: &EngineExamination) -> Vec<Finding> {
    let (major, minor) = OLDEST_ENGINE;
    let version = match engine.is_supported {
        true => Finding::good(ENGINE, &engine.name),
        false => Finding::doubtful(ENGINE, &engine.name, format!("update it to {major}.{minor} or later")),
    };
    let reach = match (engine.dials_containers, engine.has_published_ports) {
        (true, _) => Finding::good("checks", "reach containers at their own addresses"),
        (false, true) => Finding::doubtful(
            "checks",
            "reach containers only through published ports",
            "give services `ports` for those that their `http` and `tcp` checks ask",
        ),
        (false, false) => Finding::doubtful(
            "checks",
            "cannot dial containers from here: the engine runs on another host, behind this socket",
            "name the engine by its host's address (`tcp://…`), or check with `command` and `log`",
        ),
    };
    let cgroup = engine.cgroup_version.map_or_else(String::new, |version| format!(" (cgroup v{version})"));
    let limits = match engine.missing_limits.is_empty() {
        true => Finding::good("limits", format!("memory, cpus and pids are kept{cgroup}")),
        false => Finding::doubtful(
            "limits",
            format!("{} would not be kept{cgroup}", list(&engine.missing_limits)),
            "switch the missing cgroup controllers on in the kernel of the engine's host",
        ),
    };
    vec![version, reach, limits]
}

/// `DOCKER_HOST` hides what `docker context use` has chosen, which surprises.
fn rival(context: &Context, address: &EngineAddress) -> Option<Finding> {
    let docker_host = context.env.get("DOCKER_HOST").filter(|host| !host.is_empty())?;
    if context.host.is_some() {
        return None;
    }
    let mut env = (*context.env).clone();
    env.remove("DOCKER_HOST");
    let chosen = resolve_host(None, None, &env).ok()?;
    let is_default = chosen.to_string() == EngineAddress::DEFAULT;
    (chosen != *address && !is_default).then(|| {
        let text = format!("DOCKER_HOST is `{docker_host}`, the Docker context says `{chosen}`: DOCKER_HOST wins");
        Finding::doubtful("docker context", text, "unset DOCKER_HOST, or `docker context use default`")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Ink, doctor_text};

    #[test]
    fn an_engine_that_lacks_something_is_doubtful_not_bad() {
        let engine = EngineExamination {
            name: "docker 19.03.8 at tcp://build:2375".to_owned(),
            is_supported: false,
            dials_containers: false,
            has_published_ports: true,
            cgroup_version: Some("1"),
            missing_limits: vec!["memory", "pids"],
        };
        let report = DoctorReport::new(examined(&engine));
        assert!(report.ok);
        assert_eq!(
            doctor_text(&report, Ink::Plain),
            "\
warning  docker engine  docker 19.03.8 at tcp://build:2375
                        hint: update it to 20.10 or later
warning  checks         reach containers only through published ports
                        hint: give services `ports` for those that their `http` and `tcp` checks ask
warning  limits         memory and pids would not be kept (cgroup v1)
                        hint: switch the missing cgroup controllers on in the kernel of the engine's host
"
        );
    }

    #[test]
    fn an_absent_engine_is_only_bad_where_it_was_asked_for() {
        let absent = Fault::new(Class::Network, "engine-unreachable", "no socket").hint("start it");
        let forbidden = Fault::new(Class::Permission, "engine-forbidden", "not allowed").hint("join `docker`");
        let words = |fault: &Fault, is_asked_for| {
            doctor_text(&DoctorReport::new(vec![unreachable(fault, is_asked_for)]), Ink::Plain)
        };
        let table = [
            (
                words(&absent, false),
                "\
warning  docker engine  no socket
                        hint: only plans with containers need one: start it
",
            ),
            (words(&absent, true), "error    docker engine  no socket\n                        hint: start it\n"),
            (
                words(&forbidden, false),
                "error    docker engine  not allowed\n                        hint: join `docker`\n",
            ),
        ];
        for (text, expected) in table {
            assert_eq!(text, expected);
        }
    }
}
