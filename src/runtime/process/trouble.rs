use std::{io, path::Path};

use crate::{diagnostic::Class, observed::Fault};

/// What became of a call on our own state.
pub(super) fn state_fault(doing: &str, path: &Path, error: &io::Error) -> Fault {
    let text = format!("cannot {doing} `{}`: {}", path.display(), reason(error));
    match error.kind() {
        io::ErrorKind::PermissionDenied => Fault::new(Class::Permission, "state-not-writable", text)
            .hint("give your user the state directory, or name another one with `XDG_STATE_HOME`"),
        io::ErrorKind::ReadOnlyFilesystem => Fault::new(Class::Permission, "state-not-writable", text)
            .hint("name a state directory that can be written with `XDG_STATE_HOME`"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Fault::new(Class::Resource, "state-full", text).hint("free space there: `df -h` shows how much is left")
        }
        _ => Fault::new(Class::Deployment, "state-not-usable", text),
    }
}

/// An error of the system in its own words, without its number.
pub(super) fn reason(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or(&text);
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Does work that may block (files, hashes, locks) beside the runtime's own threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Fault::new(Class::Deployment, "cancelled", "the call was cut off by the end of the program")
                .outcome_unknown()),
        },
    }
}
