use std::{
    fs::{self, File, Metadata},
    io::{self, Read as _},
    path::Path,
    time::{Duration, SystemTime},
};

use super::answer::{failed, holds, passed, quote};
use crate::{
    health::Answer,
    plan::{ByteSize, FileCheck, Interval},
};

/// How much of a file is searched.
const MOST_BYTES: u64 = 1 << 20;

pub(super) async fn ask(check: &FileCheck, plan_directory: &Path) -> Answer {
    let check = check.clone();
    let path = plan_directory.join(&check.path);
    // A file system that hangs leaves a thread behind, not a deployment.
    let look = tokio::task::spawn_blocking(move || match look(&check, &path) {
        Ok(()) => passed("the file is as expected"),
        Err(text) => failed(text),
    });
    look.await.unwrap_or_else(|_| failed("the file could not be looked at"))
}

fn look(check: &FileCheck, path: &Path) -> Result<(), String> {
    let name = &check.path;
    let metadata = match fs::metadata(path) {
        Ok(_) if check.exists == Some(false) => return Err(format!("`{name}` exists, expected that it does not")),
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => match check.exists {
            Some(false) => return Ok(()),
            Some(true) | None => return Err(format!("`{name}` does not exist")),
        },
        Err(error) => return Err(format!("`{name}` cannot be looked at: {}", quote(&error.to_string()))),
    };
    check_age(check, &metadata)?;
    check_size(check, &metadata)?;
    check_content(check, path, &metadata)?;
    check_free(check, path)
}

fn check_age(check: &FileCheck, metadata: &Metadata) -> Result<(), String> {
    let Some(max_age) = check.max_age else { return Ok(()) };
    let changed = metadata.modified().map_err(|_| format!("nobody knows when `{}` was changed", check.path))?;
    // A file from the future is new.
    let age = SystemTime::now().duration_since(changed).unwrap_or_default();
    if age <= max_age.0 {
        return Ok(());
    }
    let age = Interval(Duration::from_secs(age.as_secs()));
    Err(format!("`{}` was changed {age} ago, expected at most {max_age}", check.path))
}

fn check_size(check: &FileCheck, metadata: &Metadata) -> Result<(), String> {
    let size = ByteSize(metadata.len());
    match (check.min_size, check.max_size) {
        (Some(least), _) if size < least => {
            Err(format!("`{}` has {size} bytes, expected at least {least}", check.path))
        }
        (_, Some(most)) if size > most => Err(format!("`{}` has {size} bytes, expected at most {most}", check.path)),
        _ => Ok(()),
    }
}

fn check_content(check: &FileCheck, path: &Path, metadata: &Metadata) -> Result<(), String> {
    let Some(expected) = &check.contains else { return Ok(()) };
    // Opening a pipe would wait for a writer.
    if !metadata.is_file() {
        return Err(format!("`{}` is not a regular file", check.path));
    }
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut content));
    read.map_err(|error| format!("`{}` cannot be read: {}", check.path, quote(&error.to_string())))?;
    if holds(&content, expected.expose()) {
        return Ok(());
    }
    Err(format!("`{}` does not hold `{expected}`", check.path))
}

fn check_free(check: &FileCheck, path: &Path) -> Result<(), String> {
    let Some(least) = check.min_free else { return Ok(()) };
    let facts = rustix::fs::statvfs(path)
        .map_err(|error| format!("the free space at `{}` is not known: {}", check.path, quote(&error.to_string())))?;
    let free = ByteSize(facts.f_bavail.saturating_mul(facts.f_frsize));
    if free >= least {
        return Ok(());
    }
    Err(format!("{free} bytes are free at `{}`, expected at least {least}", check.path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        probe::stub::check,
        secret::{Secret, Text},
    };

    async fn ask_in(directory: &Path, fields: &str) -> String {
        let check = check(&format!(r#"{{"file": {fields}}}"#));
        let crate::plan::CheckKind::File(file) = check.kind else { panic!("not a file check") };
        let answer = ask(&file, directory).await;
        format!("{} {}", answer.has_passed, answer.text)
    }

    #[tokio::test]
    async fn each_condition_is_asked() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a"), "hello world").unwrap();
        let old = File::create(directory.path().join("old")).unwrap();
        old.set_modified(SystemTime::now() - Duration::from_secs(7200)).unwrap();
        let good = "true the file is as expected";
        let table = [
            (r#"{"path": "a"}"#, good),
            (r#"{"path": "."}"#, good),
            (r#"{"path": "a", "exists": true}"#, good),
            (r#"{"path": "a", "exists": false}"#, "false `a` exists, expected that it does not"),
            (r#"{"path": "b"}"#, "false `b` does not exist"),
            (r#"{"path": "b", "exists": false, "max_age": "1s"}"#, good),
            (r#"{"path": "a/b"}"#, "false `a/b` cannot be looked at: Not a directory (os error 20)"),
            (r#"{"path": "a", "max_age": "1h"}"#, good),
            (r#"{"path": "old", "max_age": "1h"}"#, "false `old` was changed 2h ago, expected at most 1h"),
            (r#"{"path": "a", "min_size": 11, "max_size": 11}"#, good),
            (r#"{"path": "a", "min_size": "1k"}"#, "false `a` has 11 bytes, expected at least 1K"),
            (r#"{"path": "a", "max_size": 10}"#, "false `a` has 11 bytes, expected at most 10"),
            (r#"{"path": "a", "contains": "o w"}"#, good),
            (r#"{"path": "a", "contains": "bye"}"#, "false `a` does not hold `bye`"),
            (r#"{"path": ".", "contains": "bye"}"#, "false `.` is not a regular file"),
            (r#"{"path": "a", "min_free": "1k"}"#, good),
        ];
        for (fields, expected) in table {
            assert_eq!(ask_in(directory.path(), fields).await, expected, "{fields}");
        }
        let starved = ask_in(directory.path(), r#"{"path": "a", "min_free": "1000000t"}"#).await;
        assert!(starved.starts_with("false ") && starved.ends_with(" are free at `a`, expected at least 1000000T"));
    }

    #[tokio::test]
    async fn a_secret_that_is_missed_is_not_shown() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a"), "hello").unwrap();
        let contains = Some(Text::Secret(Secret::new("hunter2")));
        let file = FileCheck { path: "a".into(), contains, ..FileCheck::default() };
        assert_eq!(ask(&file, directory.path()).await, failed("`a` does not hold `***`"));
    }
}
