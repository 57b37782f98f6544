//! `uncsm-index completions`: what a shell needs to complete commands, flags and their values.

use clap::CommandFactory;
use clap_complete::{Shell, generate};
use serde_json::json;
use uncsm_index::Result;

use crate::Outcome;
use crate::args::Cli;
use crate::output::Output;
use crate::package_args::{CompletionsArgs, ShellArg};

/// The name that the binary is called by.
const PROGRAM: &str = "uncsm-index";

impl ShellArg {
    fn shell(self) -> Shell {
        match self {
            Self::Bash => Shell::Bash,
            Self::Zsh => Shell::Zsh,
            Self::Fish => Shell::Fish,
        }
    }
}

pub fn run(args: &CompletionsArgs, output: &Output) -> Result<Outcome> {
    let shell = args.shell.shell();
    let mut script = Vec::new();
    generate(shell, &mut Cli::command(), PROGRAM, &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    if shell == Shell::Bash {
        // clap_complete 4.6 writes the dash of the program in two ways, so that no case of a command would be met.
        script = script.replace("uncsm__subcmd__index", "uncsm__index");
    }
    output.print(&json!({ "shell": shell.to_string(), "script": script }), || script.clone())?;
    Ok(Outcome::Done)
}
