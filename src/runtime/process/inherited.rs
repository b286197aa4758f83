use std::{ffi::OsString, fs, path::Path};

/// In `/proc/self/fdinfo`, as in `open`: the descriptor goes when another program is run.
const CLOSE_ON_EXEC: u32 = 0o2_000_000;

/// A shell can close the descriptors that have one digit. Those are what shells and test runners
/// hand on (`3>&1`), and what a build tool's job server has.
const SHELL_CLOSES: std::ops::RangeInclusive<u32> = 3..=9;

/// The words that run a program without the descriptors that our caller handed us: a supervisor
/// that kept one of them would hold up whoever reads its other end.
///
/// Ours are closed by the kernel; for others' that takes a shell, so one is run only if there are
/// any.
pub(super) fn without_inherited(program: &Path) -> Vec<OsString> {
    let closes: Vec<String> = inherited().iter().map(|fd| format!("{fd}>&-")).collect();
    if closes.is_empty() {
        return vec![program.into()];
    }
    // In the shell `self` would be the shell.
    let program = match program.strip_prefix("/proc/self") {
        Ok(rest) => Path::new("/proc").join(std::process::id().to_string()).join(rest),
        Err(_) => program.to_owned(),
    };
    let script = format!("exec \"$@\" {}", closes.join(" "));
    vec!["/bin/sh".into(), "-c".into(), script.into(), "sh".into(), program.into()]
}

fn inherited() -> Vec<u32> {
    let stays_open = |fd: &u32| {
        let facts = fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap_or_default();
        let flags = facts.lines().find_map(|line| line.strip_prefix("flags:"));
        flags
            .and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok())
            .is_some_and(|flags| flags & CLOSE_ON_EXEC == 0)
    };
    SHELL_CLOSES.filter(stays_open).collect()
}
