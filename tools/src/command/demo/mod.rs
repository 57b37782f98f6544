//! `uncsm-index demo`: a corpus is drawn, a model trained on a part of it, evaluated on the rest, and searched.

mod queries;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use uncsm_index::corpus::Split;
use uncsm_index::data::{CorpusOptions, from_corpus};
use uncsm_index::encode::Registry;
use uncsm_index::eval::{self, Evaluation};
use uncsm_index::index::{Index, IndexBuilder, OnBad};
use uncsm_index::model::{Bundle, OnExisting, Target};
use uncsm_index::train::{Progress, Refit, TrainConfig, Trainer};
use uncsm_index::{Error, ErrorCode, Result};

use crate::args::{DemoArgs, Global};
use crate::demo::corpus::{DemoCorpus, DemoOptions, generate};
use crate::demo::report::{Curve, DemoReport, QueryCard, RecallSeries, render};
use crate::output::{Output, sentence};
use crate::{Outcome, progress};

/// The key of the class in the demo's corpus.
const LABEL: &str = "category";
const PAGE: &str = "report.html";
/// Says that the folder is a demo's.
const MARK: &str = ".uncsm-demo";

/// Steps with their seconds, and what they say.
pub struct Diary<'a> {
    global: &'a Global,
    steps: Vec<(String, f64)>,
    lines: Vec<String>,
}

impl Diary<'_> {
    /// Runs a step and notes how long it took and what it came to.
    fn step<T>(&mut self, name: &str, run: impl FnOnce(&Global) -> Result<(T, String)>) -> Result<T> {
        let started = Instant::now();
        let (out, said) = run(self.global)?;
        let seconds = started.elapsed().as_secs_f64();
        self.steps.push((name.to_owned(), seconds));
        self.lines.push(format!("{name:9} {seconds:6.1} s  {said}"));
        Ok(out)
    }
}

pub fn run(args: &DemoArgs, global: &Global, output: &Output) -> Result<Outcome> {
    let dir = &args.dir;
    refuse_foreign(dir)?;
    std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
    let mark = dir.join(MARK);
    std::fs::write(&mark, "The folder of a demo: the next one replaces what is here.\n")
        .map_err(|e| Error::io(&mark, e))?;
    let mut diary = Diary { global, steps: vec![], lines: vec![] };
    let mut options = DemoOptions::default();
    options.seed = global.seed.unwrap_or(options.seed);
    let corpus = diary.step("draw", |global| {
        let bar = progress::bar(global, Some(options.scenes as u64), "scenes");
        let corpus = generate(dir, &options, &mut |n| bar.set_position(n))?;
        bar.finish_and_clear();
        let said = format!(
            "{} scenes, {} pictures, captions in {}",
            corpus.documents,
            corpus.pictures,
            corpus.corpus.display()
        );
        Ok((corpus, said))
    })?;
    let (bundle, curves) = diary.step("train", |global| learn(&corpus, dir, global))?;
    let report = diary.step("evaluate", |_| measure(&corpus, &bundle))?;
    let index = diary.step("build", |global| build(&corpus, &bundle, dir, global))?;
    let queries = diary.step("query", |_| {
        let queries = queries::run(&index, &corpus.corpus)?;
        let said = format!("{} queries", queries.len());
        Ok((queries, said))
    })?;
    let page = dir.join(PAGE);
    let text = text(&diary, &queries, &page);
    let html = render(&demo_report(diary, queries, curves, &report, &corpus));
    std::fs::write(&page, html).map_err(|e| Error::io(&page, e))?;
    output.print(&report, || text)?;
    Ok(Outcome::Done)
}

/// A folder with other things in it is not written to.
fn refuse_foreign(dir: &Path) -> Result<()> {
    if !dir.exists() || dir.join(MARK).exists() {
        return Ok(());
    }
    let mut entries = std::fs::read_dir(dir).map_err(|e| Error::io(dir, e))?;
    if entries.next().is_none() {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Exists, "the folder holds other things than an earlier demo")
        .file(dir)
        .hint("name an empty or new folder with --dir"))
}

type Learned = (Bundle, Vec<Curve>);

fn learn(corpus: &DemoCorpus, dir: &Path, global: &Global) -> Result<(Learned, String)> {
    let options = CorpusOptions { label: Some(LABEL), ..CorpusOptions::default() };
    let bar = progress::bar(global, Some(corpus.documents as u64), "documents");
    bar.set_message("encoding");
    let data =
        from_corpus(&corpus.corpus, &options, &mut |e| tracing::warn!("{}", sentence(&e)), &mut |n| {
            bar.set_position(n)
        })?;
    bar.finish_and_clear();
    // Fewer epochs than the defaults: the scenes are simple, and a newcomer waits.
    let mut config = TrainConfig::default();
    (config.contrastive.epochs, config.double_triplet.epochs, config.metric.epochs) = (12, 8, 10);
    config.selection.refit = Refit::Off;
    // The demo asks for the very scene that a caption describes, not for one of its class.
    config.default_target = Some(Target::Pair);
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

fn measure(corpus: &DemoCorpus, bundle: &Bundle) -> Result<(eval::Report, String)> {
    let encoders = bundle.encoders(&Registry::default())?;
    let options = CorpusOptions {
        label: Some(LABEL),
        trained: Some((&encoders, bundle.classes())),
        ..CorpusOptions::default()
    };
    let data =
        from_corpus(&corpus.corpus, &options, &mut |e| tracing::warn!("{}", sentence(&e)), &mut |_| {})?;
    let report = Evaluation::new(bundle, &data).split(Split::Test).run()?;
    let recall =
        |recall: &Option<uncsm_index::eval::Recall>| recall.as_ref().map_or(f64::NAN, |r| r.mean()[2]);
    let said = format!(
        "{} held-out rows, recall@10: metric {:.3}, cosine {:.3}",
        report.pairs,
        recall(&report.recall.metric),
        recall(&report.recall.cosine)
    );
    Ok((report, said))
}

fn build(corpus: &DemoCorpus, bundle: &Bundle, dir: &Path, global: &Global) -> Result<(Index, String)> {
    let out = dir.join("index");
    let bar = progress::bar(global, Some(corpus.documents as u64), "documents");
    IndexBuilder::new(&out, bundle)
        .source(&corpus.corpus)
        .force()
        .on_bad(OnBad::Stop)
        .progress(|at| bar.set_position(at.consumed))
        .run()?;
    bar.finish_and_clear();
    let said = format!("{} documents in {}", corpus.documents, out.display());
    Ok((Index::open(&out)?, said))
}

fn demo_report(
    diary: Diary<'_>,
    queries: Vec<QueryCard>,
    curves: Vec<Curve>,
    report: &eval::Report,
    corpus: &DemoCorpus,
) -> DemoReport {
    let shown = [
        ("cosine", &report.recall.cosine, &report.map_all.cosine),
        ("posterior", &report.recall.posterior, &report.map_all.posterior),
        ("metric (class)", &report.recall.metric_class, &report.map_all.metric_class),
        ("metric (pair)", &report.recall.metric_pair, &report.map_all.metric_pair),
    ];
    let mut recall = Vec::new();
    let mut map = Vec::new();
    for (name, recalls, maps) in shown {
        for (direction, at) in recalls.iter().flat_map(|recalls| &recalls.each) {
            recall.push(RecallSeries {
                similarity: name.into(),
                direction: direction.replace('_', " "),
                at: *at,
            });
        }
        if let Some(maps) = maps {
            let by_name: BTreeMap<&str, f64> = maps.each.iter().map(|(n, v)| (n.as_str(), *v)).collect();
            let of = |direction: &str| by_name.get(direction).copied().unwrap_or(f64::NAN);
            map.push((name.to_owned(), of("image_to_text"), of("text_to_image"), maps.mean));
        }
    }
    let figures =
        [("documents", corpus.documents), ("pictures", corpus.pictures), ("held out", corpus.held_out)];
    DemoReport {
        steps: diary.steps,
        figures: figures.iter().map(|(name, n)| ((*name).to_owned(), n.to_string())).collect(),
        queries,
        curves,
        recall,
        map,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}

fn text(diary: &Diary<'_>, queries: &[QueryCard], page: &Path) -> String {
    let mut out: String = diary.lines.iter().map(|line| format!("{line}\n")).collect();
    for query in queries {
        let asked: Vec<&str> =
            [&query.text, &query.keywords].into_iter().flatten().map(String::as_str).collect();
        out += &format!("\n{} [{}] {}\n", query.title, query.kind, asked.join(" + "));
        for hit in query.hits.iter().take(3) {
            let p = hit.probability.map(|p| format!("p {p:.2}  ")).unwrap_or_default();
            out += &format!("  {}. {}  {p}{}\n", hit.rank, hit.id, hit.caption);
        }
    }
    out + &format!("\nOpen {} in a browser.\n", page.display())
}
