use std::{
    collections::BTreeMap,
    io::{self, IsTerminal as _, Write as _},
};

use super::{ColourChoice, CommonArguments, ProgressMode};
use crate::{
    diagnostic::Diagnostic,
    report::{Ink, Level, UnfinishedReport, WarningReport, warnings_text},
};

/// Where output goes, and what it may look like.
#[derive(Debug, Clone)]
pub struct Terminal {
    /// For stdout, which takes data.
    pub data_ink: Ink,
    /// For stderr, which takes talk.
    pub talk_ink: Ink,
    pub talk_is_terminal: bool,
    pub level: Level,
    /// Columns to write in.
    pub width: usize,
}

/// The width where there is no terminal to ask, and the most that text is stretched to.
const USUAL_WIDTH: u16 = 100;

impl Terminal {
    /// The process's own streams.
    pub fn new(common: &CommonArguments, env: &BTreeMap<String, String>) -> Self {
        let talk_is_terminal = io::stderr().is_terminal();
        let level = match (common.quiet, common.verbose) {
            (true, _) => Level::Quiet,
            (false, true) => Level::Verbose,
            (false, false) => Level::Normal,
        };
        Self {
            data_ink: ink(common.color, env, io::stdout().is_terminal()),
            talk_ink: ink(common.color, env, talk_is_terminal),
            talk_is_terminal,
            level,
            width: usize::from(size().map_or(USUAL_WIDTH, |(_, columns)| columns.clamp(40, USUAL_WIDTH))),
        }
    }

    /// How a deployment is shown while it runs.
    pub fn progress_mode(&self) -> ProgressMode {
        match (self.level, self.talk_is_terminal) {
            (Level::Quiet | Level::Verbose, _) | (_, false) => ProgressMode::Lines(self.level),
            (Level::Normal, true) => ProgressMode::Board(self.talk_ink),
        }
    }

    /// Writes data to stdout. Whoever reads it may stop early: `orchestrate history | head`.
    ///
    /// # Errors
    /// If it cannot be written for another reason, such as a full disk.
    pub fn print(&self, data: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(data.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => result,
        }
    }

    /// [`print`](Self::print), again and again: whether someone still reads.
    ///
    /// # Errors
    /// As [`print`](Self::print).
    pub fn print_on(&self, data: &str) -> io::Result<bool> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(data.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            result => result.map(|()| true),
        }
    }

    /// Writes warnings to stderr.
    pub fn warn(&self, warnings: &[WarningReport]) {
        self.say(&warnings_text(warnings, self.talk_ink));
    }

    /// Writes diagnostics as warnings to stderr.
    pub fn warn_of(&self, warnings: &[Diagnostic]) {
        self.warn(&warnings.iter().map(WarningReport::from).collect::<Vec<_>>());
    }

    /// Says on stderr that a deployment has not come to its end, if there is one.
    pub fn note(&self, unfinished: Option<&UnfinishedReport>) {
        if let Some(unfinished) = unfinished {
            self.say(&unfinished.to_text(self.talk_ink));
        }
    }

    /// Writes talk to stderr; where nobody can hear it, it is lost.
    pub fn say(&self, talk: &str) {
        let _ = io::stderr().lock().write_all(talk.as_bytes());
    }
}

/// Rows and columns of the terminal behind stderr.
pub fn size() -> Option<(u16, u16)> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    (size.ws_row > 0 && size.ws_col > 0).then_some((size.ws_row, size.ws_col))
}

/// The flag decides, then `NO_COLOR`, then `CLICOLOR_FORCE`, then whether it is a terminal.
fn ink(choice: ColourChoice, env: &BTreeMap<String, String>, is_terminal: bool) -> Ink {
    let is_set = |name: &str| env.get(name).is_some_and(|value| !value.is_empty());
    let is_forced = env.get("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0");
    let is_dumb = env.get("TERM").is_some_and(|term| term == "dumb");
    let colour = match choice {
        ColourChoice::Always => true,
        ColourChoice::Never => false,
        ColourChoice::Auto if is_set("NO_COLOR") => false,
        ColourChoice::Auto => is_forced || (is_terminal && !is_dumb),
    };
    if colour { Ink::Colour } else { Ink::Plain }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_follows_the_flag_then_the_variables_then_the_terminal() {
        use ColourChoice::{Always, Auto, Never};

        type Case = (ColourChoice, &'static [(&'static str, &'static str)], bool, Ink);

        let table: [Case; 9] = [
            (Auto, &[], true, Ink::Colour),
            (Auto, &[], false, Ink::Plain),
            (Auto, &[("TERM", "dumb")], true, Ink::Plain),
            (Auto, &[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true, Ink::Plain),
            (Auto, &[("NO_COLOR", "")], true, Ink::Colour),
            (Auto, &[("CLICOLOR_FORCE", "1")], false, Ink::Colour),
            (Auto, &[("CLICOLOR_FORCE", "0")], false, Ink::Plain),
            (Always, &[("NO_COLOR", "1")], false, Ink::Colour),
            (Never, &[("CLICOLOR_FORCE", "1")], true, Ink::Plain),
        ];
        for (choice, pairs, is_terminal, expected) in table {
            let env = pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
            assert_eq!(ink(choice, &env, is_terminal), expected, "{choice:?} {pairs:?} {is_terminal}");
        }
    }
}
