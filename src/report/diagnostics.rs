use serde::Serialize;

use super::{Ink, Tone, count, excerpt::Excerpts, json::versioned_json, list};
use crate::diagnostic::{Class, Diagnostic, Severity, Sources};

/// Problems for people: each with its place, excerpt and hints, and how many there are at the end.
pub fn diagnostics_text(diagnostics: &[Diagnostic], sources: &Sources, ink: Ink, width: usize) -> String {
    let mut excerpts = Excerpts::new(sources, ink, width);
    let mut text = String::new();
    for diagnostic in diagnostics {
        text.push_str(&head(diagnostic, ink));
        text.push_str(&excerpts.draw(&diagnostic.labels));
        if let Some(detail) = &diagnostic.detail {
            text.push_str(&note("note", detail, ink));
        }
        for hint in &diagnostic.hints {
            text.push_str(&note("hint", hint, ink));
        }
        text.push('\n');
    }
    text.push_str(&totals(diagnostics));
    text
}

/// Problems for programs: `{format_version, ok, diagnostics: […]}`.
pub fn diagnostics_json(diagnostics: &[Diagnostic], sources: &Sources) -> String {
    let document = Document {
        ok: !diagnostics.iter().any(Diagnostic::is_error),
        diagnostics: diagnostics.iter().map(|diagnostic| Problem::new(diagnostic, sources)).collect(),
    };
    versioned_json(&document)
}

#[derive(Serialize)]
struct Document<'a> {
    ok: bool,
    diagnostics: Vec<Problem<'a>>,
}

#[derive(Serialize)]
struct Problem<'a> {
    severity: Severity,
    code: &'static str,
    class: Class,
    summary: &'a str,
    detail: Option<&'a str>,
    file: Option<&'a str>,
    line: Option<u32>,
    column: Option<u32>,
    /// All hints, a line each.
    hint: Option<String>,
}

impl<'a> Problem<'a> {
    fn new(diagnostic: &'a Diagnostic, sources: &'a Sources) -> Self {
        let span = diagnostic.labels.first().map(|label| label.span);
        Self {
            severity: diagnostic.severity,
            code: diagnostic.code,
            class: diagnostic.class,
            summary: &diagnostic.summary,
            detail: diagnostic.detail.as_deref(),
            file: span.map(|span| sources.path(span.file).as_ref()),
            line: span.map(|span| span.line),
            column: span.map(|span| span.column),
            hint: Some(diagnostic.hints.join("\n")).filter(|hints| !hints.is_empty()),
        }
    }
}

/// A warning beside a result, for programs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WarningReport {
    pub code: &'static str,
    pub class: Class,
    pub summary: String,
    /// Where it was written, if it is about something of the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// All hints, a line each.
    pub hint: Option<String>,
}

impl From<&Diagnostic> for WarningReport {
    fn from(diagnostic: &Diagnostic) -> Self {
        Self {
            code: diagnostic.code,
            class: diagnostic.class,
            summary: diagnostic.summary.clone(),
            detail: diagnostic.detail.clone(),
            hint: Some(diagnostic.hints.join("\n")).filter(|hints| !hints.is_empty()),
        }
    }
}

/// Warnings beside a result, for people.
pub fn warnings_text(warnings: &[WarningReport], ink: Ink) -> String {
    let text = |WarningReport { code, summary, detail, hint, .. }: &WarningReport| {
        let kind = ink.paint(Tone::Notable, &format!("warning[{code}]"));
        let detail = detail.as_ref().map(|detail| note("note", detail, ink)).unwrap_or_default();
        let hint = hint.as_ref().map(|hint| note("hint", hint, ink)).unwrap_or_default();
        format!("{kind}: {}\n{detail}{hint}", ink.paint(Tone::Strong, &super::excerpt::clean(summary)))
    };
    warnings.iter().map(text).collect()
}

fn head(diagnostic: &Diagnostic, ink: Ink) -> String {
    let (word, tone) = match diagnostic.severity {
        Severity::Error => ("error", Tone::Bad),
        Severity::Warning => ("warning", Tone::Notable),
        Severity::Note => ("note", Tone::Faint),
    };
    let kind = ink.paint(tone, &format!("{word}[{}]", diagnostic.code));
    format!("{kind}: {}\n", ink.paint(Tone::Strong, &super::excerpt::clean(&diagnostic.summary)))
}

/// A remark below an excerpt; further lines are indented as the first.
fn note(word: &str, text: &str, ink: Ink) -> String {
    let indent = " ".repeat(word.len() + 4);
    let text = super::excerpt::clean(text).trim_end().replace('\n', &format!("\n{indent}"));
    format!("  {}: {text}\n", ink.paint(Tone::Strong, word))
}

fn totals(diagnostics: &[Diagnostic]) -> String {
    let number = |severity| diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count();
    let totals = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")]
        .map(|(severity, noun)| (number(severity), noun));
    let named = totals.into_iter().filter(|(number, _)| *number > 0).map(|(number, noun)| count(number, noun));
    let text = list(named);
    if text.is_empty() { text } else { format!("{text}\n") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{FileId, Span};

    const PLAN: &str = "name: shop\nservices:\n  web:\n    imge: nginx\n    depends_on: [db]\n";

    fn span(file: FileId, text: &str, part: &str) -> Span {
        let start = text.find(part).unwrap();
        let line_start = text[..start].rfind('\n').map_or(0, |newline| newline + 1);
        Span {
            file,
            start: start as u32,
            end: (start + part.len()) as u32,
            line: text[..start].matches('\n').count() as u32 + 1,
            column: (start - line_start) as u32 + 1,
        }
    }

    fn example() -> (Vec<Diagnostic>, Sources) {
        let mut sources = Sources::default();
        let plan = sources.add("plan.yaml", PLAN);
        let overlay = "services:\n  db: {}\n";
        let environment = sources.add("environments/production.yaml", overlay);
        let diagnostics = vec![
            Diagnostic::error("unknown-key", Class::Configuration, "unknown key `imge`")
                .at(span(plan, PLAN, "imge"), "did you mean `image`?")
                .hint("keys that start with `x-` are left alone"),
            Diagnostic::error("cycle", Class::Dependency, "`web` depends on itself")
                .at(span(plan, PLAN, "[db]"), "`web` needs `db`")
                .at(span(environment, overlay, "db"), "which is here")
                .detail("web → db → web"),
            Diagnostic::warning("no-engine", Class::Configuration, "no engine is named"),
        ];
        (diagnostics, sources)
    }

    #[test]
    fn problems_read_as_place_excerpt_and_hint() {
        let (diagnostics, sources) = example();
        insta::assert_snapshot!(diagnostics_text(&diagnostics, &sources, Ink::Plain, 80), @r"
        error[unknown-key]: unknown key `imge`
           ╭─[plan.yaml:4:5]
         3 │   web:
         4 │     imge: nginx
           ·     ──┬─
           ·       ╰── did you mean `image`?
         5 │     depends_on: [db]
           ╰────
          hint: keys that start with `x-` are left alone

        error[cycle]: `web` depends on itself
           ╭─[plan.yaml:5:17]
         4 │     imge: nginx
         5 │     depends_on: [db]
           ·                 ──┬─
           ·                   ╰── `web` needs `db`
           ╰────
           ╭─[environments/production.yaml:2:3]
         1 │ services:
         2 │   db: {}
           ·   ─┬
           ·    ╰── which is here
           ╰────
          note: web → db → web

        warning[no-engine]: no engine is named

        2 errors and 1 warning
        ");
    }

    #[test]
    fn colour_adds_nothing_but_colour() {
        let (diagnostics, sources) = example();
        let coloured = diagnostics_text(&diagnostics, &sources, Ink::Colour, 80);
        assert!(coloured.contains("\x1b[31;1merror[unknown-key]\x1b[0m"));
        let escapes = regex::Regex::new("\x1b\\[[0-9;]*m").unwrap();
        assert_eq!(escapes.replace_all(&coloured, ""), diagnostics_text(&diagnostics, &sources, Ink::Plain, 80));
    }

    #[test]
    fn foul_and_endless_sources_are_not_shown_as_they_are() {
        let mut sources = Sources::default();
        let foul = sources.add("foul.yaml", "na\x1b[31mme: x\n");
        let endless = "a".repeat(100_000);
        let long = sources.add("long.yaml", endless.as_str());
        let empty = sources.add("empty.yaml", "");
        let beyond = Span { file: empty, start: 900, end: 1000, line: 1, column: 1 };
        let at = |span| Diagnostic::error("x", Class::Configuration, "bad\x07").at(span, "here");
        let whole = Span { file: foul, start: 0, end: 9, line: 1, column: 1 };
        let middle = Span { file: long, start: 50_000, end: 50_001, line: 1, column: 50_001 };
        let diagnostics = [at(whole), at(middle), at(beyond)];
        insta::assert_snapshot!(diagnostics_text(&diagnostics, &sources, Ink::Plain, 80), @r"
        error[x]: bad?
           ╭─[foul.yaml:1:1]
         1 │ na?[31mme: x
           · ────┬────
           ·     ╰── here
           ╰────

        error[x]: bad?
          at long.yaml:1:50001

        error[x]: bad?
           ╭─[empty.yaml:1:1]
           ╰────

        3 errors
        ");
    }

    #[test]
    fn problems_are_data_for_programs() {
        let (diagnostics, sources) = example();
        insta::assert_snapshot!(diagnostics_json(&diagnostics, &sources), @r#"
        {
          "format_version": 1,
          "ok": false,
          "diagnostics": [
            {
              "severity": "error",
              "code": "unknown-key",
              "class": "configuration",
              "summary": "unknown key `imge`",
              "detail": null,
              "file": "plan.yaml",
              "line": 4,
              "column": 5,
              "hint": "keys that start with `x-` are left alone"
            },
            {
              "severity": "error",
              "code": "cycle",
              "class": "dependency",
              "summary": "`web` depends on itself",
              "detail": "web → db → web",
              "file": "plan.yaml",
              "line": 5,
              "column": 17,
              "hint": null
            },
            {
              "severity": "warning",
              "code": "no-engine",
              "class": "configuration",
              "summary": "no engine is named",
              "detail": null,
              "file": null,
              "line": null,
              "column": null,
              "hint": null
            }
          ]
        }
        "#);
        assert!(diagnostics_json(&diagnostics[2..], &sources).contains("\"ok\": true"));
    }
}
