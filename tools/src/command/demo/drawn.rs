//! The drawn demo: its corpus, how it is learned from, and its queries by keywords, by a sentence, by a picture, and by both.

use std::path::Path;
use std::time::Instant;

use uncsm_index::corpus::{Document, Given, JsonlReader, Split};
use uncsm_index::encode::Registry;
use uncsm_index::model::Target;
use uncsm_index::search::{Engine, Fusion, Hit, MediaChoice, Request, Response, Similarity};
use uncsm_index::train::{Refit, TrainConfig};
use uncsm_index::{Error, ErrorCode, Result};

use super::diary::Diary;
use super::page::hit_card;
use super::show::Show;
use crate::demo::corpus::{DemoOptions, generate};
use crate::demo::report::{HitCard, QueryCard, Words};
use crate::progress;

/// The key of the class: kind and colour, so that what shows a red circle is of the class of "a red circle".
const LABEL: &str = "shape";
/// The key of the kind alone.
const KIND: &str = "category";

/// Six hits fill the rows of the page at every width.
const HITS: usize = 6;
const SENTENCE: &str = "a big red circle on the left, striped background";
const OF_QUERIES: &str = "The sentence asks for both that the network has learned: a shape of that kind and colour, and the very scene. \
    Its match is the mean of the two probabilities. A sentence fits several scenes, so that of the very scene is low.";

/// Draws the corpus in `dir`.
pub fn show(dir: &Path, diary: &mut Diary<'_>) -> Result<Show> {
    let mut options = DemoOptions::default();
    options.seed = diary.global.seed.unwrap_or(options.seed);
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
    // Fewer epochs than the defaults: the scenes are simple, and a newcomer waits.
    let mut config = TrainConfig::default();
    (config.contrastive.epochs, config.double_triplet.epochs, config.metric.epochs) = (12, 8, 10);
    config.selection.refit = Refit::Off;
    // A caption tells of one scene, which is what is asked for unless a query says otherwise.
    config.default_target = Some(Target::Pair);
    Ok(Show {
        corpus: corpus.corpus,
        documents: corpus.documents,
        pictures: corpus.pictures,
        held_out: corpus.held_out,
        label: LABEL,
        group: None,
        encoders: vec![],
        registry: Registry::from_env(),
        cache: None,
        embed: false,
        config,
        words: Words { of_queries: OF_QUERIES.into(), ..Words::default() },
        ask: run,
    })
}

/// Runs all queries; pictures are read beside `corpus`.
fn run(engine: &Engine, corpus: &Path) -> Result<Vec<QueryCard>> {
    let base = corpus.parent().unwrap_or(Path::new(""));
    let held_out = held_out(corpus)?;
    let asked = pick(&held_out, "star")?;
    let mixed = pick(&held_out, "triangle")?;
    let pair = Similarity::Metric(Target::Pair);
    // The colour is in the picture alone, the background that is wanted in the keywords alone.
    let background = mixed.fields.get("background").and_then(|v| v.as_str()).unwrap_or_default();
    let other = if background.starts_with("striped") { "plain" } else { "striped" };
    let by_picture = |request: Request, document: &Document| -> Result<Response> {
        request.file("image", file_of(document))?.k(HITS).run()
    };
    let mut cards = Vec::new();
    let mut card = |title: &str, kind: &str, answer: &mut dyn FnMut() -> Result<Response>| -> Result<()> {
        let started = Instant::now();
        let response = answer()?;
        let took_ms = started.elapsed().as_secs_f64() * 1000.0;
        let card = |hit: &Hit| -> Result<HitCard> {
            let card = hit_card(hit, base, LABEL, &read)?;
            let mark = (hit.id == asked.id).then(|| "the pair of the query".to_owned());
            Ok(HitCard { mark, ..card })
        };
        let hits = response.hits.iter().map(card).collect::<Result<_>>()?;
        cards.push(QueryCard {
            title: title.into(),
            kind: kind.into(),
            took_ms,
            hits,
            ..QueryCard::default()
        });
        Ok(())
    };
    card("Captions that name a star on a striped background", "keyword", &mut || {
        engine.request().keywords("+star +striped").k(HITS).run()
    })?;
    card("Pictures found by a sentence", "text → image", &mut || {
        engine.request().text(SENTENCE)?.similarity(Similarity::Both).k(HITS).run()
    })?;
    card("Captions found by a picture that training never saw", "image → text", &mut || {
        by_picture(engine.request().similarity(pair), &asked)
    })?;
    let keywords = format!("+background:{other} triangle");
    let class = Similarity::Metric(Target::Class);
    for (fusion, name) in [(Fusion::Metric, "metric"), (Fusion::Rrf, "rrf")] {
        card(&format!("A picture and keywords together, fused by {name}"), "hybrid", &mut || {
            let request = engine.request().similarity(class).media(MediaChoice::Named("image".into()));
            by_picture(request.keywords(&keywords).fusion(fusion), &mixed)
        })?;
    }
    let picture = |document: &Document| -> Result<Option<Vec<u8>>> { Ok(Some(read(file_of(document))?)) };
    cards[0].keywords = Some("+star +striped".into());
    cards[1].text = Some(SENTENCE.into());
    cards[2].picture = picture(&asked)?;
    for (at, fusion) in [(3, "metric"), (4, "rrf")] {
        cards[at].picture = picture(&mixed)?;
        cards[at].keywords = Some(keywords.clone());
        cards[at].fusion = Some(fusion.into());
    }
    Ok(cards)
}

/// The first picture, which `pick` saw to.
fn file_of(document: &Document) -> &Path {
    document.images().first().and_then(Given::path).unwrap_or(Path::new(""))
}

fn held_out(corpus: &Path) -> Result<Vec<Document>> {
    let documents = JsonlReader::open(corpus)?.collect::<Result<Vec<_>, _>>()?;
    Ok(documents.into_iter().filter(|document| document.split == Some(Split::Test)).collect())
}

/// The first held-out document with a picture that shows `kind`.
fn pick(documents: &[Document], kind: &str) -> Result<Document> {
    let fits = |document: &&Document| {
        document.images().first().and_then(Given::path).is_some()
            && document.fields.get(KIND).is_some_and(|value| value == kind)
    };
    documents.iter().find(fits).cloned().ok_or_else(|| {
        Error::new(ErrorCode::Empty, format!("no held-out scene shows a {kind}")).hint("take another --seed")
    })
}

fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|e| Error::io(path, e))
}
