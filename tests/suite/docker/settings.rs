//! What the plan says of a container arrives at the engine.

use serde_json::{Value, json};

use crate::{engine, fixture::Fixture};

const PLAN: &str = "\
services:
  web:
    image: orchestrate-test/busybox:1
    entrypoint: [sh, -c]
    command: [\"exec httpd -f -p 8080 -h /srv\"]
    working_dir: /srv
    environment: { A: \"1\", B: two words }
    user: \"1000:1001\"
    hostname: box
    init: true
    read_only: true
    stop_signal: SIGINT
    stop_grace_period: 1s
    restart: on-failure:3
    cap_add: [NET_ADMIN]
    cap_drop: [MKNOD, CHOWN]
    security_opt: [\"no-new-privileges:true\"]
    sysctls: { net.core.somaxconn: 512 }
    ulimits: { nofile: { soft: 512, hard: 1024 }, nproc: 99 }
    shm_size: 32M
    tmpfs: [/run/scratch]
    volumes:
      - data:/data
      - ./files:/srv/files:ro
      - { type: tmpfs, target: /cache, tmpfs: { size: 8M } }
    extra_hosts: { elsewhere: 192.0.2.7 }
    expose: [9000]
    labels: { team: a }
    logging: { driver: json-file, options: { max-size: 1m, max-file: \"2\" } }
    networks: { front: { aliases: [www] }, back: {} }
    deploy:
      resources:
        limits: { memory: 64M, cpus: \"0.25\", pids: 30 }
        reservations: { memory: 32M }
    healthcheck: { test: [CMD, \"true\"], interval: 1s, timeout: 2s, retries: 4, start_period: 3s }
    checks: [{ tcp: { port: 8080 }, interval: 200ms, retries: 50 }]
networks: { front: {}, back: { internal: true } }
volumes: { data: { labels: { keep: \"yes\" } } }
";

#[test]
fn every_setting_arrives() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.write("files/hello.txt", "hello\n");
    fixture.applied(PLAN);
    let found = fixture.inspect("web");
    let project = fixture.project();
    expect_fields(&found);
    expect_lists(&found, &project);
    expect_inside(&fixture, &project);
    fixture.run(&["apply"]).exits(0).says(&["unchanged: "]);
}

fn expect_fields(found: &Value) {
    let fields = [
        ("/Config/Entrypoint", json!(["sh", "-c"])),
        ("/Config/Cmd", json!(["exec httpd -f -p 8080 -h /srv"])),
        ("/Config/WorkingDir", json!("/srv")),
        ("/Config/User", json!("1000:1001")),
        ("/Config/Hostname", json!("box")),
        ("/Config/StopSignal", json!("SIGINT")),
        ("/Config/StopTimeout", json!(1)),
        ("/Config/ExposedPorts", json!({ "9000/tcp": {} })),
        ("/Config/Labels/team", json!("a")),
        ("/Config/Healthcheck/Test", json!(["CMD", "true"])),
        ("/Config/Healthcheck/Interval", json!(1_000_000_000)),
        ("/Config/Healthcheck/Timeout", json!(2_000_000_000_u64)),
        ("/Config/Healthcheck/Retries", json!(4)),
        ("/Config/Healthcheck/StartPeriod", json!(3_000_000_000_u64)),
        ("/HostConfig/Init", json!(true)),
        ("/HostConfig/ReadonlyRootfs", json!(true)),
        ("/HostConfig/RestartPolicy", json!({ "Name": "on-failure", "MaximumRetryCount": 3 })),
        ("/HostConfig/SecurityOpt", json!(["no-new-privileges:true"])),
        ("/HostConfig/Sysctls", json!({ "net.core.somaxconn": "512" })),
        ("/HostConfig/ShmSize", json!(32 << 20)),
        ("/HostConfig/ExtraHosts", json!(["elsewhere:192.0.2.7"])),
        ("/HostConfig/LogConfig", json!({ "Type": "json-file", "Config": { "max-file": "2", "max-size": "1m" } })),
        ("/HostConfig/Memory", json!(64 << 20)),
        ("/HostConfig/MemoryReservation", json!(32 << 20)),
        ("/HostConfig/NanoCpus", json!(250_000_000)),
        ("/HostConfig/PidsLimit", json!(30)),
    ];
    for (pointer, expected) in fields {
        assert_eq!(found.pointer(pointer), Some(&expected), "{pointer}");
    }
}

fn expect_lists(found: &Value, project: &str) {
    // Newer engines write the prefix out.
    let capabilities = |key: &str| found["HostConfig"][key].to_string().replace("CAP_", "");
    assert_eq!(
        (capabilities("CapAdd"), capabilities("CapDrop")),
        (r#"["NET_ADMIN"]"#.into(), r#"["CHOWN","MKNOD"]"#.into())
    );
    assert_eq!(
        sorted(&found["HostConfig"]["Ulimits"], "Name"),
        [json!({ "Name": "nofile", "Hard": 1024, "Soft": 512 }), json!({ "Name": "nproc", "Hard": 99, "Soft": 99 })]
    );
    let mounts: Vec<String> = sorted(&found["Mounts"], "Destination")
        .iter()
        .map(|mount| format!("{} {} {}", mount["Type"], mount["Destination"], mount["RW"]).replace('"', ""))
        .collect();
    assert_eq!(mounts, ["tmpfs /cache true", "volume /data true", "bind /srv/files false"]);
    let aliases = |network: &str| {
        let mut aliases: Vec<String> = found["NetworkSettings"]["Networks"][format!("{project}_{network}")]["Aliases"]
            .as_array()
            .unwrap()
            .iter()
            .map(|alias| alias.as_str().unwrap().to_owned())
            .filter(|alias| alias != "box" && !found["Id"].as_str().unwrap().starts_with(alias.as_str()))
            .collect();
        aliases.sort();
        aliases
    };
    assert_eq!(aliases("front"), ["web", "www"]);
    assert_eq!(aliases("back"), ["web"]);
}

/// What the programs in it see.
fn expect_inside(fixture: &Fixture, project: &str) {
    let inside = |line: &str| fixture.exec("web", &["sh", "-c", line]);
    assert_eq!(inside("echo $A, $B; id -u; id -g; hostname; pwd"), "1, two words\n1000\n1001\nbox\n/srv\n");
    assert_eq!(inside("cat files/hello.txt; ulimit -n; cat /proc/sys/net/core/somaxconn"), "hello\n512\n512\n");
    assert_eq!(
        inside("grep elsewhere /etc/hosts | cut -f1; touch /x 2>/dev/null || echo read-only"),
        "192.0.2.7\nread-only\n"
    );
    assert_eq!(inside("touch /cache/a /run/scratch/a && df -k /cache | tail -1 | tr -s ' ' | cut -d' ' -f2"), "8192\n");
    assert!(inside("tr '\\0' ' ' < /proc/1/cmdline").contains("init"));
    let internal = engine::docker(&["network", "inspect", "-f", "{{.Internal}}", &format!("{project}_back")]);
    assert_eq!(internal, "true\n");
    let volume = engine::docker(&["volume", "inspect", "-f", "{{.Labels.keep}}", &format!("{project}_data")]);
    assert_eq!(volume, "yes\n");
}

fn sorted(list: &Value, by: &str) -> Vec<Value> {
    let mut items = list.as_array().unwrap().clone();
    items.sort_by_key(|item| item[by].as_str().unwrap().to_owned());
    items
}
