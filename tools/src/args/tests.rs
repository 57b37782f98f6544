//! What `--help` says of every command and every flag.

use clap::{Arg, ArgAction, Command as Clap, CommandFactory, Parser};

use super::Cli;

/// Every command by its path, the program itself first.
fn commands() -> Vec<(String, Clap)> {
    fn below(command: &Clap, path: &str, out: &mut Vec<(String, Clap)>) {
        let path = format!("{path} {}", command.get_name()).trim().to_owned();
        out.push((path.clone(), command.clone()));
        command.get_subcommands().filter(|c| c.get_name() != "help").for_each(|c| below(c, &path, out));
    }
    let (mut cli, mut out) = (Cli::command(), Vec::new());
    cli.build();
    below(&cli, "", &mut out);
    assert!(out.len() > 15, "{}", out.len());
    out
}

/// How a flag is written.
fn written(arg: &Arg) -> String {
    let short = || arg.get_short().map_or_else(|| arg.get_id().to_string(), |short| format!("-{short}"));
    arg.get_long().map_or_else(short, |long| format!("--{long}"))
}

/// Something that a required argument may be.
fn anything(arg: &Arg) -> String {
    let names = arg.get_possible_values();
    names.first().map_or_else(|| "x".to_owned(), |name| name.get_name().to_owned())
}

/// The command line of `example`, a part of one: what the command needs besides stands before it.
fn line(path: &str, command: &Clap, example: &str) -> Vec<String> {
    let given = shlex::split(example).unwrap();
    let mut line: Vec<String> = path.split(' ').map(str::to_owned).collect();
    let starts_with_flag = given.first().is_some_and(|word| word.starts_with('-'));
    for arg in command.get_arguments().filter(|arg| arg.is_required_set()) {
        if arg.is_positional() {
            line.extend(starts_with_flag.then(|| anything(arg)));
        } else if !given.contains(&written(arg)) {
            line.extend([written(arg), anything(arg)]);
        }
    }
    line.extend(given);
    line
}

/// What is wrong with the help of a flag; `None` for nothing.
fn lacks(path: &str, command: &Clap, arg: &Arg) -> Option<String> {
    // The first paragraph, which `-h` shows too.
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let shown = arg.get_default_values().iter().any(|value| !value.is_empty())
        && matches!(arg.get_action(), ArgAction::Set | ArgAction::Append);
    if !(arg.is_required_set() || shown || help.contains("[default: ")) {
        return Some(format!("no default: {help}"));
    }
    let Some((_, example)) = help.split_once("Example: ") else { return Some(format!("no example: {help}")) };
    let line = line(path, command, example);
    let mut names = arg.get_all_aliases().unwrap_or_default().into_iter().map(|alias| format!("--{alias}"));
    if !line.contains(&written(arg)) && !names.any(|name| line.contains(&name)) {
        return Some(format!("an example of something else: {example}"));
    }
    Cli::try_parse_from(&line).err().map(|error| format!("{}: {error}", line.join(" ")))
}

#[test]
fn every_command_has_an_example_that_parses_and_sets_the_global_flags_apart() {
    for (path, mut command) in commands() {
        let help = command.render_long_help().to_string();
        let example = help.lines().find_map(|line| line.trim().strip_prefix("Example: "));
        let example = example.unwrap_or_else(|| panic!("{path} has no example"));
        let example = example.split(" > ").next().unwrap();
        let parsed = Cli::try_parse_from(shlex::split(example).unwrap());
        assert!(parsed.is_ok(), "{example}: {}", parsed.unwrap_err());
        assert!(help.contains("Options of every command:"), "{path}: {help}");
    }
}

#[test]
fn help_of_every_flag_says_its_default_and_an_example_that_parses() {
    let (mut lacking, mut seen) = (Vec::new(), Vec::new());
    for (path, command) in commands() {
        // Those of every command are looked at once, where they can stand in a line: with a command that needs nothing.
        let is_own = |arg: &&Arg| !arg.is_positional() && (!arg.is_global_set() || path.ends_with(" demo"));
        let is_ours = |arg: &&Arg| !["help", "version"].contains(&arg.get_id().as_str());
        for arg in command.get_arguments().filter(is_own).filter(is_ours) {
            seen.push(format!("{path} {}", written(arg)));
            lacking
                .extend(lacks(&path, &command, arg).map(|what| format!("{path} {}: {what}", written(arg))));
        }
    }
    assert!(lacking.is_empty(), "{}", lacking.join("\n"));
    // It looks at what there is.
    let of = |command: &str| {
        seen.iter().filter(|flag| flag.starts_with(&format!("uncsm-index {command} "))).count()
    };
    assert!(of("query") > 40 && of("build") > 20 && of("add") > 10 && of("serve") > 10, "{seen:?}");
    for flag in
        ["demo --threads", "build --shard", "add --map", "query -k", "query --max-bytes", "delete --id"]
    {
        assert!(seen.contains(&format!("uncsm-index {flag}")), "{flag}: {seen:?}");
    }
}

#[test]
fn what_the_help_of_a_flag_lacks_is_seen() {
    let lacks = |help: &'static str| {
        let command = Clap::new("demo").arg(Arg::new("dir").long("dir").help(help));
        let arg = command.get_arguments().next().unwrap();
        lacks("uncsm-index demo", &command, arg)
    };
    assert_eq!(lacks("A folder [default: none]. Example: --dir x"), None);
    for bad in [
        "A folder. Example: --dir x",
        "A folder [default: none]",
        "A folder [default: none]. Example: --dir",
        "A folder [default: none]. Example: --json",
        "A folder [default: none]. Example: --dir x --no-such-flag",
    ] {
        assert!(lacks(bad).is_some(), "{bad}");
    }
}

#[test]
fn an_index_is_named_in_an_example_of_a_query() {
    let (path, command) = commands().into_iter().find(|(path, _)| path.ends_with(" query")).unwrap();
    let index = command.get_positionals().next().unwrap();
    let help = index.get_help().unwrap().to_string();
    let (_, example) = help.split_once("Example: ").unwrap();
    let parsed = Cli::try_parse_from(line(&path, &command, example));
    assert!(parsed.is_ok(), "{}", parsed.unwrap_err());
}
