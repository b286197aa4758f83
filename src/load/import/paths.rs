use std::path::{Component, Path, PathBuf};

use crate::load::files::normal;

/// Where in a document paths stand: `*` is any key or index.
const PATHS: [&[&str]; 11] = [
    &["services", "*", "volumes", "*"],
    &["services", "*", "volumes", "*", "source"],
    &["services", "*", "env_file"],
    &["services", "*", "env_file", "*"],
    &["services", "*", "env_file", "*", "path"],
    &["services", "*", "label_file"],
    &["services", "*", "label_file", "*"],
    &["services", "*", "build"],
    &["services", "*", "build", "context"],
    &["configs", "*", "file"],
    &["secrets", "*", "file"],
];

/// Whether a path may stand there.
pub(super) fn is_path(place: &[String]) -> bool {
    let fits = |pattern: &[&str]| {
        pattern.len() == place.len() && pattern.iter().zip(place).all(|(part, key)| *part == "*" || part == key)
    };
    PATHS.iter().any(|pattern| fits(pattern))
}

/// A relative path that starts at `base`, as one that starts at `directory`. A text that is none, or
/// starts with none, stays as it is.
pub(super) fn rebased(text: &str, place: &[String], base: &Path, directory: &Path) -> String {
    if base == directory {
        return text.to_owned();
    }
    let is_mount = place.get(2).is_some_and(|key| key == "volumes");
    if !is_mount {
        return if text.starts_with('/') || text.contains("://") {
            text.to_owned()
        } else {
            relative(base, text, directory)
        };
    }
    let (path, rest) = match (place.len(), text.split_once(':')) {
        (4, Some((path, rest))) => (path, format!(":{rest}")),
        (4, None) => return text.to_owned(),
        (_, _) => (text, String::new()),
    };
    if path.starts_with('.') { format!("{}{rest}", relative(base, path, directory)) } else { text.to_owned() }
}

fn relative(base: &Path, path: &str, directory: &Path) -> String {
    let whole = normal(&base.join(path));
    let (mut from, mut to) = (directory.components().peekable(), whole.components().peekable());
    while from.peek().is_some() && from.peek() == to.peek() {
        from.next();
        to.next();
    }
    let up: PathBuf = from.map(|_| Component::ParentDir).collect();
    let path = up.join(to.collect::<PathBuf>()).display().to_string();
    if path.starts_with('.') { path } else { format!("./{path}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_to_the_same_place() {
        let place = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        let table = [
            ("services.web.volumes.0", "./a:/b:ro", "./db/a:/b:ro"),
            ("services.web.volumes.0", "data:/b", "data:/b"),
            ("services.web.volumes.0", "/a:/b", "/a:/b"),
            ("services.web.volumes.0.source", "../a", "./a"),
            ("services.web.env_file", "x.env", "./db/x.env"),
            ("services.web.build.context", "https://a/b.git", "https://a/b.git"),
            ("secrets.s.file", "../../s", "../s"),
        ];
        for (at, text, expected) in table {
            assert!(is_path(&place(at)), "{at}");
            let rebased = rebased(text, &place(at), Path::new("/repo/db"), Path::new("/repo"));
            assert_eq!(rebased, expected, "{at} {text}");
        }
        assert!(!is_path(&place("services.web.command.0")));
    }
}
