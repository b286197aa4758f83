use super::{Support, sections};
use crate::load::problem::list;

/// The section `## Keys` of `docs/compose.md`.
pub(super) fn keys_section() -> String {
    let mut text = String::from(
        "## Keys\n\nWhat becomes of each key of the Compose specification, in Compose files and plans alike. What \
         stands below a key that is noted or refused shares its fate. This section is made from the table in \
         `src/load/vocabulary`.\n",
    );
    for section in sections() {
        let place = if section.place.is_empty() { "The document".to_owned() } else { format!("`{}`", section.place) };
        text += &format!("\n### {place}\n\n");
        let honoured: Vec<&str> =
            section.keys.iter().filter(|(_, support)| *support == Support::Honoured).map(|(key, _)| *key).collect();
        if !honoured.is_empty() {
            text += &format!("Honoured: {}.\n", list(&honoured));
        }
        let lines: Vec<String> = section.keys.iter().filter_map(|(key, support)| line(key, *support)).collect();
        if !lines.is_empty() {
            let gap = if honoured.is_empty() { "" } else { "\n" };
            text += &format!("{gap}| key | | |\n|---|---|---|\n{}", lines.concat());
        }
    }
    text
}

fn line(key: &str, support: Support) -> Option<String> {
    let (word, reason) = match support {
        Support::Honoured => return None,
        Support::InPart(reason) => ("in part", reason),
        Support::Noted(reason) => ("no effect, with a warning", reason),
        Support::Needed(reason) => ("a build with it fails", reason),
        Support::ComposeOnly(reason) => ("only in Compose files", reason),
        Support::Refused(reason) => ("refused in a plan, a warning in a Compose file", reason),
    };
    Some(format!("| `{key}` | {word} | {reason} |\n"))
}
