//! A drawn corpus in memory, written as JSON Lines, Parquet or a folder; a bundle trained on it once.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use image::{ImageFormat, Rgb, RgbImage};
use serde_json::{Value, json};

use crate::files::s;
use crate::run::{fresh_dir, ok};

pub const COLORS: [(&str, [u8; 3]); 3] =
    [("red", [220, 30, 30]), ("green", [30, 160, 50]), ("blue", [30, 60, 220])];

const CONFIG: &str = "dim = 24\nhidden = 48\nhalf = 8\nleast_steps = 0\nepochs_contrastive = 8\n\
    epochs_double_triplet = 2\nepochs_metric = 3\naverage = 0.8\nrefit = \"off\"\n";

/// What document `i` is.
pub struct Row {
    pub id: String,
    pub text: String,
    pub color: &'static str,
    pub side: i64,
    pub split: &'static str,
    pub png: Vec<u8>,
}

pub fn row(i: usize) -> Row {
    let (color, rgb) = COLORS[i % 3];
    let side = 10 + (i / 3 % 20) as i64;
    let text = if i.is_multiple_of(2) {
        format!("a {color} square, number {i}")
    } else {
        format!("the square {i} is {color}")
    };
    let split = ["train", "train", "train", "val", "test"][i / 3 % 5];
    Row { id: format!("doc-{i:03}"), text, color, side, split, png: png(rgb, side as u32) }
}

pub fn png(rgb: [u8; 3], side: u32) -> Vec<u8> {
    let inside = |at| (4..4 + side).contains(&at);
    let picture = RgbImage::from_fn(40, 40, |x, y| Rgb(if inside(x) && inside(y) { rgb } else { [250; 3] }));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// Writes `n` documents as JSON Lines with picture files beside them; gives the file.
pub fn write_jsonl(dir: &Path, n: usize) -> PathBuf {
    fs::create_dir_all(dir.join("img")).unwrap();
    let line = |i: usize| {
        let Row { id, text, color, side, split, png } = row(i);
        let image = format!("img/{i}.png");
        fs::write(dir.join(&image), png).unwrap();
        format!(
            "{}\n",
            json!({"id": id, "text": text, "image": image, "color": color, "side": side, "split": split})
        )
    };
    let file = dir.join("corpus.jsonl");
    fs::write(&file, (0..n).map(line).collect::<String>()).unwrap();
    file
}

pub struct World {
    pub corpus: PathBuf,
    pub bundle: PathBuf,
    pub config: PathBuf,
}

/// Documents of the shared corpus.
pub const DOCUMENTS: usize = 90;

/// The shared corpus and bundle, made on first use.
pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let dir = fresh_dir("corpora");
        let corpus = write_jsonl(&dir, DOCUMENTS);
        let (bundle, config) = (dir.join("bundle"), dir.join("train.toml"));
        fs::write(&config, CONFIG).unwrap();
        ok(&["train", s(&corpus), "--label", "color", "--config", s(&config), "--out", s(&bundle)]);
        World { corpus, bundle, config }
    })
}

/// Builds an index of `corpus` in `dir` and gives the index and what was said.
pub fn build(corpus: &Path, dir: &Path, more: &[&str]) -> (PathBuf, Value) {
    let index = dir.join("index");
    let mut args = vec!["build", s(corpus), "--bundle", s(&world().bundle), "--out", s(&index)];
    args.extend(more);
    let built = ok(&args);
    assert_eq!(ok(&["verify", s(&index)])["ok"], true);
    (index, built)
}

/// Ids, fields, items and scores of all documents, by a sentence.
#[cfg(feature = "parquet")]
pub fn answers(index: &Path) -> Value {
    let found = ok(&["query", s(index), "--text", "a red square", "--media", "any", "-k", "1000"]);
    assert_ne!(found["hits"], json!([]));
    found["hits"].clone()
}
