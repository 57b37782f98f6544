//! The same data and seed: the same bundle, byte for byte, and the same answers.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::run::json;
use crate::world::{PATHWAYS, build_line, train, world};

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

#[test]
fn training_twice_gives_the_same_bytes() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let again = dir.path().join("again");
    let report = train(&world.features, &world.config, &again);
    let (first, second) = (files(&world.bundle), files(&again));
    assert_eq!(first.keys().collect::<Vec<_>>(), second.keys().collect::<Vec<_>>());
    assert!(!first.is_empty() && first == second, "the files differ");
    for (stage, other) in
        report["stages"].as_array().unwrap().iter().zip(world.trained["stages"].as_array().unwrap())
    {
        assert_eq!((&stage["epochs"], &stage["validation"]), (&other["epochs"], &other["validation"]));
    }
    let other = dir.path().join("other");
    let line = format!(
        "train --features % {PATHWAYS} --label label --test-mask test --group group --config % --out % --threads 2 --seed 7"
    );
    json(0, &line, &[&world.features, &world.config, &other]);
    assert!(files(&other) != first, "another seed gives another bundle");
}

#[test]
fn building_twice_gives_the_same_answers() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let again = dir.path().join("again");
    json(0, &build_line(), &[&world.features, &world.corpus, &world.bundle, &again]);
    for part in [
        "--keywords red",
        "--filter size:[3~TO~90]",
        "--like d00018",
        "--features % --pathway image=image --rows 17..18 -k 240",
        "--features % --pathway text=text --rows 30..32 --media any -k 240",
        "--features % --pathway text=text --rows 30..31 --keywords boat -k 240",
        "--features % --pathway text=text --rows 30..31 --similarity cosine -k 240",
    ] {
        let answer = |index: &Path, threads: usize| -> Value {
            let features = world.features.as_path();
            let paths = [&[index][..], &vec![features; part.matches('%').count()]].concat();
            let mut answer = json(0, &format!("query % {part} --threads {threads}"), &paths);
            assert!(answer.as_object_mut().unwrap().remove("took_ms").unwrap().is_number());
            answer
        };
        let first = answer(&world.index, 2);
        assert_eq!(first, answer(&again, 2), "{part}");
        assert_eq!(first, answer(&world.index, 1), "{part}: a score does not depend on threads");
    }
}
