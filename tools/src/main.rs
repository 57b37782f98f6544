//! `uncsm-index`: the command line.

#![allow(unreachable_pub, reason = "a binary has no callers outside")]

mod args;
mod command;
#[cfg(feature = "train")]
mod demo;
mod demo_args;
mod interrupt;
mod left_out;
mod limit_args;
mod merge_args;
mod output;
mod package_args;
mod progress;
mod query_args;
#[cfg(feature = "serve")]
mod serve;
mod serve_args;
mod source;
mod source_args;
mod threads;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use command::Outcome;
use output::Output;
use uncsm_index::{Error, ErrorCode, Result};

fn main() -> ExitCode {
    let parsed = Cli::try_parse();
    let flag = parsed.as_ref().ok().and_then(|cli| cli.global.threads);
    // SAFETY: what stands before this starts no thread.
    #[allow(unsafe_code, reason = "listed in ARCHITECTURE.md")]
    unsafe {
        threads::tell_libraries(flag)
    };
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() && std::env::args_os().any(|arg| arg == "--json") => {
            let error = Error::new(ErrorCode::BadArgument, usage_sentence(&error.to_string()))
                .hint("see `uncsm-index --help`");
            output::print_error(&error, true);
            return ExitCode::from(2);
        }
        Err(error) => error.exit(),
    };
    progress::log_to_stderr(&cli.global);
    print_no_caught_panics();
    let output = Output::new(cli.global.json);
    match threads::limit(cli.global.threads).and_then(|()| run(&cli, &output)) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Nothing) => ExitCode::from(1),
        Ok(Outcome::Damaged | Outcome::BadLines) => ExitCode::from(2),
        // The reader has seen enough; that is no error.
        Err(error) if output.is_broken_pipe() => {
            drop(error);
            ExitCode::SUCCESS
        }
        Err(error) => {
            output::print_error(&error, cli.global.json);
            ExitCode::from(2)
        }
    }
}

fn run(cli: &Cli, output: &Output) -> Result<Outcome> {
    let global = &cli.global;
    match &cli.command {
        #[cfg(feature = "train")]
        Command::Demo(args) => command::demo::run(args, global, output),
        #[cfg(feature = "train")]
        Command::Train(args) => command::learn::train::run(args, global, output),
        #[cfg(feature = "train")]
        Command::Calibrate(args) => command::learn::calibrate::run(args, global, output),
        #[cfg(feature = "train")]
        Command::Fuse(args) => command::learn::fuse::run(args, output),
        #[cfg(not(feature = "train"))]
        Command::Demo(_) => command::learn::without_training::refuse("demo"),
        #[cfg(not(feature = "train"))]
        Command::Train(_) => command::learn::without_training::refuse("train"),
        #[cfg(not(feature = "train"))]
        Command::Calibrate(_) => command::learn::without_training::refuse("calibrate"),
        #[cfg(not(feature = "train"))]
        Command::Fuse(_) => command::learn::without_training::refuse("fuse"),
        Command::Features(args) => command::learn::features::run(args, global, output),
        Command::Eval(args) => command::learn::eval::run(args, global, output),
        Command::Schema(args) => command::index::schema::run(args, output),
        Command::Build(args) => command::index::build::run(args, global, output),
        Command::Merge(args) => command::index::merge::run(args, global, output),
        Command::Add(args) => command::index::add::run(args, global, output),
        Command::Delete(args) => command::index::delete::run(args, output),
        Command::Attach(args) => command::index::attach::run(args, output),
        Command::Query(args) => command::query::run(args, global, output),
        #[cfg(feature = "serve")]
        Command::Serve(args) => match command::serve::run(args, global, output)? {},
        #[cfg(not(feature = "serve"))]
        Command::Serve(_) => command::without_serving::refuse(),
        Command::Inspect(args) => command::index::inspect::run(args, output),
        Command::Verify(args) => command::index::verify::run(args, output),
        Command::Encoders(args) => command::learn::encoders::run(args, output),
        Command::Completions(args) => command::completions::run(args, output),
        Command::Man(args) => command::man::run(args, output),
    }
}

/// The first paragraph of a usage error in one line: the arguments that it is about may stand on lines of their own.
fn usage_sentence(text: &str) -> String {
    let paragraph = text.lines().take_while(|line| !line.trim().is_empty());
    let words: Vec<&str> = paragraph.flat_map(str::split_whitespace).collect();
    words.join(" ").trim_start_matches("error: ").to_owned()
}

/// A panic over a damaged file becomes an error, which alone is printed.
fn print_no_caught_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !uncsm_index::corpus::catches_panics() {
            print(panic);
        }
    }));
}
