use std::path::PathBuf;

use serde::Serialize;

use super::{count, list, versioned_json};
use crate::name::{DeploymentId, ProjectName};

/// What came of rebuilding this host's state of a project from what is kept on its engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RebuildReport {
    /// All that is kept on the engine could be read.
    pub ok: bool,
    pub project: ProjectName,
    /// The state directory.
    pub directory: PathBuf,
    /// What was damaged here, and where it is kept now.
    pub set_aside: Option<SetAside>,
    pub brought_back: Records,
    /// What was here already, and was left as it is.
    pub already_there: Records,
    /// What lies on the engine and cannot be read.
    pub unreadable: Vec<String>,
    /// What is kept on no engine, and so is not brought back.
    pub not_brought_back: Vec<&'static str>,
}

/// A damaged state, moved out of the way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetAside {
    /// What is wrong with it.
    pub problems: Vec<String>,
    pub kept_as: Vec<PathBuf>,
}

/// What a store has of a project.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Records {
    /// Newest first.
    pub deployments: Vec<DeploymentId>,
    /// Values that were made once, such as passwords.
    pub made_values: usize,
}

/// Problems of a damaged state that are told; `state verify` tells all before it is set aside.
const MOST_TOLD: usize = 5;

impl RebuildReport {
    /// For people.
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        if let Some(SetAside { problems, kept_as }) = &self.set_aside {
            text.push_str("the state here is damaged:\n");
            problems.iter().take(MOST_TOLD).for_each(|problem| text.push_str(&format!("  {problem}\n")));
            if let more @ 1.. = problems.len().saturating_sub(MOST_TOLD) {
                text.push_str(&format!("  and {}\n", count(more, "more problem")));
            }
            let kept = list(kept_as.iter().map(|path| format!("`{}`", path.display())));
            text.push_str(&format!("it was not thrown away: kept as {kept}\n"));
        }
        let project = &self.project;
        text.push_str(&format!("brought back of `{project}`: {}\n", self.brought_back.to_text()));
        if self.already_there != Records::default() {
            text.push_str(&format!("already here: {}\n", self.already_there.to_text()));
        }
        self.unreadable.iter().for_each(|problem| text.push_str(&format!("cannot be read: {problem}\n")));
        text.push_str(&format!("kept on no engine, so not brought back: {}\n", list(&self.not_brought_back)));
        if self.set_aside.is_some() {
            text.push_str("each other project that has an engine is brought back by a `state rebuild` of its own\n");
        }
        text
    }

    /// For programs: `{format_version, ok, project, brought_back: {deployments: […], made_values}, …}`.
    pub fn to_json(&self) -> String {
        versioned_json(self)
    }
}

impl Records {
    fn to_text(&self) -> String {
        format!("{}, {} made once", count(self.deployments.len(), "deployment"), count(self.made_values, "value"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> RebuildReport {
        RebuildReport {
            ok: true,
            project: "shop".parse().unwrap(),
            directory: "/state".into(),
            set_aside: None,
            brought_back: Records { deployments: vec!["aaaa1111".parse().unwrap()], made_values: 2 },
            already_there: Records::default(),
            unreadable: Vec::new(),
            not_brought_back: vec!["journals", "snapshots"],
        }
    }

    #[test]
    fn what_was_lost_altogether_is_told_in_two_lines() {
        let expected = "brought back of `shop`: 1 deployment, 2 values made once\n\
                        kept on no engine, so not brought back: journals and snapshots\n";
        assert_eq!(report().to_text(), expected);
    }

    #[test]
    fn damage_is_told_with_where_it_lies_now() {
        let problems = (1..=7).map(|number| format!("deployment: problem {number}")).collect();
        let set_aside = SetAside { problems, kept_as: vec!["/state/state.db.damaged-1".into()] };
        let report = RebuildReport {
            ok: false,
            set_aside: Some(set_aside),
            brought_back: Records::default(),
            already_there: Records { deployments: Vec::new(), made_values: 1 },
            unreadable: vec!["`made.json` in the project's vault is damaged: no key".to_owned()],
            ..report()
        };
        let expected = "\
the state here is damaged:
  deployment: problem 1
  deployment: problem 2
  deployment: problem 3
  deployment: problem 4
  deployment: problem 5
  and 2 more problems
it was not thrown away: kept as `/state/state.db.damaged-1`
brought back of `shop`: 0 deployments, 0 values made once
already here: 0 deployments, 1 value made once
cannot be read: `made.json` in the project's vault is damaged: no key
kept on no engine, so not brought back: journals and snapshots
each other project that has an engine is brought back by a `state rebuild` of its own
";
        assert_eq!(report.to_text(), expected);
    }
}
