use std::io::{self, BufRead, IsTerminal as _, Write};

/// What a person said, if there is one to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply {
    Yes,
    No,
    /// Nobody can be asked: input or output is no terminal.
    Nobody,
}

/// Asks a question that is answered with yes or no, on the terminal. Anything but yes is no.
///
/// # Errors
/// If the terminal cannot be read or written.
pub fn confirm(question: &str) -> io::Result<Reply> {
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(Reply::Nobody);
    }
    ask(question, &mut io::stdin().lock(), &mut io::stderr())
}

fn ask(question: &str, answers: &mut impl BufRead, talk: &mut impl Write) -> io::Result<Reply> {
    write!(talk, "{question} [y/N] ")?;
    talk.flush()?;
    let mut answer = String::new();
    if answers.read_line(&mut answer)? == 0 {
        // The end of input leaves the cursor on the question's line.
        writeln!(talk)?;
    }
    match answer.trim().to_ascii_lowercase().as_str() {
        "y" | "yes" => Ok(Reply::Yes),
        _ => Ok(Reply::No),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_yes() {
        let table = [
            ("y\n", Reply::Yes),
            (" YES \n", Reply::Yes),
            ("\n", Reply::No),
            ("n\n", Reply::No),
            ("yess\n", Reply::No),
        ];
        for (answer, reply) in table {
            let mut talk = Vec::new();
            assert_eq!(ask("replace 3 services?", &mut answer.as_bytes(), &mut talk).unwrap(), reply, "{answer:?}");
            assert_eq!(String::from_utf8(talk).unwrap(), "replace 3 services? [y/N] ");
        }
        let mut talk = Vec::new();
        assert_eq!(ask("sure?", &mut "".as_bytes(), &mut talk).unwrap(), Reply::No);
        assert_eq!(String::from_utf8(talk).unwrap(), "sure? [y/N] \n");
    }
}
