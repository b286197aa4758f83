use crate::diagnostic::{Class, Diagnostic, Diagnostics};

/// Where the search for more problems ends: nobody reads more, and each one may look for the
/// nearest of 10,000 names.
pub(super) const MOST_PROBLEMS: usize = 500;

/// An error in what the user wrote.
pub(super) fn wrong(code: &'static str, summary: impl Into<String>) -> Diagnostic {
    Diagnostic::error(code, Class::Configuration, summary)
}

/// Puts problems in the order of their places.
pub(super) fn in_order(problems: &mut Diagnostics) {
    problems
        .sort_by_key(|problem| (problem.labels.first().map(|label| (label.span.file, label.span.start)), problem.code));
}

/// The longest text of a problem, in bytes: a name of a megabyte says no more.
const LONGEST_TEXT: usize = 1000;

/// Cuts what nobody would read to its end.
pub(super) fn shorten(problem: &mut Diagnostic) {
    let labels = problem.labels.iter_mut().map(|label| &mut label.text);
    for text in problem.hints.iter_mut().chain(labels).chain([&mut problem.summary]) {
        if text.len() > LONGEST_TEXT {
            let end = (0..=LONGEST_TEXT).rev().find(|end| text.is_char_boundary(*end));
            text.truncate(end.expect("a text's start is a boundary"));
            text.push('…');
        }
    }
}

/// Adds the nearest of the known names as a hint, or all of them if they are few.
pub(super) fn suggest<'a>(
    diagnostic: Diagnostic,
    name: &str,
    known: impl IntoIterator<Item = &'a str>,
    what: &str,
) -> Diagnostic {
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(nearest) = nearest(name, known.iter().copied()) {
        return diagnostic.hint(format!("did you mean `{nearest}`?"));
    }
    match known.len() {
        0 => diagnostic.hint(format!("there are no {what}")),
        1..=12 => diagnostic.hint(format!("the {what}: {}", list(&known))),
        _ => diagnostic,
    }
}

/// The known name that is nearest to a misspelt one, if any is near.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let lower = name.to_lowercase();
    // Names whose lengths differ by more than what is near are not looked at.
    let close = |candidate: &&str| candidate.len().abs_diff(name.len()) <= 1 + candidate.len().min(name.len()) / 4;
    let known = known.into_iter().filter(close);
    let distance = |candidate: &'a str| (strsim::osa_distance(&lower, &candidate.to_lowercase()), candidate);
    let (distance, nearest) = known.map(distance).min()?;
    let short = name.chars().count().min(nearest.chars().count());
    (distance <= 1 + short / 4 && distance < short).then_some(nearest)
}

/// Names in backticks, in the order given: `a`, `b` and `c`.
pub(super) fn list<T: AsRef<str>>(names: &[T]) -> String {
    let quoted: Vec<String> = names.iter().map(|name| format!("`{}`", name.as_ref())).collect();
    match quoted.as_slice() {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
