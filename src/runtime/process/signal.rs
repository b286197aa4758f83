use rustix::process::Signal;

use crate::{diagnostic::Class, observed::Fault};

/// The signals that a plan may name.
const NAMES: [(&str, Signal); 13] = [
    ("HUP", Signal::HUP),
    ("INT", Signal::INT),
    ("QUIT", Signal::QUIT),
    ("ABRT", Signal::ABORT),
    ("KILL", Signal::KILL),
    ("USR1", Signal::USR1),
    ("USR2", Signal::USR2),
    ("PIPE", Signal::PIPE),
    ("ALRM", Signal::ALARM),
    ("TERM", Signal::TERM),
    ("CONT", Signal::CONT),
    ("WINCH", Signal::WINCH),
    ("PWR", Signal::POWER),
];

/// Reads `SIGTERM`, `TERM` or `15`.
///
/// # Errors
/// If it is none of the signals that can ask a process to stop.
pub(super) fn parse_signal(text: &str) -> Result<Signal, Fault> {
    let upper = text.trim().to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    let named = NAMES.iter().find(|(known, _)| *known == name).map(|(_, signal)| *signal);
    let numbered = || NAMES.iter().map(|(_, signal)| *signal).find(|signal| name == signal.as_raw().to_string());
    named.or_else(numbered).ok_or_else(|| {
        let known: Vec<String> = NAMES.iter().map(|(name, _)| format!("`SIG{name}`")).collect();
        Fault::new(Class::Configuration, "unknown-signal", format!("`{text}` is not a signal that stops a process"))
            .hint(format!("write one of {}", known.join(", ")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_have_names_and_numbers() {
        for text in ["SIGTERM", "term", "15"] {
            assert_eq!(parse_signal(text).unwrap(), Signal::TERM, "{text}");
        }
        for text in ["", "SIG", "SIGSTOPPED", "0", "-15", "99"] {
            assert_eq!(parse_signal(text).unwrap_err().code, "unknown-signal", "{text:?}");
        }
    }
}
