//! What a demo shows, and the steps that all demos share: train, evaluate, build.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use uncsm_index::Result;
use uncsm_index::corpus::{EncoderArg, Split};
use uncsm_index::data::{CorpusOptions, from_corpus};
use uncsm_index::encode::{FeatureCache, Registry};
use uncsm_index::eval::{self, Evaluation};
use uncsm_index::index::{Index, IndexBuilder, OnBad, Source};
use uncsm_index::model::{Bundle, OnExisting};
use uncsm_index::search::Engine;
use uncsm_index::train::{Progress, TrainConfig, Trainer};

use crate::args::Global;
use crate::demo::report::{Curve, QueryCard, Words};
use crate::output::sentence;
use crate::progress;

/// A corpus, how it is learned from, and what is asked.
pub struct Show {
    pub corpus: PathBuf,
    pub documents: usize,
    pub pictures: usize,
    pub held_out: usize,
    /// The key of the class.
    pub label: &'static str,
    /// The key of what stays on one side of the validation split.
    pub group: Option<&'static str>,
    /// Encoders that are not the built-in ones.
    pub encoders: Vec<EncoderArg>,
    /// Where those are looked for.
    pub registry: Registry,
    /// Where features are kept from step to step: none where encoding again is quick.
    pub cache: Option<PathBuf>,
    /// Whether the index gets a copy of the weights, so that it can be asked by itself.
    pub embed: bool,
    pub config: TrainConfig,
    pub words: Words,
    /// Runs all queries; pictures are read beside the corpus.
    pub ask: fn(&Engine, &Path) -> Result<Vec<QueryCard>>,
}

/// A bundle, and how it learned.
pub type Learned = (Bundle, Vec<Curve>);

impl Show {
    /// Trains a bundle, which is saved in `dir` too.
    pub fn learn(&self, dir: &Path, global: &Global) -> Result<(Learned, String)> {
        let cache = self.cache()?;
        let options = CorpusOptions {
            label: Some(self.label),
            group: self.group,
            encoders: &self.encoders,
            paths: self.registry.clone(),
            cache: cache.as_ref(),
            ..CorpusOptions::default()
        };
        let bar = progress::bar(global, Some(self.documents as u64), "documents");
        bar.set_message("encoding");
        let data =
            from_corpus(&self.corpus, &options, &mut |e| tracing::warn!("{}", sentence(&e)), &mut |n| {
                bar.set_position(n)
            })?;
        bar.finish_and_clear();
        let mut config = self.config.clone();
        config.seed = global.seed.unwrap_or(config.seed);
        let bar = progress::bar(global, Some(0), "epochs");
        let curves: Mutex<Vec<Curve>> = Mutex::new(Vec::new());
        let progress = |at: &Progress| {
            bar.set_length(at.epochs as u64);
            bar.set_position(at.epoch as u64);
            bar.set_message(at.stage);
            let mut curves = curves.lock().unwrap_or_else(PoisonError::into_inner);
            if curves.last().is_none_or(|curve| curve.stage != at.stage) {
                curves.push(Curve { stage: at.stage.to_owned(), points: vec![] });
            }
            if let Some(curve) = curves.last_mut() {
                curve.points.push((at.epoch, at.loss, at.score));
            }
        };
        let trained = Trainer::new(&data).config(config).progress(progress).run()?;
        bar.finish_and_clear();
        trained.bundle.save_as(&dir.join("bundle"), OnExisting::Replace)?;
        let stages: Vec<String> =
            trained.stages.iter().map(|stage| format!("{} {} epochs", stage.name, stage.epochs)).collect();
        Ok(((trained.bundle, curves.into_inner().unwrap_or_else(PoisonError::into_inner)), stages.join(", ")))
    }

    /// Measures the bundle on the held-out documents.
    pub fn measure(&self, bundle: &Bundle) -> Result<(eval::Report, String)> {
        let encoders = bundle.encoders(&self.registry)?;
        let cache = self.cache()?;
        let options = CorpusOptions {
            label: Some(self.label),
            trained: Some((&encoders, bundle.classes())),
            cache: cache.as_ref(),
            ..CorpusOptions::default()
        };
        let data =
            from_corpus(&self.corpus, &options, &mut |e| tracing::warn!("{}", sentence(&e)), &mut |_| {})?;
        let report = Evaluation::new(bundle, &data).split(Split::Test).run()?;
        let recall = |recall: &Option<eval::Recall>| recall.as_ref().map_or(f64::NAN, |r| r.mean()[2]);
        let said = format!(
            "{} held-out rows, recall@10 of the pair: metric {:.3}, cosine {:.3}",
            report.pairs,
            recall(&report.recall.metric_pair),
            recall(&report.recall.cosine)
        );
        Ok((report, said))
    }

    /// Builds the index of all documents.
    pub fn build(&self, bundle: &Bundle, dir: &Path, global: &Global) -> Result<(Index, String)> {
        let out = dir.join("index");
        let bar = progress::bar(global, Some(self.documents as u64), "documents");
        let mut source = Source::corpus(&self.corpus);
        if let Some(cache) = &self.cache {
            source = source.cache(cache);
        }
        let mut builder = IndexBuilder::new(&out, bundle)
            .source(source)
            .force()
            .on_bad(OnBad::Stop)
            .encoder_paths(self.registry.clone())
            .progress(|at| bar.set_position(at.consumed));
        if self.embed {
            builder = builder.embed_encoders();
        }
        builder.run()?;
        bar.finish_and_clear();
        let said = format!("{} documents in {}", self.documents, out.display());
        Ok((Index::open(&out)?, said))
    }

    /// Asks the index.
    pub fn query(&self, index: &Index) -> Result<(Vec<QueryCard>, String)> {
        let engine = Engine::new(index)?.with_encoders(self.registry.clone());
        let queries = (self.ask)(&engine, &self.corpus)?;
        let said = format!("{} queries", queries.len());
        Ok((queries, said))
    }

    fn cache(&self) -> Result<Option<FeatureCache>> {
        self.cache.as_deref().map(FeatureCache::open).transpose()
    }
}
