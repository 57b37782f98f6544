//! One builder: new indexes, replaced ones, stopped ones, and what is added.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use safetensors::Dtype;
use safetensors::tensor::TensorView;

use super::builder::IndexBuilder;
use super::checkpoint::Checkpoint;
use super::options::CommitPolicy;
use super::report::OnBad;
use super::source::Source;
use crate::corpus::{EncoderArg, PathwayArg};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::Named;
use crate::index::dir::store::Index;
use crate::model::Bundle;
use crate::schema::SchemaOverrides;

/// Rows of a features file, and the corpus of their ids and titles.
struct Rows {
    dir: tempfile::TempDir,
    bundle: Bundle,
}

impl Rows {
    fn new() -> Self {
        let bundle = Bundle::random(&[("image", 3), ("text", 2)], 5, 2, 0, 8);
        Self { dir: tempfile::tempdir().unwrap(), bundle }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The documents `ids`, each with a row of each media type.
    fn source(&self, name: &str, ids: std::ops::Range<usize>, title: &str) -> Source {
        let bytes = |width: usize| -> Vec<u8> {
            let at = |i: usize| (i as f32 * 0.37).sin() + 1.5;
            (0..ids.len() * width).flat_map(|i| at(ids.start * width + i).to_le_bytes()).collect()
        };
        let (image, text) = (bytes(3), bytes(2));
        let view = |width, bytes| TensorView::new(Dtype::F32, vec![ids.len(), width], bytes).unwrap();
        let views = [("image", view(3, &image)), ("text", view(2, &text))];
        let (file, corpus) = (self.path(&format!("{name}.safetensors")), self.path(&format!("{name}.jsonl")));
        std::fs::write(&file, safetensors::serialize(views, None).unwrap()).unwrap();
        let line = |i: usize| format!("{{\"id\":\"d{i}\",\"title\":\"{title}\"}}\n");
        std::fs::write(&corpus, ids.map(line).collect::<String>()).unwrap();
        let of = |media: &str| PathwayArg { media: media.into(), tensor: media.into() };
        let by = |media: &str| EncoderArg { media: media.into(), encoder: format!("random-{media}") };
        Source::features(file, [of("image"), of("text")])
            .encoders([by("image"), by("text")])
            .fields_of(corpus)
    }

    fn new_index(&self, out: &Path) -> IndexBuilder<'_> {
        IndexBuilder::new(out, &self.bundle)
    }
}

fn documents(dir: &Path) -> u64 {
    Index::open(dir).unwrap().reader().unwrap().searcher().num_docs()
}

fn code(built: Result<super::report::BuildReport>) -> ErrorCode {
    built.unwrap_err().code()
}

#[test]
fn one_verb_builds_replaces_and_adds() {
    let rows = Rows::new();
    let out = rows.path("index");
    assert_eq!(code(rows.new_index(&out).run()), ErrorCode::BadArgument, "no source");
    let source = || rows.source("first", 0..40, "red");
    let mut heard = Vec::new();
    let report = rows.new_index(&out).source(source()).progress(|at| heard.push(at)).run().unwrap();
    assert_eq!((report.documents, report.items["image"], report.items["text"]), (40, 40, 40));
    assert_eq!((heard[0].consumed, heard[0].length), (0, Some(40)), "heard before the first document");
    assert_eq!(heard.last().map(|at| (at.documents, at.position)), Some((40, 40)));
    assert!(Index::open(&out).unwrap().manifest().complete);
    assert_eq!(Checkpoint::load(&out), None, "a finished index does not say how it came into being");
    assert!(!rows.path("index.partial").exists());
    // What is there stays, unless the caller says otherwise.
    assert_eq!(code(rows.new_index(&out).source(source()).run()), ErrorCode::Exists);
    assert_eq!(code(rows.new_index(&out).source(source()).append().force().run()), ErrorCode::BadArgument);
    rows.new_index(&out).source(rows.source("second", 0..10, "blue")).force().run().unwrap();
    assert_eq!(documents(&out), 10);
    // Equal ids are replaced, by commits on the way or in one.
    let more = || rows.source("more", 5..25, "green");
    let report = rows.new_index(&out).source(more()).append().run().unwrap();
    assert_eq!((report.documents, documents(&out)), (20, 25));
    IndexBuilder::add_to(&out).source(rows.source("last", 20..30, "grey")).run().unwrap();
    assert_eq!(documents(&out), 30);
    assert!(Index::open(&out).unwrap().manifest().complete);
    let schema = SchemaOverrides::default();
    assert_eq!(
        code(rows.new_index(&out).source(more()).append().schema(schema).run()),
        ErrorCode::BadArgument
    );
    // What is said in vain is refused.
    for builder in [
        IndexBuilder::add_to(&out).source(more()).resume(),
        IndexBuilder::add_to(&out).source(more()).commits(CommitPolicy::default()),
        IndexBuilder::add_to(&out).source(more()).schema(SchemaOverrides::default()),
        IndexBuilder::add_to(&out).source(more()).memory(1 << 20),
        rows.new_index(&out)
            .source(more())
            .append()
            .commits(CommitPolicy { documents: 0, ..CommitPolicy::default() }),
        IndexBuilder::add_to(&out).source(more().cache(rows.path("cache"))),
        IndexBuilder::add_to(&out).source(more().passages("3".parse().unwrap())),
        IndexBuilder::add_to(&out).source(Source::corpus(rows.path("more.jsonl")).fields_of(&out)),
    ] {
        assert_eq!(code(builder.run()), ErrorCode::BadArgument);
    }
    assert_eq!(documents(&out), 30);
    // Without an index to append to, a new one is built.
    let other = rows.path("other");
    rows.new_index(&other).source(source()).append().run().unwrap();
    assert_eq!(documents(&other), 40);
}

#[test]
fn a_stopped_build_goes_on_with_the_same_source_alone() {
    let rows = Rows::new();
    let out = rows.path("index");
    let source = rows.source("rows", 0..900, "red");
    let stop = AtomicBool::new(false);
    let error = rows
        .new_index(&out)
        .source(source.clone())
        .commits(CommitPolicy { documents: 50, ..CommitPolicy::default() })
        .interrupt(|| Ok(&stop))
        .progress(|at| stop.store(at.consumed >= 256, Ordering::SeqCst))
        .run()
        .unwrap_err();
    assert_eq!(error.code(), ErrorCode::Interrupted);
    let hint = error.facts().hint.clone().unwrap();
    assert_eq!(&*hint, "the same command with `resume` goes on from there");
    assert!(!out.exists() && rows.path("index.partial").exists());
    // Another file, and the same with other settings.
    let resume = |source: Source| rows.new_index(&out).source(source).resume();
    let other = rows.source("other", 0..900, "red");
    assert_eq!(code(resume(other).run()), ErrorCode::Changed);
    assert_eq!(code(resume(source.clone().without(["title".to_owned()])).run()), ErrorCode::Changed);
    assert_eq!(code(resume(source.clone()).on_bad(OnBad::Stop).run()), ErrorCode::Changed);
    // What no build takes is refused before anything is touched.
    let commits = |documents| CommitPolicy { documents, ..CommitPolicy::default() };
    for (builder, facts) in [
        (resume(source.clone()).memory(1 << 20), ("15000000 to 4293967294 bytes", "1048576")),
        (resume(source.clone()).commits(commits(0)), ("at least 1", "0")),
        (
            rows.new_index(&out).source(source.clone()).memory(5 << 30),
            ("15000000 to 4293967294 bytes", "5368709120"),
        ),
        (rows.new_index(&out).source(source.clone()).commits(commits(0)), ("at least 1", "0")),
    ] {
        let error = builder.run().unwrap_err();
        let got = (error.facts().expected.as_deref(), error.facts().got.as_deref());
        assert_eq!((error.code(), got), (ErrorCode::BadArgument, (Some(facts.0), Some(facts.1))), "{error}");
        assert_eq!(Checkpoint::load(&rows.path("index.partial")).map(|at| at.consumed), Some(256));
    }
    let mut heard = Vec::new();
    let report = resume(source).progress(|at| heard.push(at)).run().unwrap();
    assert_eq!((report.documents, report.items["text"], documents(&out)), (900, 900, 900));
    // Those of the earlier run are there already.
    let begins = &heard[0];
    assert_eq!((begins.consumed, begins.documents, begins.items), (256, 256, 512));
    assert_eq!((begins.position, begins.length), (256, Some(900)));
}

#[test]
fn an_encoder_of_the_app_has_nothing_to_copy() {
    use crate::encode::Registry;
    use crate::encode::testing::{FEATURES, fingerprint, write};
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    write(dir.path(), "one", 1);
    let folder = Registry::default().with_root(dir.path());
    let own = Registry::default().with_encoder("text", folder.open("text", "one").unwrap());
    let mut bundle = Bundle::random(&[("text", FEATURES)], 6, 4, 0, 9);
    bundle.media[0].encoder = "one".into();
    bundle.media[0].fingerprint = Some(fingerprint(1));
    let bundle = bundle.sealed();
    let corpus = path("corpus.jsonl");
    std::fs::write(&corpus, "{\"id\":\"a\",\"text\":\"red\"}\n").unwrap();
    let build = |out: &str, paths: &Registry| {
        IndexBuilder::new(path(out), &bundle).source(&corpus).encoder_paths(paths.clone())
    };
    let error = build("index", &own).embed_encoders().run().unwrap_err();
    assert_eq!(error.code(), ErrorCode::BadArgument);
    assert!(error.to_string().contains("the encoder `one` of `text` is one of the app"), "{error}");
    assert!(!path("index").exists() && !path("index.partial").exists());
    // Without copying it serves, and from its folder it is copied.
    build("index", &own).run().unwrap();
    build("whole", &folder).embed_encoders().run().unwrap();
    assert_eq!(crate::index::dir::embed::embedded(&path("whole")).unwrap().len(), 1);
    let add = IndexBuilder::add_to(path("index")).source(&corpus).encoder_paths(own.clone()).embed_encoders();
    assert_eq!(code(add.run()), ErrorCode::BadArgument);
    assert_eq!(code(build("index", &own).append().embed_encoders().run()), ErrorCode::BadArgument);
}

#[test]
fn a_source_opens_encoders_of_its_items_or_of_all_media_types() {
    use crate::encode::Registry;
    let rows = Rows::new();
    let source = rows.source("rows", 0..3, "red");
    let paths = Registry::default();
    source.check().unwrap();
    assert!(source.all_encoders_for(&rows.bundle, &paths).unwrap().is_empty(), "features need none");
    let corpus = Source::corpus(rows.path("rows.jsonl"));
    assert!(corpus.encoders_for(&rows.bundle, &paths).unwrap().is_empty(), "no document has an item");
    let error = corpus.all_encoders_for(&rows.bundle, &paths).err().unwrap();
    assert_eq!(error.code(), ErrorCode::BadArgument);
    assert!(error.to_string().contains("`features` and `pathway`"), "{error}");
    assert_eq!(Source::corpus(rows.path("none")).check().unwrap_err().code(), ErrorCode::NotFound);
}

#[test]
fn reasons_are_in_the_words_of_the_caller() {
    let rows = Rows::new();
    let out = rows.path("index");
    let source = rows.source("rows", 0..3, "red");
    let corpus = rows.path("rows.jsonl");
    let text = std::fs::read_to_string(&corpus).unwrap().replacen("{\"id\":\"d1\"", "{\"id\":{\"a\":1}", 1);
    std::fs::write(&corpus, text).unwrap();
    let flag = |_: Named| "FLAG".to_owned();
    let report = rows.new_index(&out).source(source.clone()).words(flag).run().unwrap();
    assert_eq!((report.documents, report.skipped.len()), (2, 1), "{report:?}");
    let strict = rows.new_index(&out).source(source).force().on_bad(OnBad::Stop).run().unwrap_err();
    assert_eq!(strict.facts().line, Some(2), "{strict}");
    let mut report = super::report::BuildReport::default();
    let error = Error::new(ErrorCode::TooLarge, "large")
        .hint(crate::hint::Hint::new("raise").setting(crate::hint::Setting::MaxBytes));
    report.skip(error.clone(), None, OnBad::Warn, Some(flag)).unwrap();
    report.skip(error, None, OnBad::Warn, None).unwrap();
    let reasons: Vec<&str> = report.skipped.iter().map(|skipped| skipped.reason.as_str()).collect();
    assert_eq!(reasons, ["large; raise FLAG", "large; raise `max_bytes`"]);
}
