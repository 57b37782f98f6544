//! The code of docs/: shell and Python blocks run from top to bottom of each page, and what a page shows as seen is seen.
//!
//! Pages share one corpus and one bundle, made once; each runs in a copy of its own. Training in a page takes few steps.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use image::{Rgb, RgbImage};
use serde_json::{Value, json};

use crate::files::{copy_dir, s, write_lines};
use crate::readme::{COLOURS, KINDS, PLACES};
use crate::run::{clean, command, fresh_dir, ok};

/// Blocks of `rust` are doctests of the library; what is shown in `console` and `toml` is run by nobody.
const LANGUAGES: [&str; 7] = ["console", "json", "python", "rust", "sh", "text", "toml"];
/// Few steps, so that a page with `train` takes a second.
const CONFIG: &str = "dim = 24\nhidden = 48\nhalf = 8\nleast_steps = 0\nepochs_contrastive = 8\n\
    epochs_double_triplet = 2\nepochs_metric = 3\naverage = 0.8\nrefit = \"off\"\n";
const DOCUMENTS: usize = 96;

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

/// The picture of document `i`.
fn picture(i: usize) -> RgbImage {
    let (ground, shade) = (KINDS[i % 4].2, COLOURS[i / 4 % 3].1);
    let side = (i % 16) as u32 + 14;
    RgbImage::from_fn(40, 40, |x, y| {
        let inside = match i % 4 {
            0 => x < side && y < side,
            1 => x + y < side,
            2 => x < side && y > 40 - side / 2,
            _ => (x as i32 - 20).pow(2) + (y as i32 - 20).pow(2) < (side * side / 8) as i32,
        };
        Rgb(if inside { shade } else { ground.map(|c| c / 2 + 100) })
    })
}

/// Writes picture and text of document `i` into the folder of pictures; gives its line in the shop's corpus.
fn document(dir: &Path, i: usize) -> Value {
    let (class, thing, _) = KINDS[i % 4];
    let (colour, held_out) = (COLOURS[i / 4 % 3].0, i / 4 % 5 == 4);
    let text = format!("A {colour} {thing} {}", PLACES[i / 12 % 4]);
    let brand = ["Aster", "Birke", "Clover"][i % 3];
    let folder = format!("pictures/{}{class}", if held_out { "test/" } else { "" });
    std::fs::create_dir_all(dir.join(&folder)).unwrap();
    let stem = format!("{folder}/{:03}", i + 1);
    picture(i).save(dir.join(&stem).with_extension("png")).unwrap();
    std::fs::write(dir.join(&stem).with_extension("txt"), format!("{text}\n")).unwrap();
    json!({
        "id": format!("p{}", i + 1), "title": format!("A {colour} {thing} {}", i + 1), "text": text,
        "image": format!("{stem}.png"), "category": class, "brand": brand,
        "price": (5 + i * 7 % 90) as f64 + 0.5, "stock": i * 5 % 7, "parent": format!("{thing}-{}", i / 12),
        "split": if held_out { "test" } else { "train" },
    })
}

/// What the pages speak of, made once.
fn world() -> &'static Path {
    static WORLD: OnceLock<PathBuf> = OnceLock::new();
    WORLD.get_or_init(|| {
        let dir = fresh_dir("documents");
        let path = |name: &str| dir.join(name);
        let lines: Vec<Value> = (0..DOCUMENTS).map(|i| document(&dir, i)).collect();
        write_lines(&path("corpus.jsonl"), &lines);
        picture(0).save(path("photo.png")).unwrap();
        let click = |i: usize| {
            let clicked = format!("p{}", 4 * i + 1);
            json!({"text": "a bird", "keywords": "bird", "clicked": [clicked], "shown": ["p2", clicked, "p3"]})
        };
        write_lines(&path("clicks.jsonl"), &(0..24).map(click).collect::<Vec<_>>());
        // A checkpoint of random weights, in the layout of the published ones.
        copy_dir(&docs().join("../tests/library/clip/clip"), &path("clip"));
        std::fs::write(path("quick.toml"), CONFIG).unwrap();
        let (corpus, bundle) = (path("corpus.jsonl"), path("my.bundle"));
        let config = path("quick.toml");
        ok(&["train", s(&corpus), "--label", "category", "--config", s(&config), "--out", s(&bundle)]);
        ok(&["build", s(&corpus), "--bundle", s(&bundle), "--out", s(&path("my.index"))]);
        dir
    })
}

/// A block of code: the line where it begins, its language, its lines.
struct Block {
    line: usize,
    language: String,
    text: String,
}

fn blocks(text: &str) -> Vec<Block> {
    let (mut out, mut inside) = (Vec::<Block>::new(), false);
    for (number, line) in text.lines().enumerate() {
        match line.trim_start().strip_prefix("```") {
            Some(language) => {
                inside = !inside;
                if inside {
                    out.push(Block {
                        line: number + 1,
                        language: language.trim().into(),
                        text: String::new(),
                    });
                }
            }
            None if inside => *out.last_mut().map(|block| &mut block.text).unwrap() += &format!("{line}\n"),
            None => {}
        }
    }
    assert!(!inside, "a block that does not end");
    out
}

/// Words of a line with `#` for each number: seconds, scores and fingerprints differ from run to run.
fn shape(line: &str) -> String {
    let mut out = String::new();
    for word in line.split_whitespace() {
        out += if out.is_empty() { "" } else { " " };
        let is_hash = word.len() > 11 && word.chars().all(|c| c.is_ascii_hexdigit());
        let mut before = ' ';
        for c in if is_hash { "0" } else { word }.chars() {
            let (digit, dot) = (c.is_ascii_digit(), c == '.' && before == '#');
            let shown = if digit || dot { '#' } else { c };
            if shown != '#' || before != '#' {
                out.push(shown);
            }
            before = shown;
        }
    }
    out
}

/// The first line of `expected` that does not come in `seen`, after those before it.
fn unseen<'a>(expected: &'a str, seen: &str) -> Option<&'a str> {
    let seen: Vec<String> = seen.lines().map(shape).collect();
    let mut seen = seen.iter();
    let wanted = expected.lines().filter(|line| !line.trim().is_empty() && line.trim() != "...");
    wanted.into_iter().find(|line| {
        let shape = shape(line);
        !seen.any(|found| *found == shape)
    })
}

/// Whether `python3` is here and has what a block imports.
fn python_has(text: &str) -> bool {
    let imports: Vec<&str> =
        text.lines().filter(|line| line.starts_with("import ") || line.starts_with("from ")).collect();
    let output = clean("python3").args(["-c", &imports.join("\n")]).output();
    output.is_ok_and(|output| output.status.success())
}

/// Runs a page in a copy of the world.
fn page(name: &str) {
    let text = std::fs::read_to_string(docs().join(name)).unwrap();
    let dir = tempfile::tempdir().unwrap();
    copy_dir(world(), dir.path());
    if name == "tutorial.md" {
        // It makes its own.
        std::fs::remove_dir_all(dir.path().join("my.bundle")).unwrap();
        std::fs::remove_dir_all(dir.path().join("my.index")).unwrap();
    }
    let binary = Path::new(command().get_program()).parent().unwrap().to_owned();
    let before = std::env::var_os("PATH").unwrap();
    let path = std::env::join_paths([binary].into_iter().chain(std::env::split_paths(&before))).unwrap();
    let run = |program: &str, args: &[&str]| {
        let mut command: Command = clean(program);
        command.args(args).current_dir(dir.path()).env("PATH", &path).env("LC_ALL", "C");
        command.env("UNCSM_CACHE", dir.path().join("cache")).output().unwrap()
    };
    let mut seen = String::new();
    for Block { line, language, text } in blocks(&text) {
        let at = format!("docs/{name}:{line}");
        let output = match language.as_str() {
            "sh" => {
                let text = text.replace("uncsm-index train ", "uncsm-index train --config quick.toml ");
                run("sh", &["-eu", "-c", &text])
            }
            "python" if !python_has(&text) => {
                eprintln!("left out from {at} on: python3 is not here, or has not what the block imports");
                return;
            }
            "python" => run("python3", &["-c", &text]),
            "text" => {
                assert_eq!(unseen(&text, &seen), None, "{at}: not seen, or not in this order, in:\n{seen}");
                continue;
            }
            "json" => {
                for line in text.lines() {
                    let parsed = serde_json::from_str::<Value>(line);
                    assert!(parsed.is_ok(), "{at}: {line}");
                }
                continue;
            }
            _ => continue,
        };
        seen = String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{at}: {:?}\n{seen}", output.status.code());
    }
}

/// A test for each page with a block of `sh` or `python`, so that they run side by side.
macro_rules! pages {
    ($($test:ident: $name:literal),+ $(,)?) => {
        $(
            #[test]
            fn $test() {
                page($name);
            }
        )+
        const PAGES: &[&str] = &[$($name),+];
    };
}

pages! {
    choosing_runs: "choosing.md",
    formats_runs: "formats.md",
    operating_runs: "operating.md",
    clip_runs: "recipes/clip.md",
    duplicates_runs: "recipes/duplicates.md",
    feedback_runs: "recipes/feedback.md",
    own_encoder_runs: "recipes/own-encoder.md",
    shop_runs: "recipes/shop.md",
    the_tutorial_runs: "tutorial.md",
}

#[test]
fn every_page_with_code_is_run() {
    let folders = [docs(), docs().join("recipes")];
    let files: Vec<PathBuf> = folders.iter().flat_map(|dir| crate::files::files_with(dir, "md")).collect();
    assert!(files.len() > PAGES.len());
    for file in files {
        let name = file.strip_prefix(docs()).unwrap().to_str().unwrap().to_owned();
        for block in blocks(&std::fs::read_to_string(&file).unwrap()) {
            let at = format!("docs/{name}:{}", block.line);
            assert!(LANGUAGES.contains(&block.language.as_str()), "{at}: a block of `{}`", block.language);
            let runs = ["sh", "python"].contains(&block.language.as_str());
            assert!(
                !runs || PAGES.contains(&name.as_str()),
                "{at}: list the page in `pages!`, so that it is run; blocks that cannot be run are `console`"
            );
        }
    }
}

#[test]
fn what_is_not_as_shown_is_seen() {
    let seen = "my.index: 96 documents, 0.4 s\n  1  a.png  score 3.1\nspace 04af3275c6fa3dc4\ndone\n";
    assert_eq!(unseen("my.index: 12 documents, 10.25 s\n...\nspace 7572ab00aab00bb\n", seen), None);
    for wrong in ["my.index: no documents", "done\nspace 04af3275c6fa", "1 b.png score 3.1", "space x"] {
        assert!(unseen(wrong, seen).is_some(), "{wrong}");
    }
    let found = blocks("a\n```sh\nx\n\ny\n```\n```\nz\n```\n");
    let found: Vec<_> = found.iter().map(|b| (b.line, b.language.as_str(), b.text.as_str())).collect();
    assert_eq!(found, [(2, "sh", "x\n\ny\n"), (7, "", "z\n")]);
}
