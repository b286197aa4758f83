use std::time::Duration;

use super::answer::{failed, passed, quote};
use crate::{
    diagnostic::Class, health::Answer, observed::Instance, plan::CommandCheck, plan::Interval, runtime::Observe,
};

pub(super) async fn ask(check: &CommandCheck, instance: &Instance, runtime: &dyn Observe, timeout: Duration) -> Answer {
    let words = check.command.expose();
    if words.is_empty() {
        return failed("the check's command is empty");
    }
    match runtime.exec(instance.runtime, &instance.id, &words, timeout).await {
        Ok(output) if output.exit_code == 0 => passed("exit code 0"),
        Ok(output) => {
            let last_line = output.output.lines().rev().find(|line| !line.trim().is_empty());
            let said = last_line.map(|line| format!(": {}", quote(line))).unwrap_or_default();
            failed(format!("exit code {}, expected 0{said}", output.exit_code))
        }
        Err(fault) if fault.class == Class::Timeout => failed(format!("no answer within {}", Interval(timeout))),
        Err(fault) => failed(format!("the command did not run: {}", quote(&fault.text))),
    }
}

#[cfg(test)]
mod tests {
    use crate::probe::stub::ask;

    #[tokio::test]
    async fn the_exit_code_decides() {
        let table = [
            (r#"["true"]"#, "passed: exit code 0"),
            (r#"["false"]"#, "failed: exit code 1, expected 0: no\u{fffd}[31m luck"),
            (r#"["quiet"]"#, "failed: exit code 2, expected 0"),
            (r#"["missing"]"#, "failed: the command did not run: `missing` is not in the image"),
            (r#"["slow"]"#, "failed: no answer within 5s"),
            (r#"[]"#, "failed: the check's command is empty"),
        ];
        for (command, expected) in table {
            assert_eq!(ask(&format!(r#"{{"command": {command}}}"#)).await, expected, "{command}");
        }
    }
}
