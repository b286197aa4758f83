//! `${NAME}` in a plan, which Compose would replace and which stays as it is here.

use crate::diagnostic::{Class, Diagnostic, Span};

/// The longest text that is shown with all of its replacements.
const LONGEST_REPLACEMENT: usize = 200;

/// One `${NAME}`, `${NAME:-default}`, … of a text.
struct Dollar<'t> {
    written: &'t str,
    name: &'t str,
    /// `:-`, `-`, `:?`, `?`, `:+`, `+`, or nothing.
    operator: &'t str,
    operand: &'t str,
}

/// The warning that a text of a plan deserves for its `${NAME}`s, with what to write.
pub(super) fn warn(text: &str, span: Span) -> Option<Diagnostic> {
    let found = find(text);
    let warning = warning(found.first()?, span);
    let whole = found.iter().fold(text.to_owned(), |text, dollar| text.replacen(dollar.written, &dollar.template(), 1));
    // What YAML would want escaped is better shown piece by piece.
    if whole.len() <= LONGEST_REPLACEMENT && !whole.contains(['"', '\\', '\n']) {
        return Some(warning.hint(format!("write \"{whole}\"")));
    }
    let hints = found.iter().take(3).map(|dollar| format!("write `{}` for `{}`", dollar.template(), dollar.written));
    Some(hints.fold(warning, Diagnostic::hint))
}

/// The warning for a variable's default: no template can stand there.
pub(super) fn warn_default(variable: &str, text: &str, span: Span) -> Option<Diagnostic> {
    let hint = format!("give the value from outside: with `ORCHESTRATE_VAR_{variable}=…`, or `--var {variable}=…`");
    Some(warning(find(text).first()?, span).hint(hint))
}

/// What to write for the first one of a line that is no YAML, because its braces are not quoted.
pub(super) fn quoted(line: &str) -> Option<String> {
    let found = find(line);
    Some(format!("write \"{}\" for `{}`, in quotes", found.first()?.template(), found.first()?.written))
}

fn warning(dollar: &Dollar, span: Span) -> Diagnostic {
    let summary = format!("`{}` is not replaced in a plan", dollar.written);
    Diagnostic::warning("dollar-variable", Class::Configuration, summary).at(span, "stays as it is")
}

fn find(text: &str) -> Vec<Dollar<'_>> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        let here = &rest[start..];
        // `$$` is a `$` to Compose.
        let dollar = if here.starts_with("$$") { None } else { Dollar::read(here) };
        let length = dollar.as_ref().map_or(here.len().min(2), |dollar| dollar.written.len());
        rest = here.get(length..).unwrap_or_default();
        found.extend(dollar);
    }
    found
}

impl<'t> Dollar<'t> {
    /// The one that a text starts with.
    fn read(text: &'t str) -> Option<Self> {
        let inner = text.strip_prefix("${")?;
        let mut open = 1;
        let is_end = |c: char| {
            open = match c {
                '{' => open + 1,
                '}' => open - 1,
                _ => open,
            };
            open == 0
        };
        let inner = &inner[..inner.find(is_end)?];
        let end = inner.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(inner.len());
        let (name, rest) = inner.split_at(end);
        if name.is_empty() {
            return None;
        }
        let operator = [":-", ":?", ":+", "-", "?", "+", ""].into_iter().find(|operator| rest.starts_with(operator))?;
        let (operator, operand) = rest.split_at(operator.len());
        let is_known = !operator.is_empty() || operand.is_empty();
        is_known.then_some(Self { written: &text[..inner.len() + 3], name, operator, operand })
    }

    fn template(&self) -> String {
        format!("{{{{ {} }}}}", self.expression())
    }

    fn expression(&self) -> String {
        let name = self.name;
        match self.operator {
            ":-" | "-" => format!("env('{name}', {})", operand(self.operand)),
            ":+" | "+" => format!("{} if env('{name}', '') else ''", operand(self.operand)),
            // Without a value it is an error anyway.
            _ => format!("env.{name}"),
        }
    }
}

/// What stands behind an operator, as a template has it.
fn operand(text: &str) -> String {
    match Dollar::read(text).filter(|inner| inner.written == text) {
        Some(inner) => inner.expression(),
        None if text.contains('\'') => format!("\"{text}\""),
        None => format!("'{text}'"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::FileId;

    #[test]
    fn each_form_gets_its_replacement() {
        let table = [
            ("${FOO}", "`${FOO}`", r#"write "{{ env.FOO }}""#),
            ("app:${TAG:-latest}", "`${TAG:-latest}`", r#"write "app:{{ env('TAG', 'latest') }}""#),
            ("${A-b}/${C:?no C}", "`${A-b}`", r#"write "{{ env('A', 'b') }}/{{ env.C }}""#),
            ("${A:-${B}}", "`${A:-${B}}`", r#"write "{{ env('A', env.B) }}""#),
            ("${A:+on}", "`${A:+on}`", r#"write "{{ 'on' if env('A', '') else '' }}""#),
            ("{{ vars.a }}${A:-}", "`${A:-}`", r#"write "{{ vars.a }}{{ env('A', '') }}""#),
            ("${A:-it's} \"b\"", "`${A:-it's}`", "write `{{ env('A', \"it's\") }}` for `${A:-it's}`"),
        ];
        let span = Span { file: FileId(0), start: 0, end: 0, line: 1, column: 1 };
        for (text, what, hint) in table {
            let warning = warn(text, span).unwrap();
            assert_eq!(
                (warning.summary, warning.hints),
                (format!("{what} is not replaced in a plan"), vec![hint.into()])
            );
        }
        for text in ["$FOO", "$${FOO}", "${}", "${FOO", "$(id)", "${#a}", "${a[0]}", "${a%b}", "$", "é$"] {
            assert_eq!(warn(text, span), None, "{text}");
        }
    }
}
