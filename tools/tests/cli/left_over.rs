//! What killed processes leave: the next writer removes it, and a replaced index is never without a place.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use uncsm_index::index::Index;

use crate::files::copy_dir;
use crate::run::{error, json};
use crate::world::{PATHWAYS, build_line, world};

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
}

#[test]
fn what_a_kill_leaves_beside_an_index_goes_and_what_others_have_there_stays() {
    let world = world();
    let build = format!("{} --force", build_line());
    let files = |out: &Path| [&world.features, &world.corpus, &world.bundle, out].map(Path::to_path_buf);
    let run_build = |out: &Path| {
        let files = files(out);
        json(0, &build, &files.each_ref().map(|path| path.as_path()))
    };
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let (out, aside, partial) = (path("index"), path("index.replaced"), path("index.partial"));
    copy_dir(&world.index, &out);
    // Killed after the exchange, before and after the old one has got its other name.
    for left in [&partial, &aside] {
        copy_dir(&world.index, left);
        std::fs::write(left.join(".uncsm-replaced"), "").unwrap();
        run_build(&out);
        assert!(!left.exists() && !out.join(".uncsm-replaced").exists());
        assert_eq!(json(0, "verify %", &[&out])["ok"], true);
    }
    // Killed before it: the mark is in nobody's way.
    std::fs::write(out.join(".uncsm-replaced"), "").unwrap();
    assert_eq!(json(0, "verify %", &[&out])["ok"], true);
    json(0, "delete % --id d00004", &[&out]);
    assert!(!out.join(".uncsm-replaced").exists());
    // Folders and files of others with such names.
    for name in ["index.lock", "index.replaced"] {
        std::fs::write(path(name), "mine").unwrap();
    }
    let refused = error(&build, &[&world.features, &world.corpus, &world.bundle, &out]);
    assert_eq!((&refused["code"], &refused["file"]), (&"exists".into(), &aside.to_str().unwrap().into()));
    std::fs::remove_file(&aside).unwrap();
    copy_dir(&world.index, &aside);
    let refused = error(&build, &[&world.features, &world.corpus, &world.bundle, &out]);
    assert_eq!(refused["code"], "exists", "an index that does not say that it was replaced");
    assert!(aside.join("meta.json").exists());
    std::fs::remove_dir_all(&aside).unwrap();
    std::fs::create_dir(&aside).unwrap();
    std::fs::write(aside.join("notes"), "mine").unwrap();
    error(&build, &[&world.features, &world.corpus, &world.bundle, &out]);
    assert!(aside.join("notes").exists());
    std::fs::rename(&aside, path("notes")).unwrap();
    run_build(&out);
    assert_eq!(std::fs::read_to_string(path("index.lock")).unwrap(), "mine");
}

#[test]
fn an_index_that_was_replaced_meanwhile_is_not_written_to() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("index");
    copy_dir(&world.index, &out);
    let open = Index::open(&out).unwrap();
    json(0, &format!("{} --force", build_line()), &[&world.features, &world.corpus, &world.bundle, &out]);
    let files = || {
        let read = |name: &str| std::fs::read(out.join(name)).unwrap();
        ["meta.json", ".managed.json", "uncsm-index.json"].map(read)
    };
    let before = files();
    let refused = open.writer(15 << 20).err().unwrap();
    assert_eq!(refused.code(), uncsm_index::ErrorCode::Changed, "{refused}");
    assert!(refused.to_string().contains("open it again"), "{refused}");
    let mut open = open;
    assert_eq!(open.mark_complete().unwrap_err().code(), uncsm_index::ErrorCode::Changed);
    assert_eq!(files(), before);
    // With the same fields and space it answers.
    assert_eq!(open.reader().unwrap().searcher().num_docs(), 240);
    // With others it does not.
    let bundle = uncsm_index::model::Bundle::random(&[("image", 6), ("text", 5)], 12, 7, 3, 1);
    let fields = open.manifest().fields.clone();
    drop(Index::create(&dir.path().join("new"), &fields, &bundle).unwrap());
    std::fs::rename(&out, dir.path().join("old")).unwrap();
    std::fs::rename(dir.path().join("new"), &out).unwrap();
    let refused = open.reader().err().unwrap();
    assert_eq!(refused.code(), uncsm_index::ErrorCode::Changed, "{refused}");
}
