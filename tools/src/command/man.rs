//! `uncsm-index man DIR`: a manual page for the program and for each command. Hidden: those who package the program call it.

use std::fmt::Write;
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use serde_json::json;
use uncsm_index::{Error, Result};

use crate::Outcome;
use crate::args::Cli;
use crate::output::Output;
use crate::package_args::ManArgs;

/// Writes the pages of section 1 into a folder, which is made; pages of before are replaced.
///
/// # Errors
/// What writing says.
pub fn run(args: &ManArgs, output: &Output) -> Result<Outcome> {
    std::fs::create_dir_all(&args.dir).map_err(|e| Error::io(&args.dir, e))?;
    let mut cli = Cli::command().disable_help_subcommand(true);
    cli.build();
    let mut pages = Vec::new();
    write(&cli, &args.dir, &mut pages)?;
    pages.sort();
    output.print(&json!({ "pages": pages }), || {
        pages.iter().fold(String::new(), |mut text, page| {
            let _ = writeln!(text, "{page}");
            text
        })
    })?;
    Ok(Outcome::Done)
}

/// The page of `command`, then those of its commands.
fn write(command: &Command, dir: &Path, pages: &mut Vec<String>) -> Result<()> {
    let man = Man::new(command.clone()).manual("uncsm-index");
    let path = dir.join(man.get_filename());
    let mut page = Vec::new();
    man.render(&mut page).and_then(|()| std::fs::write(&path, page)).map_err(|e| Error::io(&path, e))?;
    pages.push(path.display().to_string());
    command.get_subcommands().filter(|c| !c.is_hide_set()).try_for_each(|c| write(c, dir, pages))
}
