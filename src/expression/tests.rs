use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use super::*;
use crate::secret::Secret;

/// Files, a clock and dice that always say the same.
pub(super) struct Fixed;

impl Host for Fixed {
    fn file(&self, path: &str) -> Result<String, String> {
        match path {
            "motd.txt" => Ok("hello\nworld\n".into()),
            "large.bin" => Ok("x".repeat(2 << 20)),
            _ => Err(format!("there is no file `{path}`")),
        }
    }

    fn now(&self, _: &str) -> String {
        "2026-11-20T10:00:00Z".into()
    }

    fn random_string(&self, place: &str, length: usize) -> String {
        place.chars().rev().cycle().take(length).collect()
    }
}

/// The scope of all tests here.
pub(super) struct World {
    vars: Arc<BTreeMap<String, Variable>>,
    secrets: Arc<BTreeMap<String, Secret>>,
    env: Arc<BTreeMap<String, String>>,
}

impl World {
    pub(super) fn new() -> Self {
        let plain = |value| Variable { value, sensitive: false };
        let vars = [
            ("version", plain(json!("3.0.0"))),
            ("replicas", plain(json!(3))),
            ("ratio", plain(json!(0.5))),
            ("debug", plain(json!(true))),
            ("nothing", plain(json!(null))),
            ("ports", plain(json!([80, 443]))),
            ("db", plain(json!({ "host": "pg", "port": 5432 }))),
            ("token", Variable { value: json!("t0psecret"), sensitive: true }),
            ("pin", Variable { value: json!(271828), sensitive: true }),
        ];
        Self {
            vars: Arc::new(vars.map(|(name, variable)| (name.to_owned(), variable)).into()),
            secrets: Arc::new([("password".to_owned(), Secret::new("hunter2"))].into()),
            env: Arc::new([("HOME".to_owned(), "/home/ada".to_owned())].into()),
        }
    }

    pub(super) fn scope(&self) -> Scope<'_> {
        Scope {
            vars: &self.vars,
            secrets: &self.secrets,
            env: &self.env,
            environment: None,
            plan: "fleet",
            service: Some("web"),
            services: None,
        }
    }
}

pub(super) fn render(template: &str) -> Result<Rendered, ExpressionError> {
    Expressions::new(Box::new(Fixed)).render(template, &World::new().scope(), "services.web.image")
}

#[test]
fn values_keep_their_type() {
    let table = [
        ("plain", json!("plain")),
        ("", json!("")),
        ("v{{ vars.version }}", json!("v3.0.0")),
        ("{{ vars.version }}\n", json!("3.0.0\n")),
        ("{{ vars.replicas }}", json!(3)),
        ("{{ config.replicas }}", json!(3)),
        (" {{ vars.replicas }}", json!(" 3")),
        ("{# how many #}{{ vars.replicas + 1 }}", json!(4)),
        ("{{ vars.replicas * 2 }}", json!(6)),
        ("{{ 7 // 2 }}", json!(3)),
        ("{{ 7 / 2 }}", json!(3.5)),
        ("{{ vars.ratio }}", json!(0.5)),
        ("{{ vars.debug }}", json!(true)),
        ("{{ not vars.debug }}", json!(false)),
        ("{{ vars.nothing }}", json!(null)),
        ("{{ vars.ports }}", json!([80, 443])),
        ("{{ vars.ports + [8080] }}", json!([80, 443, 8080])),
        ("{{ vars.db }}", json!({ "host": "pg", "port": 5432 })),
        ("{{ {'a': 1, 'b': [true, none]} }}", json!({ "a": 1, "b": [true, null] })),
        ("{{ (1, 2) }}", json!([1, 2])),
        ("{{ vars.db.host }}:{{ vars.db['port'] }}", json!("pg:5432")),
        ("{{ vars.ports[0] }}", json!(80)),
        ("{{ vars.ports[1:] }}", json!([443])),
        ("{{ vars.version[::-1] }}", json!("0.0.3")),
        ("{{ plan }}/{{ service }}", json!("fleet/web")),
        ("{{ environment }}", json!(null)),
        ("{{ 'x' if vars.debug else 'y' }}", json!("x")),
        ("{{ 'x' if not vars.debug }}", json!("")),
        ("{{ vars.replicas > 2 and vars.replicas <= 3 }}", json!(true)),
        ("{{ 1 < vars.replicas < 9 }}", json!(true)),
        ("{{ 1 < 2 < 'a' }}", json!(true)),
        ("{{ 80 in vars.ports }}", json!(true)),
        ("{{ 'x' not in vars.version }}", json!(true)),
        ("{{ 'version' in vars }}", json!(true)),
        ("{{ vars.version ~ '-' ~ vars.replicas }}", json!("3.0.0-3")),
        (
            "{{ vars.debug }} {{ vars.ratio }} {{ vars.db }} {{ [true, none] }}",
            json!(r#"true 0.5 {"host":"pg","port":5432} [true,null]"#),
        ),
        (
            "{{ vars.debug ~ vars.ports }} {{ vars.debug|string }} {{ [1, true, 'a']|join('-') }}",
            json!("true[80,443] true 1-true-a"),
        ),
        ("{{ [{'n': 1}, {'n': 2}]|join(',', attribute='n') }}", json!("1,2")),
        ("{{ '-' * 5 }}", json!("-----")),
        ("{{ 'a' + 'b' }}", json!("ab")),
        ("{{ '%s-%03d'|format('a', 7) }}", json!("a-007")),
        ("{% raw %}{{ .Names }}{% endraw %}", json!("{{ .Names }}")),
        ("{% for p in vars.ports %}-p {{ p }} {% endfor %}", json!("-p 80 -p 443 ")),
        ("{% for p in vars.ports if p > 100 %}{{ loop.index }}:{{ p }}{% else %}none{% endfor %}", json!("1:443")),
        ("{% for p in [] %}x{% else %}none{% endfor %}", json!("none")),
        ("{% for k, v in vars.db|items %}{{ k }}={{ v }};{% endfor %}", json!("host=pg;port=5432;")),
        ("{% if vars.debug %}--debug{% elif 1 %}a{% else %}b{% endif %}", json!("--debug")),
        ("{% set a, b = (1, 2) %}{{ a }}{{ b }}", json!("12")),
        ("{% set a %}x{{ 1 }}{% endset %}{{ a }}", json!("x1")),
        ("{% macro m(x, y='!') %}<{{ x }}{{ y }}>{% endmacro %}{{ m('a') }}{{ m('b', y='?') }}", json!("<a!><b?>")),
        ("{% macro m() %}({{ caller() }}){% endmacro %}{% call m() %}in{% endcall %}", json!("(in)")),
        ("{% filter upper %}a{{ 'b' }}{% endfilter %}", json!("AB")),
        ("{% with x = 5 %}{{ x }}{% endwith %}", json!("5")),
        ("{% for x in [1, [2, [3]]] recursive %}{{ loop(x) if x is iterable else x }}{% endfor %}", json!("123")),
        ("{{ now() }}", json!("2026-11-20T10:00:00Z")),
        ("at {{ now().isoformat() }}", json!("at 2026-11-20T10:00:00Z")),
        ("{{ random_string(4) }}-{{ random_string(4) }}", json!("egam-2#eg")),
        ("{{ file('motd.txt') }}", json!("hello\nworld\n")),
        ("{{ file('motd.txt')|indent(2) }}", json!("hello\n  world")),
        ("{{ file('motd.txt')|lines|join('+') }}", json!("hello+world")),
        ("{{ base64_encode('ab') }} {{ 'ab'|b64encode }} {{ 'YWI='|b64decode }}", json!("YWI= YWI= ab")),
        ("{{ 'abc'|sha256 }}", json!("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")),
        ("{{ vars.db|tojson }}", json!(r#"{"host":"pg","port":5432}"#)),
        ("{{ '<b>'|tojson }}", json!(r#""<b>""#)),
        ("{{ 'a b&c'|urlencode }}", json!("a%20b%26c")),
        ("{{ ['b', 'a']|sort|map('upper')|join(',') }}", json!("A,B")),
        ("{{ range(3) }} {{ range(5, 1, -2) }}", json!("[0,1,2] [5,3]")),
        ("{{ dict(a=1) }}", json!({ "a": 1 })),
        ("{{ env.HOME }} {{ env('HOME') }} {{ env('NOPE', 'x') }}", json!("/home/ada /home/ada x")),
        ("{{ vars.nope|default('d') }} {{ vars.nope is defined }} {{ env.NOPE|d('e') }}", json!("d false e")),
        ("{{ vars|attr('version') }}", json!("3.0.0")),
        ("{{ 18446744073709551615 }}", json!(u64::MAX)),
    ];
    for (template, expected) in table {
        let rendered = render(template).unwrap_or_else(|error| panic!("{template}: {error:?}"));
        assert_eq!(rendered.value, expected, "{template}");
        assert!(!rendered.is_secret, "{template}");
    }
}

#[test]
fn what_a_secret_had_a_part_in_is_secret() {
    let table = [
        ("{{ secrets.password }}", true),
        ("x{{ secrets['password'] }}", true),
        ("{{ secrets.password|sha256 }}", true),
        ("{% if secrets.password %}on{% endif %}", true),
        ("{{ 1 if secrets.password == 'a' else 2 }}", true),
        ("{% set s = secrets %}{% set t = s.password %}{{ t|length }}", true),
        ("{% macro m(x) %}{{ x.password|first }}{% endmacro %}{{ m(secrets) }}", true),
        ("{{ secrets|attr('password') }}", true),
        ("{{ 'password' in secrets }}", true),
        ("{{ vars.token }}", true),
        ("{{ config.token|upper }}", true),
        ("{{ vars|tojson }}", true),
        ("{{ vars }}", true),
        ("{{ vars|items|length }}", true),
        ("{{ dict(vars)['version'] }}", true),
        ("{% for name in vars %}{{ vars[name]|string if vars[name] }}{% endfor %}", true),
        ("{{ secrets.nope|default('d') }}", false),
        ("{% if false %}{{ secrets.password }}{% endif %}", false),
        ("{% for name in vars %}{{ name }}{% endfor %}", false),
        ("{{ 'token' in ['token'] }}", false),
        ("{{ random_string(8) }}", false),
        ("{{ vars.version }}", false),
    ];
    for (template, is_secret) in table {
        let rendered = render(template).unwrap_or_else(|error| panic!("{template}: {error:?}"));
        assert_eq!(rendered.is_secret, is_secret, "{template}");
    }
}

#[test]
fn variables_that_are_read_are_named() {
    let table = [
        ("{{ vars.version }}:{{ config['db'].host }}", "db version"),
        ("{{ 'x' }}", ""),
        ("{% if vars.debug or vars.version %}x{% endif %}", "debug"),
        ("{{ vars.nope|default(vars.ratio) }}", "ratio"),
        ("{{ vars|length }}", "db debug nothing pin ports ratio replicas token version"),
    ];
    for (template, expected) in table {
        let names: Vec<String> = render(template).unwrap().variables.into_iter().collect();
        assert_eq!(names.join(" "), expected, "{template}");
    }
}

#[test]
fn errors_say_what_where_and_what_to_do() {
    let table = [
        ("{{ vars.versoin }}", "Undefined: there is no variable `versoin` [vars.versoin] did you mean `vars.version`?"),
        (
            "a {{ vars.zzz ~ 'x' }}",
            "Undefined: there is no variable `zzz` [vars.zzz] declare it under `vars:`, as in `vars: { zzz: { default: … } }`",
        ),
        (
            "{{ version }}",
            "Undefined: `version` is not defined [version] variables are in `vars`: write `vars.version`",
        ),
        ("{{ secret.x }}", "Undefined: `secret` is not defined [secret] did you mean `secrets`?"),
        ("{{ vars.db.hots }}", "Undefined: `vars.db.hots` is not defined [vars.db.hots] -"),
        (
            "{{ secrets.pasword }}",
            "Undefined: there is no secret `pasword` [secrets.pasword] did you mean `secrets.password`?",
        ),
        (
            "{{ env.NOPE }}",
            "Undefined: the environment variable `NOPE` is not set [env.NOPE] set it, or give a default: `env('NOPE', 'default')`",
        ),
        (
            "{{ env('NOPE') }}",
            "Undefined: the environment variable `NOPE` is not set [env('NOPE')] set it, or give a default: `env('NOPE', 'default')`",
        ),
        ("{{ vars.version|uper }}", "Unknown: there is no filter `uper` [uper] did you mean `upper`?"),
        ("{{ 1 is evn }}", "Unknown: there is no test `evn` [evn] did you mean `even`?"),
        ("{{ rnage(3) }}", "Unknown: there is no function `rnage` [rnage(3)] did you mean `range`?"),
        ("{{ upper('a') }}", "Unknown: there is no function `upper` [upper('a')] it is a filter: write `value|upper`"),
        ("{{ debug() }}", "Unknown: there is no function `debug` [debug()] did you mean `vars.debug`?"),
        ("{{ namespace() }}", "Unknown: there is no function `namespace` [namespace()] -"),
        ("{{ now().year() }}", "Unknown: `now()` has no method `year` [.year()] it has `isoformat()`"),
        (
            "{{ vars.version",
            "Syntax: unexpected end of input, expected end of variable block [version] a `{{` is not closed by `}}`; `{% raw %}` keeps braces",
        ),
        ("{{ 1 + }}", "Syntax: unexpected end of variable block [}}] -"),
        ("{% if 1 %}x", "Syntax: unexpected end of input, expected end of block [x] -"),
        (
            "{% include 'x' %}",
            "Syntax: `{% include %}` has no place in a value [include 'x'] a plan is put together with `include`, and a file's content comes from `file(path)`",
        ),
        ("{% set vars.x = 1 %}", "Syntax: only a name can be set [x] -"),
        ("{{ dict(*[1]) }}", "Syntax: arguments are written one by one here [[1]] -"),
        (
            "{{ vars.ports + 1 }}",
            "Type: tried to use + operator on unsupported types sequence and number [vars.ports + 1] -",
        ),
        ("{{ 1 // 0 }}", "Type: unable to calculate 1 // 0 [1 // 0] -"),
        (
            "x{{ vars.nothing }}",
            "Type: this value is null, which has no text [vars.nothing] give it one, as in `value or 'none'`",
        ),
        ("{{ range }}", "Type: this is a function, not a value [range] call it: write `name()`"),
        ("{{ 'x'|b64decode }}", "Type: `b64decode` needs the base64 of a UTF-8 text [b64decode] -"),
        ("{{ secrets }}", "Secret: `secrets` cannot be used as a whole [secrets] name one: `secrets.NAME`"),
        ("a {{ secrets|list }}", "Secret: `secrets` cannot be used as a whole [list] name one: `secrets.NAME`"),
        ("{{ [[secrets]] }}", "Secret: `secrets` cannot be used as a whole [[[secrets]]] name one: `secrets.NAME`"),
        ("{{ env|tojson }}", "Secret: `env` cannot be used as a whole [tojson] name one: `env.NAME`"),
        ("{{ file('nope') }}", "File: there is no file `nope` [file('nope')] -"),
        (
            "{{ file('large.bin') }}",
            "Limit: `large.bin` is larger than 1 MiB, too large for a value [file('large.bin')] use a config or a volume",
        ),
        ("{{ file(secrets.password) }}", "File: this file cannot be read [file(secrets.password)] -"),
        (
            "{{ env(secrets.password) }}",
            "Undefined: the environment variable `***` is not set [env(secrets.password)] set it, or give a default: `env('***', 'default')`",
        ),
        ("{{ vars[secrets.password].x }}", "Undefined: `secrets[...]` is not defined [[secrets.password].x] -"),
        // Values of secrets, and what is made from them, are in no error.
        ("{{ vars.pin // 0 }}", "Type: invalid operation [vars.pin // 0] -"),
        ("{{ secrets.password|int }}", "Type: invalid operation [int] -"),
        ("{{ secrets.password|b64decode }}", "Type: `b64decode` needs the base64 of a UTF-8 text [b64decode] -"),
        ("{{ {secrets.password: 1}.x }}", "Undefined: `(...).x` is not defined [{secrets.password: 1}.x] -"),
    ];
    let mut wrong = Vec::new();
    for (template, expected) in table {
        let error = match render(template) {
            Ok(rendered) => panic!("{template} became {}", Value::to_string(&rendered.value)),
            Err(error) => error,
        };
        let place = error.offset.clone().map_or("-", |offset| &template[offset]);
        let found = format!("{:?}: {} [{place}] {}", error.kind, error, error.hint.as_deref().unwrap_or("-"));
        assert!(!["hunter2", "t0psecret", "271828"].iter().any(|secret| found.contains(secret)), "{found}");
        if found != expected {
            wrong.push(format!("{template}\n  is     {found}\n  wanted {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
