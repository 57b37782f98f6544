//! Corpora of which one in a hundred pictures and texts is broken: the rest is built, and each is listed.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::corpora::support::*;
use crate::files::s;
use crate::run::{err, ok};

const N: usize = 300;
/// Documents with a broken picture, and with a broken text.
const PICTURES: [usize; 3] = [7, 120, 299];
const TEXTS: [usize; 3] = [50, 199, 250];

fn reasons(built: &Value) -> Vec<(u64, String)> {
    let one =
        |skipped: &Value| (skipped["line"].as_u64().unwrap(), skipped["reason"].as_str().unwrap().to_owned());
    built["skipped"].as_array().unwrap().iter().map(one).collect()
}

fn break_picture(path: &Path, how: usize) {
    let bytes = fs::read(path).unwrap();
    match how % 3 {
        0 => fs::write(path, &bytes[..bytes.len() / 2]).unwrap(),
        1 => fs::write(path, b"no picture").unwrap(),
        _ => fs::remove_file(path).unwrap(),
    }
}

#[test]
fn json_lines() {
    let dir = tempfile::tempdir().unwrap();
    let corpus = write_jsonl(dir.path(), N);
    for (how, i) in PICTURES.into_iter().enumerate() {
        break_picture(&dir.path().join(format!("img/{i}.png")), how);
    }
    let mut lines: Vec<Vec<u8>> =
        fs::read(&corpus).unwrap().split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    for i in TEXTS {
        let at = lines[i].iter().rposition(|&byte| byte == b's').unwrap();
        lines[i][at] = 0xff;
    }
    fs::write(&corpus, lines.join(&b'\n')).unwrap();
    let (_, built) = build(&corpus, dir.path(), &[]);
    assert_eq!(built["documents"], N - TEXTS.len());
    assert_eq!(built["items"]["image"], N - TEXTS.len() - PICTURES.len());
    assert_eq!(built["items"]["text"], N - TEXTS.len());
    let mut listed = reasons(&built);
    listed.sort();
    let mut expected: Vec<u64> = PICTURES.into_iter().chain(TEXTS).map(|i| i as u64 + 1).collect();
    expected.sort_unstable();
    assert_eq!(listed.iter().map(|(line, _)| *line).collect::<Vec<_>>(), expected);
    for (line, reason) in &listed {
        let i = *line as usize - 1;
        let says = if TEXTS.contains(&i) { "UTF-8".into() } else { format!("{i}.png") };
        assert!(reason.contains(&says), "{line}: {reason}");
    }
    let strict = dir.path().join("strict");
    let error = err(&["build", s(&corpus), "--bundle", s(&world().bundle), "--out", s(&strict), "--strict"]);
    assert!(error["file"].as_str().unwrap().ends_with("img/7.png"), "{error}");
}

#[test]
fn a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("media");
    fs::create_dir(&root).unwrap();
    for i in 0..N {
        let Row { text, png, .. } = row(i);
        fs::write(root.join(format!("{i:03}.png")), png).unwrap();
        fs::write(root.join(format!("{i:03}.txt")), text).unwrap();
    }
    for (how, i) in PICTURES.into_iter().enumerate() {
        // One that is gone leaves a text alone.
        break_picture(&root.join(format!("{i:03}.png")), how % 2);
    }
    for i in TEXTS {
        fs::write(root.join(format!("{i:03}.txt")), b"line\nbad \xff byte").unwrap();
    }
    let (_, built) = build(&root, dir.path(), &[]);
    // A broken text takes away itself alone.
    assert_eq!(built["documents"], N);
    assert_eq!(built["items"]["image"], N - PICTURES.len());
    assert_eq!(built["items"]["text"], N - TEXTS.len());
    let skipped = built["skipped"].as_array().unwrap();
    assert_eq!(skipped.len(), TEXTS.len() + PICTURES.len());
    for i in TEXTS {
        let file = root.join(format!("{i:03}.txt"));
        let found = skipped.iter().find(|skipped| skipped["file"] == s(&file)).unwrap();
        assert_eq!(found["line"], 2);
    }
    for i in PICTURES {
        let name = format!("{i:03}.png");
        let found =
            skipped.iter().find(|skipped| skipped["reason"].as_str().unwrap().contains(&name)).unwrap();
        assert_eq!((found["file"].as_str(), found["line"].as_u64()), (Some(s(&root)), Some(i as u64 + 1)));
    }
}

#[test]
fn items_that_say_nothing_are_left_out_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let all = write_jsonl(dir.path(), 45);
    let lines = fs::read_to_string(&all).unwrap();
    let with = |name: &str, change: &dyn Fn(usize, &mut Value)| {
        let file = dir.path().join(name);
        let changed = lines.lines().enumerate().map(|(i, line)| {
            let mut line = serde_json::from_str(line).unwrap();
            change(i, &mut line);
            format!("{line}\n")
        });
        fs::write(&file, changed.collect::<String>()).unwrap();
        file
    };
    let config = dir.path().join("train.toml");
    fs::write(
        &config,
        "dim = 16\nhidden = 16\nhalf = 4\nleast_steps = 0\nfolds = 2\nepochs_contrastive = 1\n\
         epochs_double_triplet = 1\nepochs_metric = 1\n",
    )
    .unwrap();
    let train = |corpus: &Path, name: &str, more: &[&str]| {
        let bundle = dir.path().join(name);
        let args = ["train", s(corpus), "--label", "color", "--config", s(&config), "--out", s(&bundle)];
        (ok(&[&args, more].concat()), bundle)
    };
    for (name, text) in [("blank", ""), ("marks", "!!!")] {
        let corpus = with(&format!("{name}.jsonl"), &|_, line| line["text"] = text.into());
        let (said, bundle) = train(&corpus, name, &[]);
        assert_eq!(said["warnings"], 45, "{name}: {said}");
        assert_eq!(said["data"]["left_out"][0]["count"], 45, "{name}: {said}");
        let media = ok(&["inspect", s(&bundle)]).to_string();
        assert!(media.contains("builtin-image") && !media.contains("builtin-text"), "{name}: {media}");
        // A bundle of pictures learns and is measured on them, whatever texts stand beside.
        for corpus in [&corpus, &all] {
            let out = format!("{name}-from-{}", corpus.file_stem().unwrap().display());
            let (said, _) = train(corpus, &out, &["--from", s(&bundle)]);
            assert_eq!(
                (&said["warnings"], &said["data"]["rows"]["train"]),
                (&45.into(), &27.into()),
                "{said}"
            );
            let said = ok(&["eval", s(&bundle), s(corpus), "--split", "train"]);
            assert_eq!(
                (&said["warnings"], &said["data"]["rows"]["train"]),
                (&45.into(), &27.into()),
                "{said}"
            );
        }
        // One of both media types says what it lacks.
        let out = dir.path().join(format!("{name}-both"));
        let from = ["--from", s(&world().bundle), "--config", s(&world().config), "--out", s(&out)];
        let error = err(&[["train", s(&corpus), "--label", "color"].as_slice(), &from].concat());
        assert_eq!((&error["code"], &error["got"]), (&"too_few_data".into(), &"0".into()), "{error}");
    }
    // Pictures that are not there are still an error.
    let gone = with("gone.jsonl", &|i, line| {
        (line["text"], line["image"]) = ("".into(), format!("gone/{i}.png").into());
    });
    let error = err(&["train", s(&gone), "--label", "color", "--out", s(&dir.path().join("gone"))]);
    assert!(error["message"].as_str().unwrap().contains("none of 36 items of `image` reads"), "{error}");
}

#[test]
fn a_label_that_lost_digits_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let corpus = write_jsonl(dir.path(), 45);
    let lines = fs::read_to_string(&corpus).unwrap();
    let labelled = |name: &str, quote: &str| {
        let file = dir.path().join(name);
        // Two classes that one float stands for, and two others.
        let label = |i: usize| match i % 6 {
            0 | 3 => format!("{quote}12345678901234567890{}{quote}", i % 2),
            1 | 4 => "1".to_owned(),
            _ => "2".to_owned(),
        };
        let lines = lines.lines().enumerate();
        let lines = lines.map(|(i, line)| format!("{{\"label\":{},{}\n", label(i), &line[1..]));
        fs::write(&file, lines.collect::<String>()).unwrap();
        let config = dir.path().join("train.toml");
        fs::write(
            &config,
            "dim = 8\nhidden = 8\nhalf = 4\nleast_steps = 0\nfolds = 2\nepochs_contrastive = 1\n",
        )
        .unwrap();
        let bundle = dir.path().join(format!("{name}.bundle"));
        ok(&["train", s(&file), "--label", "label", "--config", s(&config), "--out", s(&bundle)])
    };
    let said = labelled("numbers.jsonl", "");
    assert_eq!((&said["data"]["classes"], &said["warnings"]), (&2.into(), &15.into()), "{said}");
    assert!(said["data"]["left_out"].to_string().contains("write it as a string"), "{said}");
    let said = labelled("texts.jsonl", "\"");
    assert_eq!((&said["data"]["classes"], &said["warnings"]), (&4.into(), &0.into()), "{said}");
}
