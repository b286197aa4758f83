//! The command line's wiring: streams and exit codes of the real program.

use std::{path::Path, process::Command};

use crate::scene::Scene;

/// Runs `orchestrate` in a directory of its own, and answers exit code, stdout and stderr.
fn run(directory: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_orchestrate"))
        .args(arguments)
        .current_dir(directory)
        .env_clear()
        .env("HOME", directory)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_starter_plan_is_written_once() {
    let directory = tempfile::tempdir().unwrap();
    let talk = "wrote `plan.yaml`\n\nnext:\n  orchestrate preview plan.yaml\n  orchestrate apply plan.yaml\n";
    assert_eq!(run(directory.path(), &["init"]), (0, String::new(), talk.to_owned()));
    let refusal = "error: `plan.yaml` is there already, and is not overwritten\n";
    assert_eq!(run(directory.path(), &["init"]), (1, String::new(), refusal.to_owned()));
}

#[test]
fn usage_errors_exit_with_64_and_write_no_data() {
    let directory = tempfile::tempdir().unwrap();
    for arguments in [&["aply"][..], &["apply", "--parallelism", "0"], &["show"], &["apply", "-v", "-q"], &[]] {
        let (code, data, talk) = run(directory.path(), arguments);
        assert_eq!((code, data.as_str()), (64, ""), "{arguments:?}");
        assert!(!talk.is_empty(), "{arguments:?}");
    }
}

#[test]
fn names_that_are_not_there_exit_with_64_and_name_the_nearest() {
    let scene = Scene::new(
        "services:\n  web: { command: [sleep, \"1000\"] }\n  api: { command: [sleep, \"1000\"] }\nvolumes: { data: {} }\n",
    );
    let service = "error: there is no service `wep`\n  hint: did you mean `web`?\n";
    let table = [
        ("apply --only wep", service),
        ("apply --force-recreate=wep", service),
        ("preview --only api,wep", service),
        ("check --only wep", service),
        ("logs wep", service),
        (
            "logs queue",
            "error: there is no service `queue`\n  hint: `orchestrate graph` lists the plan's services, `orchestrate status` those that run\n",
        ),
        ("destroy --yes --volumes dta", "error: there is no volume `dta`\n  hint: did you mean `data`?\n"),
        ("destroy --yes --volumes cache", "error: there is no volume `cache`\n  hint: the plan's volumes: `data`\n"),
    ];
    for (line, talk) in table {
        let ran = scene.run(line);
        assert_eq!((ran.code, ran.data.as_str(), ran.talk.as_str()), (64, "", talk), "{line}");
    }
    assert!(scene.instances().is_empty());
}

#[test]
fn what_was_asked_for_goes_to_stdout() {
    let directory = tempfile::tempdir().unwrap();
    let version = format!("orchestrate {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(run(directory.path(), &["--version"]), (0, version, String::new()));
    for arguments in [&["--help"][..], &["apply", "--help"], &["completions", "bash"]] {
        let (code, data, talk) = run(directory.path(), arguments);
        assert_eq!((code, talk.as_str()), (0, ""), "{arguments:?}");
        assert!(data.contains("orchestrate"), "{arguments:?}");
    }
}
