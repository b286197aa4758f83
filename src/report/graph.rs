use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Ink, Tone, count};
use crate::{
    graph::{Edge, Graph},
    name::ServiceName,
    plan::Condition,
};

/// A plan's services in the order in which they can start: `{groups, critical_path, edges}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GraphReport {
    /// Each needs only groups before it.
    pub groups: Vec<Vec<ServiceName>>,
    /// The longest chain of services that need each other.
    pub critical_path: Vec<ServiceName>,
    /// What depends on what, and in what condition.
    pub edges: Vec<Edge>,
}

impl From<&Graph> for GraphReport {
    fn from(graph: &Graph) -> Self {
        Self { groups: graph.groups().to_vec(), critical_path: graph.critical_path(), edges: graph.edges() }
    }
}

/// The groups with what each service waits for; a `*` marks the critical path.
pub fn graph_text(graph: &GraphReport, ink: Ink) -> String {
    if graph.groups.is_empty() {
        return "the plan has no services\n".to_owned();
    }
    let names = || graph.groups.iter().flatten();
    let width = names().map(|name| name.as_str().len()).max().unwrap_or_default();
    let critical: BTreeSet<&ServiceName> = graph.critical_path.iter().collect();
    let needs = needs(graph);
    let mut text = String::new();
    for (number, group) in graph.groups.iter().enumerate() {
        text.push_str(&ink.paint(Tone::Strong, &format!("group {}", number + 1)));
        text.push('\n');
        for name in group {
            let is_critical = critical.contains(name);
            let mark = if is_critical { '*' } else { ' ' };
            let tone = if is_critical { Tone::Notable } else { Tone::Plain };
            let filling = " ".repeat(width - name.as_str().len());
            let after = needs.get(name).map_or_else(String::new, |needs| format!("after {}", needs.join(", ")));
            let line = format!("  {mark} {}{filling}  {after}", ink.paint(tone, name.as_str()));
            text.push_str(line.trim_end());
            text.push('\n');
        }
    }
    let path: Vec<&str> = graph.critical_path.iter().map(ServiceName::as_str).collect();
    let (services, groups) = (count(names().count(), "service"), count(graph.groups.len(), "group"));
    text.push_str(&format!("\n{services} in {groups}, critical path (*): {}\n", path.join(" → ")));
    text
}

/// What each service waits for.
fn needs(graph: &GraphReport) -> BTreeMap<&ServiceName, Vec<String>> {
    let mut needs: BTreeMap<&ServiceName, Vec<String>> = BTreeMap::new();
    for edge in &graph.edges {
        needs.entry(&edge.from).or_default().push(format!("{}{}", edge.to, suffix(edge.condition)));
    }
    needs
}

/// What has to be true of a service beyond that it was started.
fn suffix(condition: Condition) -> &'static str {
    match condition {
        Condition::ServiceStarted => "",
        Condition::ServiceHealthy => " (healthy)",
        Condition::ServiceCompletedSuccessfully => " (completed)",
    }
}

/// A flowchart for Markdown; arrows follow time.
pub fn graph_mermaid(graph: &GraphReport) -> String {
    let mut text = "flowchart LR\n".to_owned();
    let numbers: BTreeMap<&ServiceName, usize> = graph.groups.iter().flatten().zip(0..).collect();
    let number = |name: &ServiceName| numbers[name];
    for (group_number, group) in graph.groups.iter().enumerate() {
        text.push_str(&format!("  subgraph g{0}[group {0}]\n", group_number + 1));
        for name in group {
            // A name itself could be one of Mermaid's own words, such as `end`.
            text.push_str(&format!("    s{}[\"{name}\"]\n", number(name)));
        }
        text.push_str("  end\n");
    }
    for edge in &graph.edges {
        let label = match edge.condition {
            Condition::ServiceStarted => "",
            Condition::ServiceHealthy => "|healthy|",
            Condition::ServiceCompletedSuccessfully => "|completed|",
        };
        text.push_str(&format!("  s{} -->{label} s{}\n", number(&edge.to), number(&edge.from)));
    }
    if !graph.critical_path.is_empty() {
        let path: Vec<String> = graph.critical_path.iter().map(|name| format!("s{}", number(name))).collect();
        text.push_str(&format!("  classDef critical stroke-width:3px\n  class {} critical\n", path.join(",")));
    }
    text
}

/// A digraph for Graphviz; arrows follow time.
pub fn graph_dot(graph: &GraphReport) -> String {
    let mut text = "digraph plan {\n  rankdir=LR;\n  node [shape=box];\n".to_owned();
    for group in &graph.groups {
        let names: Vec<String> = group.iter().map(|name| format!("\"{name}\";")).collect();
        text.push_str(&format!("  {{ rank=same; {} }}\n", names.join(" ")));
    }
    for name in &graph.critical_path {
        text.push_str(&format!("  \"{name}\" [penwidth=3];\n"));
    }
    for edge in &graph.edges {
        let label = match edge.condition {
            Condition::ServiceStarted => "",
            Condition::ServiceHealthy => " [label=\"healthy\"]",
            Condition::ServiceCompletedSuccessfully => " [label=\"completed\"]",
        };
        text.push_str(&format!("  \"{}\" -> \"{}\"{label};\n", edge.to, edge.from));
    }
    text.push_str("}\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::versioned_json;

    fn graph() -> GraphReport {
        let name = |text: &str| -> ServiceName { text.parse().unwrap() };
        let edge = |from, to, condition| Edge { from: name(from), to: name(to), condition };
        GraphReport {
            groups: vec![vec![name("cache"), name("db")], vec![name("migrate")], vec![name("end")]],
            critical_path: ["db", "migrate", "end"].map(name).into(),
            edges: vec![
                edge("end", "cache", Condition::ServiceStarted),
                edge("end", "migrate", Condition::ServiceCompletedSuccessfully),
                edge("migrate", "db", Condition::ServiceHealthy),
            ],
        }
    }

    #[test]
    fn groups_and_the_critical_path_are_for_people() {
        insta::assert_snapshot!(graph_text(&graph(), Ink::Plain), @r"
        group 1
            cache
          * db
        group 2
          * migrate  after db (healthy)
        group 3
          * end      after cache, migrate (completed)

        4 services in 3 groups, critical path (*): db → migrate → end
        ");
        let empty = GraphReport { groups: vec![], critical_path: vec![], edges: vec![] };
        assert_eq!(graph_text(&empty, Ink::Plain), "the plan has no services\n");
    }

    #[test]
    fn programs_get_edges_too() {
        let mut small = graph();
        small.groups.truncate(1);
        small.edges.truncate(1);
        insta::assert_snapshot!(versioned_json(&small), @r#"
        {
          "format_version": 1,
          "groups": [
            [
              "cache",
              "db"
            ]
          ],
          "critical_path": [
            "db",
            "migrate",
            "end"
          ],
          "edges": [
            {
              "from": "end",
              "to": "cache",
              "condition": "service_started"
            }
          ]
        }
        "#);
    }

    #[test]
    fn pictures_follow_time() {
        insta::assert_snapshot!(graph_mermaid(&graph()), @r#"
        flowchart LR
          subgraph g1[group 1]
            s0["cache"]
            s1["db"]
          end
          subgraph g2[group 2]
            s2["migrate"]
          end
          subgraph g3[group 3]
            s3["end"]
          end
          s0 --> s3
          s2 -->|completed| s3
          s1 -->|healthy| s2
          classDef critical stroke-width:3px
          class s1,s2,s3 critical
        "#);
        insta::assert_snapshot!(graph_dot(&graph()), @r#"
        digraph plan {
          rankdir=LR;
          node [shape=box];
          { rank=same; "cache"; "db"; }
          { rank=same; "migrate"; }
          { rank=same; "end"; }
          "db" [penwidth=3];
          "migrate" [penwidth=3];
          "end" [penwidth=3];
          "cache" -> "end";
          "migrate" -> "end" [label="completed"];
          "db" -> "migrate" [label="healthy"];
        }
        "#);
    }
}
