//! The shell blocks of the README, run from top to bottom on a corpus of the shape that it shows.

use std::path::Path;
use std::process::Command;

use image::{Rgb, RgbImage};
use serde_json::{Value, json};

use crate::run::command;

/// What the pictures show, here and in docs/: a category, its noun, and its ground.
pub(crate) const KINDS: [(&str, &str, [u8; 3]); 4] = [
    ("birds", "bird", [200, 40, 40]),
    ("boats", "boat", [40, 70, 200]),
    ("trees", "tree", [40, 150, 60]),
    ("stars", "star", [220, 190, 40]),
];
pub(crate) const COLOURS: [(&str, [u8; 3]); 3] =
    [("red", [230, 60, 60]), ("blue", [60, 90, 230]), ("green", [60, 180, 80])];
pub(crate) const PLACES: [&str; 4] = ["on a wire", "at night", "in a cage", "that sits by the water"];

/// The lines of the README's blocks of the language `sh`, with their numbers.
fn shell_lines(text: &str) -> Vec<(usize, String)> {
    let (mut out, mut inside): (Vec<(usize, String)>, bool) = (Vec::new(), false);
    for (number, line) in text.lines().enumerate() {
        match line.trim_start().strip_prefix("```") {
            Some(language) => inside = !inside && language.trim() == "sh",
            None if inside && !line.trim().is_empty() => out.push((number + 1, line.to_owned())),
            None => {}
        }
    }
    out
}

/// Document `i` of a file whose ids begin with `letter`, in the shape that the README shows; its picture is drawn.
fn document(dir: &Path, letter: &str, i: usize, split: Option<&str>) -> Value {
    let (category, thing, ground) = KINDS[i % KINDS.len()];
    let (colour, shade) = COLOURS[i / 4 % COLOURS.len()];
    let place = PLACES[i / 12 % PLACES.len()];
    let (id, size) = (format!("{letter}{}", i + 1), 6 + i % 16);
    let name = format!("img/{id}.png");
    let side = size as u32 + 8;
    RgbImage::from_fn(40, 40, |x, y| {
        let inside = match i % 4 {
            0 => x < side && y < side,
            1 => x + y < side,
            2 => x < side && y > 40 - side / 2,
            _ => (x as i32 - 20).pow(2) + (y as i32 - 20).pow(2) < (side * side / 8) as i32,
        };
        Rgb(if inside { shade } else { ground.map(|c| c / 2 + 100) })
    })
    .save(dir.join(&name))
    .unwrap();
    let mut line = json!({
        "id": id, "title": format!("A {colour} {thing}"), "text": format!("A {colour} {thing} {place}"),
        "image": name, "category": category, "size": size,
    });
    if let Some(split) = split {
        line["split"] = split.into();
    }
    line
}

fn save(path: &Path, lines: &[Value]) {
    std::fs::write(path, lines.iter().map(|line| format!("{line}\n")).collect::<String>()).unwrap();
}

/// The files that the README speaks of.
fn prepare(dir: &Path) {
    std::fs::create_dir(dir.join("img")).unwrap();
    let split = |i: usize| Some(if i % 5 == 4 { "test" } else { "train" });
    let mut corpus: Vec<Value> = (0..96).map(|i| document(dir, "a", i, split(i))).collect();
    corpus.push(document(dir, "b", 0, Some("train")));
    save(&dir.join("corpus.jsonl"), &corpus);
    let of = |letter: &str, split: Option<&str>| -> Vec<Value> {
        (0..48).map(|i| document(dir, letter, i, split)).collect()
    };
    save(&dir.join("more.jsonl"), &of("m", Some("train")));
    save(&dir.join("held_out.jsonl"), &of("h", Some("val")));
    image::open(dir.join("img/h1.png")).unwrap().to_rgb8().save(dir.join("photo.jpg")).unwrap();
    save(&dir.join("queries.jsonl"), &[json!({"text": "a bird"}), json!({"keywords": "wire", "k": 3})]);
    let click = |i: usize| {
        let clicked = format!("a{}", 4 * i + 1);
        json!({"text": "a bird", "keywords": "bird", "clicked": [clicked], "shown": ["a2", clicked, "a3"]})
    };
    save(&dir.join("clicks.jsonl"), &(0..24).map(click).collect::<Vec<_>>());
}

#[test]
fn the_shell_blocks_of_the_readme_run_from_top_to_bottom() {
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md")).unwrap();
    let lines = shell_lines(&text);
    assert!(lines.len() > 25, "the README has its commands: {}", lines.len());
    let dir = tempfile::tempdir().unwrap();
    prepare(dir.path());
    // Found by name, as after `cargo install`.
    let binary = Path::new(command().get_program()).to_owned();
    let folder = binary.parent().unwrap();
    let path = std::env::join_paths(
        [folder.to_owned()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let path = path.unwrap();
    for (number, line) in lines {
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(&line).current_dir(dir.path()).env("PATH", &path);
        shell
            .env_remove("UNCSM_ENCODERS")
            .env("UNCSM_CACHE", dir.path().join("cache"))
            .env_remove("RUST_LOG");
        let output = shell.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        // With so few documents none may be probable enough: that nothing is found is an answer too.
        let most = i32::from(line.contains("--min-probability"));
        let code = output.status.code();
        assert!(
            code.is_some_and(|code| (0..=most).contains(&code)),
            "README.md:{number}: {line}: {code:?}\n{said}"
        );
    }
}

#[test]
fn only_blocks_of_the_shell_are_run() {
    let text = "```sh\na\n\nb # c\n```\n```console\n$ no\n```\nd\n```json\n{}\n```\n```sh\ne\n```\n";
    let lines: Vec<String> = shell_lines(text).into_iter().map(|(_, line)| line).collect();
    assert_eq!(lines, ["a", "b # c", "e"]);
}
