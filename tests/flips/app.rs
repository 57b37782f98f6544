//! An app's own index, opened by the host alone: no record, no check at open; the plugin and the reader hold.

use std::path::{Path, PathBuf};

use tantivy::IndexWriter;
use tantivy::directory::MmapDirectory;
use uncsm_index::ErrorCode;
use uncsm_index::index::{Index, SoundDirectory, UvecPlugin, Writer};
use uncsm_index::search::Engine;

use crate::common::files::{copy_dir, files_of, files_with, put};
use crate::common::{App, bundle, random_docs};
use crate::world::World;

const MEMORY: usize = 15_000_000;

/// Two segments of thirty documents.
fn app_in(dir: &Path) -> App {
    let app = App::in_dir(bundle(3), dir);
    let mut writer = writer(&app);
    writer.tantivy().set_merge_policy(Box::new(tantivy::merge_policy::NoMergePolicy));
    for part in random_docs(4, 60).chunks(30) {
        for doc in part {
            writer.add(app.document(doc)).unwrap();
        }
        writer.commit().unwrap();
    }
    drop(writer);
    app
}

fn writer(app: &App) -> Writer {
    let fingerprints = (app.bundle.space(), app.bundle.model());
    Writer::new(&app.index, app.plugin.cache(), Some(app.id), fingerprints, MEMORY).unwrap()
}

/// Where the host's footer begins.
fn body_of(bytes: &[u8]) -> usize {
    let length = u32::from_le_bytes(bytes[bytes.len() - 8..][..4].try_into().unwrap());
    bytes.len() - 8 - length as usize
}

fn reopened(dir: &Path) -> (tantivy::Index, UvecPlugin) {
    let plugin = UvecPlugin::new();
    let mut index = tantivy::Index::open(MmapDirectory::open(dir).unwrap()).unwrap();
    index.register_plugin(plugin.registered());
    (index, plugin)
}

#[test]
fn a_docs_section_of_ones_is_served_as_nothing_and_merged_never() {
    let _beside = crate::beside();
    let dir = tempfile::tempdir().unwrap();
    let app = app_in(dir.path());
    // A deletion gives the host a bitset that is as long as the segment.
    let mut writer = writer(&app);
    writer.delete_id("037").unwrap();
    writer.commit().unwrap();
    drop(writer);
    for file in files_with(dir.path(), "uvec") {
        let mut bytes = std::fs::read(&file).unwrap();
        let end = body_of(&bytes);
        let docs: Vec<(usize, usize)> = uncsm_format::Uvec::open(&bytes[..end])
            .unwrap()
            .sections()
            .iter()
            .filter(|section| section.name.eq_ignore_ascii_case("docs"))
            .map(|section| (section.offset as usize, section.length as usize))
            .collect();
        assert_eq!(docs.len(), 2);
        for (start, length) in docs {
            bytes[start..start + length].fill(0xff);
        }
        put(&file, bytes);
    }
    let (index, plugin) = reopened(dir.path());
    let searcher = index.reader().unwrap().searcher();
    let engine = Engine::host(&index, searcher.clone(), plugin.cache(), app.bundle.clone()).unwrap();
    let found = engine.request().features("image", &[0.5; 6]).unwrap().k(9).run().unwrap();
    assert_eq!(found.hits.len(), 0, "no document has a number beyond the segment");
    let both = engine.request().features("image", &[0.5; 6]).unwrap().keywords("red").k(9).run().unwrap();
    assert!(!both.hits.is_empty());
    // An app's own writer with a policy of its own: the plugin refuses.
    let mut plain: IndexWriter = index.writer_with_num_threads(1, MEMORY).unwrap();
    let segments = index.searchable_segment_ids().unwrap();
    let error = plain.merge(&segments).wait().unwrap_err();
    assert!(error.to_string().contains("damaged"), "{error}");
    assert_eq!(index.searchable_segment_ids().unwrap().len(), 2);
}

#[test]
fn a_foreign_merge_policy_does_not_launder_the_hosts_files() {
    let _beside = crate::beside();
    for kind in ["term", "idx", "pos", "fast", "fieldnorm", "store", "uvec"] {
        let dir = tempfile::tempdir().unwrap();
        drop(app_in(dir.path()));
        let files = files_with(dir.path(), kind);
        let mut bytes = std::fs::read(&files[0]).unwrap();
        let middle = body_of(&bytes) / 2;
        bytes[middle] ^= 1;
        put(&files[0], bytes);
        let (index, _plugin) = reopened(dir.path());
        let mut plain: IndexWriter = index.writer_with_num_threads(1, MEMORY).unwrap();
        let segments = index.searchable_segment_ids().unwrap();
        assert!(plain.merge(&segments).wait().is_err(), "{kind}");
        assert_eq!(index.searchable_segment_ids().unwrap().len(), 2, "{kind}");
    }
}

/// Files that change under an engine that has looked at them: what the host throws over them is an error that names one.
#[test]
fn damage_under_an_open_engine_is_told_with_its_file() {
    let _beside = crate::beside();
    let world = World::new();
    let files: Vec<PathBuf> = files_of(&world.index)
        .into_iter()
        .filter(|file| {
            file.extension().is_some_and(|kind| ["idx", "term", "store", "fast"].iter().any(|k| kind == *k))
        })
        .collect();
    let mut told = 0;
    for file in &files {
        let scratch = tempfile::tempdir().unwrap();
        let dir = scratch.path().join("index");
        copy_dir(&world.index, &dir);
        let index = Index::open(&dir).unwrap();
        let engine = Engine::new(&index).unwrap();
        let path = dir.join(file);
        let length = body_of(&std::fs::read(&path).unwrap());
        // In place, so that the map shows it.
        let mut open = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
        std::io::Write::write_all(&mut open, &vec![0xff; length]).unwrap();
        let request = engine.request().keywords("red thing note:again").filter("size:[3 TO 90]");
        let answer = request.facet("category_exact").snippet("text").run();
        if let Err(error) = answer {
            assert_eq!(error.code(), ErrorCode::Damaged, "{}: {error}", file.display());
            assert_eq!(error.facts().file.as_deref(), Some(path.as_path()), "{error}");
            told += 1;
        }
    }
    assert!(told >= files.len() / 2, "{told} of {} files", files.len());
}

/// The version of a column's dictionary, of a file that is not read whole before: damage, and no fault of the request.
#[test]
fn a_damaged_dictionary_is_not_blamed_on_the_facet_that_reads_it() {
    let _beside = crate::beside();
    let world = World::new();
    let version = [3_u32, 2].map(u32::to_le_bytes);
    let mut told = 0;
    for file in files_with(&world.index, "fast") {
        let sound = std::fs::read(&file).unwrap();
        for at in (0..sound.len() - 4).filter(|at| version.iter().any(|v| sound[*at..].starts_with(v))) {
            let mut bytes = sound.clone();
            bytes[at + 3] ^= 0x40;
            put(&file, bytes);
            let Ok(Err(error)) = std::panic::catch_unwind(|| world.query_like(&world.index, 0)) else {
                continue;
            };
            assert_eq!(error.code(), ErrorCode::Damaged, "at {at}: {error}");
            assert_eq!(error.facts().file.as_deref(), Some(file.as_path()), "{error}");
            told += 1;
        }
        put(&file, sound);
    }
    assert!(told > 0, "no flip met the version of a dictionary");
}

#[test]
fn an_app_that_opens_through_a_sound_directory_is_told_of_swapped_files() {
    let _beside = crate::beside();
    let dir = tempfile::tempdir().unwrap();
    let app = app_in(dir.path());
    let sound = || tantivy::Index::open(SoundDirectory::new(MmapDirectory::open(dir.path()).unwrap()));
    let mut index = sound().unwrap();
    index.register_plugin(app.plugin.registered());
    // Its next commit takes the record.
    let mut plain: IndexWriter = index.writer_with_num_threads(1, MEMORY).unwrap();
    plain.commit().unwrap();
    drop(plain);
    assert_eq!(sound().unwrap().reader().unwrap().searcher().num_docs(), 60);
    let files = files_with(dir.path(), "store");
    let (one, other) = (std::fs::read(&files[0]).unwrap(), std::fs::read(&files[1]).unwrap());
    put(&files[0], other);
    put(&files[1], one);
    let error = sound().unwrap().reader().err().unwrap();
    assert!(error.to_string().contains("not the one that was committed"), "{error}");
}
