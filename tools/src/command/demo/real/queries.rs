//! The queries of real pictures: sentences, words as they are typed, pictures, both, and a filter.

use std::path::Path;
use std::time::Instant;

use uncsm_index::Result;
use uncsm_index::corpus::Document;
use uncsm_index::model::Target;
use uncsm_index::search::{Engine, Fusion, Hit, MediaChoice, Request, Response, Similarity, Words};

use super::super::page::hit_card;
use super::keys::LABEL;
use super::picks::{Picks, file_of};
use super::thumbnail::thumbnail;
use crate::demo::report::{HitCard, QueryCard};

/// Six hits fill the rows of the page at every width.
const HITS: usize = 6;
/// Values of a facet that are shown.
const FACETS: usize = 5;
/// Characters of a caption that are shown.
const CAPTION: usize = 160;
/// What a person may ask for, and what it is called.
const SENTENCES: [(&str, &str); 4] = [
    ("An animal, by what it does", "a bird that can swim"),
    ("Something to eat", "a sweet dessert for a birthday"),
    ("A way to travel", "something to travel on water with"),
    ("Something to play", "a musical instrument"),
];
/// Asked among the documents of one class.
const FILTERED: &str = "something round and red";

/// Runs all queries; pictures are read beside `corpus`.
pub fn run(engine: &Engine, corpus: &Path) -> Result<Vec<QueryCard>> {
    let base = corpus.parent().unwrap_or(Path::new(""));
    let picks = Picks::of(corpus)?;
    let asks = Asks { engine, base, picks: &picks };
    let mut cards = Vec::new();
    for (title, sentence) in SENTENCES {
        let card = asks.card(title, "text → image", None, || {
            engine.request().text(sentence)?.similarity(PAIR).k(HITS).run()
        })?;
        cards.push(QueryCard { text: Some(sentence.into()), ..card });
    }
    if let Some((word, typo)) = &picks.word {
        cards.push(asks.typed(word, typo)?);
    }
    cards.push(asks.texts_of(&picks.for_texts)?);
    cards.push(asks.pictures_like(&picks.for_pictures)?);
    if let Some(word) = &picks.beside {
        cards.push(asks.with_word(&picks.mixed, word)?);
    }
    if let Some(class) = &picks.class {
        cards.push(asks.filtered(class)?);
    }
    Ok(cards)
}

const PAIR: Similarity = Similarity::Metric(Target::Pair);
/// Two pictures are no pair, and of their classes many are equal: what looks alike is near in the shared space.
const COSINE: Similarity = Similarity::Cosine;

struct Asks<'a> {
    engine: &'a Engine,
    base: &'a Path,
    picks: &'a Picks,
}

impl Asks<'_> {
    fn typed(&self, word: &str, typo: &str) -> Result<QueryCard> {
        let mut words = Words::from(typo);
        words.typos = 1;
        let mut facets = Vec::new();
        let card =
            self.card(&format!("Words as people type them: `{word}`, misspelt"), "words", None, || {
                let response = self.engine.request().words(words).facet(LABEL).k(HITS).run()?;
                let counts = response.facets.values().flatten().take(FACETS);
                facets = counts.map(|count| (value(&count.value), count.count)).collect();
                Ok(response)
            })?;
        Ok(QueryCard { keywords: Some(typo.into()), facets, ..card })
    }

    fn texts_of(&self, asked: &Document) -> Result<QueryCard> {
        let card = self.card(
            "Texts found by a picture that training never saw",
            "image → text",
            Some(asked),
            || by_picture(self.engine.request().similarity(PAIR), asked),
        )?;
        Ok(QueryCard { picture: picture(asked)?, ..card })
    }

    fn pictures_like(&self, asked: &Document) -> Result<QueryCard> {
        let card = self.card(
            "Pictures that look like a picture, by cosine; itself left out",
            "image → image",
            None,
            || {
                let request =
                    self.engine.request().media(MediaChoice::Named("image".into())).similarity(COSINE);
                by_picture(without(request, asked), asked)
            },
        )?;
        Ok(QueryCard { picture: picture(asked)?, wants_pictures: true, ..card })
    }

    fn with_word(&self, asked: &Document, word: &str) -> Result<QueryCard> {
        let card = self.card(
            "A picture (by cosine) and a word together; the picture itself left out",
            "hybrid",
            None,
            || {
                let request =
                    self.engine.request().media(MediaChoice::Named("image".into())).similarity(COSINE);
                by_picture(without(request.words(word).fusion(Fusion::Rrf), asked), asked)
            },
        )?;
        let (keywords, fusion) = (Some(word.into()), Some("rrf".into()));
        Ok(QueryCard { picture: picture(asked)?, keywords, fusion, ..card })
    }

    fn filtered(&self, class: &str) -> Result<QueryCard> {
        let filter = format!("{LABEL}_exact:\"{}\"", class.replace('\\', "\\\\").replace('"', "\\\""));
        let card = self.card("A sentence among the documents of one class", "filter", None, || {
            self.engine.request().text(FILTERED)?.filter(&filter).similarity(PAIR).k(HITS).run()
        })?;
        Ok(QueryCard { text: Some(FILTERED.into()), filter: Some(filter), ..card })
    }

    /// Runs a query; `pair` is the document whose hit is marked as the right one.
    fn card(
        &self,
        title: &str,
        kind: &str,
        pair: Option<&Document>,
        answer: impl FnOnce() -> Result<Response>,
    ) -> Result<QueryCard> {
        let started = Instant::now();
        let response = answer()?;
        let took_ms = started.elapsed().as_secs_f64() * 1000.0;
        let card = |hit: &Hit| -> Result<HitCard> {
            let card = hit_card(hit, self.base, LABEL, &thumbnail)?;
            let mark =
                pair.filter(|pair| pair.id == hit.id).map(|_| "the text of this very picture".to_owned());
            let held_out = self.picks.held_out.contains(&card.id);
            Ok(HitCard { mark, held_out, caption: shortened(&card.caption), ..card })
        };
        let hits = response.hits.iter().map(card).collect::<Result<_>>()?;
        Ok(QueryCard { title: title.into(), kind: kind.into(), took_ms, hits, ..QueryCard::default() })
    }
}

fn by_picture(request: Request, asked: &Document) -> Result<Response> {
    request.file("image", file_of(asked).unwrap_or(Path::new("")))?.k(HITS).run()
}

/// The picture that asks would be the first hit.
fn without(request: Request, asked: &Document) -> Request {
    match &asked.id {
        Some(id) => request.exclude(id),
        None => request,
    }
}

fn picture(asked: &Document) -> Result<Option<Vec<u8>>> {
    file_of(asked).map(thumbnail).transpose()
}

/// Descriptions can be pages long.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(CAPTION) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}…", text[..end].trim_end()),
    }
}

fn value(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
