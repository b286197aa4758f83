use super::{Ink, Tone};

/// Sets instances' names before the lines that they wrote, in a column of one width.
#[derive(Debug, Clone)]
pub struct LogLines {
    names: Vec<String>,
    width: usize,
    ink: Ink,
}

/// Tones that neighbours are told apart by.
const TONES: [Tone; 4] = [Tone::Good, Tone::Notable, Tone::Strong, Tone::Plain];

impl LogLines {
    /// For lines of these instances.
    pub fn new(names: impl IntoIterator<Item = String>, ink: Ink) -> Self {
        let names: Vec<String> = names.into_iter().collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
        Self { names, width, ink }
    }

    /// A line, scrubbed before, with its end. With one instance alone, its name says nothing.
    pub fn line(&self, name: &str, text: &str) -> String {
        if self.names.len() == 1 {
            return format!("{text}\n");
        }
        let position = self.names.iter().position(|known| known == name).unwrap_or_default();
        let prefix = format!("{name:width$} |", width = self.width);
        let line = format!("{} {text}", self.ink.paint(TONES[position % TONES.len()], &prefix));
        format!("{}\n", line.trim_end())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_a_column_where_there_are_several() {
        let lines = LogLines::new(["db-1", "worker-1"].map(String::from), Ink::Plain);
        let text: String =
            [("db-1", "up"), ("worker-1", ""), ("new-1", "x")].map(|(name, text)| lines.line(name, text)).concat();
        assert_eq!(text, "db-1     | up\nworker-1 |\nnew-1    | x\n");
        let coloured = LogLines::new(["db-1", "worker-1"].map(String::from), Ink::Colour);
        assert_eq!(coloured.line("db-1", "up"), "\u{1b}[32mdb-1     |\u{1b}[0m up\n");
        assert_eq!(LogLines::new(["db-1".to_owned()], Ink::Plain).line("db-1", "  up"), "  up\n");
    }
}
