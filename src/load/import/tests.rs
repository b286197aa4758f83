//! Compose files in, plans out, as text.

use std::sync::Arc;

use super::{ImportRequest, Imported, import};
use crate::load::{LoadFailure, tests::Case};

/// A Compose file and further files, each after a line `=== path`, as a plan beside it.
fn imported(text: &str) -> Result<Imported, LoadFailure> {
    let case = Case::of("compose.yaml", text);
    let request = ImportRequest { inputs: case.inputs, plan_file: "/repo/plan.yaml".into() };
    import(Arc::new(case.files), &request)
}

fn expect(case: &str, text: &str, expected: &str) {
    let Imported { text, notes, .. } = imported(text).unwrap_or_else(|failure| panic!("{case}: {failure:?}"));
    let notes: String = notes.iter().map(|note| format!("! {}: {}\n", note.code, note.summary)).collect();
    assert_eq!(format!("{text}{notes}"), expected, "{case}");
}

#[test]
fn comments_stay_with_what_they_stand_before() {
    expect(
        "comments",
        "\
# The shop.
name: shop

services:
  # What people see.
  web: # behind
    image: web:1  # pinned
    command: [\"a\", \"b c\"]

    # For the proxy.
    ports:
      # The only one.
      - \"80:80\"
",
        "\
# The shop.
apiVersion: orchestrate/v1
name: shop
services:
  # What people see.
  web:  # behind
    image: web:1  # pinned
    command:
      - a
      - \"b c\"

    # For the proxy.
    ports:
      # The only one.
      - \"80:80\"
",
    );
}

#[test]
fn variables_become_variables_of_the_plan() {
    expect(
        "variables",
        "\
name: shop
services:
  web:
    image: web:${TAG:-1}
    environment:
      - NAME=${NAME}-x
      - TEMPLATE={{ .Name }}
      - DOLLAR=$$x
      - BOTH=${TAG:-1}${OTHER:+o}
    deploy: { replicas: \"${N:-2}\" }
    volumes: [\"${DIR:-./site}:/site:ro\"]
=== .env
NAME=n
DIR=./there
=== there/x
",
        "\
apiVersion: orchestrate/v1
name: shop
vars:
  DIR: { default: \"./there\" }
  N: { default: \"2\" }
  NAME: { default: \"n\" }
  TAG: { default: \"1\" }
services:
  web:
    image: \"web:{{ vars.TAG }}\"
    environment:
      NAME: \"{{ vars.NAME }}-x\"
      TEMPLATE: \"{% raw %}{{ .Name }}{% endraw %}\"
      DOLLAR: \"$x\"
      BOTH: \"1\"
    deploy:
      replicas: \"{{ vars.N|int }}\"
    volumes:
      - type: bind
        source: \"{{ vars.DIR }}\"
        target: /site
        read_only: true
        bind:
          create_host_path: true
! variable-resolved: the value of variables stands in the plan, not the variables
",
    );
}

#[test]
fn what_belongs_together_is_together() {
    expect(
        "extends, profiles, jobs and paths",
        "\
name: shop
services:
  web:
    extends: { file: common/base.yaml, service: base }
    depends_on: { migrate: { condition: service_completed_successfully } }
  migrate: { image: m }
  debug: { image: d, profiles: [debug] }
=== common/base.yaml
services:
  base:
    image: web:1
    env_file: [web.env]
=== common/web.env
A=1
",
        "\
apiVersion: orchestrate/v1
name: shop
services:
  web:
    image: web:1
    env_file:
      - ./common/web.env
    depends_on:
      migrate:
        condition: service_completed_successfully
  migrate:
    image: m
    kind: job
",
    );
}

#[test]
fn an_env_file_with_variables_is_written_into_the_plan() {
    expect(
        "env files",
        "name: shop\nservices: { web: { image: w, env_file: web.env } }\n=== web.env\nA=1\nB=${A}-2\n",
        "\
apiVersion: orchestrate/v1
name: shop
services:
  web:
    image: w
    environment:
      A: \"1\"
      B: \"1-2\"
",
    );
}

#[test]
fn a_value_that_tends_to_be_secret_is_told() {
    let imported =
        imported("services: { web: { image: w, environment: { P: \"$DB_PASSWORD\" } } }\n=== .env\nDB_PASSWORD=x\n");
    let notes = imported.unwrap().notes;
    assert_eq!(notes.iter().map(|note| note.code).collect::<Vec<_>>(), ["secret-in-plan"]);
}

#[test]
fn a_plan_is_no_compose_file() {
    let failure = imported("apiVersion: orchestrate/v1\nname: a\nservices: { web: { image: w } }\n").unwrap_err();
    assert_eq!(failure.diagnostics[0].code, "no-compose-file");
}
