//! Completions of shells and manual pages: they parse, and name every command and every flag that `--help` names.

use std::process::Command;

use crate::files::s;
use crate::run::{clean, ok, run};

/// The commands that `--help` lists.
fn commands() -> Vec<String> {
    let help = run(&["--help"]).stdout;
    let (_, list) = help.split_once("Commands:\n").unwrap();
    let names =
        list.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
    let names: Vec<String> = names.filter(|name| *name != "help").map(str::to_owned).collect();
    assert!(names.len() > 14 && names.contains(&"query".to_owned()), "{names:?}");
    names
}

/// The long flags of a command, as its `--help` lists them.
fn flags(command: &str) -> Vec<String> {
    let help = run(&[command, "--help"]).stdout;
    let flag = |line: &str| {
        let line = &line[line.find("--")?..];
        Some(line.split([' ', '<', '[', ',']).next()?.to_owned())
    };
    let listed = help.lines().filter(|line| line.trim_start().starts_with('-'));
    let mut flags: Vec<String> = listed.filter_map(flag).collect();
    flags.sort();
    flags.dedup();
    assert!(
        ["--json", "--help", "--threads"].iter().all(|flag| flags.contains(&(*flag).to_owned())),
        "{flags:?}"
    );
    flags
}

/// Whether a program is here; where it is not, a line says that the check was left out.
fn is_here(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        eprintln!("left out: no `{program}` on this machine");
    }
    found
}

fn script(shell: &str) -> String {
    let script = run(&["completions", shell]);
    assert_eq!((script.code, script.stderr.as_str()), (0, ""), "{shell}");
    let json = ok(&["completions", shell]);
    assert_eq!(
        (json["shell"].as_str(), json["script"].as_str()),
        (Some(shell), Some(script.stdout.as_str()))
    );
    script.stdout
}

/// Saves a script and lets a shell check it.
fn parses(program: &str, args: &[&str], script: &str) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("script");
    std::fs::write(&path, script).unwrap();
    let output = clean(program).args(args).arg(&path).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{program}: {said}");
}

#[test]
fn bash_completes_every_flag_of_every_command() {
    let script = script("bash");
    if !is_here("bash") {
        return;
    }
    parses("bash", &["-n"], &script);
    let (_, registered) = script.rsplit_once("complete -F ").expect("it registers a function");
    let function = registered.split_whitespace().next().unwrap();
    for command in commands() {
        // What bash sets before it calls the function, and what it reads afterwards.
        let ask = format!(
            "{script}\nCOMP_WORDS=(uncsm-index {command} --)\nCOMP_CWORD=2\n{function} uncsm-index -- {command}\n\
            printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let output = clean("bash").args(["--norc", "-c", &ask]).output().unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        let missing: Vec<String> =
            flags(&command).into_iter().filter(|flag| !said.lines().any(|line| line == flag)).collect();
        assert!(
            missing.is_empty(),
            "{command}: {missing:?}\n{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    }
}

#[test]
fn zsh_and_fish_get_every_command_and_flag() {
    let (zsh, fish) = (script("zsh"), script("fish"));
    for command in commands() {
        assert!(
            zsh.contains(&format!("({command})")) && fish.contains(&format!("-a \"{command}\"")),
            "{command}"
        );
        for flag in flags(&command) {
            let name = flag.trim_start_matches('-');
            assert!(
                [' ', '=', '[', '\''].iter().any(|end| zsh.contains(&format!("--{name}{end}"))),
                "zsh: {flag}"
            );
            assert!(
                fish.contains(&format!(" -l {name} ")) || fish.contains(&format!(" -l {name}\n")),
                "fish: {flag}"
            );
        }
    }
    // What it calls is there.
    let is_name = |c: char| c.is_alphanumeric() || "-_".contains(c);
    let called = zsh.match_indices("_uncsm").map(|(at, _)| zsh[at..].split(|c| !is_name(c)).next().unwrap());
    let mut missing: Vec<&str> = called.filter(|name| !zsh.contains(&format!("{name}()"))).collect();
    missing.dedup();
    assert!(missing.is_empty(), "{missing:?}");
    if is_here("zsh") {
        parses("zsh", &["-n"], &zsh);
    }
    if is_here("fish") {
        parses("fish", &["--no-execute"], &fish);
    }
}

#[test]
fn another_shell_is_an_error_that_names_those_there_are() {
    let found = run(&["completions", "tcsh"]);
    assert_eq!((found.code, found.stdout.as_str()), (2, ""));
    assert!(found.stderr.contains("bash, zsh, fish"), "{}", found.stderr);
}

#[test]
fn the_manual_has_a_page_for_each_command_with_every_flag() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("new/man1");
    let pages = ok(&["man", s(&folder)])["pages"].as_array().unwrap().clone();
    let page = |name: &str| std::fs::read_to_string(folder.join(format!("{name}.1"))).unwrap();
    assert!(page("uncsm-index").contains("uncsm\\-index\\-query(1)"), "the first page leads to the others");
    let mut names = vec!["uncsm-index".to_owned()];
    for command in commands() {
        let name = format!("uncsm-index-{command}");
        let text = page(&name);
        for flag in flags(&command) {
            let flag = flag.replace('-', "\\-");
            assert!(text.contains(&format!("\\fB{flag}\\fR")), "{name}: {flag}");
        }
        assert!(text.contains("Example: uncsm\\-index"), "{name}");
        names.push(name);
    }
    assert!(
        pages.len() >= names.len() && pages.iter().all(|page| !page.as_str().unwrap().ends_with("-man.1"))
    );
    // Again, over the pages of before.
    assert_eq!(ok(&["man", s(&folder)])["pages"].as_array(), Some(&pages));
    if is_here("groff") {
        for name in names {
            parses("groff", &["-man", "-Tutf8", "-ww", "-z"], &page(&name));
        }
    }
}
