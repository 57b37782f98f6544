//! Several features files as one source: the same bundle as from one file, in memory that does not hold the features.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

use crate::data;
use crate::run::{error, json, quiet};
use crate::world::{PATHWAYS, ROWS, world};

const CUTS: [Range<usize>; 3] = [0..50, 50..51, 51..ROWS];
const BESIDE: &str = "--label label --test-mask test --group group";

/// The tensors of some rows, to be changed and written.
#[derive(Clone)]
struct Part {
    tensors: BTreeMap<String, (Dtype, Vec<usize>, Vec<u8>)>,
    classes: Option<Vec<String>>,
}

/// `rows` of the file at `path`.
fn part(path: &Path, rows: Range<usize>) -> Part {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let cut = |(name, view): (String, TensorView<'_>)| {
        let mut shape = view.shape().to_vec();
        let stride = view.data().len() / shape[0];
        shape[0] = rows.len();
        (name, (view.dtype(), shape, view.data()[rows.start * stride..rows.end * stride].to_vec()))
    };
    let classes = data::CLASSES.map(str::to_owned).to_vec();
    Part { tensors: file.tensors().into_iter().map(cut).collect(), classes: Some(classes) }
}

impl Part {
    fn save(&self, path: &Path) -> PathBuf {
        let views = self.tensors.iter().map(|(name, (dtype, shape, bytes))| {
            (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        let names = self.classes.as_ref().map(|names| serde_json::to_string(names).unwrap());
        let metadata = names.map(|names| [("classes".to_owned(), names)].into_iter().collect());
        let views: BTreeMap<String, TensorView<'_>> = views.collect();
        std::fs::write(path, safetensors::serialize(views, metadata).unwrap()).unwrap();
        path.to_path_buf()
    }

    /// Gives the classes other names, in this order; labels follow.
    fn named(mut self, names: &[&str]) -> Self {
        let (_, _, bytes) = self.tensors.get_mut("label").unwrap();
        let new = |old: &[u8]| {
            let name = data::CLASSES[i64::from_le_bytes(old.try_into().unwrap()) as usize];
            names.iter().position(|other| *other == name).map_or(-1, |at| at as i64)
        };
        *bytes = bytes.chunks(8).flat_map(|old| new(old).to_le_bytes()).collect();
        self.classes = Some(names.iter().map(|name| (*name).to_owned()).collect());
        self
    }
}

/// The shared rows in files of a folder.
fn cut(dir: &Path) -> Vec<PathBuf> {
    let file = &world().features;
    let place = |at: usize| dir.join(format!("part-{at}.safetensors"));
    CUTS.iter().enumerate().map(|(at, rows)| part(file, rows.clone()).save(&place(at))).collect()
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    entries
        .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
        .collect()
}

fn train(features: &[&Path], out: &Path) -> Value {
    let named = "--features % ".repeat(features.len());
    let line = format!("train {named}{PATHWAYS} {BESIDE} --config % --out % --threads 2");
    json(0, &line, &[features, &[&world().config, out]].concat())
}

#[test]
fn three_files_give_the_bundle_of_one() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let parts = dir.path().join("parts");
    std::fs::create_dir(&parts).unwrap();
    let cut = cut(&parts);
    // What else a folder holds is passed over.
    std::fs::write(parts.join("report.json"), "{}").unwrap();
    std::fs::write(parts.join(".part-9.safetensors"), "half").unwrap();
    let whole = files(&world.bundle);
    let paths: Vec<&Path> = cut.iter().map(PathBuf::as_path).collect();
    let pattern = parts.join("part-*.safetensors");
    for (name, features) in [("each", &paths[..]), ("folder", &[&*parts]), ("pattern", &[&*pattern])] {
        let out = dir.path().join(name);
        let report = train(features, &out);
        assert_eq!(report["data"]["rows"], world.trained["data"]["rows"], "{name}");
        assert!(files(&out) == whole, "{name}: another bundle");
    }
    // In another order they are other rows.
    let out = dir.path().join("turned");
    train(&[paths[2], paths[0], paths[1]], &out);
    assert!(files(&out) != whole);

    let eval = format!("eval % --features % {PATHWAYS} {}", "--label label --test-mask test");
    let one = json(0, &eval, &[&world.bundle, &world.features]);
    let mut three = json(0, &eval, &[&world.bundle, &parts]);
    assert_eq!(three["features"], "image, text (part-0.safetensors and 2 more)");
    three["features"] = one["features"].clone();
    assert_eq!(three, one);
    let calibrate = format!("calibrate % --features % {PATHWAYS} --test-mask test --out %");
    let (a, b) = (dir.path().join("a"), dir.path().join("b"));
    json(0, &calibrate, &[&world.bundle, &world.features, &a]);
    json(0, &calibrate, &[&world.bundle, &parts, &b]);
    assert!(files(&a) == files(&b));
    let further = format!("train --features % {PATHWAYS} {BESIDE} --from % --config % --out %");
    let (a, b) = (dir.path().join("further-a"), dir.path().join("further-b"));
    json(0, &further, &[&world.features, &world.bundle, &world.config, &a]);
    json(0, &further, &[&parts, &world.bundle, &world.config, &b]);
    assert!(files(&a) == files(&b));
}

#[test]
fn classes_of_other_names_or_order_are_joined_by_name() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let path = |name: &str| dir.path().join(name);
    let sorted = ["bird", "boat", "star", "tree"];
    let whole = part(&world.features, 0..ROWS).named(&sorted).save(&path("whole"));
    let first = part(&world.features, 0..120).save(&path("first"));
    let second =
        part(&world.features, 120..ROWS).named(&["tree", "star", "bird", "boat"]).save(&path("second"));
    train(&[&whole], &path("one"));
    train(&[&first, &second], &path("two"));
    assert!(files(&path("one")) == files(&path("two")));
    // A class that a file does not name has no row there.
    let mut few = part(&world.features, 120..ROWS).named(&["boat"]);
    few.classes = Some(vec!["boat".to_owned()]);
    let few = few.save(&path("few"));
    let report = train(&[&first, &few], &path("three"));
    assert_eq!((&report["data"]["classes"], &report["data"]["without_class"]), (&json!(4), &json!(90)));
}

#[test]
fn files_that_do_not_go_together_are_named() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let first = part(&world.features, 0..120).save(&dir.path().join("first.safetensors"));
    let good = part(&world.features, 120..ROWS);
    let path = dir.path().join("second.safetensors");
    let line = format!("train --features % --features % {PATHWAYS} {BESIDE} --out %");
    let out = dir.path().join("bundle");
    let failed = |code: &str, word: &str| {
        let found = error(&line, &[&first, &path, &out]);
        assert_eq!((&found["code"], &found["file"]), (&json!(code), &json!(path)), "{found}");
        assert!(found.to_string().contains(word), "{word}: {found}");
    };
    let changed = |change: &dyn Fn(&mut Part)| {
        let mut part = good.clone();
        change(&mut part);
        part.save(&path);
    };
    let text = |part: &mut Part, of: fn(&[u8]) -> Vec<u8>, dtype: Dtype, width: usize| {
        let (old, shape, bytes) = part.tensors.get_mut("text").unwrap();
        (*old, shape[1], *bytes) = (dtype, width, bytes.chunks(4 * data::TEXT).flat_map(of).collect());
    };
    changed(&|part| text(part, |row| row[4..].to_vec(), Dtype::F32, data::TEXT - 1));
    failed("bad_dimension", "15 features a row");
    changed(&|part| {
        let halves = |row: &[u8]| row.chunks(4).flat_map(|x| [x[2], x[3]]).collect();
        text(part, halves, Dtype::BF16, data::TEXT);
    });
    failed("bad_value", "BF16");
    changed(&|part| {
        let text = part.tensors.remove("text").unwrap();
        part.tensors.insert("words".into(), text);
    });
    failed("unknown_tensor", "`words`");
    changed(&|part| drop(part.tensors.remove("group")));
    failed("unknown_tensor", "group");
    changed(&|part| part.classes = None);
    failed("bad_value", "classes");
    changed(&|part| part.classes = Some(vec!["bird".into(), "boat".into(), "tree".into()]));
    failed("bad_value", "label");
    // A copy of the first, and the first itself by another name.
    part(&world.features, 0..120).save(&path);
    failed("exists", "first.safetensors");
    std::fs::remove_file(&path).unwrap();
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&first, &path).unwrap();
        failed("bad_argument", "twice");
        std::fs::remove_file(&path).unwrap();
    }
    good.save(&path);
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() - 100]).unwrap();
    failed("damaged", "whole");
    std::fs::remove_file(&path).unwrap();
    failed("not_found", "second");
    let empty = dir.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let found = error(&format!("train --features % {PATHWAYS} --out %"), &[&empty, &out]);
    assert_eq!((&found["code"], &found["file"]), (&json!("not_found"), &json!(empty)));
    // An index has its rows from one file.
    good.save(&path);
    let build = format!("build --features % --features % {PATHWAYS} --bundle % --out %");
    let found = error(&build, &[&first, &path, &world.bundle, &out]);
    assert_eq!((&found["code"], &found["file"]), (&json!("bad_argument"), &json!(path)));
    assert!(!out.exists());
}

#[test]
fn rows_are_named_by_the_file_that_has_them() {
    let (world, dir) = (world(), tempfile::tempdir().unwrap());
    let first = part(&world.features, 0..120).save(&dir.path().join("first.safetensors"));
    let good = part(&world.features, 120..ROWS);
    let is_test = |row: &usize| good.tensors["test"].2[*row] != 0;
    let row = (5..ROWS - 120).find(|row| !is_test(row)).unwrap();
    let changed = |name: &str, tensor: &str, of: &dyn Fn(&mut [u8])| {
        let mut part = good.clone();
        let (_, shape, bytes) = part.tensors.get_mut(tensor).unwrap();
        let stride = bytes.len() / shape[0];
        of(&mut bytes[row * stride..(row + 1) * stride]);
        part.save(&dir.path().join(name))
    };
    let line = format!("train --features % --features % {PATHWAYS} {BESIDE} --config % --out %");
    let out = dir.path().join("bundle");
    let failed = |path: &Path, code: &str| {
        let found = error(&line, &[&first, path, &world.config, &out]);
        assert_eq!((&found["code"], &found["file"]), (&json!(code), &json!(path)), "{found}");
        assert!(found["message"].as_str().unwrap().contains(&format!("row {row} ")), "{found}");
    };
    let nan = changed("nan", "text", &|row| row[4..8].copy_from_slice(&f32::NAN.to_le_bytes()));
    failed(&nan, "not_finite");
    failed(&changed("class", "label", &|label| label.copy_from_slice(&9i64.to_le_bytes())), "bad_value");
    let zeros = changed("zeros", "text", &|row| row.fill(0));
    let report = train(&[&first, &zeros], &out);
    let left_out = &report["data"]["left_out"][0];
    let place = (&left_out["count"], &left_out["file"], &left_out["line"]);
    assert_eq!(place, (&json!(1), &json!(zeros), &json!(row)), "{left_out}");
}

/// Writes features of `rows` rows, two media types of [`WIDTH`] elements.
#[cfg(target_os = "linux")]
fn wide(rows: usize, path: &Path) {
    let mut state = 1u64;
    let mut noise = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 23) as f32 - 1.0
    };
    let mut tensor = || (0..rows * WIDTH).flat_map(|_| noise().to_le_bytes()).collect::<Vec<u8>>();
    let tensors = ["image", "text"].map(|name| (name.to_owned(), (Dtype::F32, vec![rows, WIDTH], tensor())));
    Part { tensors: tensors.into_iter().collect(), classes: None }.save(path);
}

#[cfg(target_os = "linux")]
const WIDTH: usize = 512;

/// The most anonymous memory that a training over the features had, in bytes.
#[cfg(target_os = "linux")]
fn anonymous(features: &[&Path], config: &Path, out: &Path) -> u64 {
    let mut args = vec!["train", "--pathway", "image=image", "--pathway", "text=text"];
    for path in features {
        args.extend(["--features", path.to_str().unwrap()]);
    }
    args.extend(["--config", config.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    let mut child = quiet(&args).spawn().unwrap();
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
        let found = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        most = most.max(found.unwrap_or(0) << 10);
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(most > 0, "nothing was measured");
    most
}

#[cfg(target_os = "linux")]
#[test]
fn features_are_not_held_in_memory() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let config = path("train.toml");
    let text = "dim = 16\nhidden = 16\nmembers = 1\nbatch = 64\nleast_steps = 0\nkernel = false\nhub = false\nfolds = 1\n\
        epochs_contrastive = 1\nepochs_double_triplet = 0\nepochs_metric = 1\nvalidation = 0.01\nvalidation_rows = 16\nrefit = \"off\"\n";
    std::fs::write(&config, text).unwrap();
    let (few, many) = (1000, 10_000);
    wide(few, &path("few.safetensors"));
    wide(many, &path("many.safetensors"));
    let before = anonymous(&[&path("few.safetensors")], &config, &path("few"));
    let after = anonymous(&[&path("few.safetensors"), &path("many.safetensors")], &config, &path("many"));
    let added = (many * 2 * WIDTH * size_of::<f32>()) as u64;
    // One copy of the features would be all of this, and standardised ones as much again. Scores of few validation rows take little.
    assert!(after < before + added / 2, "{before} and {after} bytes, for {added} more of features");
}
