use tantivy::schema::{STORED, STRING, Schema};
use tantivy::{IndexWriter, TantivyDocument};

use super::*;
use crate::index::plugin::field::MediaField;
use crate::index::plugin::host::UvecPlugin;
use crate::model::Bundle;

/// An app's index with a plain directory of the host, and its writer.
fn app(dir: Option<&std::path::Path>) -> (Index, UvecPlugin, IndexWriter) {
    let bundle = Bundle::random(&[("image", 3)], 5, 2, 2, 8);
    let mut builder = Schema::builder();
    builder.add_text_field("id", STRING | STORED);
    MediaField::add(&mut builder, &bundle.space_spec()).unwrap();
    let plugin = UvecPlugin::new();
    let builder = Index::builder().schema(builder.build()).register_plugin(plugin.registered());
    let index = match dir {
        Some(dir) => builder.create_in_dir(dir).unwrap(),
        None => builder.create_in_ram().unwrap(),
    };
    let writer: IndexWriter = index.writer_with_num_threads(1, 15_000_000).unwrap();
    writer.set_merge_policy(Box::new(tantivy::merge_policy::NoMergePolicy));
    (index, plugin, writer)
}

fn commit(index: &Index, writer: &mut IndexWriter, times: u32) {
    let id = index.schema().get_field("id").unwrap();
    for n in 0..times {
        let mut document = TantivyDocument::new();
        document.add_text(id, n.to_string());
        writer.add_document(document).unwrap();
        writer.commit().unwrap();
    }
}

fn merge(index: &Index, writer: &mut IndexWriter) {
    writer.merge(&index.searchable_segment_ids().unwrap()).wait().unwrap();
    writer.garbage_collect_files().wait().unwrap();
}

/// Looks twice, so far apart that what was unneeded goes.
fn look_late(cache: &SegmentCache) {
    let now = Instant::now();
    cache.look(now);
    cache.look(now + GRACE);
}

#[test]
fn a_segment_goes_when_its_files_are_gone_and_nobody_holds_them() {
    let dir = tempfile::tempdir().unwrap();
    let (index, plugin, mut writer) = app(Some(dir.path()));
    let cache = plugin.cache();
    commit(&index, &mut writer, 3);
    assert_eq!(cache.len(), 3, "held from the moment that they are written");
    let searcher = index.reader().unwrap().searcher();
    merge(&index, &mut writer);
    look_late(cache);
    assert_eq!(cache.len(), 4, "a searcher that was never asked holds the old ones");
    for reader in searcher.segment_readers() {
        cache.get(reader).unwrap();
    }
    let used = cache.get(searcher.segment_reader(0)).unwrap();
    drop(searcher);
    cache.look(Instant::now());
    assert_eq!(cache.len(), 2, "the merged one, and one whose vectors are in use");
    drop(used);
    cache.look(Instant::now());
    assert_eq!(cache.len(), 1);
    assert!(cache.get(index.reader().unwrap().searcher().segment_reader(0)).is_ok());
}

#[test]
fn a_segment_that_never_became_part_of_the_index_goes_too() {
    let dir = tempfile::tempdir().unwrap();
    let (index, plugin, mut writer) = app(Some(dir.path()));
    commit(&index, &mut writer, 1);
    let mut document = TantivyDocument::new();
    document.add_text(index.schema().get_field("id").unwrap(), "never");
    writer.add_document(document).unwrap();
    drop(writer.prepare_commit().unwrap());
    assert_eq!(plugin.cache().len(), 2);
    look_late(plugin.cache());
    assert_eq!(plugin.cache().len(), 2, "it may still be committed");
    writer.rollback().unwrap();
    writer.garbage_collect_files().wait().unwrap();
    plugin.cache().look(Instant::now());
    assert_eq!(plugin.cache().len(), 1);
}

#[test]
fn readers_of_a_directory_in_memory_are_seen_by_their_generations_alone() {
    let (index, plugin, mut writer) = app(None);
    let cache = plugin.cache();
    commit(&index, &mut writer, 2);
    let warmer: Arc<dyn Warmer> = Arc::new(cache.clone());
    let builder = index.reader_builder().reload_policy(tantivy::ReloadPolicy::Manual);
    let reader = builder.warmers(vec![Arc::downgrade(&warmer)]).try_into().unwrap();
    let searcher = reader.searcher();
    merge(&index, &mut writer);
    reader.reload().unwrap();
    look_late(cache);
    assert_eq!(cache.len(), 3, "in a generation that is alive");
    let live = reader.searcher();
    cache.garbage_collect(&[live.generation()]);
    let now = Instant::now();
    cache.look(now + GRACE / 2);
    assert_eq!(cache.len(), 3, "others may read them");
    cache.look(now + GRACE * 2);
    assert_eq!(cache.len(), 1);
    drop(searcher);
}
