//! What a build says: its steps, and its last lines.

use std::collections::VecDeque;

use super::fault::clean;

/// The lines that are kept to show why a build failed.
const LINES_KEPT: usize = 30;

/// A line is not kept beyond this, in bytes.
const LONGEST_LINE: usize = 4096;

/// A step of a build, as the engine counts them: stages that are left out count too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    pub number: u32,
    pub of: u32,
    /// The instruction, as in `RUN make`.
    pub instruction: String,
    /// Where it is in the Dockerfile, if it is found there.
    pub line: Option<usize>,
}

/// What has been heard of a build.
pub(super) struct BuildOutput<'a> {
    /// The Dockerfile's lines that are still to come, each with its number.
    dockerfile: std::iter::Enumerate<std::str::Lines<'a>>,
    pub step: Option<Step>,
    lines: VecDeque<String>,
    /// What came since the last end of a line.
    rest: String,
}

impl<'a> BuildOutput<'a> {
    pub fn new(dockerfile: &'a str) -> Self {
        Self { dockerfile: dockerfile.lines().enumerate(), step: None, lines: VecDeque::new(), rest: String::new() }
    }

    /// Takes in a piece of text; whether another step has begun.
    pub fn hear(&mut self, text: &str) -> bool {
        let before = self.step.as_ref().map(|step| step.number);
        for piece in text.split_inclusive('\n') {
            if self.rest.len() < LONGEST_LINE {
                self.rest.push_str(piece);
            }
            if piece.ends_with('\n') {
                self.end_line();
            }
        }
        self.step.as_ref().map(|step| step.number) != before
    }

    /// The last lines, cleaned.
    pub fn into_lines(mut self) -> Vec<String> {
        self.end_line();
        self.lines.into()
    }

    fn end_line(&mut self) {
        let line = clean(&std::mem::take(&mut self.rest));
        if line.is_empty() {
            return;
        }
        if let Some((number, of, instruction)) = step(&line) {
            let line = self.find(instruction);
            self.step = Some(Step { number, of, instruction: instruction.to_owned(), line });
        }
        if self.lines.len() == LINES_KEPT {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// The line on which an instruction begins. Steps come in the Dockerfile's order.
    fn find(&mut self, instruction: &str) -> Option<usize> {
        let ahead = self.dockerfile.clone();
        for (index, line) in ahead {
            let begin = clean(line.trim_end().trim_end_matches('\\'));
            if begin.contains(' ') && instruction.starts_with(&begin) {
                while self.dockerfile.next().is_some_and(|(passed, _)| passed < index) {}
                return Some(index + 1);
            }
        }
        None
    }
}

/// `Step 2/7 : RUN make`.
fn step(line: &str) -> Option<(u32, u32, &str)> {
    let (count, instruction) = line.strip_prefix("Step ")?.split_once(" : ")?;
    let (number, of) = count.split_once('/')?;
    Some((number.parse().ok()?, of.parse().ok()?, instruction))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_found_in_the_dockerfile() {
        let dockerfile = "FROM a AS one\nRUN x\n\nFROM b\n# RUN x\nRUN x\nRUN make \\\n  all\n";
        let mut output = BuildOutput::new(dockerfile);
        let heard = [
            "Step 1/6 : FROM a AS one\n ---> 0a1b\n",
            "Step 2/6 : RUN x\n",
            "one\ntwo",
            " and a half\nStep 3/6 : FROM b\n",
            "Step 4/6 : RUN x\n",
            "Step 5/6 : RUN make   all\n\u{1b}[31mbad\u{1b}[0m\n",
            "Step 6/6 : CMD of the engine's own\n",
        ];
        let steps = heard.map(|text| {
            let is_new = output.hear(text);
            let step = output.step.clone().unwrap();
            let line = step.line.map_or_else(|| "?".to_owned(), |line| line.to_string());
            format!("{}{} {} at {line}", if is_new { "" } else { "still " }, step.number, step.instruction)
        });
        let expected = [
            "1 FROM a AS one at 1",
            "2 RUN x at 2",
            "still 2 RUN x at 2",
            "3 FROM b at 4",
            "4 RUN x at 6",
            "5 RUN make all at 7",
            "6 CMD of the engine's own at ?",
        ];
        assert_eq!(steps, expected);
        let lines = output.into_lines();
        assert_eq!(lines[3..6], ["one", "two and a half", "Step 3/6 : FROM b"]);
        assert_eq!(lines[lines.len() - 2], "[31mbad [0m");
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut output = BuildOutput::new("");
        for number in 0..100 {
            output.hear(&format!("{number}\n"));
        }
        output.hear(&"x".repeat(100_000));
        let lines = output.into_lines();
        assert_eq!((lines.len(), lines[0].as_str()), (LINES_KEPT, "71"));
        assert!(lines[LINES_KEPT - 1].len() < 1000);
    }
}
