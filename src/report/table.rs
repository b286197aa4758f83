use super::{Ink, Tone};

/// One field of a [`Table`].
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    pub fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self { text: text.into(), tone }
    }

    /// A dash, where there is nothing to say.
    pub fn none() -> Self {
        Self::new("-", Tone::Faint)
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// Plain columns under a heading: no lines, so that `awk` can read it too.
#[derive(Debug, Clone)]
pub struct Table<const N: usize> {
    heading: [&'static str; N],
    rows: Vec<[Cell; N]>,
}

/// What is between two columns.
const GAP: &str = "  ";

impl<const N: usize> Table<N> {
    pub fn new(heading: [&'static str; N]) -> Self {
        Self { heading, rows: Vec::new() }
    }

    pub fn row(&mut self, cells: [Cell; N]) {
        self.rows.push(cells);
    }

    pub fn render(&self, ink: Ink) -> String {
        let heading = self.heading.map(|title| Cell::new(title, Tone::Strong));
        let lines: Vec<&[Cell; N]> = std::iter::once(&heading).chain(&self.rows).collect();
        let mut widths = [0; N];
        for line in &lines {
            for (width, cell) in widths.iter_mut().zip(line.iter()) {
                *width = (*width).max(cell.text.chars().count());
            }
        }
        lines.iter().map(|line| render_line(line, &widths, ink)).collect()
    }
}

fn render_line<const N: usize>(cells: &[Cell; N], widths: &[usize; N], ink: Ink) -> String {
    let mut line = String::new();
    // Filling is written before the next field, so no line ends in blanks.
    let mut filling = 0;
    for (cell, width) in cells.iter().zip(widths) {
        if cell.text.is_empty() {
            filling += width + GAP.len();
            continue;
        }
        line.push_str(&" ".repeat(filling));
        line.push_str(&ink.paint(cell.tone, &cell.text));
        filling = width - cell.text.chars().count() + GAP.len();
    }
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_field() {
        let mut table = Table::new(["NAME", "STATE", "NOTE"]);
        table.row(["wäb".into(), Cell::new("running", Tone::Good), "".into()]);
        table.row(["a-long-name".into(), Cell::none(), "x".into()]);
        assert_eq!(
            table.render(Ink::Plain),
            "\
NAME         STATE    NOTE
wäb          running
a-long-name  -        x
"
        );
        assert_eq!(table.render(Ink::Colour).lines().nth(1).unwrap(), "wäb          \u{1b}[32mrunning\u{1b}[0m");
    }
}
