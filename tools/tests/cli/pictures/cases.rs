//! Inputs that failed once, each with what is right: the folders of `tests/cases`, whose README says how to add one.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::files::{copy_dir, s};
use crate::pictures::support::world;
use crate::run::quiet;

/// Commands that prepare what the others ask; the rest must say more than their exit code.
const SET_UP: [&str; 3] = ["build", "add", "train"];

#[test]
fn every_case_has_its_right_answer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases");
    let mut cases: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.is_dir());
    cases.sort();
    assert!(!cases.is_empty(), "{} has cases", folder.display());
    let wanted = std::env::var("UNCSM_CASE").ok();
    cases.retain(|path| wanted.as_ref().is_none_or(|name| path.ends_with(name)));
    assert!(!cases.is_empty(), "no case has the name {wanted:?}");
    let wrong: Vec<String> = cases.iter().filter_map(|case| check(case).err()).collect();
    assert!(wrong.is_empty(), "{} of {} cases:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Runs every line of `ask` in a copy of the folder.
fn check(case: &Path) -> Result<(), String> {
    let name = case.file_name().unwrap().to_string_lossy();
    let dir = tempfile::tempdir().unwrap();
    copy_dir(case, dir.path());
    let lines = |file: &str| -> Result<Vec<String>, String> {
        let text = fs::read_to_string(case.join(file)).map_err(|e| format!("{name}/{file}: {e}"))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        Ok(lines.map(String::from).collect())
    };
    let (asks, rights) = (lines("ask")?, lines("right")?);
    if asks.len() != rights.len() || asks.is_empty() {
        return Err(format!("{name}: {} lines of `ask`, {} of `right`", asks.len(), rights.len()));
    }
    let mut says_something = false;
    for (ask, right) in asks.iter().zip(&rights) {
        let at = |why: String| format!("{name}: {ask}\n    {why}");
        let right: Map<String, Value> = serde_json::from_str(right).map_err(|e| at(format!("right: {e}")))?;
        let words = shlex::split(ask).ok_or_else(|| at("quotes do not match".into()))?;
        let only_exit = right.keys().all(|key| key == "exit");
        if only_exit && !SET_UP.contains(&words[0].as_str()) {
            return Err(at("an exit code alone is no answer".into()));
        }
        says_something |= !only_exit;
        let got = run(&words, dir.path()).map_err(at)?;
        matches(&got, &right, dir.path()).map_err(|why| at(format!("{why}\n    got {got}")))?;
    }
    says_something.then_some(()).ok_or_else(|| format!("{name}: nothing is checked but exit codes"))
}

/// What one command left: `exit`, `stderr`, and the keys of its JSON or of its error.
fn run(words: &[String], dir: &Path) -> Result<Value, String> {
    let (index, out) = (dir.join("I"), dir.join("OUT"));
    let fill = |word: &String| match word.as_str() {
        "B" => s(&world().bundle).to_owned(),
        "I" => s(&index).to_owned(),
        "OUT" => s(&out).to_owned(),
        word => word.to_owned(),
    };
    let words: Vec<String> = words.iter().map(fill).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut command = quiet(&words);
    let output = command.current_dir(dir).output().map_err(|e| e.to_string())?;
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr).into_owned());
    if stderr.contains("panicked at") {
        return Err(format!("a panic: {stderr}"));
    }
    let said: Vec<Value> = stdout
        .lines()
        .map(|line| serde_json::from_str(line).map_err(|e| format!("stdout: {e}: {line}")))
        .collect::<Result<_, _>>()?;
    let mut got = match <[Value; 1]>::try_from(said) {
        Ok([Value::Object(one)]) => one,
        Ok(other) => return Err(format!("stdout is no object: {other:?}")),
        Err(none) if none.is_empty() => Map::new(),
        Err(lines) => Map::from_iter([("lines".to_owned(), Value::Array(lines))]),
    };
    if let Some(Value::Object(error)) = stderr
        .lines()
        .find_map(|line| serde_json::from_str::<Value>(line).ok().filter(|v| !v["error"].is_null()))
    {
        got.extend(error);
    }
    if let Some(hits) = got.get("hits").and_then(Value::as_array) {
        let ids: Vec<String> = hits.iter().map(|hit| hit["id"].as_str().unwrap_or("").to_owned()).collect();
        let mut sorted = ids.clone();
        sorted.sort();
        got.insert("ids".into(), json!(ids));
        got.insert("ids_sorted".into(), json!(sorted));
    }
    got.insert("exit".into(), json!(output.status.code()));
    got.insert("stderr".into(), json!(stderr));
    Ok(Value::Object(got))
}

fn matches(got: &Value, right: &Map<String, Value>, dir: &Path) -> Result<(), String> {
    let mut right = right.clone();
    // Files that must be there afterwards, named from the folder of the case.
    if let Some(files) = right.remove("exists") {
        for file in files.as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !dir.join(file).exists() {
                return Err(format!("{file} is gone"));
            }
        }
    }
    right.entry("exit").or_insert(json!(0));
    subset("", got, &Value::Object(right))
}

/// Whether `got` has all of `right`: objects may have more keys; `~x` is a string that contains x, `!~x` one that does not.
fn subset(at: &str, got: &Value, right: &Value) -> Result<(), String> {
    let wrong = || Err(format!("{at}: expected {right}, got {got}"));
    match (got, right) {
        (Value::Object(got), Value::Object(right)) => right.iter().try_for_each(|(key, right)| {
            subset(&format!("{at}.{key}"), got.get(key).unwrap_or(&Value::Null), right)
        }),
        (Value::Array(got), Value::Array(right)) if got.len() == right.len() => got
            .iter()
            .zip(right)
            .enumerate()
            .try_for_each(|(i, (got, right))| subset(&format!("{at}[{i}]"), got, right)),
        (_, Value::String(text)) => {
            let said = got.as_str().map_or_else(|| got.to_string(), str::to_owned);
            let holds = match (text.strip_prefix("!~"), text.strip_prefix('~')) {
                (Some(part), _) => !said.contains(part),
                (None, Some(part)) => said.contains(part),
                (None, None) => got == right,
            };
            if holds { Ok(()) } else { wrong() }
        }
        (Value::Number(got), Value::Number(right)) if got.as_f64() == right.as_f64() => Ok(()),
        _ if got == right => Ok(()),
        _ => wrong(),
    }
}

#[test]
fn an_answer_that_lacks_something_is_wrong() {
    let got = json!({"a": {"b": 1.0, "c": "one two"}, "l": [1, 2]});
    for right in
        [json!({"a": {"b": 1}}), json!({"a": {"c": "~two", "d": null}}), json!({"a": {"c": "!~three"}})]
    {
        subset("", &got, &right).unwrap();
    }
    for right in [
        json!({"a": {"b": 2}}),
        json!({"a": {"c": "~three"}}),
        json!({"a": {"c": "!~two"}}),
        json!({"l": [1]}),
    ] {
        assert!(subset("", &got, &right).is_err(), "{right}");
    }
}
