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

/// The documents of a case are parted by `===`.
#[test]
fn plans_that_are_applied_together_cannot_have_the_same() {
    bad::run_cases("across.txt", |input| problems(&input.split("===\n").collect::<Vec<_>>()));
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

#[test]
fn a_compose_file_says_after_which_plans_it_comes() {
    let text = "name: shop\nx-orchestrate: { after: [db] }\nservices: { web: { image: i } }\n";
    assert_eq!(Case::of("compose.yaml", text).loaded().plan.after, ["db".parse().unwrap()]);
}
