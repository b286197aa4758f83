use std::collections::BTreeMap;

use super::*;
use crate::{diagnostic::Origins, plan::Plan, secret::Sealer};

/// A whole plan with every short form; the plan that comes out has only long ones.
const FULL: &str = "\
# yaml-language-server: $schema=../schemas/plan.schema.json
x-log: &log { driver: json-file, options: { max-size: 10m, max-file: 3 } }
vars:
  version: { type: string, default: 3.10 }
  replicas: { type: integer, default: 1, minimum: 1 }
  port: { type: integer, default: 8000 }
secrets: { password: { description: of the database } }
include: [services/*.yaml]
checks:
  web: { http: { port: \"{{ vars.port }}\", path: /health, status: [200] }, interval: 10s, tags: [a] }
services:
  web:
    image: \"shop/web:{{ vars.version }}\"
    command: serve --name 'two words'
    entrypoint: [\"/init\", 1.0]
    environment: [A=1=2, HOME, NOT_SET, \"URL=postgres://u:{{ secrets.password }}@db\"]
    env_file: web.env
    ports: [80, \"127.0.0.1:8080-8081:8080-8081\", { target: 53, published: \"5353\", protocol: udp }]
    expose: [90, 91/udp]
    volumes: [\"data:/data:ro\", \"./conf:/etc/conf\", { type: tmpfs, target: /tmp, tmpfs: { size: 64m } }]
    networks: [front, back]
    depends_on:
      migrate: { condition: service_completed_successfully }
      db: { condition: service_healthy }
      absent: { required: false }
    checks: [{ use: web, interval: 5s, http: { path: / } }, { log: { matches: ready }, severity: warning }]
    deploy: { replicas: \"{{ vars.replicas }}\", resources: { limits: { cpus: 0.5, memory: 512M, pids: 10 } } }
    labels: [a=b, c]
    user: \"1000\"
    restart: on-failure:3
    stop_grace_period: 90s
    init: true
    tmpfs: /run
    sysctls: { net.core.somaxconn: 1024 }
    ulimits: { nproc: 65535, nofile: { soft: 1, hard: 2 } }
    logging: *log
    configs: [site, { source: site, target: /etc/x, mode: 0440 }]
    secrets: [password]
    extra_hosts: [\"a:10.0.0.1\", \"b=::1\", \"c:::1\"]
    security_opt: [no-new-privileges:true]
    cap_drop: [ALL]
    x-owner: team
networks: { front: , back: { internal: true } }
volumes: { data: { driver_opts: { type: none, o: 1 } } }
configs: { site: { file: conf/site.conf } }
rollback: { strategy: manual }
retry: { attempts: 5 }
schedule: grouped
=== services/db.yaml
services:
  db: { image: \"postgres:16\", healthcheck: { test: pg_isready, interval: 5s }, volumes: [\"../up:/up\"] }
=== services/migrate.yaml
services:
  migrate: { kind: job, run: once, irreversible: true, image: m, depends_on: [db] }
=== services/.hidden.yaml
nonsense
=== up/x
=== conf/site.conf
server {}
=== web.env
A=0
B=from file
=== environments/prod.yaml
vars: { version: 4.0 }
secrets: { password: { file: ../../key } }
target: { host: \"unix:///run/docker.sock\" }
parallelism: 3
services:
  web:
    image: \"shop/web:{{ vars.version }}-{{ environment }}\"
    environment: { C: \"{{ service }} of {{ plan }}\" }
    labels: { c: d }
    volumes: [\"other:/data\"]
    ports: [\"80\", \"81\"]
    command: [run]
";

fn full() -> Case {
    let mut case = Case::plan(FULL).env("HOME", "/home/me").env("ORCHESTRATE_VAR_port", "9000");
    case.files.0.insert("/key".into(), b"hunter2\n".to_vec());
    case
}

fn prod() -> Case {
    // The overlay names a volume that the plan has to know.
    let text = FULL.replace("volumes: { data:", "volumes: { other: , data:");
    let mut case = full();
    case.files = Case::plan(&text).files;
    case.files.0.insert("/key".into(), b"hunter2\n".to_vec());
    case.environment("prod").var("replicas", "2").var("port", "7000")
}

#[test]
fn short_forms_become_long_and_everything_is_resolved() {
    let mut case = prod();
    case.inputs.vars.remove(0);
    let loaded = case.loaded();
    insta::assert_snapshot!("full", serde_json::to_string_pretty(&loaded.plan).unwrap());
    assert_eq!(rendered(loaded.document.sources(), &loaded.warnings), "");
    assert_eq!(loaded.target.host.as_deref(), Some("unix:///run/docker.sock"));
    assert!(loaded.secrets.iter().any(|secret| secret.expose() == "hunter2"));
    assert!(loaded.secrets.iter().any(|secret| secret.expose() == "postgres://u:hunter2@db"));
    let shown = format!("{:?} {}", loaded.plan, serde_json::to_string(&loaded.plan).unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn a_plan_that_was_written_down_reads_back_the_same() {
    let mut case = prod();
    case.inputs.vars.remove(0);
    let mut plan = case.loaded().plan;
    let sealer = Sealer::new([7; 32]);
    plan.visit_texts(&mut |text| text.seal(&sealer));
    let written = serde_json::to_value(&plan).unwrap();
    let read: Plan = serde_json::from_value(written.clone()).unwrap();
    assert_eq!(read, plan);
    assert_eq!(serde_json::to_value(&read).unwrap(), written);
}

#[test]
fn origins_lead_to_where_a_value_was_written() {
    let mut case = prod();
    case.inputs.vars.remove(0);
    let loaded = case.loaded();
    let table = [
        ("services.web.image", "environments/prod.yaml:7 vars.version from environments/prod.yaml:1"),
        ("services.web.environment.A", "plan.yaml:18"),
        ("services.web.environment.B", "web.env:2"),
        ("services.web.environment.C", "environments/prod.yaml:8"),
        ("services.web.depends_on.migrate.condition", "plan.yaml:25"),
        ("services.migrate.depends_on.db", "services/migrate.yaml:2"),
        ("services.web.checks.0.http.port", "plan.yaml:12 vars.port from --var"),
        ("services.web.logging.driver", "plan.yaml:4"),
        ("services.web.stop_signal", "plan.yaml:15"),
        ("nothing.at.all", "none"),
    ];
    for (path, expected) in table {
        let path: Vec<&str> = path.split('.').collect();
        let found = match loaded.document.origin(&path) {
            Some(origin) => {
                let from = origin.from.map_or(String::new(), |from| format!(" {from}"));
                format!("{}{from}", origin.position)
            }
            None => "none".to_owned(),
        };
        assert_eq!(found, expected, "{path:?}");
    }
}

#[test]
fn variables_come_from_the_last_of_four_places() {
    let base = "\
vars: { a: { default: plan } }
services: { web: { image: x, hostname: \"{{ vars.a }}\" } }
=== environments/dev.yaml
vars: { a: file }
";
    let hostname = |case: Case| {
        let loaded = case.loaded();
        let from = loaded.document.origin(&["services", "web", "hostname"]).unwrap().from.unwrap();
        format!("{} {from}", loaded.plan.services["web"].hostname.as_ref().unwrap())
    };
    let case = Case::plan(base);
    assert_eq!(hostname(case.clone()), "plan vars.a from its default");
    let case = case.environment("dev");
    assert_eq!(hostname(case.clone()), "file vars.a from environments/dev.yaml:1");
    let case = case.env("ORCHESTRATE_VAR_a", "env");
    assert_eq!(hostname(case.clone()), "env vars.a from ORCHESTRATE_VAR_a");
    let case = case.var("a", "first").var("a", "flag");
    assert_eq!(hostname(case), "flag vars.a from --var");
}

#[test]
fn values_from_a_command_line_have_the_declared_type() {
    let plan = "\
vars: { n: { type: integer }, b: { type: boolean }, l: { type: list }, m: { type: map }, s: {} }
services:
  web:
    image: x
    priority: \"{{ vars.n }}\"
    init: \"{{ vars.b }}\"
    command: \"{{ vars.l }}\"
    labels: \"{{ vars.m }}\"
    hostname: \"{{ vars.s }}\"
";
    let case = Case::plan(plan).var("n", "5").var("b", "true").var("l", "[a, 1.10]").var("m", "a: b").var("s", "1.10");
    let service = serde_json::to_string(&case.loaded().plan.services["web"]).unwrap();
    let expected = r#"{"image":"x","priority":5,"command":["a","1.1"],"networks":{"default":{}},"labels":{"a":"b"},"init":true,"hostname":"1.10"}"#;
    assert_eq!(service, expected);
}

#[test]
fn what_is_made_once_is_kept() {
    let plan =
        "services: { web: { image: x, hostname: \"{{ random_string(8) }}\", labels: { at: \"{{ now() }}\" } } }\n";
    let mut case = Case::plan(plan);
    let made = case.loaded().made;
    let places: Vec<&str> = made.keys().map(String::as_str).collect();
    assert_eq!(places.len(), 2, "{places:?}");
    let kept: BTreeMap<String, String> =
        made.keys().map(|place| (place.clone(), "2020-01-01T00:00:00Z".into())).collect();
    case.inputs.made = Arc::new(kept);
    let loaded = case.loaded();
    assert_eq!(loaded.made, BTreeMap::new());
    assert_eq!(loaded.plan.services["web"].hostname.as_deref(), Some("2020-01-01T00:00:00Z"));
}

#[test]
fn a_process_runs_in_the_plans_directory() {
    let plan = "\
include: [sub/a.yaml]
runtime: process
services:
  here: { command: run, expose: [80], checks: [{ file: { path: log } }] }
  there: { command: run, working_dir: x }
  boxed: { image: a }
=== sub/a.yaml
services:
  below: { command: run, working_dir: x }
";
    let plan = Case::plan(plan).loaded().plan;
    let directory = |name: &str| plan.services[name].working_dir.clone().unwrap_or_default();
    assert_eq!(["here", "there", "below", "boxed"].map(directory), ["/repo", "/repo/x", "/repo/sub/x", ""]);
    assert_eq!(plan.services["here"].runtime, Some(crate::plan::RuntimeKind::Process));
    assert!(serde_json::to_string(&plan.services["here"]).unwrap().contains("\"path\":\"/repo/log\""));
}

#[test]
fn an_overlay_merges_as_compose_does() {
    let plan = "\
services:
  web:
    image: a
    command: one two
    environment: [A=1, B=2]
    ports: [\"80:80\", \"81:81\"]
    volumes: [\"a:/a\", \"b:/b\"]
    depends_on: [db]
    env_file: base.env
    cap_add: [X]
    labels: { l: 1 }
    deploy: { replicas: 1, resources: { limits: { cpus: 1, memory: 1g } } }
    checks: [{ name: up, tcp: { port: 1 } }]
  db: { image: b }
  cache: { image: c }
volumes: { a: {}, b: {}, c: {} }
=== base.env
=== environments/more.env
=== environments/dev.yaml
services:
  web:
    command: [three]
    environment: { B: 3, C: 4 }
    ports: [\"80:80\", \"82:82\"]
    volumes: [\"c:/b\"]
    depends_on: { cache: { condition: service_started } }
    env_file: [more.env]
    cap_add: [X, Y]
    labels: { l: null }
    deploy: { resources: { limits: { memory: 2g } } }
    checks: [{ name: up, tcp: { port: 2 } }, { tcp: { port: 3 } }]
";
    let plan = Case::plan(plan).environment("dev").loaded().plan;
    insta::assert_snapshot!("overlay", serde_json::to_string_pretty(&plan.services["web"]).unwrap());
    assert_eq!(plan.project.as_str(), "shop-dev");
}

#[test]
fn what_is_put_over_a_named_check_replaces_its_lists() {
    let plan = "\
checks: { web: { http: { port: 80, status: [200] }, tags: [a] }, shell: { command: [a, b] } }
services:
  a: { image: a, checks: [{ use: web, http: { status: [204] }, tags: [b] }, { use: shell, command: [c] }] }
";
    let plan = Case::plan(plan).loaded().plan;
    let checks = serde_json::to_value(&plan.services["a"].checks).unwrap();
    assert_eq!(checks[0]["http"].to_string(), r#"{"port":80,"status":[204]}"#);
    assert_eq!(checks[0]["tags"].to_string(), r#"["b"]"#);
    assert_eq!(checks[1]["command"].to_string(), r#"["c"]"#);
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_read() {
    let case = Case::new("\u{feff}apiVersion: orchestrate/v1\r\nname: shop\r\nservices:\r\n  web: { image: a }\r\n");
    assert_eq!(case.loaded().plan.services.len(), 1);
}

#[test]
fn older_words_become_newer_ones() {
    let case = Case::plan(
        "services:
  web:
    build: { context: ., args: [A=1, B] }
    scale: 2
    cpus: 0.5
    mem_limit: 64m
    pids_limit: 0
    network_mode: service:db
    links: [cache]
    gpus: all
    label_file: labels
    use_api_socket: true
    profiles: [dev]
  db: { image: a }
  cache: { image: a, profiles: [other, dev] }
  gone: { image: a, profiles: [other] }
networks: { old: { external: { name: there } } }
=== labels
team=a
",
    );
    let plan = case.env("COMPOSE_PROFILES", "x,dev").env("B", "two").loaded().plan;
    assert_eq!(plan.network_name("old"), "there");
    assert_eq!(plan.services.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["cache", "db", "web"]);
    let web = serde_yaml::to_string(&*plan.services["web"]).unwrap();
    insta::assert_snapshot!(web, @r#"
    image: shop-web
    volumes:
    - type: bind
      source: /var/run/docker.sock
      target: /var/run/docker.sock
    depends_on:
      cache:
        condition: service_started
        required: true
      db:
        condition: service_started
        required: true
    deploy:
      replicas: 2
      resources:
        limits:
          cpus: "0.5"
          memory: 64M
    labels:
      team: a
    build:
      context: /repo
      args:
        A: "1"
        B: two
    profiles:
    - dev
    network_mode: service:db
    links:
    - cache
    gpus:
    - capabilities:
      - gpu
      count: -1
    "#);
}
