use futures_util::StreamExt as _;
use regex::RegexBuilder;

use super::answer::{failed, passed, quote};
use crate::{
    health::Answer,
    observed::Instance,
    plan::LogCheck,
    runtime::{LogQuery, Observe},
};

/// How much is read: what says that something is ready is written early.
const MOST_LINES: usize = 10_000;
const MOST_BYTES: usize = 1 << 20;
/// The compiled size of a pattern, so that a plan cannot make one that fills the memory.
const LARGEST_PATTERN: usize = 1 << 20;

pub(super) async fn ask(check: &LogCheck, instance: &Instance, runtime: &dyn Observe) -> Answer {
    let Ok(pattern) = RegexBuilder::new(&check.matches).size_limit(LARGEST_PATTERN).build() else {
        return failed(format!("`{}` is not a regular expression, or too large a one", check.matches));
    };
    let query = LogQuery { tail: None, since: instance.log_since, follow: false };
    let mut lines = match runtime.logs(instance.runtime, &instance.id, query).await {
        Ok(lines) => lines,
        Err(fault) => return failed(quote(&fault.text)),
    };
    let (mut count, mut bytes) = (0, 0);
    while let Some(line) = lines.next().await {
        let text = match line {
            Ok(line) => line.text,
            Err(fault) => return failed(quote(&fault.text)),
        };
        count += 1;
        bytes += text.len();
        if pattern.is_match(&text) {
            return passed(format!("line {count} matches `{}`", check.matches));
        }
        if count >= MOST_LINES || bytes >= MOST_BYTES {
            return failed(format!("none of the first {count} lines matches `{}`", check.matches));
        }
    }
    let lines = if count == 1 { "line matches" } else { "lines match" };
    failed(format!("none of {count} {lines} `{}`", check.matches))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::stub::{Stub, instance};

    #[tokio::test]
    async fn a_line_has_to_match() {
        let many = vec!["x"; 20_000];
        let table: [(&str, Vec<&str>, &str); 6] = [
            ("ready|up", vec!["starting", "is ready"], "true line 2 matches `ready|up`"),
            ("^ready$", vec!["not ready"], "false none of 1 line matches `^ready$`"),
            ("ready", vec![], "false none of 0 lines match `ready`"),
            ("ready", many, "false none of the first 10000 lines matches `ready`"),
            ("(", vec!["x"], "false `(` is not a regular expression, or too large a one"),
            ("(a{999}){999}", vec!["x"], "false `(a{999}){999}` is not a regular expression, or too large a one"),
        ];
        for (matches, lines, expected) in table {
            let stub = Stub { lines: lines.into_iter().map(str::to_owned).collect(), ..Stub::default() };
            let answer = ask(&LogCheck { matches: matches.into() }, &instance(), &stub).await;
            assert_eq!(format!("{} {}", answer.has_passed, answer.text), expected);
        }
    }
}
