//! The rest of Compose's words arrive at the engine, and what shares something goes with it.

use serde_json::Value;

use crate::fixture::Fixture;

const PLAN: &str = "\
services:
  base:
    image: orchestrate-test/busybox:1
    command: [sleep, \"1000\"]
    stop_grace_period: 0s
    labels: { generation: \"1\" }
    label_file: labels.env
    domainname: example.test
    tty: true
    stdin_open: true
    ipc: shareable
    cgroup_parent: /orchestrate-test
    group_add: [7, \"8\"]
    dns: 192.0.2.53
    dns_opt: [\"ndots:2\"]
    dns_search: [example.test]
    devices: [\"/dev/null:/dev/nothing:r\", /dev/zero]
    device_cgroup_rules: [\"c 1:3 mr\"]
    cpu_shares: 512
    cpu_period: 50ms
    cpu_quota: 25000
    cpuset: \"0\"
    mem_limit: 64m
    mem_reservation: 32m
    memswap_limit: 96m
    mem_swappiness: 10
    oom_score_adj: 100
    pids_limit: 50
    extra_hosts: { twice: [192.0.2.1, 192.0.2.2] }
    volumes:
      - data:/data:nocopy
      - { type: bind, source: ./made, target: /made, bind: { create_host_path: true, propagation: private } }
    networks:
      front: { ipv4_address: 10.213.7.9, priority: 5, aliases: [www] }
      back: {}
    post_start:
      - { command: [sh, -c, \"echo $WORD > /data/hook\"], user: \"0\", environment: { WORD: ran } }
    deploy: { restart_policy: { condition: on-failure, max_attempts: 2 } }
  side:
    image: orchestrate-test/busybox:1
    command: [sleep, \"1000\"]
    stop_grace_period: 0s
    network_mode: service:base
    pid: service:base
    ipc: service:base
    volumes_from: [\"base:ro\"]
  linked:
    image: orchestrate-test/busybox:1
    command: [sleep, \"1000\"]
    stop_grace_period: 0s
    links: [\"base:other\"]
    volumes: [{ type: tmpfs, target: /memory, tmpfs: { size: 1m, mode: 0700 } }]
    networks: [back]
    uts: host
networks:
  front: { ipam: { config: [{ subnet: 10.213.7.0/24, gateway: 10.213.7.254, ip_range: 10.213.7.128/25 }] } }
  back: {}
volumes: { data: {} }
";

const EXPECTED: &str = r#"/Config/AttachStdout true
/Config/Domainname "example.test"
/Config/Labels/from-file "yes"
/Config/OpenStdin true
/Config/Tty true
/HostConfig/CgroupParent "/orchestrate-test"
/HostConfig/CpuPeriod 50000
/HostConfig/CpuQuota 25000
/HostConfig/CpuShares 512
/HostConfig/CpusetCpus "0"
/HostConfig/DeviceCgroupRules ["c 1:3 mr"]
/HostConfig/Devices [{"PathOnHost":"/dev/null","PathInContainer":"/dev/nothing","CgroupPermissions":"r"},{"PathOnHost":"/dev/zero","PathInContainer":"/dev/zero","CgroupPermissions":"rwm"}]
/HostConfig/Dns ["192.0.2.53"]
/HostConfig/DnsOptions ["ndots:2"]
/HostConfig/DnsSearch ["example.test"]
/HostConfig/ExtraHosts ["twice:192.0.2.1","twice:192.0.2.2"]
/HostConfig/GroupAdd ["7","8"]
/HostConfig/IpcMode "shareable"
/HostConfig/Memory 67108864
/HostConfig/MemoryReservation 33554432
/HostConfig/MemorySwap 100663296
/HostConfig/MemorySwappiness 10
/HostConfig/OomScoreAdj 100
/HostConfig/PidsLimit 50
/HostConfig/RestartPolicy {"Name":"on-failure","MaximumRetryCount":2}
"#;

fn shown(found: &Value) -> String {
    let pointers = EXPECTED.lines().map(|line| line.split_once(' ').unwrap().0);
    pointers.map(|pointer| format!("{pointer} {}\n", found.pointer(pointer).unwrap_or(&Value::Null))).collect()
}

#[test]
fn every_word_arrives_and_what_is_shared_goes_together() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.write("labels.env", "from-file=yes\ngeneration=0\n");
    fixture.applied(PLAN);
    let (base, side) = (fixture.inspect("base"), fixture.inspect("side"));
    assert_eq!(shown(&base), EXPECTED);
    assert_eq!(base.pointer("/Config/Labels/generation").unwrap(), "1");
    let project = fixture.project();
    let front = &base["NetworkSettings"]["Networks"][format!("{project}_front")];
    assert_eq!(front["IPAddress"], "10.213.7.9");
    assert_eq!(base["HostConfig"]["NetworkMode"], format!("{project}_front"));
    shares(&side, &base);
    let linked = &fixture.inspect("linked")["NetworkSettings"]["Networks"][format!("{project}_back")];
    let base_name = format!("{project}-base-1");
    let links = ["other", "base-1", base_name.as_str()].map(|alias| format!("{base_name}:{alias}"));
    assert_eq!(linked["Links"], serde_json::json!(links));
    assert_eq!(fixture.exec("side", &["cat", "/data/hook"]).trim(), "ran");
    fixture.run(&["apply"]).exits(0).says(&["unchanged: "]);

    // What is replaced takes what shares something with it along.
    let other = PLAN.replace("generation: \"1\"", "generation: \"2\"");
    fixture.applied(&other);
    let (base_after, side_after) = (fixture.inspect("base"), fixture.inspect("side"));
    assert_ne!((&base["Id"], &side["Id"]), (&base_after["Id"], &side_after["Id"]));
    shares(&side_after, &base_after);
    fixture.run(&["apply"]).exits(0).says(&["unchanged: "]);
}

fn shares(side: &Value, base: &Value) {
    let id = base["Id"].as_str().unwrap();
    for field in ["NetworkMode", "PidMode", "IpcMode"] {
        assert_eq!(side["HostConfig"][field], format!("container:{id}"), "{field}");
    }
    assert_eq!(side["HostConfig"]["VolumesFrom"], serde_json::json!([format!("{id}:ro")]));
    assert_eq!(side["State"]["Running"], true);
}

#[test]
fn a_hook_that_fails_takes_the_deployment_back() {
    let Some(fixture) = Fixture::new() else { return };
    fixture.plan(
        "services: { web: { image: \"orchestrate-test/busybox:1\", command: [sleep, \"1000\"], stop_grace_period: 0s, \
         post_start: [{ command: [sh, -c, \"echo no; exit 4\"] }] } }\n",
    );
    fixture.run(&["apply", "-y"]).exits(3).says(&["`post_start[0]` exited with code 4: no"]);
}
