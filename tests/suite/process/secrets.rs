//! A secret reaches its process and nobody else.

use crate::scene::Scene;

const SECRET: &str = "correct-horse-battery";
const SALTED: &str = "staple-of-the-night";

fn plan(end: &str) -> String {
    format!(
        r#"
vars: {{ pass: {{ type: string, sensitive: true }} }}
secrets: {{ token: {{}} }}
services:
  web:
    command: ["sh", "-c", "echo begun {{{{ secrets.token }}}} $PASS; {end}"]
    environment: {{ PASS: "{{{{ vars.pass }}}}", PLAIN: plain }}
    checks: [{{ log: {{ matches: begun }} }}]
"#
    )
}

/// The output of each command, and all files of the state directory but the services' own logs.
fn has_leaked(scene: &Scene, texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let secrets = [SECRET, SALTED];
    for text in texts {
        found.extend(secrets.iter().filter(|secret| text.contains(*secret)).map(|_| format!("output: {text}")));
    }
    for path in scene.state_files() {
        let content = std::fs::read(&path).unwrap();
        let has = |secret: &&str| content.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
        let is_own_log = path.file_name().is_some_and(|name| name == "log");
        if !is_own_log && secrets.iter().any(has) {
            found.push(path.display().to_string());
        }
    }
    found
}

#[test]
fn a_secret_reaches_its_process_and_no_output_or_state_of_ours() {
    let scene = Scene::new(&plan("exec sleep 1000")).env("TOKEN", SECRET).env("ORCHESTRATE_VAR_pass", SALTED);
    scene.write("environments/night.yaml", "secrets: { token: { env: TOKEN } }\n");
    // Destroying needs the same name of the project.
    scene.plan(&format!("project: fleet\n{}", plan("exec sleep 1000")));
    let mut outputs = Vec::new();
    let mut run = |line: &str| {
        let ran = scene.run(&format!("{line} -e night"));
        outputs.push(format!("{}{}", ran.data, ran.talk));
        ran
    };
    run("preview");
    run("preview --format json");
    assert_eq!(run("apply --events events.jsonl").code, 0);
    assert_eq!(scene.log("web"), format!("begun {SECRET} {SALTED}\n"));
    assert_eq!(run("apply --format json").code, 0);

    // It fails, having printed what it knows.
    scene.plan(&format!("project: fleet\n{}", plan("exit 9")));
    assert!(run("preview").data.contains("      command[2]: *** → ***"));
    let failed = run("apply --events failed.jsonl");
    assert_eq!(failed.code, 3);
    assert!(failed.data.contains("  | begun *** ***\n"), "{}", failed.data);
    assert_eq!(run("apply --format json").code, 3);
    assert_eq!(scene.log("web").lines().next().unwrap(), format!("begun {SECRET} {SALTED}"));

    for name in ["events.jsonl", "failed.jsonl"] {
        outputs.push(std::fs::read_to_string(scene.path(name)).unwrap());
    }
    let texts: Vec<&str> = outputs.iter().map(String::as_str).collect();
    assert_eq!(has_leaked(&scene, &texts), Vec::<String>::new());
}

#[test]
fn another_secret_is_a_change_that_shows_neither() {
    let plan = "\nvars: { pass: { type: string, sensitive: true } }\nservices:\n  web:\n    command: [sleep, \"1000\"]\n    \
                environment: { PASS: \"{{ vars.pass }}\" }\n";
    let scene = Scene::new(plan);
    assert_eq!(scene.run(&format!("apply --var pass={SECRET}")).code, 0);
    let preview = scene.run(&format!("preview --var pass={SALTED}"));
    assert!(
        preview.data.contains("      environment.PASS: *** → ***  (plan.yaml:9, vars.pass from --var)\n"),
        "{preview:#?}"
    );
    assert_eq!(has_leaked(&scene, &[&preview.data, &preview.talk]), Vec::<String>::new());
}
