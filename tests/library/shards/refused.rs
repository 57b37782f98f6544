//! What does not go together is refused with both values, and nothing is made.

use std::path::PathBuf;

use uncsm_index::corpus::{IdsFrom, Keys, Shard};
use uncsm_index::index::{Index, IndexBuilder, OnBad, Source, attach};
use uncsm_index::schema::SchemaOverrides;
use uncsm_index::{Error, ErrorCode};

use crate::common;
use crate::shards::{World, Written, bytes_of, other_schema};

/// The error of a merge that must fail and leave everything as it is.
fn refused(world: &World, from: &[PathBuf], code: ErrorCode) -> Error {
    let before = bytes_of(from);
    let error = world.merge("out", from).unwrap_err();
    assert_eq!(error.code(), code, "{error}");
    assert!(!world.path("out").exists() && !world.path("out.partial").exists(), "{error}");
    assert!(bytes_of(from) == before, "{error}");
    error
}

/// Both values stand in the error.
fn names(error: &Error, expected: &str, got: &str) {
    let facts = error.facts();
    assert!(facts.expected.as_deref().unwrap().contains(expected), "{error}");
    assert!(facts.got.as_deref().unwrap().contains(got), "{error}");
    assert!(facts.file.is_some());
}

#[test]
fn other_numbers_of_parts_and_the_same_part_twice() {
    let world = World::new(90);
    let parts = world.parts(Written::Features, 3);
    let fourth = Shard::new(1, 4).unwrap();
    world.builder("fourth", world.source(Written::Features)).shard(fourth).run().unwrap();
    let error = refused(&world, &[parts[0].clone(), world.path("fourth")], ErrorCode::BadArgument);
    names(&error, "parts of 3", "1/4");
    // Built once more somewhere else, and copied.
    world.builder("again", world.source(Written::Features)).shard(Shard::new(1, 3).unwrap()).run().unwrap();
    let error = refused(&world, &[parts[1].clone(), world.path("again")], ErrorCode::BadArgument);
    assert!(error.to_string().contains("1/3"), "{error}");
    assert!(error.facts().hint.as_deref().unwrap().contains("`merge` all parts of each source"), "{error}");
    names(&error, "each index once", "part.1");
    names(&error, "each index once", "again");
    let error = refused(&world, &[parts[1].clone(), parts[1].clone()], ErrorCode::BadArgument);
    names(&error, "each index once", "part.1");
    assert!(error.facts().hint.is_some(), "{error}");
    common::files::copy_dir(&parts[1], &world.path("copy"));
    std::fs::remove_file(world.path("copy/uncsm-shard.json")).unwrap();
    let error = refused(&world, &[parts[1].clone(), world.path("copy")], ErrorCode::BadArgument);
    assert!(error.to_string().contains("a copy"), "{error}");
    assert!(error.facts().hint.is_some(), "{error}");
    // Parts of other sources go along.
    world.builder("other", world.of([])).run().unwrap_err();
}

#[test]
fn other_bundles_spaces_and_fields() {
    let world = World::new(60);
    let parts = world.parts(Written::Features, 2);
    let other = World::new(60).with(common::hub_bundle(4));
    other.part(Written::Features, 1, 2).unwrap();
    let error = refused(&world, &[parts[0].clone(), other.path("part.1")], ErrorCode::SpaceMismatch);
    names(&error, &world.bundle.space().to_string(), &other.bundle.space().to_string());

    let rare = world.bundle.with_prior(0.01).unwrap();
    attach(&parts[1], &rare).unwrap();
    let error = refused(&world, &parts, ErrorCode::Changed);
    names(&error, &world.bundle.model().to_string(), &rare.model().to_string());
    world.merger("rare", &parts).bundle(&rare).run().unwrap();
    assert_eq!(Index::open(&world.path("rare")).unwrap().bundle().model(), rare.model());
    let error = world.merger("out", &parts).bundle(&other.bundle).run().unwrap_err();
    assert_eq!(error.code(), ErrorCode::SpaceMismatch);

    let schema = other_schema(&world.path(""));
    world.builder("floats", world.source(Written::Features)).schema(schema).run().unwrap();
    let error = refused(&world, &[parts[0].clone(), world.path("floats")], ErrorCode::SchemaConflict);
    names(&error, "integer", "float");
    names(&error, "size", "size");
}

#[test]
fn a_part_is_one_index_of_one_source() {
    let world = World::new(60);
    world.part(Written::Features, 0, 2).unwrap();
    let said = world.part(Written::Features, 0, 2).unwrap().shard.unwrap();
    assert!(said.already && said.shard == Shard::new(0, 2).unwrap());
    // The same place with another part, or nothing of a part.
    let builder = || world.builder("part.0", world.source(Written::Features));
    let error = builder().shard(Shard::new(0, 3).unwrap()).run().unwrap_err();
    assert_eq!(error.code(), ErrorCode::Changed);
    names(&error, "0/2", "0/3");
    assert!(error.facts().message.starts_with("the part that is there was built with another"), "{error}");
    assert_eq!(builder().run().unwrap_err().code(), ErrorCode::Exists);
    let report = builder().shard(Shard::new(0, 3).unwrap()).force().run().unwrap();
    assert_eq!((report.documents, report.shard.unwrap().already), (20, false));
    world.builder("plain", world.source(Written::Features)).run().unwrap();
    let plain = world.builder("plain", world.source(Written::Features)).shard(Shard::new(0, 3).unwrap());
    assert_eq!(plain.run().unwrap_err().code(), ErrorCode::Exists);
    let append =
        world.builder("plain", world.source(Written::Features)).shard(Shard::new(0, 3).unwrap()).append();
    assert_eq!(append.run().unwrap_err().code(), ErrorCode::BadArgument);
    // What is changed is no part any more.
    let list = world.path("part.0/uncsm-shard.json");
    drop(Index::open(&world.path("part.0")).unwrap().writer(15_000_000).unwrap());
    let bad = world.path("bad.jsonl");
    std::fs::write(&bad, "{\"size\":1}\n").unwrap();
    let add = IndexBuilder::add_to(world.path("part.0")).source(&bad).on_bad(OnBad::Stop);
    assert_eq!(add.run().unwrap_err().code(), ErrorCode::BadValue);
    assert!(list.exists(), "nothing was changed");
    let mut writer = Index::open(&world.path("part.0")).unwrap().writer(15_000_000).unwrap();
    writer.delete_id(world.documents()[0].line["id"].as_str().unwrap()).unwrap();
    writer.commit().unwrap();
    writer.finish().unwrap();
    assert!(!list.exists());
}

#[test]
fn nothing_to_merge_and_nowhere_to_put_it() {
    let world = World::new(60);
    assert_eq!(world.merge("out", &[]).unwrap_err().code(), ErrorCode::BadArgument);
    assert_eq!(world.merge("out", &[world.path("none")]).unwrap_err().code(), ErrorCode::NotFound);
    // More parts than documents: those without one are whole, and alone they are nothing.
    let parts = world.parts(Written::Lines, 90);
    let empty: Vec<PathBuf> = parts
        .iter()
        .filter(|dir| Index::open(dir).unwrap().reader().unwrap().searcher().num_docs() == 0)
        .cloned()
        .collect();
    assert!(empty.len() >= 30);
    refused(&world, &empty, ErrorCode::Empty);
    assert_eq!(world.merge("out", &parts).unwrap().documents, 60);
    assert_eq!(world.merge("out", &parts).unwrap_err().code(), ErrorCode::Exists);
    assert_eq!(world.merger("out", &parts).force().run().unwrap().documents, 60);
    let into = [&parts[..], &[world.path("out")]].concat();
    let error = world.merger("out", &into[90..]).force().run().unwrap_err();
    assert_eq!(error.code(), ErrorCode::BadArgument, "{error}");
}

#[test]
fn a_merge_removes_nothing_that_it_merges() {
    let world = World::new(60);
    let parts = world.parts(Written::Features, 2);
    std::fs::create_dir(world.path("folder")).unwrap();
    // Names that a merge removes or replaces, and a place inside of a part.
    for (out, second) in [
        ("result", "result.partial"),
        ("result", "result.replaced"),
        ("result", "result"),
        ("folder/../result", "result.partial"),
        ("none/../result", "result.partial"),
        ("result", "result.partial/below"),
        ("result", "result.replaced/below"),
        ("part.0/inside", "apart"),
        ("part.0", "apart"),
    ] {
        let second = world.path(second);
        std::fs::create_dir_all(second.parent().unwrap()).unwrap();
        std::fs::rename(&parts[1], &second).unwrap();
        let from = [parts[0].clone(), second.clone()];
        let before = bytes_of(&from);
        for force in [false, true] {
            let merger = world.merger(out, &from);
            let error = if force { merger.force() } else { merger }.run().unwrap_err();
            assert_eq!(error.code(), ErrorCode::BadArgument, "{out} of {}: {error}", second.display());
            names(&error, "a place apart", out);
            assert!(bytes_of(&from) == before, "{out} of {}", second.display());
        }
        std::fs::rename(&second, &parts[1]).unwrap();
    }
    assert_eq!(world.merge("result.other", &parts).unwrap().documents, 60);
}

#[test]
fn two_sources_of_one_name_and_length_are_two() {
    let world = World::new(0);
    let write = |folder: &str, letter: char| {
        let path = world.path(folder).join("c.jsonl");
        std::fs::create_dir(world.path(folder)).unwrap();
        let lines: String = (10..50).map(|at| format!("{{\"id\":\"{letter}{at}\"}}\n")).collect();
        std::fs::write(&path, lines).unwrap();
        path
    };
    let mut all = Vec::new();
    for (folder, letter) in [("one", 'a'), ("two", 'b')] {
        let path = write(folder, letter);
        for index in 0..2 {
            let (name, shard) = (format!("{folder}.{index}"), Shard::new(index, 2).unwrap());
            world.builder(&name, Source::corpus(&path)).shard(shard).run().unwrap();
            all.push(world.path(&name));
        }
    }
    let report = world.merge("half", &[all[0].clone(), all[3].clone()]).unwrap();
    assert_eq!((report.documents, report.missing.len()), (40, 2));
    let report = world.merge("all", &all).unwrap();
    assert_eq!((report.documents, report.missing.len()), (80, 0));
}

/// What a part is built with beside the usual.
type Change = fn(IndexBuilder<'_>, Source) -> IndexBuilder<'_>;

fn plain(builder: IndexBuilder<'_>, _: Source) -> IndexBuilder<'_> {
    builder
}

#[test]
fn parts_of_other_options_are_refused_also_after_a_merge_of_some() {
    let world = World::new(30);
    let path = world.path("c.jsonl");
    let lines = (0..30).map(|at| format!("{{\"id\":\"{at}\",\"note\":{at},\"extra\":1}}\n"));
    std::fs::write(&path, lines.collect::<String>()).unwrap();
    let build = |name: &str, index: u32, change: Change| {
        let builder = world.builder(name, Source::corpus(world.path("c.jsonl")));
        let schema = SchemaOverrides::open(world.path("fields.toml")).unwrap();
        let shard = Shard::new(index, 3).unwrap();
        change(builder, Source::corpus(world.path("c.jsonl"))).schema(schema).shard(shard).run().unwrap();
        world.path(name)
    };
    std::fs::write(
        world.path("fields.toml"),
        "[fields.note]\ntype = \"integer\"\n[fields.extra]\ntype = \"integer\"\n",
    )
    .unwrap();
    let some = [build("part.0", 0, plain), build("part.1", 1, plain)];
    world.merge("some", &some).unwrap();
    let others: [(&str, Change); 4] = [
        ("without", |builder, source| builder.source(source.without(["extra".to_owned()]))),
        ("passages", |builder, source| builder.source(source.passages("20".parse().unwrap()))),
        ("id_from", |builder, _| builder.ids_from(IdsFrom::Hash)),
        ("media_key", |builder, source| {
            builder.source(source.keys(Keys::default().map("text=note2").unwrap()))
        }),
    ];
    for (name, change) in others {
        let other = build(name, 2, change);
        for from in [&some[0], &world.path("some")] {
            let error = refused(&world, &[from.clone(), other.clone()], ErrorCode::Changed);
            assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
            names(&error, "nothing as in", "\"");
        }
    }
    let last = build("part.2", 2, plain);
    assert_eq!(world.merge("out", &[world.path("some"), last]).unwrap().documents, 30);
}
