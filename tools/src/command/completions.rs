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
    let script = String::from_utf8_lossy(&script).into_owned();
    output.print(&json!({ "shell": shell.to_string(), "script": script }), || script.clone())?;
    Ok(Outcome::Done)
}
