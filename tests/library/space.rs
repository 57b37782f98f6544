//! The model that made the vectors is asked for everywhere, in an app's own index: another bundle is an error in each way
//! to search, and so is an index that has no vectors because its plugin was missing.

#[path = "../../format/tests/common/second.rs"]
#[allow(dead_code, unreachable_pub, reason = "a module of the tests of the format")]
mod second;

use std::sync::Arc;

use crate::common::{App, Doc, bundle, random_docs};
use tantivy::collector::{Count, MultiCollector, TopDocs};
use tantivy::query::{AllQuery, BooleanQuery, Occur, Query};
use tantivy::schema::{FAST, Facet, FacetOptions, STORED, STRING, Schema};
use tantivy::{IndexWriter, TantivyDocument};
use uncsm_index::index::{MediaField, MediaValue, UvecPlugin, check_registered};
use uncsm_index::media::Fingerprint;
use uncsm_index::model::{Bundle, Target};
use uncsm_index::search::{CrossMediaQuery, DocScorer, Engine, MetricCollector, QueryPart, Similarity};
use uncsm_index::{Error, ErrorCode};

const METRIC: Similarity = Similarity::Metric(Target::Class);

fn filled(documents: usize) -> App {
    let app = App::in_ram(bundle(1));
    let mut writer: IndexWriter = app.index.writer_with_num_threads(1, 15_000_000).unwrap();
    for doc in random_docs(5, documents) {
        writer.add_document(app.document(&doc)).unwrap();
    }
    writer.commit().unwrap();
    app
}

/// A query for pictures like a text, compiled by a bundle.
fn scorer(bundle: &Bundle) -> Arc<DocScorer> {
    let part = QueryPart::of(bundle, "text", &[0.5, -1.0, 0.25, 0.0, 1.0]).unwrap();
    Arc::new(DocScorer::new(bundle, METRIC, &[part], &[0]).unwrap())
}

/// The code of a search that failed, whose two spaces must be named.
fn refused<T>(found: tantivy::Result<T>, index: Fingerprint, query: Fingerprint) -> ErrorCode {
    let error = Error::from(found.err().expect("a search that fails"));
    let facts = error.facts();
    assert_eq!(facts.expected.as_deref(), Some(&*format!("space {index}")), "{error}");
    assert_eq!(facts.got.as_deref(), Some(&*format!("space {query}")), "{error}");
    assert!(facts.hint.is_some());
    error.code()
}

#[test]
fn a_bundle_of_another_space_ranks_nothing() {
    let (own, other) = (bundle(1), bundle(2));
    for documents in [40, 0] {
        let app = filled(documents);
        let searcher = app.searcher();
        let cache = app.plugin.cache();
        let metric = |bundle: &Bundle| MetricCollector::new(scorer(bundle), cache, 5);
        let clause = |bundle: &Bundle| CrossMediaQuery::new(scorer(bundle), cache).unwrap();
        let mixed = |bundle: &Bundle| {
            let clauses: Vec<(Occur, Box<dyn Query>)> =
                vec![(Occur::Must, Box::new(AllQuery)), (Occur::Should, Box::new(clause(bundle)))];
            BooleanQuery::new(clauses)
        };
        let top = || TopDocs::with_limit(3).order_by_score();
        // The own bundle does all of it.
        assert_eq!(searcher.search(&AllQuery, &metric(&own)).unwrap().docs.is_empty(), documents == 0);
        assert_eq!(searcher.search(&mixed(&own), &top()).unwrap().is_empty(), documents == 0);

        let code = |found: tantivy::Result<()>| refused(found, own.space(), other.space());
        let mismatch = ErrorCode::SpaceMismatch;
        assert_eq!(code(searcher.search(&AllQuery, &metric(&other)).map(drop)), mismatch);
        assert_eq!(code(searcher.search(&AllQuery, &(metric(&other), Count)).map(drop)), mismatch);
        assert_eq!(code(searcher.search(&clause(&other), &top()).map(drop)), mismatch);
        assert_eq!(code(searcher.search(&mixed(&other), &top()).map(drop)), mismatch);
        let minimum = clause(&other).min_probability(0.5).unwrap();
        assert_eq!(code(searcher.search(&minimum, &Count).map(drop)), mismatch);
        if documents > 0 {
            let mut collectors = MultiCollector::new();
            collectors.add_collector(metric(&other));
            assert_eq!(code(searcher.search(&AllQuery, &collectors).map(drop)), mismatch);
            let address = tantivy::DocAddress::new(0, 0);
            assert_eq!(code(clause(&other).explain(&searcher, address).map(drop)), mismatch);
            let vectors = cache.get(searcher.segment_reader(0)).unwrap();
            let foreign = scorer(&other);
            assert_eq!(foreign.check(&vectors).unwrap_err().code(), mismatch);
            let docs: Vec<u32> = (0..40).collect();
            assert_eq!(foreign.values(&vectors, &docs).unwrap_err().code(), mismatch);
            for &doc in &docs {
                assert_eq!(foreign.doc(&vectors, doc).unwrap_err().code(), mismatch);
                assert_eq!(foreign.items(&vectors, doc).unwrap_err().code(), mismatch);
            }
            assert!(scorer(&own).values(&vectors, &docs).unwrap().iter().any(Option::is_some));
        }
        assert_eq!(Engine::host(&app.index, searcher, cache, other.clone()).err().unwrap().code(), mismatch);
    }
    // The same space with another prior is the same space.
    let app = filled(10);
    let rare = own.with_prior(0.01).unwrap();
    let ranked =
        app.searcher().search(&AllQuery, &MetricCollector::new(scorer(&rare), app.plugin.cache(), 5));
    assert!(!ranked.unwrap().docs.is_empty());
}

#[test]
fn a_query_vector_of_another_bundle_is_refused() {
    let (own, other) = (bundle(1), bundle(2));
    let foreign = QueryPart::of(&other, "text", &[0.5; 5]).unwrap();
    let error = DocScorer::new(&own, METRIC, std::slice::from_ref(&foreign), &[0]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::SpaceMismatch);
    let facts = error.facts();
    assert_eq!(facts.expected.as_deref(), Some(&*format!("space {}", own.space())));
    assert_eq!(facts.got.as_deref(), Some(&*format!("space {}", other.space())));
    assert!(DocScorer::new(&other, METRIC, &[foreign.weight(2.0).unlike()], &[0]).is_ok());
    // A vector of unknown origin is believed.
    assert!(DocScorer::new(&own, METRIC, &[QueryPart::new(1, vec![0.5; 12])], &[0]).is_ok());
    assert_eq!(QueryPart::of(&own, "sound", &[0.5; 5]).unwrap_err().code(), ErrorCode::UnknownMedia);
    assert_eq!(QueryPart::of(&own, "text", &[0.5; 6]).unwrap_err().code(), ErrorCode::BadDimension);
    assert_eq!(QueryPart::of(&own, "text", &[f32::NAN; 5]).unwrap_err().code(), ErrorCode::NotFinite);
}

#[test]
fn an_index_that_was_created_without_the_plugin_does_not_lose_vectors_in_silence() {
    let own = bundle(1);
    let mut builder = Schema::builder();
    let id = builder.add_text_field("id", STRING | FAST | STORED);
    let media = MediaField::add(&mut builder, &own.space_spec()).unwrap();
    let schema = builder.build();
    let dir = tempfile::tempdir().unwrap();
    // tantivy takes the documents, and no code of this crate is asked.
    let index = tantivy::Index::create_in_dir(dir.path(), schema).unwrap();
    let mut writer: IndexWriter = index.writer_with_num_threads(1, 15_000_000).unwrap();
    for number in 0..3 {
        let mut document = TantivyDocument::new();
        document.add_text(id, number.to_string());
        let mut items = MediaValue::builder(media.spec());
        items.features(&own, "text", 0, &[0.5; 5]).unwrap();
        items.finish().add_to(&mut document, media.field());
        writer.add_document(document).unwrap();
    }
    writer.commit().unwrap();
    drop(writer);
    // Each way in says so.
    let plugin = UvecPlugin::new();
    let says = |error: Error| {
        assert!(error.to_string().contains("created without the plugin"), "{error}");
        error.code()
    };
    for registered in [false, true] {
        let mut index = tantivy::Index::open_in_dir(dir.path()).unwrap();
        if registered {
            index.register_plugin(plugin.registered());
        }
        assert_eq!(says(check_registered(&index).unwrap_err()), ErrorCode::BadArgument);
        assert_eq!(says(MediaField::of_index(&index).unwrap_err()), ErrorCode::BadArgument);
        let searcher = index.reader().unwrap().searcher();
        assert_eq!(searcher.num_docs(), 3);
        let cache = plugin.cache();
        says(cache.get(searcher.segment_reader(0)).err().unwrap());
        says(Engine::host(&index, searcher.clone(), cache, own.clone()).err().unwrap());
        let collector = MetricCollector::new(scorer(&own), cache, 5);
        says(Error::from(searcher.search(&AllQuery, &collector).unwrap_err()));
        let query = CrossMediaQuery::new(scorer(&own), cache).unwrap();
        says(Error::from(searcher.search(&query, &Count).unwrap_err()));
        let fingerprints = (own.space(), own.model());
        let writer = uncsm_index::index::Writer::new(&index, cache, None, fingerprints, 15_000_000);
        says(writer.err().unwrap());
    }
}

#[test]
fn an_ordinal_that_two_values_of_a_document_have_is_counted_as_rejected() {
    let app = App::in_ram(bundle(1));
    let doc = Doc { id: "a".into(), text: "red".into(), items: vec![(0, vec![0.1; 6]), (1, vec![0.2; 5])] };
    let mut document = app.document(&doc);
    let mut second = MediaValue::builder(app.media.spec());
    second.features(&app.bundle, "image", 0, &[0.3; 6]).unwrap();
    second.features(&app.bundle, "image", 1, &[0.4; 6]).unwrap();
    second.finish().add_to(&mut document, app.media.field());
    let mut writer: IndexWriter = app.index.writer_with_num_threads(1, 15_000_000).unwrap();
    writer.add_document(document).unwrap();
    // The next document has ordinals of its own.
    writer.add_document(app.document(&Doc { id: "b".into(), ..doc })).unwrap();
    writer.commit().unwrap();
    let searcher = app.searcher();
    let vectors = app.plugin.cache().get(searcher.segment_reader(0)).unwrap();
    assert_eq!((vectors.view(0).ordinals, vectors.view(0).docs), (&[0, 1, 0][..], &[0, 0, 1][..]));
    let (rejected, reason) = vectors.uvec().rejected();
    assert_eq!((rejected, reason), (1, Some("two items of media type `image` have the ordinal 0")));
}

#[test]
fn facets_of_the_host_are_shown_as_paths() {
    let own = bundle(1);
    let mut builder = Schema::builder();
    let id = builder.add_text_field("id", STRING | FAST | STORED);
    let shelf = builder.add_facet_field("shelf", FacetOptions::default());
    MediaField::add(&mut builder, &own.space_spec()).unwrap();
    let plugin = UvecPlugin::new();
    let index = tantivy::Index::builder().schema(builder.build()).register_plugin(plugin.registered());
    let index = index.create_in_ram().unwrap();
    let mut writer: IndexWriter = index.writer_with_num_threads(1, 15_000_000).unwrap();
    for (number, path) in ["/news/local", "/news/local", "/news", "/a\\/b/c"].into_iter().enumerate() {
        let mut document = TantivyDocument::new();
        document.add_text(id, number.to_string());
        document.add_facet(shelf, Facet::from_text(path).unwrap());
        writer.add_document(document).unwrap();
    }
    writer.commit().unwrap();
    let engine =
        Engine::host(&index, index.reader().unwrap().searcher(), plugin.cache(), own.clone()).unwrap();
    let found = engine.request().filter("id:*").facet("shelf").run().unwrap();
    let counts: Vec<(String, u64)> =
        found.facets["shelf"].iter().map(|f| (f.value.as_str().unwrap().to_owned(), f.count)).collect();
    let expected = [("/news/local", 2), ("/a\\/b/c", 1), ("/news", 1)];
    assert_eq!(counts, expected.map(|(path, count)| (path.to_owned(), count)));
}

#[test]
fn a_reader_written_from_the_specification_reads_the_files_of_an_index() {
    let dir = tempfile::tempdir().unwrap();
    let app = App::in_dir(bundle(1), dir.path());
    let mut writer: IndexWriter = app.index.writer_with_num_threads(1, 15_000_000).unwrap();
    for part in random_docs(7, 30).chunks(15) {
        for doc in part {
            writer.add_document(app.document(doc)).unwrap();
        }
        writer.commit().unwrap();
    }
    writer.wait_merging_threads().unwrap();
    let searcher = app.searcher();
    assert_eq!(searcher.segment_readers().len(), 2);
    for reader in searcher.segment_readers() {
        let name = format!("{}.uvec", reader.segment_id().uuid_string());
        let bytes = std::fs::read(dir.path().join(name)).unwrap();
        let file = second::read(second::without_footer(&bytes));
        let vectors = app.plugin.cache().get(reader).unwrap();
        assert_eq!((file.space, file.documents), (app.bundle.space().0, reader.max_doc()));
        for (media, read) in file.media.iter().enumerate() {
            let view = vectors.view(media);
            assert_eq!((&*read.docs, &*read.ordinals), (view.docs, view.ordinals));
            assert_eq!(read.name, app.bundle.media()[media].name);
            for (row, vector) in read.vectors.iter().enumerate() {
                let mut stored = vec![0.0; view.dim];
                view.vector_into(row, &mut stored);
                assert_eq!(*vector, stored);
            }
        }
        assert!(file.media.iter().any(|media| !media.docs.is_empty()));
    }
}
