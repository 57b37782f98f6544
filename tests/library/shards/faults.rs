//! What is lost or damaged in a part is found before anything is made of it, and named.

use uncsm_index::ErrorCode;
use uncsm_index::corpus::{IdsFrom, Shard};
use uncsm_index::index::{Checkpoint, Source, attach};
use uncsm_index::schema::SchemaOverrides;

use crate::common::files::{files_with, put};
use crate::shards::{World, Written, bytes_of, rows, warnings};

#[test]
fn a_lost_or_damaged_file_of_a_part_is_named() {
    let world = World::new(120);
    let parts = world.parts(Written::Features, 3);
    for kind in ["store", "term", "idx", "fast", "fieldnorm", "uvec"] {
        let file = files_with(&parts[1], kind).remove(0);
        let sound = std::fs::read(&file).unwrap();
        let mut flipped = sound.clone();
        flipped[sound.len() / 2] ^= 4;
        let cut = sound[..sound.len() - 1].to_vec();
        for (what, bytes) in [("missing", None), ("flipped", Some(flipped)), ("cut", Some(cut))] {
            match bytes {
                Some(bytes) => put(&file, bytes),
                None => std::fs::remove_file(&file).unwrap(),
            }
            let error = world.merge("out", &parts).unwrap_err();
            assert_eq!(error.code(), ErrorCode::Damaged, "{kind} {what}: {error}");
            let named = error.facts().file.as_deref().unwrap();
            assert!(named.ends_with(file.file_name().unwrap()), "{kind} {what}: {error}");
            assert!(!world.path("out").exists() && !world.path("out.partial").exists());
            if what != "flipped" {
                // Built again, the part says so, and is built anew with permission alone.
                let error = world.part(Written::Features, 1, 3).unwrap_err();
                assert_eq!(error.code(), ErrorCode::Damaged, "{kind} {what}: {error}");
                assert_eq!(error.facts().file.as_deref(), Some(file.as_path()), "{error}");
            }
            put(&file, &sound);
        }
    }
    // A whole file of another part, with a sound checksum.
    let (own, foreign) = (files_with(&parts[1], "fast").remove(0), files_with(&parts[2], "fast").remove(0));
    let sound = std::fs::read(&own).unwrap();
    put(&own, std::fs::read(&foreign).unwrap());
    assert_eq!(world.merge("out", &parts).unwrap_err().code(), ErrorCode::Damaged);
    put(&own, sound);
    // The list of the part itself.
    let list = parts[1].join("uncsm-shard.json");
    let text = std::fs::read_to_string(&list).unwrap();
    for (from, to) in
        [("\"documents\": 40", "\"documents\": 41"), ("\"version\": 1", "\"version\": 7"), ("{", "")]
    {
        std::fs::write(&list, text.replacen(from, to, 1)).unwrap();
        let error = world.merge("out", &parts).unwrap_err();
        assert!(matches!(error.code(), ErrorCode::Damaged | ErrorCode::UnsupportedVersion), "{error}");
        assert_eq!(error.facts().file.as_deref(), Some(list.as_path()));
    }
    std::fs::write(&list, text).unwrap();
    assert_eq!(world.merge("out", &parts).unwrap().documents, 120);
}

#[test]
fn a_lost_part_is_told_and_what_is_merged_of_the_others_is_a_part() {
    let world = World::new(120);
    let parts = world.parts(Written::Features, 4);
    let before = bytes_of(&parts);
    let two = [parts[3].clone(), parts[0].clone()];
    let report = world.merge("some", &two).unwrap();
    assert_eq!((report.documents, report.missing.len()), (60, 1));
    // The parts that are missing are one more than what the parts were warned of.
    assert_eq!(report.warnings, warnings(&two) + 1);
    assert_eq!((report.missing[0].of, &report.missing[0].shards[..]), (4, &[1, 2][..]));
    let some = world.path("some");
    let error = world.merge("all", &[some.clone(), parts[3].clone()]).unwrap_err();
    assert!(error.to_string().contains("3/4"), "{error}");
    let report = world.merge("all", &[some, parts[1].clone(), parts[2].clone()]).unwrap();
    assert_eq!((report.documents, report.missing.len()), (120, 0));
    assert!(rows(&[world.path("all")]) == rows(&parts));
    assert!(bytes_of(&parts) == before);
}

#[test]
fn a_part_that_was_stopped_goes_on_by_itself() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let world = World::new(1200);
    let whole = world.part(Written::Lines, 1, 2).unwrap();
    let expected = rows(&[world.path("part.1")]);
    std::fs::remove_dir_all(world.path("part.1")).unwrap();
    let stop = AtomicBool::new(false);
    let shard = whole.shard.unwrap().shard;
    let stopped = world
        .builder("part.1", world.source(Written::Lines))
        .shard(shard)
        .progress(|at| stop.store(at.documents > 200, Ordering::SeqCst))
        .interrupt(|| Ok(&stop))
        .run()
        .unwrap_err();
    assert_eq!(stopped.code(), ErrorCode::Interrupted);
    let partial = world.path("part.1.partial");
    let begun = Checkpoint::load(&partial).unwrap();
    assert!((1..whole.documents).contains(&begun.report.documents));
    // Another part does not take it for its own.
    let other = uncsm_index::corpus::Shard::new(0, 2).unwrap();
    let error = world.builder("part.1", world.source(Written::Lines)).shard(other).run().unwrap_err();
    assert_eq!(error.code(), ErrorCode::Changed, "{error}");
    assert!(partial.exists());
    let mut first = None;
    let report = world
        .builder("part.1", world.source(Written::Lines))
        .shard(shard)
        .progress(|at| {
            first.get_or_insert(at.documents);
        })
        .run()
        .unwrap();
    assert_eq!(first, Some(begun.report.documents), "it goes on");
    assert_eq!(report.documents, whole.documents);
    assert!(rows(&[world.path("part.1")]) == expected);
}

#[test]
fn a_line_without_an_id_ends_its_part_and_a_hash_gives_it_one() {
    let world = World::new(40);
    let path = world.path("c.jsonl");
    let line = |at: usize| match at {
        33 => "{\"text\":\"no name\"}\n".to_owned(),
        5 => "{\"id\":}\n".to_owned(),
        _ => format!("{{\"id\":\"{at}\",\"text\":\"a boat\"}}\n"),
    };
    std::fs::write(&path, (0..40).map(line).collect::<String>()).unwrap();
    let source = || Source::corpus(&path).without(["text".to_owned()]);
    let part = |index, ids| {
        let name = format!("part.{index}");
        world.builder(&name, source()).shard(Shard::new(index, 2).unwrap()).ids_from(ids).run()
    };
    // The bad line is passed over, and counted in the merge.
    assert_eq!(part(0, IdsFrom::Hash).unwrap().skipped.len(), 1);
    let error = part(1, IdsFrom::Line).unwrap_err();
    assert_eq!(error.code(), ErrorCode::BadValue);
    assert!(error.facts().hint.as_deref().unwrap().contains("`id_from` hash"), "{error}");
    assert!(!world.path("part.1").exists() && !world.path("part.1.partial").exists());
    let warned: u64 =
        [part(0, IdsFrom::Hash), part(1, IdsFrom::Hash)].map(|part| part.unwrap().warnings).iter().sum();
    let report = world.merge("out", &["part.0", "part.1"].map(|name| world.path(name))).unwrap();
    assert_eq!((report.documents, report.warnings), (39, warned));
    assert!(warned > 0);
}

#[test]
fn many_missing_parts_are_counted_and_some_of_them_named() {
    let world = World::new(20);
    let one = Shard::new(1, 5_000).unwrap();
    world.builder("one", world.source(Written::Lines)).shard(one).run().unwrap();
    let last = Shard::new(4_999, 5_000).unwrap();
    world.builder("last", world.source(Written::Lines)).shard(last).run().unwrap();
    world.builder("plain", world.source(Written::Lines)).run().unwrap();
    let report = world.merge("out", &["one", "last", "plain"].map(|name| world.path(name))).unwrap();
    let [missing] = &report.missing[..] else { panic!("{report:?}") };
    assert_eq!((missing.of, missing.shards.len(), missing.unlisted), (5_000, 1_000, 3_998));
    assert_eq!((missing.shards[0], missing.shards[1], missing.shards[999]), (0, 2, 1_000));
}

#[test]
fn a_list_that_is_not_of_its_index_is_told() {
    let world = World::new(60);
    let parts = world.parts(Written::Features, 2);
    let list = parts[1].join("uncsm-shard.json");
    let before = std::fs::read(&list).unwrap();
    // As a killed attach leaves it: the index has the bundle, and the list does not say so.
    let rare = world.bundle.with_prior(0.01).unwrap();
    attach(&parts[1], &rare).unwrap();
    let after = std::fs::read(&list).unwrap();
    assert!(before != after);
    std::fs::write(&list, &before).unwrap();
    let error = world.merger("out", &parts).bundle(&rare).run().unwrap_err();
    assert_eq!(
        (error.code(), error.facts().file.as_deref()),
        (ErrorCode::Changed, Some(list.as_path())),
        "{error}"
    );
    assert!(error.facts().hint.as_deref().unwrap().contains("`attach` once more"), "{error}");
    attach(&parts[1], &rare).unwrap();
    assert!(std::fs::read(&list).unwrap() == after);
    // The list of another part of the same bundle and fields.
    attach(&parts[0], &rare).unwrap();
    world.builder("other", world.source(Written::Features)).shard(Shard::new(0, 5).unwrap()).run().unwrap();
    attach(&world.path("other"), &rare).unwrap();
    std::fs::copy(world.path("other/uncsm-shard.json"), &list).unwrap();
    let error = world.merge("out", &parts).unwrap_err();
    assert_eq!(
        (error.code(), error.facts().file.as_deref()),
        (ErrorCode::Damaged, Some(list.as_path())),
        "{error}"
    );
    assert_eq!((error.facts().expected.as_deref(), error.facts().got.as_deref()), (Some("12"), Some("30")));
    std::fs::write(&list, after).unwrap();
    assert_eq!(world.merge("out", &parts).unwrap().documents, 60);
}

#[test]
fn what_is_wrong_with_a_line_of_a_part_says_from_where_lines_are_counted() {
    let world = World::new(0);
    let path = world.path("c.jsonl");
    let line = |at: usize| match at {
        // A bad value, a bad line, and an id that stands twice.
        25 => "{\"id\":\"25\",\"size\":\"no number\"}\n".to_owned(),
        27 => "{\"id\":\"27\",\"size\":}\n".to_owned(),
        _ => format!("{{\"id\":\"{}\",\"size\":{at}}}\n", if at == 35 { 30 } else { at }),
    };
    let write = |text: String| std::fs::write(&path, text).unwrap();
    write((0..40).map(line).collect());
    let half = std::fs::metadata(&path).unwrap().len() / 2;
    let schema = world.path("fields.toml");
    std::fs::write(&schema, "[fields.size]\ntype = \"integer\"\n").unwrap();
    let part = |index| {
        let shard = Shard::new(index, 2).unwrap();
        let schema = SchemaOverrides::open(&schema).unwrap();
        world.builder("part", Source::corpus(&path)).schema(schema).shard(shard).run()
    };
    let counted = format!("lines counted from byte {half}, where the part begins: ");
    let error = part(1).unwrap_err();
    assert_eq!(error.code(), ErrorCode::DuplicateId);
    assert!(error.facts().message.starts_with(&counted), "{error}");
    write((0..40).filter(|at| *at != 35).map(line).collect());
    let report = part(1).unwrap();
    assert_eq!(report.skipped.len(), 2, "{report:?}");
    let half = std::fs::metadata(&path).unwrap().len() / 2;
    let counted = format!("lines counted from byte {half}, where the part begins: ");
    for skipped in &report.skipped {
        assert!(skipped.reason.starts_with(&counted), "{}", skipped.reason);
        assert!((1..20).contains(&skipped.line));
    }
    // A part that begins at the start of the file has its lines.
    write((20..40).filter(|at| *at != 35).map(line).collect());
    let fields = SchemaOverrides::open(&schema).unwrap();
    let report = world.builder("whole", Source::corpus(&path)).schema(fields).run().unwrap();
    assert_eq!(report.skipped.len(), 2, "{report:?}");
    assert!(report.skipped.iter().all(|skipped| !skipped.reason.contains("counted from")), "{report:?}");
}
