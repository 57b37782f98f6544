//! The plugin in tantivy's life of a segment: merges with deletes, damage, foreign values, refusals.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use crate::common::files::{copy_dir, files_with, put};
use crate::common::{App, Doc, bundle, hub_bundle, random_docs};
use tantivy::directory::{Directory, MmapDirectory, TerminatingWrite};
use tantivy::schema::{Schema, TEXT};
use tantivy::{IndexWriter, Searcher, TantivyDocument, Term};
use uncsm_format::{Column, ElementType, Uvec};
use uncsm_index::ErrorCode;
use uncsm_index::index::{MediaField, MediaValue, SegmentCache, SegmentVectors, UvecPlugin, Writer};
use uncsm_index::media::{Fingerprint, ItemOrigin, SpaceSpec};
use uncsm_index::model::Bundle;

const MEMORY: usize = 15_000_000;

fn writer(app: &App) -> Writer {
    let fingerprints = (app.bundle.space(), app.bundle.model());
    Writer::new(&app.index, app.plugin.cache(), Some(app.id), fingerprints, MEMORY).unwrap()
}

fn add_segments(app: &App, docs: &[Doc], per_segment: usize) -> Writer {
    let mut writer = writer(app);
    writer.tantivy().set_merge_policy(Box::new(tantivy::merge_policy::NoMergePolicy));
    for part in docs.chunks(per_segment) {
        for doc in part {
            writer.add(app.document(doc)).unwrap();
        }
        writer.commit().unwrap();
    }
    writer
}

type Rows = BTreeMap<String, Vec<(usize, u32, Vec<u8>, Vec<u8>, Vec<u8>, u32)>>;

/// Every stored row of every live document, by id: media type, ordinal, vector bytes, half bytes, hub bytes, norm bits.
fn rows(cache: &SegmentCache, searcher: &Searcher) -> Rows {
    let mut out = Rows::new();
    for reader in searcher.segment_readers() {
        let vectors = cache.get(reader).unwrap();
        let ids = reader.fast_fields().str("id").unwrap().unwrap();
        for doc in reader.doc_ids_alive() {
            let mut id = String::new();
            ids.ord_to_str(ids.ords().first(doc).unwrap(), &mut id).unwrap();
            let rows = out.entry(id).or_default();
            for media in 0..2 {
                let view = vectors.view(media);
                for row in view.items_of(doc) {
                    let bytes = |column, width: usize| {
                        vectors.uvec().column_bytes(media, column)[row * width..(row + 1) * width].to_vec()
                    };
                    let vector = bytes(Column::Vectors, view.dim * 2);
                    let half = bytes(Column::Halves, view.half * 2);
                    let hubs = bytes(Column::Hubs, view.hub_columns * 4);
                    let norm = view.inverse_norms[row].to_bits();
                    rows.push((media, view.ordinals[row], vector, half, hubs, norm));
                }
            }
        }
    }
    out
}

#[test]
fn a_merge_keeps_every_row_of_every_live_document() {
    a_merge_keeps_rows(bundle(3));
    a_merge_keeps_rows(hub_bundle(3));
}

fn a_merge_keeps_rows(bundle: Bundle) {
    let app = App::in_ram(bundle);
    let docs = random_docs(9, 120);
    let mut writer = add_segments(&app, &docs, 17);
    for doc in docs.iter().step_by(4) {
        writer.delete_id(&doc.id).unwrap();
    }
    writer.commit().unwrap();
    let searcher = app.searcher();
    assert_eq!(searcher.segment_readers().len(), 8);
    let before = rows(app.plugin.cache(), &searcher);
    assert_eq!(before.len(), 90);
    assert!(before.values().map(Vec::len).sum::<usize>() > 90, "documents with several items");
    writer.merge_all().unwrap();
    let searcher = app.searcher();
    assert_eq!(searcher.segment_readers().len(), 1);
    assert_eq!(searcher.segment_reader(0).num_deleted_docs(), 0);
    assert_eq!(rows(app.plugin.cache(), &searcher), before);
    assert!(app.plugin.cache().len() > 1, "an older searcher may still come");
    assert!(app.plugin.cache().get(searcher.segment_reader(0)).unwrap().uvec().verify().is_empty());
}

/// The index in `dir`, as another program opens it.
fn reopen(dir: &Path) -> (tantivy::Index, UvecPlugin) {
    let plugin = UvecPlugin::new();
    let mut index = tantivy::Index::open(MmapDirectory::open(dir).unwrap()).unwrap();
    index.register_plugin(plugin.registered());
    (index, plugin)
}

fn writer_of(index: &tantivy::Index, plugin: &UvecPlugin) -> Writer {
    let id = index.schema().get_field("id").unwrap();
    let fingerprints = (bundle(3).space(), bundle(3).model());
    Writer::new(index, plugin.cache(), Some(id), fingerprints, MEMORY).unwrap()
}

/// A kind of derived sections, of this test alone.
const KIND: u32 = 2000;

/// The container in the `.uvec` at `path`, without what tantivy adds.
fn container(index: &tantivy::Index, path: &Path) -> Vec<u8> {
    let name = Path::new(path.file_name().unwrap());
    index.directory().open_read(name).unwrap().read_bytes().unwrap().to_vec()
}

/// Writes each `.uvec` in `dir` again, with a derived section of each media type and one of the segment.
fn add_derived(dir: &Path) {
    let (index, _) = reopen(dir);
    for path in files_with(dir, "uvec") {
        let uvec = Uvec::open(container(&index, &path)).unwrap();
        let mut writer = uncsm_format::Writer::new(Vec::new(), uvec.space(), uvec.media()).unwrap();
        for (media, info) in uvec.media().iter().enumerate() {
            for column in Column::stored(info) {
                writer.begin(media, column).unwrap();
                writer.write(uvec.column_bytes(media, column)).unwrap();
                writer.end().unwrap();
            }
            writer.derived(KIND, Some(media), ElementType::U32, 1, &[7; 20]).unwrap();
        }
        writer.derived(KIND, None, ElementType::Bytes, 3, b"abcdef").unwrap();
        let (count, reason) = uvec.rejected();
        let bytes = writer.finish(uvec.documents(), count, reason).unwrap();
        std::fs::remove_file(&path).unwrap();
        let mut file = index.directory().open_write(Path::new(path.file_name().unwrap())).unwrap();
        file.write_all(&bytes).unwrap();
        file.terminate().unwrap();
    }
}

#[test]
fn a_merge_leaves_derived_sections_out_and_keeps_the_rest() {
    let (plain, derived) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let docs = random_docs(5, 60);
    let mut writer = add_segments(&App::in_dir(bundle(3), plain.path()), &docs, 20);
    for doc in docs.iter().step_by(4) {
        writer.delete_id(&doc.id).unwrap();
    }
    writer.commit().unwrap();
    writer.finish().unwrap();
    copy_dir(plain.path(), derived.path());
    add_derived(derived.path());

    let merged = [plain.path(), derived.path()].map(|dir| {
        let (index, plugin) = reopen(dir);
        let searcher = index.reader().unwrap().searcher();
        assert_eq!(searcher.segment_readers().len(), 3);
        for reader in searcher.segment_readers() {
            let vectors = plugin.cache().get(reader).unwrap();
            assert_eq!(vectors.uvec().verify(), []);
            for media in [Some(0), Some(1), None] {
                let found = vectors.uvec().derived(KIND, media).unwrap();
                assert_eq!(found.is_some(), dir == derived.path());
            }
        }
        let before = rows(plugin.cache(), &searcher);
        drop(searcher);
        let mut writer = writer_of(&index, &plugin);
        writer.merge_all().unwrap();
        writer.finish().unwrap();
        let searcher = index.reader().unwrap().searcher();
        assert_eq!(searcher.segment_readers().len(), 1);
        assert_eq!(rows(plugin.cache(), &searcher), before);
        let names = index.searchable_segment_ids().unwrap();
        container(&index, &dir.join(format!("{}.uvec", names[0].uuid_string())))
    });
    let uvec = Uvec::open(merged[1].clone()).unwrap();
    assert_eq!((uvec.documents(), uvec.verify()), (45, vec![]));
    assert!(uvec.sections().iter().all(|section| !section.derived && section.kind != KIND));
    assert!(merged[0] == merged[1], "the merge of the same rows has other bytes");
}

/// Changes one byte inside the first section of shared vectors that is not empty.
fn flip_vector_byte(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let report = uncsm_index::index::inspect_uvec(path).unwrap();
    let vectors = report
        .sections
        .iter()
        .find(|section| {
            section["name"].as_str().unwrap().eq_ignore_ascii_case("vectors") && section["rows"] != 0
        })
        .unwrap();
    let at = vectors["offset"].as_u64().unwrap() as usize;
    bytes[at] ^= 0x10;
    put(path, bytes);
}

#[test]
fn a_damaged_segment_makes_the_merge_fail_and_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let docs = random_docs(4, 60);
    drop(add_segments(&App::in_dir(bundle(3), dir.path()), &docs, 20));
    let files = files_with(dir.path(), "uvec");
    assert_eq!(files.len(), 3);
    flip_vector_byte(&files[1]);
    let after_damage: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();

    let (index, plugin) = reopen(dir.path());
    let mut writer = writer_of(&index, &plugin);
    let segments = index.searchable_segment_ids().unwrap();
    let error = writer.merge_all().unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
    let mut still = index.searchable_segment_ids().unwrap();
    still.sort();
    let mut segments = segments;
    segments.sort();
    assert_eq!(still, segments);
    let unchanged: Vec<Vec<u8>> = files.iter().map(|file| std::fs::read(file).unwrap()).collect();
    assert!(unchanged == after_damage);

    // The next commit says so, and its merges leave the segment out.
    let report = writer.commit().unwrap();
    assert_eq!(report.damaged.len(), 1);
    assert!(files[1].to_string_lossy().contains(&report.damaged[0].0));
    let metas = index.searchable_segment_metas().unwrap();
    let many: Vec<_> = std::iter::repeat_n(metas, 4).flatten().collect();
    let proposed = writer.tantivy().get_merge_policy().compute_merge_candidates(&many);
    assert!(!proposed.is_empty());
    let damaged = plugin.cache().damaged()[0].0;
    assert!(proposed.iter().all(|candidate| !candidate.0.contains(&damaged)));
    writer.finish().unwrap();
}

#[test]
fn a_foreign_bad_value_is_counted_and_the_writer_lives() {
    let app = App::in_ram(bundle(3));
    let mut writer = writer(&app);
    let field = app.media.field();
    let doc = |id: &str, bytes: &[u8]| {
        let mut doc = TantivyDocument::new();
        doc.add_text(app.id, id);
        doc.add_custom(field, bytes);
        doc
    };
    writer.add(doc("a", b"not a value")).unwrap();
    let other = SpaceSpec { space: Fingerprint([9; 32]), ..app.media.spec().clone() };
    let mut value = MediaValue::builder(&other);
    value.item(0, &ItemOrigin { ordinal: 0, span: None, hash: [0; 16] }, &[0.5; 12], &[0.0; 7]).unwrap();
    let mut foreign = TantivyDocument::new();
    foreign.add_text(app.id, "b");
    value.finish().add_to(&mut foreign, field);
    writer.add(foreign).unwrap();
    let good = Doc { id: "c".into(), text: String::new(), items: vec![(0, vec![0.5; 6])] };
    writer.add(app.document(&good)).unwrap();
    writer.commit().unwrap();
    let searcher = app.searcher();
    let vectors = app.plugin.cache().get(searcher.segment_reader(0)).unwrap();
    let (count, reason) = vectors.uvec().rejected();
    assert_eq!((count, searcher.num_docs(), vectors.view(0).len()), (2, 3, 1));
    assert!(reason.unwrap().contains("not made by MediaValue"));
    // A merge hands the count on.
    writer.add(app.document(&Doc { id: "d".into(), ..good })).unwrap();
    writer.commit().unwrap();
    writer.merge_all().unwrap();
    let searcher = app.searcher();
    assert_eq!(app.plugin.cache().get(searcher.segment_reader(0)).unwrap().uvec().rejected().0, 2);
}

#[test]
fn a_sorted_index_is_refused_when_a_writer_opens() {
    let mut builder = Schema::builder();
    let order = builder.add_u64_field("order", tantivy::schema::FAST);
    builder.add_text_field("text", TEXT);
    MediaField::add(&mut builder, &bundle(3).space_spec()).unwrap();
    let settings = tantivy::IndexSettings {
        sort_by_field: Some(tantivy::IndexSortByField { field: "order".into(), order: tantivy::Order::Asc }),
        ..Default::default()
    };
    let plugin = UvecPlugin::new();
    let index = tantivy::Index::builder()
        .schema(builder.build())
        .settings(settings)
        .register_plugin(plugin.registered())
        .create_in_ram()
        .unwrap();
    let fingerprints = (bundle(3).space(), bundle(3).model());
    let error = Writer::new(&index, plugin.cache(), None, fingerprints, MEMORY).err().unwrap();
    assert_eq!(error.code(), ErrorCode::BadArgument);
    // An app's own writer: refused when its first segment is written, not at a merge.
    let mut writer: IndexWriter = index.writer_with_num_threads(1, MEMORY).unwrap();
    let mut doc = TantivyDocument::new();
    doc.add_u64(order, 1);
    let added = writer.add_document(doc).map(|_| ()).and_then(|()| writer.commit().map(|_| ()));
    assert!(added.is_err());
}

#[test]
fn a_truncated_or_swapped_file_is_refused_when_its_segment_opens() {
    let dir = tempfile::tempdir().unwrap();
    drop(add_segments(&App::in_dir(bundle(3), dir.path()), &random_docs(4, 20), 20));
    let path = files_with(dir.path(), "uvec").remove(0);
    let whole = std::fs::read(&path).unwrap();
    let open = || -> uncsm_index::Result<SegmentVectors> {
        let plugin = UvecPlugin::new();
        let mut index = tantivy::Index::open(MmapDirectory::open(dir.path()).unwrap())?;
        index.register_plugin(plugin.registered());
        let searcher = index.reader()?.searcher();
        SegmentVectors::open(searcher.segment_reader(0))
    };
    open().unwrap();
    for cut in [whole.len() - 1, whole.len() / 2, 10, 0] {
        put(&path, &whole[..cut]);
        let error = open().err().unwrap();
        assert!(matches!(error.code(), ErrorCode::Damaged | ErrorCode::Engine), "{error}");
    }
    // A file of another space in its place: the header is authoritative.
    let other = tempfile::tempdir().unwrap();
    drop(add_segments(&App::in_dir(bundle(4), other.path()), &random_docs(4, 20), 20));
    put(&path, std::fs::read(files_with(other.path(), "uvec").remove(0)).unwrap());
    assert_eq!(open().err().unwrap().code(), ErrorCode::SpaceMismatch);
}

#[test]
fn deletes_by_id_and_updates_leave_one_live_document() {
    let app = App::in_ram(bundle(3));
    let mut writer = writer(&app);
    let doc = |text: &str| Doc { id: "same".into(), text: text.into(), items: vec![(1, vec![0.3; 5])] };
    writer.add(app.document(&doc("old"))).unwrap();
    writer.commit().unwrap();
    let twice = |app: &App| uncsm_index::index::duplicate_ids(&app.searcher(), app.id, 9).unwrap();
    writer.add(app.document(&doc("new"))).unwrap();
    writer.commit().unwrap();
    assert_eq!(twice(&app), ["same"]);
    writer.delete_id("same").unwrap();
    writer.add(app.document(&doc("newest"))).unwrap();
    writer.commit().unwrap();
    assert_eq!(app.searcher().num_docs(), 1);
    assert!(twice(&app).is_empty());
    let payload = app.index.load_metas().unwrap().payload.unwrap();
    assert!(payload.contains(&app.bundle.space().to_string()), "{payload}");
    // An app's own commit leaves no payload, and that is valid.
    drop(writer);
    let mut plain: IndexWriter = app.index.writer_with_num_threads(1, MEMORY).unwrap();
    plain.delete_term(Term::from_field_text(app.id, "none"));
    plain.commit().unwrap();
    assert_eq!(app.index.load_metas().unwrap().payload, None);
    assert_eq!(app.searcher().num_docs(), 1);
}
