use clap::CommandFactory as _;

use super::{Arguments, CompletionsArguments, Exit, Terminal};

/// `orchestrate completions SHELL`: prints the shell's completion script.
pub fn run(arguments: &CompletionsArguments, terminal: &Terminal) -> anyhow::Result<Exit> {
    terminal.print(&script(arguments.shell))?;
    Ok(Exit::Ok)
}

fn script(shell: clap_complete::Shell) -> String {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "orchestrate", &mut script);
    String::from_utf8(script).expect("names of commands and flags are UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_completes_every_command() {
        use clap_complete::Shell;

        for shell in [Shell::Bash, Shell::Elvish, Shell::Fish, Shell::PowerShell, Shell::Zsh] {
            let script = script(shell);
            for word in ["apply", "completions", "rollback", "force-recreate"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }
}
