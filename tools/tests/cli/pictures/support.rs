//! A small corpus of drawn pictures, and a bundle trained on it once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use image::{Rgb, RgbImage};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::files::{copy_dir, s, write_lines};
use crate::run::{fresh_dir, ok};

pub const COLORS: [(&str, [u8; 3]); 5] = [
    ("red", [220, 30, 30]),
    ("green", [30, 160, 50]),
    ("blue", [30, 60, 220]),
    ("yellow", [240, 210, 20]),
    ("purple", [140, 40, 170]),
];
pub const SHAPES: [&str; 3] = ["circle", "square", "stripes"];
/// Documents of the corpus.
pub const DOCUMENTS: usize = 120;
/// Pictures of the corpus: one in ten documents has two, one in twenty has three.
pub const PICTURES: usize = 120 + 12 + 2 * 6;
/// Documents of the split `test`.
pub const HELD_OUT: usize = 30;

/// Few rows and few steps: less of what keeps large data from being learned by heart, and an average of fewer steps.
const CONFIG: &str = "dim = 48\nhidden = 96\nhalf = 16\nleast_steps = 0\nepochs_contrastive = 40\n\
    epochs_double_triplet = 15\nepochs_metric = 20\npatience = 40\naverage = 0.8\ndropout_input = 0.1\n\
    dropout_hidden = 0.2\npair_weight = 1.0\nsoftmax_weight = 1.0\nclass_weight = 0.0\nlabel_weight = 0.2\n\
    refit = \"off\"\n";

/// What all tests read and none changes.
pub struct World {
    pub corpus: PathBuf,
    pub config: PathBuf,
    pub bundle: PathBuf,
    pub index: PathBuf,
    /// What `train --json` and `build --json` said.
    pub trained: Value,
    pub built: Value,
}

/// The corpus, the bundle and the index, made on first use.
pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let dir = fresh_dir("pictures");
        fs::create_dir(dir.join("img")).unwrap();
        let lines: Vec<Value> = (0..DOCUMENTS).map(|i| document(&dir, i)).collect();
        let corpus = dir.join("corpus.jsonl");
        write_lines(&corpus, &lines);
        let config = dir.join("train.toml");
        fs::write(&config, CONFIG).unwrap();
        let (bundle, index) = (dir.join("bundle"), dir.join("index"));
        let trained = train(&corpus, &config, &bundle);
        let built = ok(&["build", s(&corpus), "--bundle", s(&bundle), "--out", s(&index)]);
        World { corpus, config, bundle, index, trained, built }
    })
}

pub fn train(corpus: &Path, config: &Path, out: &Path) -> Value {
    ok(&["train", s(corpus), "--out", s(out), "--label", "category", "--config", s(config)])
}

/// Shape, colour and variation of document `i`.
pub fn kind(i: usize) -> (&'static str, usize, usize) {
    (SHAPES[i % 3], i / 3 % 5, i / 15)
}

/// Draws the pictures of document `i`; gives its line.
fn document(dir: &Path, i: usize) -> Value {
    let (shape, color, variation) = kind(i);
    let pictures = if i % 20 == 7 { 3 } else { 1 + usize::from(i % 10 == 3) };
    let mut names = Vec::new();
    for n in 0..pictures {
        let name = format!("img/{i:03}-{n}.png");
        draw(shape, COLORS[color].1, (i * 10 + n) as u64).save(dir.join(&name)).unwrap();
        names.push(name);
    }
    let name = COLORS[color].0;
    let text = match variation % 4 {
        0 => format!("a {name} {shape} on white"),
        1 => format!("here we see a {shape} that is {name}"),
        2 => format!("{shape} painted in {name} on a white ground"),
        _ => format!("the {name} {shape}"),
    };
    let split = match variation {
        0..=4 => "train",
        5 => "val",
        _ => "test",
    };
    let mut line = json!({
        "id": id(i), "text": text, "category": shape, "color": name, "tag": format!("tag{i:03}"), "split": split,
    });
    match pictures {
        1 => line["image"] = names.remove(0).into(),
        _ => line["images"] = names.into(),
    }
    line
}

pub fn id(i: usize) -> String {
    format!("doc-{i:03}")
}

/// A shape of one colour, its size and place drawn from `seed`.
pub fn draw(shape: &str, color: [u8; 3], seed: u64) -> RgbImage {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (radius, cx, cy) = (rng.random_range(14..20), rng.random_range(24..40), rng.random_range(24..40));
    let shift = rng.random_range(0..12);
    RgbImage::from_fn(64, 64, |x, y| {
        let (dx, dy) = (x as i32 - cx, y as i32 - cy);
        let inside = match shape {
            "circle" => dx * dx + dy * dy < radius * radius,
            "square" => dx.abs() < radius && dy.abs() < radius,
            _ => (x + y + shift) % 12 < 5,
        };
        Rgb(if inside { color } else { [250, 250, 250] })
    })
}

/// The line of document `i`, with its pictures named by absolute paths.
pub fn line(i: usize) -> Value {
    let text = fs::read_to_string(&world().corpus).unwrap();
    let mut line: Value = serde_json::from_str(text.lines().nth(i).unwrap()).unwrap();
    let folder = world().corpus.parent().unwrap();
    let absolute = |name: &Value| Value::from(s(&folder.join(name.as_str().unwrap())));
    if line["image"].is_string() {
        line["image"] = absolute(&line["image"]);
    }
    if let Some(names) = line["images"].as_array() {
        line["images"] = names.iter().map(absolute).collect();
    }
    line
}

/// A copy of the index that a test may change.
pub fn copy_of_index(to: &Path) -> PathBuf {
    let copy = to.join("index");
    copy_dir(&world().index, &copy);
    copy
}

/// Everything that a user can see of the documents: all fields, and the ranking by a sentence with its numbers.
pub fn answers(index: &Path) -> Value {
    let all = ok(&["query", s(index), "--filter", "*", "-k", "1000"]);
    let sentence = "a red circle on white";
    let ranked = ok(&["query", s(index), "--text", sentence, "--media", "any", "-k", "1000"]);
    let documents = &ok(&["inspect", s(index)])["documents"];
    json!({ "all": all["hits"], "ranked": ranked["hits"], "documents": documents })
}

pub fn assert_sound(index: &Path) {
    assert_eq!(ok(&["verify", s(index)]), json!({ "ok": true, "damage": [] }));
}

/// `(media type, ordinal, bytes of vector and half)` of every item of a document, as the index stores them.
pub fn stored_items(index: &Path, id: &str) -> Vec<(String, u32, Vec<u8>)> {
    use uncsm_index::{index::Index, search::Engine};
    let index = Index::open(index).unwrap();
    let engine = Engine::new(&index).unwrap();
    let address = engine.find(id).unwrap();
    let vectors = index.cache().get(engine.searcher().segment_reader(address.segment_ord)).unwrap();
    let mut out = Vec::new();
    for (media, config) in index.bundle().media().iter().enumerate() {
        let view = vectors.view(media);
        for row in view.items_of(address.doc_id) {
            let (mut vector, mut half) = (vec![0.0; view.dim], vec![0.0; view.half]);
            view.vector_into(row, &mut vector);
            view.half_into(row, &mut half);
            let bytes = vector.iter().chain(&half).flat_map(|v| v.to_le_bytes()).collect();
            out.push((config.name.clone(), view.ordinals[row], bytes));
        }
    }
    out
}
