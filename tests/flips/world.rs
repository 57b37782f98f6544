//! A small index of several segments with deletes, and what is done with it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Value, json};
use uncsm_index::Result;
use uncsm_index::corpus::JsonlReader;
use uncsm_index::encode::{CorpusSource, Encoder, Encoders, Ids};
use uncsm_index::index::{self, BuildOptions, Existing, Index};
use uncsm_index::model::Bundle;
use uncsm_index::schema::{BadLines, SchemaOverrides, infer};
use uncsm_index::search::{Engine, Fusion, MediaChoice};

use crate::common::encoder::Bytes;

const MEMORY: usize = 15 << 20;
const WORDS: [&str; 5] = ["red", "green", "blue", "grey", "white"];

/// Of the index: with all parts that a bundle can have.
pub(crate) fn bundle() -> Bundle {
    Bundle::random(&[("image", 6), ("text", 5)], 12, 7, 3, 3).with_random_hubs(9, 3)
}

pub(crate) struct World {
    dir: tempfile::TempDir,
    pub(crate) index: PathBuf,
    bundle: Bundle,
    /// Of the undamaged index.
    pub(crate) answers: Value,
}

pub(crate) fn id(at: usize) -> String {
    format!("d{at:03}")
}

fn line(at: usize, edition: usize) -> Value {
    let word = |by: usize| WORDS[(at * by + edition) % WORDS.len()];
    json!({
        "id": id(at), "text": format!("a {} thing on {} number{at}", word(1), word(3)), "category": word(2),
        "size": at * 3, "weight": at as f64 / 7.0, "image": format!("{}.img", at % 9),
        "note": format!("{} and {} again, edition {edition}", word(4), word(1)).repeat(6),
    })
}

impl World {
    /// Four segments; two of them have lost documents.
    pub(crate) fn new() -> Self {
        Self::with(&[0..14, 14..25, 8..19, 30..41])
    }

    /// One commit per range of documents; those of a later range replace earlier ones.
    pub(crate) fn with(commits: &[std::ops::Range<usize>]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        for at in 0..9 {
            std::fs::write(dir.path().join(format!("{at}.img")), format!("picture {at}{at}")).unwrap();
        }
        let index = dir.path().join("index");
        let bundle = bundle();
        let mut world = Self { dir, index, bundle, answers: Value::Null };
        let corpus = world.corpus(0..12, 0);
        let reader = JsonlReader::open(&corpus).unwrap();
        let schema = infer(reader, &corpus, &SchemaOverrides::default(), BadLines::Stop).unwrap().schema;
        Index::create(&world.index, &schema, &world.bundle).unwrap().mark_complete().unwrap();
        for (edition, range) in commits.iter().enumerate() {
            world.fill(&world.index, range.clone(), edition).unwrap();
        }
        assert_eq!(index::verify(&world.index).unwrap(), []);
        world.answers = answers(&world.index).unwrap();
        world
    }

    fn corpus(&self, range: std::ops::Range<usize>, edition: usize) -> PathBuf {
        let path = self.dir.path().join("corpus.jsonl");
        std::fs::write(&path, range.map(|at| format!("{}\n", line(at, edition))).collect::<String>())
            .unwrap();
        path
    }

    /// As `add` does; gives the files that merges left.
    pub(crate) fn fill(
        &self,
        dir: &Path,
        range: std::ops::Range<usize>,
        edition: usize,
    ) -> Result<Vec<(String, String)>> {
        let index = Index::open(dir)?;
        let mut writer = index.writer(MEMORY)?;
        let encoder = |width| Arc::new(Bytes::new(width)) as Arc<dyn Encoder>;
        let encoders = Encoders::from([("image".into(), encoder(6)), ("text".into(), encoder(5))]);
        let options = BuildOptions {
            encoders: Some(&encoders),
            existing: Existing::Replace,
            ..BuildOptions::default()
        };
        let source = CorpusSource::open(&self.corpus(range, edition), Ids::Required { built: None })?;
        index::build(&index, &mut writer, source, options, &mut |_| {})?;
        writer.commit()?;
        writer.finish()
    }

    /// `whole`: as [`Index::open_reading`] takes it.
    pub(crate) fn query_words(&self, dir: &Path, whole: u64) -> Result<()> {
        let index = Index::open_reading(dir, whole)?;
        let engine = Engine::new(&index)?;
        let request = engine.request().features("image", &[0.3, -0.2, 0.9, 0.1, -0.4, 0.6])?;
        request.keywords("red thing note:again").filter("size:[3 TO 90]").snippet("text").run().map(|_| ())
    }

    pub(crate) fn query_like(&self, dir: &Path, whole: u64) -> Result<()> {
        let index = Index::open_reading(dir, whole)?;
        let engine = Engine::new(&index)?;
        engine.request().like(&id(9))?.media(MediaChoice::Any).facet("category_exact").run().map(|_| ())
    }

    pub(crate) fn add(&self, dir: &Path) -> Result<()> {
        self.fill(dir, 3..6, 7).map(|_| ())
    }

    pub(crate) fn delete(&self, dir: &Path) -> Result<()> {
        let index = Index::open(dir)?;
        let mut writer = index.writer(MEMORY)?;
        let searcher = index.reader()?.searcher();
        for id in [id(2), id(16), id(33)] {
            if let Some(field) = index.id_field() {
                index::find_document(&searcher, field, &id)?;
            }
            writer.delete_id(&id)?;
        }
        writer.commit()?;
        writer.finish().map(|_| ())
    }

    pub(crate) fn attach(&self, dir: &Path) -> Result<()> {
        index::attach(dir, &self.bundle.with_prior(0.02)?)
    }

    pub(crate) fn merge(&self, dir: &Path) -> Result<()> {
        let index = Index::open(dir)?;
        let mut writer = index.writer(MEMORY)?;
        let merged = writer.merge_all();
        writer.finish()?;
        merged
    }
}

/// What an index answers to queries that read every kind of file.
pub(crate) fn answers(dir: &Path) -> Result<Value> {
    let index = Index::open(dir)?;
    let engine = Engine::new(&index)?;
    let mut all = Vec::new();
    for fusion in [Fusion::Rrf, Fusion::Metric] {
        let request = engine.request().features("image", &[0.3, -0.2, 0.9, 0.1, -0.4, 0.6])?;
        all.push(request.keywords("red \"on green\"~2 number12").fusion(fusion).k(100).run()?);
    }
    all.push(engine.request().like(&id(9))?.media(MediaChoice::Any).facet("category_exact").k(100).run()?);
    all.push(
        engine.request().filter("size:[3 TO 90] AND weight:[0.5 TO 5.0]").keywords("thing").k(100).run()?,
    );
    let hits = |response: &uncsm_index::search::Response| {
        let value = serde_json::to_value(response).unwrap();
        let hits: Vec<Value> = value["hits"]
            .as_array()
            .unwrap()
            .iter()
            .map(|hit| json!([hit["id"], hit["score"], hit["probability"], hit["fields"]]))
            .collect();
        json!({ "hits": hits, "facets": value["facets"], "candidates": value["candidates"] })
    };
    Ok(all.iter().map(hits).collect())
}
