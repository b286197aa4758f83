use std::collections::BTreeMap;

use crate::load::compose::Variables;

/// A text as a plan has to have it to mean the same: what looks like a template is none.
pub fn literal(text: &str) -> String {
    if text.contains("{{") { format!("{{% raw %}}{text}{{% endraw %}}") } else { text.to_owned() }
}

/// Variables of the plan that is written, by their names.
#[derive(Debug, Default)]
pub(super) struct PlanVariables {
    pub defaults: BTreeMap<String, String>,
}

impl PlanVariables {
    /// A text with `$NAME`s as a template. `None` if there is no such template: then its value has to
    /// do.
    pub fn template(&mut self, text: &str, variables: &Variables) -> Option<String> {
        let mut out = String::new();
        let mut new = BTreeMap::new();
        let mut rest = text;
        while let Some(start) = rest.find('$') {
            out.push_str(&literal(&rest[..start]));
            let after = &rest[start + 1..];
            if let Some(behind) = after.strip_prefix('$') {
                out.push('$');
                rest = behind;
                continue;
            }
            let (name, default, length) = variable(after)?;
            let value = variables.get(name);
            let value = match default {
                Default::None => value.unwrap_or_default(),
                Default::Unset(text) => value.unwrap_or(text),
                Default::Empty(text) => value.filter(|value| !value.is_empty()).unwrap_or(text),
            };
            let known = self.defaults.get(name).or_else(|| new.get(name)).map(String::as_str);
            if known.is_some_and(|known| known != value) {
                return None;
            }
            new.insert(name.to_owned(), value.to_owned());
            out.push_str(&format!("{{{{ vars.{name} }}}}"));
            rest = &after[length..];
        }
        out.push_str(&literal(rest));
        self.defaults.extend(new);
        Some(out)
    }
}

/// What takes the place of a variable.
enum Default<'t> {
    None,
    /// If it is not set.
    Unset(&'t str),
    /// If it is not set or empty.
    Empty(&'t str),
}

/// The variable that a text behind a dollar starts with, and how long that is. `None` for one that only
/// its value can stand for.
fn variable(text: &str) -> Option<(&str, Default<'_>, usize)> {
    let name_end = |text: &str| text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let Some(inner) = text.strip_prefix('{') else {
        let end = name_end(text);
        return (end > 0).then_some((&text[..end], Default::None, end));
    };
    let close = inner.find('}')?;
    let (name, rest) = inner[..close].split_at(name_end(&inner[..close]));
    if name.is_empty() || rest.contains('$') {
        return None;
    }
    let default = match rest {
        "" => Default::None,
        _ if rest.starts_with(":?") || rest.starts_with('?') => Default::None,
        _ => match (rest.strip_prefix(":-"), rest.strip_prefix('-')) {
            (Some(text), _) => Default::Empty(text),
            (None, Some(text)) => Default::Unset(text),
            (None, None) => return None,
        },
    };
    Some((name, default, close + 2))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn variables_become_variables_of_the_plan() {
        let process = BTreeMap::from([("TAG".to_owned(), "2".to_owned()), ("EMPTY".to_owned(), String::new())]);
        let variables = Variables::of_process(Arc::new(process));
        let table = [
            ("a:${TAG}", "a:{{ vars.TAG }}", "TAG=2"),
            ("$TAG.$TAG", "{{ vars.TAG }}.{{ vars.TAG }}", "TAG=2"),
            ("${NO:-x}/${EMPTY:-y}${EMPTY-z}", "-", ""),
            ("${NO:-x}/${EMPTY:-y}", "{{ vars.NO }}/{{ vars.EMPTY }}", "EMPTY=y NO=x"),
            ("${EMPTY-z}", "{{ vars.EMPTY }}", "EMPTY="),
            ("${TAG:?no}", "{{ vars.TAG }}", "TAG=2"),
            ("${TAG:+r}", "-", ""),
            ("${NO:-${TAG}}", "-", ""),
            ("$$TAG {{ .Name }}", "${% raw %}TAG {{ .Name }}{% endraw %}", ""),
        ];
        for (text, template, defaults) in table {
            let mut plan = PlanVariables::default();
            let written = plan.template(text, &variables);
            assert_eq!(written.as_deref().unwrap_or("-"), template, "{text}");
            let all: Vec<String> = plan.defaults.iter().map(|(name, value)| format!("{name}={value}")).collect();
            assert_eq!(all.join(" "), defaults, "{text}");
        }
    }
}
