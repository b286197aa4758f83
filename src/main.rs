use std::process::ExitCode;

fn main() -> ExitCode {
    orchestrate::runtime::process::supervise_if_asked().unwrap_or_default()
}
