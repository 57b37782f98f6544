//! What killed processes leave: the next writer removes it, and a replaced index is never without a place.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use uncsm_index::index::Index;

use crate::run::{error, json};
use crate::world::{PATHWAYS, build_line, copy_dir, world};

#[test]
fn files_under_construction_go_with_the_next_writer() {
    let world = world();
    let add = format!("add % --features % {PATHWAYS} --corpus %");
    let append = format!("build --features % {PATHWAYS} --corpus % --bundle % --append --out %");
    type Change<'a> = &'a dyn Fn(&Path);
    let changes: [Change<'_>; 4] = [
        &|index| drop(json(0, &add, &[index, &world.features, &world.corpus])),
        &|index| drop(json(0, &append, &[&world.features, &world.corpus, &world.bundle, index])),
        &|index| drop(json(0, "delete % --id d00004", &[index])),
        &|index| drop(json(0, "attach % --bundle %", &[index, &world.bundle])),
    ];
    for change in changes {
        let dir = tempfile::tempdir().unwrap();
        let index = dir.path().join("index");
        copy_dir(&world.index, &index);
        let gone = [".tmpAbC123", ".tmpzzzzzz", ".uncsm-AbC123"];
        let gone_folders = [".uncsm-bundle-AbC123", "bundle-0123456789abcdef"];
        let stay = [".tmp-mine", "notes.tmp", ".tmpAbC1234"];
        for name in gone.iter().chain(&stay) {
            std::fs::write(index.join(name), "half").unwrap();
        }
        for name in gone_folders {
            std::fs::create_dir(index.join(name)).unwrap();
            std::fs::write(index.join(name).join("config.json"), "half").unwrap();
        }
        // Not by a reader.
        assert_eq!(json(0, "verify %", &[&index])["ok"], true);
        assert!(gone.iter().chain(&gone_folders).all(|name| index.join(name).exists()));
        change(&index);
        assert!(!gone.iter().chain(&gone_folders).any(|name| index.join(name).exists()));
        assert!(stay.iter().all(|name| index.join(name).exists()));
        assert_eq!(json(0, "verify %", &[&index])["ok"], true);
    }
}

#[test]
fn a_replaced_index_is_never_without_a_place() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("index");
    copy_dir(&world.index, &out);
    let build = format!("{} --force", build_line());
    let stop = AtomicBool::new(false);
    let opened = std::thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let mut opened = 0;
            while !stop.load(Ordering::SeqCst) {
                assert!(out.join("uncsm-index.json").exists(), "a moment without an index");
                let index = Index::open(&out).unwrap();
                assert_eq!(index.reader().unwrap().searcher().num_docs(), 240);
                opened += 1;
            }
            opened
        });
        for _ in 0..4 {
            json(0, &build, &[&world.features, &world.corpus, &world.bundle, &out]);
        }
        stop.store(true, Ordering::SeqCst);
        reading.join().unwrap()
    });
    assert!(opened > 4, "{opened}");
    let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["index"], "nothing is left beside it");
}

#[test]
fn an_index_that_a_killed_replacement_set_aside_is_named_by_every_command() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let (out, aside) = (dir.path().join("index"), dir.path().join("index.replaced"));
    copy_dir(&world.index, &aside);
    let add = format!("add % --features % {PATHWAYS} --corpus %");
    let append = format!("build --features % {PATHWAYS} --corpus % --bundle % --append --out %");
    let found = [
        error("query % --keywords red", &[&out]),
        error("inspect %", &[&out]),
        error("verify %", &[&out]),
        error("delete % --id d00004", &[&out]),
        error("attach % --bundle %", &[&out, &world.bundle]),
        error(&add, &[&out, &world.features, &world.corpus]),
        error(&append, &[&world.features, &world.corpus, &world.bundle, &out]),
    ];
    for found in found {
        assert_eq!(found["code"], "not_found", "{found}");
        let hint = found["hint"].as_str().unwrap();
        assert!(hint.contains(aside.to_str().unwrap()) && hint.contains("rename"), "{found}");
    }
    // The build goes on from there: first it puts the index back.
    let refused = error(&build_line(), &[&world.features, &world.corpus, &world.bundle, &out]);
    assert_eq!(refused["code"], "exists", "{refused}");
    assert!(out.exists() && !aside.exists());
    assert_eq!(json(0, "verify %", &[&out])["ok"], true);
    // What a kill after the exchange leaves is stale, and is no obstacle.
    copy_dir(&world.index, &aside);
    json(0, &format!("{} --force", build_line()), &[&world.features, &world.corpus, &world.bundle, &out]);
    assert!(out.exists() && !aside.exists());
}
