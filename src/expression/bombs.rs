//! Templates that try to take the process down. They run in a child process with little memory,
//! so that one that succeeds fails its test and nothing else.

use std::process::Command;

use rustix::process::{Resource, Rlimit, setrlimit};

use super::{
    ErrorKind,
    tests::{World, render},
};

/// What all of them together may add to the memory of a process.
const MOST_MEMORY_KIB: usize = 64 << 10;
/// An upper bound on the child's address space, for those that would not stop.
const ADDRESS_SPACE: u64 = 2 << 30;

fn bombs() -> Vec<(&'static str, String)> {
    let doubled = |step: &str, last: &str| format!("{{% set a = 'aaaaaaaa' %}}{}{last}", step.repeat(60));
    let looped = |step: &str| format!("{{% for i in range(1000) %}}{step}{{% endfor %}}");
    let macros = |call: &str| {
        format!(
            "{{% macro m(a, n) %}}{{% if n > 0 %}}{call}{{% else %}}{{{{ a|length }}}}{{% endif %}}{{% endmacro %}}{{{{ m('aaaa', 40) }}}}"
        )
    };
    let list: Vec<(&'static str, String)> = vec![
        ("indent", "{{ 'a'|indent(9999999999999) }}".into()),
        ("indent of a number", "{{ 1|indent(9999999999999) }}".into()),
        ("indent of a list", "{{ [1, 2]|indent(9999999999999) }}".into()),
        ("indent by name", "{{ 'a\\nb'|indent(width=9999999999) }}".into()),
        ("indent of many lines", "{{ ('\\n' * 1000 ~ '')|indent(100000) }}".into()),
        ("indent through map", "{{ ['a\\nb']|map('indent', 9999999999)|list }}".into()),
        ("format width", "{{ '%9999999999d'|format(1) }}".into()),
        ("format precision", "{{ '%.999999999f'|format(1.5) }}".into()),
        ("format many", "{{ ('%(a)99999d' * 90 ~ '')|format(a=1) }}".into()),
        ("format starred", "{{ '%*d'|format(999999999, 1) }}".into()),
        ("replace", "{% set n = 1000000 %}{{ ('a' * n)|replace('a', 'b' * 10000) }}".into()),
        ("replace of nothing", "{% set n = 1000000 %}{{ ('a' * n)|replace('', 'b' * n) }}".into()),
        ("join", "{% set n = 1000000 %}{{ range(10000)|join('a' * n) }}".into()),
        ("repeated text", "{% set n = 99999999 %}{{ 'a' * n }}".into()),
        ("repeated literal", "{{ 'a' * 99999999 }}".into()),
        ("repeated literals", "{{ 99999 * ('a' * 1000) }}".into()),
        ("negated literal", "{{ - - 99999 * 'aaaaaaaaaaaa' }}".into()),
        ("repeated list", "{% set n = 9999999 %}{{ [1] * n }}".into()),
        ("repeated list literal", "{{ [1] * 99999999 }}".into()),
        ("repeated tuple", "{% set n = 99999999 %}{{ (1, 2) * n }}".into()),
        ("repeated, reversed", "{% set n = 99999999 %}{{ n * [1]|list }}".into()),
        ("concatenation, set", doubled("{% set a = a ~ a %}", "{{ a }}")),
        ("addition, set", doubled("{% set a = a + a %}", "{{ a }}")),
        ("lists added, set", format!("{{% set a = [1] %}}{}{{{{ a|length }}}}", "{% set a = a + a %}".repeat(60))),
        ("lists nested, set", doubled("{% set a = [a, a] %}", "{{ a }}")),
        ("lists nested, compared", doubled("{% set a = [a, a] %}", "{{ a == [a] }}")),
        ("maps nested, set", doubled("{% set a = {'a': a, 'b': a} %}", "{{ a|tojson }}")),
        ("dicts nested, set", doubled("{% set a = dict(a=a, b=a) %}", "{{ a|tojson }}")),
        ("deep list", format!("{{% set a = 1 %}}{}{{{{ a }}}}", "{% set a = [a] %}".repeat(400))),
        ("deep slices", format!("{{% set a = [1] %}}{}{{{{ a }}}}", "{% set a = a[0:]|reverse|list %}".repeat(600))),
        ("block set", doubled("{% set a %}{{ a }}{{ a }}{% endset %}", "{{ a }}")),
        ("filter block", format!("{}x{}", "{% filter upper %}aa".repeat(200), "{% endfilter %}".repeat(200))),
        ("macro doubling", macros("{{ m(a ~ a, n - 1) }}")),
        ("macro tree", macros("{{ m(a, n - 1) }}{{ m(a, n - 1) }}")),
        ("endless macro", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}".into()),
        ("endless caller", "{% macro m() %}{% call m() %}{{ caller() }}{% endcall %}{% endmacro %}{{ m() }}".into()),
        ("endless loop", "{% for x in [[1]] recursive %}{{ loop([[1]]) }}{% endfor %}".into()),
        ("nested loops", looped(&looped(&looped("{{ 1 }}")))),
        ("raw text in loops", looped(&looped(&"x".repeat(50_000)))),
        ("raw text captured", format!("{{% set a %}}{}{{% endset %}}{{{{ a|length }}}}", looped(&"x".repeat(60_000)))),
        ("long output", looped(&"x".repeat(2000))),
        ("range", "{{ range(999999999)|list }}".into()),
        ("negative range", "{{ range(0, -999999999, -1) }}".into()),
        ("batch", "{{ [1]|batch(999999999, 'x') }}".into()),
        ("slice", "{{ [1]|slice(999999999) }}".into()),
        ("slice, filled", "{{ [1]|slice(99999999, 'x')|list }}".into()),
        ("characters", "{% set n = 1000000 %}{{ ('a' * n)|list|length }}".into()),
        ("split", "{% set n = 1000000 %}{{ (',' * n)|split(',')|length }}".into()),
        ("lines", "{% set n = 1000000 %}{{ ('\\n' * n)|lines|length }}".into()),
        ("JSON indent", "{% set n = 1000000 %}{{ [[1] * n]|tojson(indent=n) }}".into()),
        ("compared in loops", format!("{{% set n = 1000000 %}}{{% set a = 'a' * n %}}{}", looped("{{ a == a ~ '' }}"))),
        ("searched in loops", format!("{{% set n = 9000 %}}{{% set a = [1] * n %}}{}", looped("{{ 2 in a }}"))),
        ("tested in loops", format!("{{% set n = 9000 %}}{{% set a = [1] * n %}}{}", looped("{{ a is eq(a) }}"))),
        ("power", "{{ 9 ** 9 ** 9 ** 9 }}".into()),
        ("random", "{{ random_string(999999999) }}".into()),
        ("long text", "x".repeat(70_000)),
        ("long chain", format!("{{{{ 1{} }}}}", " + 1".repeat(10_000))),
        ("chain", format!("{{{{ 1{} }}}}", "+1".repeat(1900))),
        ("filter chain", format!("{{{{ 1{} }}}}", "|d".repeat(1900))),
        ("attribute chain", format!("{{{{ vars{} }}}}", ".a".repeat(1900))),
        ("concatenation chain", format!("{{{{ vars.version{} }}}}", "~1".repeat(1900))),
        ("if chain", format!("{{{{ 1{} }}}}", " if 1 else 1".repeat(900))),
        ("elif chain", format!("{{% if 1 %}}{}{{% endif %}}", "{% elif 1 %}".repeat(900))),
        ("parentheses", format!("{{{{ {}1{} }}}}", "(".repeat(1900), ")".repeat(1900))),
        ("brackets", format!("{{{{ {}1{} }}}}", "[".repeat(1900), "]".repeat(1900))),
        ("calls", format!("{{{{ {}1{} }}}}", "d(".repeat(900), ")".repeat(900))),
        ("minus signs", format!("{{{{ {}1 }}}}", "-".repeat(3000))),
        ("spaced minus signs", format!("{{{{ {}1 }}}}", "- ".repeat(3000))),
        ("nots", format!("{{{{ {}1 }}}}", "not ".repeat(3000))),
        ("mixed prefixes", format!("{{{{ {}1 }}}}", "not -(".repeat(900))),
        (
            "calls of minus signs",
            format!("{{{{ {}1{} }}}}", format!("{}d(", "-".repeat(90)).repeat(100), ")".repeat(100)),
        ),
        ("minus signs in many places", "{{ -1 }}".repeat(900)),
        ("ifs", "{% if 1 %}".repeat(900)),
        ("fors", "{% for a in a %}".repeat(500)),
        ("braces", "{{".repeat(30_000)),
    ];
    list
}

/// Templates that look like bombs and are not: they have a value.
fn duds() -> Vec<(&'static str, String)> {
    vec![
        ("added lists", format!("{{% set a = [1] %}}{}{{{{ a|length }}}}", "{% set a = a + [1] %}".repeat(360))),
        ("chained lists", format!("{{% set a = [1] %}}{}{{{{ a|length }}}}", "{% set a=a|chain([1]) %}".repeat(290))),
        ("chained maps", format!("{{% set a = {{}} %}}{}{{{{ a }}}}", "{% set a=a|chain({'b':1}) %}".repeat(240))),
        ("a comparison chain", format!("{{{{ 1{} }}}}", "<1".repeat(1900))),
        ("many statements", "{% if vars.debug %}x{% endif %}".repeat(400)),
        ("a large file twice", "{{ file('motd.txt')|indent(4)|upper|b64encode }}".repeat(100)),
        ("ten thousand rounds", "{% for i in range(10000) %}{{ i }}{% endfor %}".into()),
    ]
}

#[test]
fn bombs_fail_small() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["expression::bombs::explode", "--exact", "--ignored", "--nocapture", "--test-threads=1"])
        .output()
        .unwrap();
    let text = format!("{}\n{}", String::from_utf8_lossy(&child.stdout), String::from_utf8_lossy(&child.stderr));
    assert!(child.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "the child of `bombs_fail_small`"]
fn explode() {
    let limit = Rlimit { current: Some(ADDRESS_SPACE), maximum: Some(ADDRESS_SPACE) };
    setrlimit(Resource::As, limit).unwrap();
    assert!(render("{{ vars.version }}").is_ok());
    drop(World::new());
    let before = peak_memory_kib();
    for (name, template) in bombs() {
        eprintln!("{name}");
        let error = match render(&template) {
            Err(error) => error,
            Ok(rendered) => panic!("{name} became {} bytes", rendered.value.to_string().len()),
        };
        let is_refused = matches!(error.kind, ErrorKind::Limit | ErrorKind::Syntax | ErrorKind::Type);
        assert!(is_refused && error.text.len() < 1000, "{error:?}");
        let grown = peak_memory_kib() - before;
        assert!(grown < MOST_MEMORY_KIB, "{name} took {grown} KiB");
    }
}

#[test]
fn duds_do_not_fail() {
    for (name, template) in duds() {
        if let Err(error) = render(&template) {
            panic!("{name}: {error:?}");
        }
    }
}

fn peak_memory_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
