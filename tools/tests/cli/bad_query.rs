//! What `query`, `inspect` and `verify` refuse, by code.

use serde_json::Value;

use crate::run::{error, run};
use crate::world::world;

/// The error of a query of the shared index; `%` stands for the features file.
fn query_error(line: &str) -> Value {
    let world = world();
    let features = world.features.as_path();
    let paths = [&[world.index.as_path()][..], &vec![features; line.matches('%').count()]].concat();
    error(&format!("query % {line}"), &paths)
}

#[test]
fn arguments_out_of_range() {
    for line in [
        "",
        "-k -1 --keywords red",
        "--min-probability 0.5 --keywords red",
        "--keywords red --offset 18446744073709551615",
        "--features % --pathway image=image",
        "--features % --pathway image=image --rows 9..9",
        "--features % --pathway image=image --rows 9..3",
        "--features % --pathway image=image --rows 9",
        "--features % --pathway image=image --rows -1..2",
        "--features % --pathway image=image --rows 240..241",
        "--features % --pathway image=image --rows 239..241",
        "--features % --pathway image=image --rows 0..18446744073709551615",
        "--features % --pathway image --rows 0..1",
        "--features % --pathway image=image --rows 0..1 --min-probability 1.5",
        "--features % --pathway image=image --rows 0..1 --min-probability NaN",
        "--features % --pathway image=image --rows 0..1 --keywords red --weight keyword",
        "--features % --pathway image=image --rows 0..1 --keywords red --weight cosine=1",
        "--features % --pathway image=image --rows 0..1 --keywords red --weight keyword=-1",
        "--features % --pathway image=image --rows 0..1 --keywords red --weight keyword=NaN",
        "--features % --pathway image=image --rows 0..1 --keywords red --weight keyword=0 --weight metric=0",
        "--keywords red --threads 0",
        "--keywords red --threads many",
        "--keywords red -k many",
        "--keywords red --nonsense",
        "--keywords red --similarity euclid",
        "--pathway image=image",
    ] {
        let found = query_error(line);
        assert_eq!(found["code"], "bad_argument", "{line}: {found}");
    }
}

#[test]
fn rows_out_of_range_name_file_and_range() {
    let found = query_error("--features % --pathway image=image --rows 239..242");
    assert_eq!(found["file"], world().features.display().to_string());
    assert_eq!(found["expected"], "rows within 0..240");
}

#[test]
fn queries_that_do_not_parse() {
    for (line, code) in [
        ("--keywords \"red", "bad_query"),
        ("--keywords (red", "bad_query"),
        ("--keywords nope:red", "unknown_field"),
        ("--filter nope:red", "unknown_field"),
        ("--filter size:big", "bad_query"),
        ("--filter size:[1~TO", "bad_query"),
    ] {
        let found = query_error(line);
        assert_eq!(found["code"], code, "{line}: {found}");
        assert!(found["hint"].is_string(), "{line}: {found}");
    }
    let found = query_error("--filter nope:red");
    assert!(found["hint"].as_str().unwrap().contains("category"), "it names the fields: {found}");
}

#[test]
fn names_that_are_not_there() {
    for (line, code) in [
        ("--like nobody", "unknown_id"),
        ("--features % --pathway image=nope --rows 0..1", "unknown_tensor"),
        ("--features % --pathway sound=image --rows 0..1", "unknown_media"),
        ("--features % --pathway image=image --rows 0..1 --media sound", "unknown_media"),
        ("--features % --pathway image=text --rows 0..1", "bad_dimension"),
        ("--features % --pathway image=label --rows 0..1", "bad_value"),
    ] {
        let found = query_error(line);
        assert_eq!(found["code"], code, "{line}: {found}");
    }
}

#[test]
fn a_query_row_that_is_not_finite() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("nan.safetensors");
    crate::data::rows(8, 5).with_nan(5, &["image"]).save(&file);
    let line = "query % --features % --pathway image=image --rows 3..7";
    let found = error(line, &[&world.index, &file]);
    assert_eq!((&found["code"], &found["line"]), (&"not_finite".into(), &5.into()));
    assert_eq!(found["file"], file.display().to_string());
}

#[test]
fn paths_that_are_no_index() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let none = dir.path().join("none");
    for path in [dir.path(), &none, &world.bundle] {
        // The index is opened before what else is named is looked at.
        for command in ["query % --keywords red", "query % --keywords red --encoder image", "verify %"] {
            let found = error(command, &[path]);
            assert_eq!(found["code"], "not_found", "{command} {}: {found}", path.display());
            assert!(found["file"].as_str().unwrap().starts_with(&path.display().to_string()), "{found}");
        }
    }
    for path in [dir.path(), &none] {
        assert_eq!(error("inspect %", &[path])["code"], "not_found");
    }
    let found = error("inspect %", &[&world.corpus]);
    assert_eq!(
        (&found["code"], &found["file"]),
        (&"damaged".into(), &world.corpus.display().to_string().into())
    );
}

#[test]
fn usage_errors_say_what_is_missing() {
    let world = world();
    let found = error("verify", &[]);
    assert_eq!(found["code"], "bad_argument");
    assert!(found["message"].as_str().unwrap().contains("<INDEX>"), "{found}");
    let found = error("build --features % --out x", &[&world.features]);
    assert!(found["message"].as_str().unwrap().contains("--bundle"), "{found}");
    let found = error("query % --nonsense", &[&world.index]);
    assert!(found["message"].as_str().unwrap().contains("--nonsense"), "{found}");
}

#[cfg(unix)]
#[test]
fn arguments_that_are_no_text() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let odd = OsStr::from_bytes(b"/none/\xff");
    for args in [
        &["verify".as_ref(), odd, "--json".as_ref()][..],
        &["verify".as_ref(), odd, "--nonsense".as_ref(), "--json".as_ref()],
    ] {
        let found = run::<&OsStr>(args);
        assert_eq!((found.code, found.stdout.as_str()), (2, ""), "{found:?}");
        let value: Value = serde_json::from_str(&found.stderr).unwrap();
        assert!(["not_found", "bad_argument"].contains(&value["error"]["code"].as_str().unwrap()), "{value}");
    }
}
