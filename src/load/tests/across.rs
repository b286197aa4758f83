use super::*;

/// The conflicts of plans, which are called by a letter each: `a.yaml` is the plan `a`.
fn problems(texts: &[&str]) -> String {
    let mut sources = Sources::default();
    let loaded: Vec<(String, Loaded)> = texts
        .iter()
        .zip(["a", "b", "c"])
        .map(|(text, letter)| {
            let file = format!("{letter}.yaml");
            let text = format!("apiVersion: orchestrate/v1\nname: {letter}\n{text}\n");
            (file.clone(), Case::of(&file, &text).loaded())
        })
        .collect();
    let neighbours: Vec<Neighbour> = loaded
        .iter()
        .map(|(file, loaded)| Neighbour {
            file,
            plan: &loaded.plan,
            document: &loaded.document,
            shift: sources.absorb(loaded.document.sources()),
        })
        .collect();
    let found = conflicts(&neighbours);
    rendered(&sources, &found)
}

#[test]
fn plans_that_are_applied_together_cannot_have_the_same() {
    type Case = (&'static str, &'static [&'static str], &'static str);

    let table: [Case; 10] = [
        (
            "nothing in common",
            &[
                "services: { web: { image: i, ports: ['80:80', '127.0.0.1:81:81'] } }",
                "services: { web: { image: i, ports: ['80:80/udp', '127.0.0.2:81:81', '82'] } }",
            ],
            "",
        ),
        (
            "host ports",
            &[
                "services: { web: { image: i, ports: ['80:80', '8000-8005:1-6'] } }",
                "services: { api: { image: i, ports: ['127.0.0.1:80:80'] } }",
                "services: { job: { image: i, ports: ['8003-8004:3-4'] }, own: { runtime: process, command: x, expose: [80] } }",
            ],
            "\
b.yaml:3:38: port-conflict: `web` of `a` and `api` of `b` cannot both have host port 80
  a.yaml:3: first here
  hint: publish another port in one of the plans
c.yaml:3:38: port-conflict: `web` of `a` and `job` of `c` cannot both have host port 8003
  a.yaml:3: first here
  hint: publish another port in one of the plans
c.yaml:3:104: port-conflict: `web` of `a` and `own` of `c` cannot both have host port 80
  a.yaml:3: first here
  hint: publish another port in one of the plans
",
        ),
        (
            "projects",
            &[
                "project: x\nservices: { web: { image: i, ports: ['80:80'] } }",
                "project: x\nservices: { web: { image: i, ports: ['80:80'] } }",
            ],
            "\
b.yaml:2:7: project-conflict: `a.yaml` and `b.yaml` are both the project `x`
  a.yaml:2: first here
  hint: give one of them another `name`, or leave one of the files out
",
        ),
        (
            "containers by a name of their own",
            &[
                "services: { web: { image: i, container_name: web } }",
                "services: { api: { image: i, container_name: web } }",
            ],
            "\
b.yaml:3:46: name-conflict: `web` of `a` and `api` of `b` cannot both be called `web`
  a.yaml:3: first here
  hint: give one of them another `container_name`
",
        ),
        (
            "containers by their usual name",
            &["project: x\nservices: { a-web: { image: i } }", "project: x-a\nservices: { web: { image: i } }"],
            "\
b.yaml:4:18: name-conflict: `a-web` of `x` and `web` of `x-a` cannot both be called `x-a-web-1`
  a.yaml:4: first here
  hint: give one of them another `container_name`
",
        ),
        (
            "networks",
            &[
                "services: { web: { image: i, networks: [n] } }\nnetworks: { n: { name: shared } }",
                "services: { web: { image: i, networks: [m] } }\nnetworks: { m: { name: shared } }",
            ],
            "\
b.yaml:4:24: name-conflict: `n` of `a` and `m` of `b` are both the network `shared`
  a.yaml:4: first here
  hint: let one plan make it; in the other say `external: true`, and name the first plan in `after`
",
        ),
        (
            "a network that only one makes",
            &[
                "services: { web: { image: i, networks: [n] } }\nnetworks: { n: { name: shared } }",
                "services: { web: { image: i, networks: [m] } }\nnetworks: { m: { name: shared, external: true } }",
            ],
            "",
        ),
        (
            "subnets",
            &[
                "services: { web: { image: i } }\nnetworks: { n: { ipam: { config: [{ subnet: 10.90.0.0/16 }] } } }",
                "services: { web: { image: i } }\nnetworks: { m: { ipam: { config: [{ subnet: 10.90.4.0/24 }] } } }",
                "services: { web: { image: i } }\nnetworks: { m: { ipam: { config: [{ subnet: 10.91.4.0/24 }] } } }",
            ],
            "\
b.yaml:4:45: subnet-conflict: the networks `n` of `a` (10.90.0.0/16) and `m` of `b` (10.90.4.0/24) overlap
  a.yaml:4: and this one
  hint: give one of them other addresses, or leave `ipam` out: a free subnet is chosen
",
        ),
        (
            "volumes",
            &[
                "services: { web: { image: i, volumes: ['d:/d'] } }\nvolumes: { d: { name: data } }",
                "services: { web: { image: i, volumes: ['d:/d'] } }\nvolumes: { d: { name: data } }",
            ],
            "\
b.yaml:4:23: warning: shared-volume: `d` of `a` and `d` of `b` are both the volume `data`: who comes first owns it
  a.yaml:4: first here
  hint: let one plan make it; in the other say `external: true`, and name the first plan in `after`
",
        ),
        (
            "what both only use",
            &[
                "services: { web: { image: i, volumes: ['d:/d'] } }\nvolumes: { d: { external: true } }",
                "services: { web: { image: i, volumes: ['d:/d'] } }\nvolumes: { d: { external: true } }",
            ],
            "",
        ),
    ];
    for (what, texts, expected) in table {
        assert_text(&problems(texts), expected, what);
    }
}

/// All pairs of 10,000 would be 50 million: this ends in a moment, or not at all.
#[test]
fn ten_thousand_services_are_compared_at_once() {
    let plan = |first: u16| {
        let service = |port: u16| format!("  s{port}: {{ image: i, ports: ['{port}:80'] }}\n");
        format!("services:\n{}", (first..first + 10_000).map(service).collect::<String>())
    };
    let found = problems(&[&plan(10_000), &plan(20_000), &plan(29_999)]);
    assert_eq!(
        found.lines().next(),
        Some("c.yaml:4:31: port-conflict: `s29999` of `b` and `s29999` of `c` cannot both have host port 29999")
    );
}
