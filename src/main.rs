use std::process::ExitCode;

fn main() -> ExitCode {
    match orchestrate::runtime::process::supervise_if_asked() {
        Some(code) => code,
        None => orchestrate::cli::run(std::env::args_os()),
    }
}
