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
    let mut heard = Vec::new();
    let report = resume(source).progress(|at| heard.push((at.consumed, at.items))).run().unwrap();
    assert_eq!((report.documents, report.items["text"], documents(&out)), (900, 900, 900));
    assert_eq!(heard[0], (0, 512), "items of the earlier run are there already");
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
