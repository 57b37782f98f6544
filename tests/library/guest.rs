//! A guest in an app's own index: ids of any name and kind, no manifest, any directory, the app's own merge policy.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::common::bundle;
use crate::common::files::put;
use tantivy::directory::{Directory, MmapDirectory, RamDirectory};
use tantivy::index::SegmentId;
use tantivy::merge_policy::{MergeCandidate, MergePolicy, NoMergePolicy};
use tantivy::schema::{FAST, INDEXED, STORED, STRING, Schema, TEXT};
use tantivy::{Index, IndexWriter, SegmentMeta, TantivyDocument};
use uncsm_index::ErrorCode;
use uncsm_index::index::{
    self, IdField, IndexDirectory, MediaField, MediaValue, SoundDirectory, SoundMergePolicy, UvecPlugin,
    Writer, examine, examine_host, find_document, inspect_host, inspect_host_at, inspect_uvec,
};

const MEMORY: usize = 15_000_000;
/// Fields that name documents: whole strings, numbers, and columns alone.
const IDS: [&str; 4] = ["sku", "number", "title", "column"];

fn create(plugin: &UvecPlugin, directory: impl Into<Box<dyn Directory>>) -> Index {
    let mut builder = Schema::builder();
    builder.add_text_field("sku", STRING | FAST);
    builder.add_text_field("title", TEXT | FAST);
    builder.add_u64_field("number", INDEXED | FAST);
    builder.add_u64_field("column", FAST | STORED);
    MediaField::add(&mut builder, &bundle(3).space_spec()).unwrap();
    plugin.create(Index::builder().schema(builder.build()), directory).unwrap()
}

/// A document of number `i`, with one item of each media type.
fn document(index: &Index, i: u64) -> TantivyDocument {
    let (schema, bundle) = (index.schema(), bundle(3));
    let field = |name: &str| schema.get_field(name).unwrap();
    let mut document = TantivyDocument::new();
    document.add_text(field("sku"), i.to_string());
    document.add_text(field("title"), i.to_string());
    document.add_u64(field("number"), i);
    document.add_u64(field("column"), i);
    let media = MediaField::of_index(index).unwrap();
    let mut value = MediaValue::builder(media.spec());
    let x = i as f32 / 10.0;
    value.features(&bundle, "image", 0, &[x, 1.0, -1.0, 0.5, x, 0.1]).unwrap();
    value.features(&bundle, "text", 0, &[1.0, x, 0.5, -0.5, 0.2]).unwrap();
    value.finish().add_to(&mut document, media.field());
    document
}

fn writer(index: &Index) -> IndexWriter {
    let writer = index.writer_with_num_threads(1, MEMORY).unwrap();
    writer.set_merge_policy(Box::new(NoMergePolicy));
    writer
}

/// One segment for each of `segments`.
fn fill(index: &Index, segments: &[&[u64]]) {
    let mut writer = writer(index);
    for numbers in segments {
        for &i in *numbers {
            writer.add_document(document(index, i)).unwrap();
        }
        writer.commit().unwrap();
    }
}

fn id(index: &Index, name: &str) -> IdField {
    IdField::of(&index.schema(), name).unwrap()
}

fn files(dir: &Path, kind: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ext| ext == kind));
    files.sort();
    files
}

fn flip(file: &Path, at: usize) {
    let mut bytes = std::fs::read(file).unwrap();
    bytes[at] ^= 0x10;
    put(file, bytes);
}

/// Offset of the first section of shared vectors.
fn vectors_at(file: &Path) -> usize {
    let sections = inspect_uvec(file).unwrap().sections;
    let vectors = |s: &&serde_json::Value| {
        s["name"].as_str().unwrap().eq_ignore_ascii_case("vectors") && s["rows"] != 0
    };
    sections.iter().find(vectors).unwrap()["offset"].as_u64().unwrap() as usize
}

#[test]
fn an_index_without_a_manifest_is_verified_and_inspected() {
    let index = create(&UvecPlugin::new(), RamDirectory::create());
    fill(&index, &[&[7, 10, 9], &[1]]);
    for name in IDS {
        let found = examine_host(&index, Some(&id(&index, name))).unwrap();
        assert!(found.is_sound(), "{name}: {found:?}");
        assert_eq!(found.notes.len(), 1, "nothing has written down what the files were: {:?}", found.notes);
    }
    let found = examine_host(&index, None).unwrap();
    assert!(found.is_sound() && found.notes.iter().any(|note| note.contains("ids were not compared")));
    let report = inspect_host(&index).unwrap();
    let contents = &report.contents;
    assert_eq!((contents.documents, contents.deleted, contents.rejected), (4, 0, 0));
    assert_eq!(contents.segments.len(), 2);
    assert_eq!(contents.segments.iter().map(|segment| segment.items["text"]).sum::<u64>(), 4);
    assert!(contents.segments.iter().all(|segment| segment.bytes["uvec"] > 0 && segment.bytes["text"] > 0));
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["documents"], 4);
    assert_eq!(json["media"]["image"]["shared_dim"], 12);
    assert_eq!(json["fingerprint"]["space"], bundle(3).space().to_string());
    // An id that two live documents have.
    fill(&index, &[&[10]]);
    for name in IDS {
        let found = examine_host(&index, Some(&id(&index, name))).unwrap();
        assert_eq!(found.damage.len(), 1, "{name}: {found:?}");
        assert!(found.damage[0].reason.contains("\"10\""), "{name}: {:?}", found.damage);
    }
}

#[test]
fn a_refused_value_is_counted_and_fails_the_verification() {
    let index = create(&UvecPlugin::new(), RamDirectory::create());
    let mut writer = writer(&index);
    let mut bad = TantivyDocument::new();
    bad.add_custom(MediaField::of_index(&index).unwrap().field(), b"of another program");
    writer.add_document(bad).unwrap();
    writer.add_document(document(&index, 1)).unwrap();
    writer.commit().unwrap();
    let contents = inspect_host(&index).unwrap().contents;
    assert_eq!((contents.documents, contents.rejected), (2, 1));
    assert!(contents.rejected_reason.unwrap().contains("not made by MediaValue"));
    let found = examine_host(&index, None).unwrap();
    assert_eq!((found.damage.len(), found.damage[0].section.as_deref()), (1, Some("status")));
    assert!(found.damage[0].reason.contains("1 values were refused"), "{:?}", found.damage);
}

#[test]
fn damage_in_an_apps_directory_is_found_by_section_and_by_file() {
    for is_ours in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let directory: Box<dyn Directory> = match is_ours {
            true => Box::new(SoundDirectory::new(IndexDirectory::open(dir.path()).unwrap())),
            false => Box::new(MmapDirectory::open(dir.path()).unwrap()),
        };
        fill(&create(&UvecPlugin::new(), directory), &[&[1, 2], &[3]]);
        assert!(index::is_host(dir.path()));
        let sound = examine(dir.path()).unwrap();
        assert!(sound.is_sound(), "{sound:?}");
        assert_eq!(sound.notes.iter().any(|note| note.contains("no record")), !is_ours, "{:?}", sound.notes);
        assert!(inspect_host_at(dir.path()).unwrap().contents.damaged.is_empty());
        let file = files(dir.path(), "uvec").remove(0);
        let at = vectors_at(&file);
        flip(&file, at);
        let open = || UvecPlugin::new().open(MmapDirectory::open(dir.path()).unwrap()).unwrap();
        for found in [examine(dir.path()).unwrap(), examine_host(&open(), None).unwrap()] {
            // The norm of the row does not fit it either.
            assert!(found.damage.iter().all(|damage| file.ends_with(&damage.file)), "{found:?}");
            assert_eq!(found.damage[0].section.as_deref().map(str::to_lowercase).as_deref(), Some("vectors"));
            assert_eq!(found.damage[0].offset, Some(at as u64));
        }
        for report in [inspect_host_at(dir.path()).unwrap(), inspect_host(&open()).unwrap()] {
            let damaged = report.contents.damaged;
            let segment = file.file_stem().unwrap().to_string_lossy().into_owned();
            assert_eq!(damaged.keys().collect::<Vec<_>>(), [&segment]);
        }
        flip(&file, at);
        // A file of tantivy's own.
        let store = files(dir.path(), "store").remove(0);
        flip(&store, 3);
        for found in [examine(dir.path()).unwrap(), examine_host(&open(), None).unwrap()] {
            assert_eq!(found.damage.len(), 1, "{found:?}");
            assert!(store.ends_with(&found.damage[0].file), "{found:?}");
        }
    }
}

#[test]
fn what_is_no_guest_is_no_index() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(examine(dir.path()).unwrap_err().code(), ErrorCode::NotFound);
    let mut builder = Schema::builder();
    builder.add_text_field("text", TEXT);
    let plain = Index::create_in_dir(dir.path(), builder.build()).unwrap();
    assert!(!index::is_host(dir.path()));
    assert_eq!(examine(dir.path()).unwrap_err().code(), ErrorCode::NotFound);
    assert_eq!(inspect_host_at(dir.path()).unwrap_err().code(), ErrorCode::NotFound);
    for code in [examine_host(&plain, None).map(drop), inspect_host(&plain).map(drop)] {
        assert_eq!(code.unwrap_err().code(), ErrorCode::BadValue);
    }
    // Created without the plugin: its vectors are lost.
    let mut builder = Schema::builder();
    MediaField::add(&mut builder, &bundle(3).space_spec()).unwrap();
    let index = Index::create_in_ram(builder.build());
    assert_eq!(examine_host(&index, None).unwrap_err().code(), ErrorCode::BadArgument);
}

#[test]
fn a_meta_json_of_another_kind_is_no_index() {
    for text in ["{\"name\":\"my data set\"}", "[1]", "no JSON", "{\"schema\":[{\"name\":\"a\"}]}", ""] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("meta.json"), text).unwrap();
        std::fs::write(dir.path().join("notes.uvec"), "none of a segment").unwrap();
        assert!(!index::is_host(dir.path()), "{text}");
        assert_eq!(examine(dir.path()).unwrap_err().code(), ErrorCode::NotFound, "{text}");
        assert_eq!(inspect_host_at(dir.path()).unwrap_err().code(), ErrorCode::NotFound, "{text}");
    }
}

#[test]
fn a_guest_that_does_not_open_says_why() {
    let params = serde_json::to_value(bundle(3).space_spec()).unwrap();
    let two = [("a", params.clone()), ("b", params)];
    let bad = [("a", serde_json::json!({ "space": 3 }))];
    for (fields, why) in [(&two[..], "two media fields"), (&bad[..], "params of field `a`")] {
        let dir = tempfile::tempdir().unwrap();
        let mut builder = Schema::builder();
        for (name, params) in fields {
            builder.add_custom_field(name, index::FIELD_TYPE, params.clone());
        }
        let plugin = UvecPlugin::new().registered();
        Index::builder().schema(builder.build()).register_plugin(plugin).create_in_dir(dir.path()).unwrap();
        assert!(index::is_host(dir.path()), "{why}");
        let found = examine(dir.path()).unwrap();
        assert_eq!(found.damage.len(), 1, "{found:?}");
        assert!(found.damage[0].reason.contains(why), "{found:?}");
        let error = inspect_host_at(dir.path()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::BadValue);
        assert!(error.to_string().contains(why), "{error}");
    }
    // Its vectors say what it is where its schema does not any more.
    let dir = tempfile::tempdir().unwrap();
    fill(&create(&UvecPlugin::new(), MmapDirectory::open(dir.path()).unwrap()), &[&[1]]);
    put(&dir.path().join("meta.json"), "{}");
    assert!(index::is_host(dir.path()));
    assert_eq!(examine(dir.path()).unwrap().damage.len(), 1);
}

#[test]
fn documents_are_found_and_deleted_by_ids_of_all_kinds() {
    for name in IDS {
        let plugin = UvecPlugin::new();
        let index = create(&plugin, RamDirectory::create());
        fill(&index, &[&[2, 10], &[1]]);
        let field = id(&index, name).field();
        let find = |id: &str| {
            find_document(&index.reader().unwrap().searcher(), field, id).map(|found| found.is_some())
        };
        assert!(find("10").unwrap() && find("1").unwrap() && !find("3").unwrap(), "{name}");
        let is_number = matches!(name, "number" | "column");
        assert_eq!(
            find("ten").map_err(|e| e.code()),
            if is_number { Err(ErrorCode::BadValue) } else { Ok(false) }
        );
        let fingerprints = (bundle(3).space(), bundle(3).model());
        let mut writer = Writer::new(&index, plugin.cache(), Some(field), fingerprints, MEMORY).unwrap();
        writer.delete_id("10").unwrap();
        writer.commit().unwrap();
        writer.finish().unwrap();
        assert!(!find("10").unwrap() && find("1").unwrap() && find("2").unwrap(), "{name}");
    }
}

/// Merges all that it has ever been shown, as a policy with a memory does.
#[derive(Debug, Default)]
struct Remembers(Mutex<Vec<SegmentId>>);

impl MergePolicy for Remembers {
    fn compute_merge_candidates(&self, segments: &[SegmentMeta]) -> Vec<MergeCandidate> {
        let mut known = self.0.lock().unwrap();
        known.extend(segments.iter().map(SegmentMeta::id));
        known.sort();
        known.dedup();
        vec![MergeCandidate(known.clone())]
    }
}

#[test]
fn an_apps_own_merge_policy_is_shown_no_damaged_segment() {
    let dir = tempfile::tempdir().unwrap();
    fill(&create(&UvecPlugin::new(), MmapDirectory::open(dir.path()).unwrap()), &[&[1], &[2], &[3]]);
    let file = files(dir.path(), "uvec").remove(1);
    flip(&file, vectors_at(&file));
    let plugin = UvecPlugin::new();
    let index = plugin.open(MmapDirectory::open(dir.path()).unwrap()).unwrap();
    let metas = index.searchable_segment_metas().unwrap();
    let damaged = |id: &SegmentId| file.to_string_lossy().contains(&id.uuid_string());
    // Without a look at the files the segment is wanted; with one it is left out and named.
    let policy = SoundMergePolicy::around(Box::<Remembers>::default(), plugin.cache());
    assert!(policy.compute_merge_candidates(&metas)[0].0.iter().any(damaged));
    let policy = SoundMergePolicy::around(Box::<Remembers>::default(), plugin.cache()).checking(&index);
    let wanted = policy.compute_merge_candidates(&metas);
    assert_eq!((wanted.len(), wanted[0].0.len()), (1, 2));
    assert!(!wanted[0].0.iter().any(damaged));
    assert!(damaged(&plugin.cache().damaged()[0].0));
    // In the app's own writer.
    let mut writer: IndexWriter = index.writer_with_num_threads(1, MEMORY).unwrap();
    writer.set_merge_policy(Box::new(policy));
    writer.add_document(document(&index, 4)).unwrap();
    writer.commit().unwrap();
    writer.wait_merging_threads().unwrap();
    let left = index.searchable_segment_ids().unwrap();
    assert!(left.len() == 2 && left.iter().any(damaged), "{left:?}");
}
