use std::process::Command;

use super::refusal;
use crate::scene::Scene;

/// Of addresses, which the program's threads take most of; a bomb would take more.
const ADDRESS_SPACE_KIB: u32 = 768 << 10;

/// Small texts that would become large, or never end.
fn bombs() -> Vec<String> {
    let templates = [
        "{{ 'a'|indent(9999999999999) }}",
        "{{ 1|indent(9999999999999) }}",
        "{{ '%9999999999d'|format(1) }}",
        "{{ ('a' * 1000000)|replace('a', 'b' * 10000) }}",
        "{{ [1] * 1000000000 }}",
        "{% for a in range(99999) %}{% for b in range(99999) %}{{ b }}{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% set a = 'aaaaaaaaaa' %}{% for i in range(99) %}{% set a = a ~ a %}{{ a }}{% endfor %}{{ (1,) * 99999 }}",
    ];
    let command = |template: &str| format!("services: {{ web: {{ command: [sleep, \"{template}\"] }} }}\n");
    let mut bombs: Vec<String> = templates.iter().map(|template| command(template)).collect();
    let lines = (1..40).map(|n| format!("x-{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", ")));
    let services = "services: { web: { command: *a39 } }\n";
    bombs.push(format!("x-0: &a0 [lol, lol]\n{}{services}", lines.collect::<String>()));
    let merged = (1..40).map(|n| format!("x-{n}: &a{n} {{ a: *a{0}, b: *a{0}, <<: *a{0} }}\n", n - 1));
    bombs.push(format!("x-0: &a0 {{ lol: lol }}\n{}{services}", merged.collect::<String>()));
    bombs.push(format!("x-0: {}{}\n", "[".repeat(100_000), "]".repeat(100_000)));
    bombs.push(format!("x-0: {}1{}\n", "{ a: ".repeat(100_000), " }".repeat(100_000)));
    bombs
}

#[test]
fn bombs_are_refused_in_little_memory() {
    for bomb in bombs() {
        let scene = Scene::new(&bomb);
        let program = scene.command("apply");
        let mut limited = Command::new("sh");
        limited.args(["-c", &format!("ulimit -v {ADDRESS_SPACE_KIB}; exec \"$0\" apply")]).arg(program.get_program());
        limited.current_dir(scene.path("")).env_clear();
        limited.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = limited.output().unwrap();
        let talk = String::from_utf8(output.stderr).unwrap();
        let shown: String = bomb.chars().take(80).collect();
        assert_eq!(output.status.code(), Some(65), "{shown}: {talk}");
        assert!(talk.starts_with("error[too-large]: ") || talk.starts_with("error[syntax]: "), "{shown}: {talk}");
        assert!(talk.len() < 2000, "{shown}: {} bytes were said", talk.len());
        assert!(scene.instances().is_empty());
    }
}

#[test]
fn a_plan_of_64_megabytes_is_refused_unread() {
    let scene = Scene::empty();
    std::fs::File::create(scene.path("plan.yaml")).unwrap().set_len(64 << 20).unwrap();
    let text = "\
exit 65
error[too-large]: `plan.yaml` cannot be read: it has 67108864 bytes, more than the 16777216 that are read
  hint: split it, or take out what does not belong in it

1 error
";
    crate::scene::assert_text(&refusal(&scene, "apply"), text);
}
