use super::Secret;

/// Shorter secrets are not looked for in foreign text: `1` would blank half of every log.
const SHORTEST: usize = 4;

/// Takes known secrets, and control characters, out of text that others wrote.
#[derive(Clone, Default)]
pub struct Scrubber {
    /// The lines of each secret, longest first, so that one that holds another goes as a whole.
    secrets: Vec<Secret>,
}

impl Scrubber {
    pub fn new(secrets: impl IntoIterator<Item = Secret>) -> Self {
        let mut secrets: Vec<Secret> = secrets
            .into_iter()
            .flat_map(|secret| secret.expose().lines().map(Secret::new).collect::<Vec<_>>())
            .filter(|line| line.expose().len() >= SHORTEST)
            .collect();
        secrets.sort_by(|a, b| b.expose().len().cmp(&a.expose().len()).then_with(|| a.cmp(b)));
        secrets.dedup();
        Self { secrets }
    }

    /// One line of foreign text: secrets become `***`, control characters (terminal escapes among
    /// them) become `�`, tabs stay.
    pub fn line(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in &self.secrets {
            if text.contains(secret.expose()) {
                text = text.replace(secret.expose(), &secret.to_string());
            }
        }
        match text.contains(|c: char| c.is_control() && c != '\t') {
            true => text.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect(),
            false => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_escapes_leave_foreign_text() {
        let scrubber = Scrubber::new(["hunter2", "hunter2-long", "abc"].map(Secret::new));
        assert_eq!(scrubber.line("pw hunter2-long,hunter2 abc"), "pw ***,*** abc");
        assert_eq!(scrubber.line("a\x1b[31mred\tb"), "a\u{fffd}[31mred\tb");
    }
}
