use std::{
    fs::OpenOptions,
    io::{ErrorKind, Write as _},
    path::Path,
};

use anyhow::Context as _;

use super::{Exit, Terminal};

/// What happens to a file that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    Never,
    Allowed,
}

/// Prints a plan, or writes it into a file.
pub fn write_plan(terminal: &Terminal, text: &str, path: Option<&Path>, overwrite: Overwrite) -> anyhow::Result<Exit> {
    let Some(path) = path else {
        terminal.print(text)?;
        return Ok(Exit::Ok);
    };
    let mut options = OpenOptions::new();
    options.write(true);
    match overwrite {
        Overwrite::Never => options.create_new(true),
        Overwrite::Allowed => options.create(true).truncate(true),
    };
    let mut file = match options.open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let text = "is there already, and is only overwritten with `--force`";
            terminal.say(&format!("error: `{}` {text}\n", path.display()));
            return Ok(Exit::Failed);
        }
        Err(error) => return Err(error).with_context(|| format!("`{}` cannot be made", path.display())),
    };
    file.write_all(text.as_bytes()).with_context(|| format!("`{}` cannot be written", path.display()))?;
    terminal.say(&format!("wrote `{}`\n", path.display()));
    Ok(Exit::Ok)
}
