//! The kinds of query that are timed.

use std::rc::Rc;
use std::sync::Arc;

use tantivy::collector::{Count, TopDocs};
use tantivy::query::{AllQuery, QueryParser};
use tantivy::schema::{Field, FieldEntry, FieldType};
use tantivy::{DocAddress, Searcher};
use uncsm_index::index::Index;
use uncsm_index::model::Target;
use uncsm_index::search::{
    CrossMediaQuery, DocScorer, Engine, Fusion, Grammar, MediaChoice, MetricCollector, QueryPart, Request,
    Response, Similarity, WINDOW,
};
use uncsm_index::{Error, ErrorCode, Result};

use crate::state::Arguments;

/// No stored fields.
const NO_FIELDS: [&str; 0] = [];

/// Hits of a query.
pub(crate) const K: usize = 10;
/// Documents of each leg of hybrid queries: as by default, fewer, and as many as LanceDB joins, which are those that are asked for.
const WINDOWS: [usize; 3] = [WINDOW, 100, K];
/// The least probability of those that ask for one.
const LEAST: f32 = 0.5;

/// The rows of one tensor.
pub(crate) struct Queries {
    pub(crate) name: String,
    pub(crate) media: String,
    /// Position of the media type in the bundle.
    pub(crate) at: usize,
    pub(crate) features: Vec<Vec<f32>>,
    pub(crate) vectors: Vec<Vec<f32>>,
}

/// What one query gives.
pub(crate) struct Answer {
    pub(crate) hits: Vec<DocAddress>,
    pub(crate) scored: u64,
    pub(crate) exact: bool,
}

/// What is timed of one query.
type Ask<'a> = Box<dyn FnOnce() -> Result<Answer> + 'a>;

/// One kind of query.
pub(crate) struct Kind<'a> {
    pub(crate) name: String,
    pub(crate) queries: usize,
    /// Answers that come together, which share their time.
    pub(crate) per: usize,
    /// Makes ready what is not timed.
    pub(crate) prepare: Box<dyn Fn(usize) -> Result<Ask<'a>> + 'a>,
}

/// Documents of all segments counted on.
pub(crate) struct Positions(Vec<u64>);

impl Positions {
    pub(crate) fn of(searcher: &Searcher) -> Self {
        let mut next = 0;
        let before = |reader: &tantivy::SegmentReader| {
            next += u64::from(reader.max_doc());
            next - u64::from(reader.max_doc())
        };
        Self(searcher.segment_readers().iter().map(before).collect())
    }

    pub(crate) fn at(&self, address: DocAddress) -> u64 {
        self.0[address.segment_ord as usize] + u64::from(address.doc_id)
    }
}

impl From<Response> for Answer {
    fn from(found: Response) -> Self {
        let hits = found.hits.iter().map(|hit| hit.address).collect();
        Self { hits, scored: found.scored, exact: found.exact }
    }
}

/// All kinds, in the order of a round.
pub(crate) fn kinds<'a>(
    index: &'a Index,
    engine: &'a Engine,
    queries: &'a [Queries],
    words: &'a [String],
    arguments: &Arguments,
) -> Result<Vec<Kind<'a>>> {
    let mut out = Vec::new();
    for queries in queries {
        for &target in engine.bundle().metric().targets() {
            let named = |what: &str| format!("{}/{}/{what}", queries.name, target.as_str());
            if arguments.exact {
                out.push(request(named("exact"), engine, queries, target, Request::exact));
                out.extend(collector(named("collector"), index, engine, queries, target)?);
            }
            for &recall in &arguments.recalls {
                let shape = move |request: Request| request.recall(recall);
                out.push(request(named(&recall.to_string()), engine, queries, target, shape));
                out.push(batch(engine, queries, target, recall));
                let bare = move |request: Request| shape(request).fields(NO_FIELDS);
                out.push(request(named(&format!("{recall}/bare")), engine, queries, target, bare));
                if let Some(wanted) = wanted(index, engine, queries)? {
                    let name = named(&format!("collector/{recall}"));
                    out.push(nearest(name, index, engine, queries, (target, wanted), recall));
                }
            }
        }
        // Rows without words are no queries of keywords.
        let rows: Vec<usize> =
            (0..queries.features.len().min(words.len())).filter(|&row| !words[row].is_empty()).collect();
        if !rows.is_empty() {
            for window in WINDOWS {
                let name = match window {
                    WINDOW => format!("{}/hybrid", queries.name),
                    _ => format!("{}/hybrid, window {window}", queries.name),
                };
                out.push(hybrid(name, engine, queries, words, rows.clone(), window));
            }
        }
    }
    out.extend(several(engine, queries, arguments));
    if words.iter().any(|words| !words.is_empty()) {
        out.extend(keywords(index, engine, words));
    }
    Ok(out)
}

/// A whole request by the metric network.
fn request<'a>(
    name: String,
    engine: &'a Engine,
    queries: &'a Queries,
    target: Target,
    shape: impl Fn(Request) -> Request + Copy + 'a,
) -> Kind<'a> {
    let prepare = move |query: usize| -> Result<Ask<'a>> {
        let request = engine.request().features(&queries.media, &queries.features[query])?;
        let request = shape(request.similarity(Similarity::Metric(target)).k(K));
        Ok(Box::new(move || Ok(request.run()?.into())))
    };
    Kind { name, queries: queries.features.len(), per: 1, prepare: Box::new(prepare) }
}

/// Queries of several forms: both targets, two parts, one of them unwanted, a least probability. The second part is the same row of the
/// next tensor of its kind, or the next row.
fn several<'a>(engine: &'a Engine, all: &'a [Queries], arguments: &Arguments) -> Vec<Kind<'a>> {
    type Shape<'a> = Box<dyn Fn(usize) -> Result<Request> + 'a>;
    let mut shapes: Vec<(String, usize, Shape<'a>)> = Vec::new();
    let targets = engine.bundle().metric().targets().to_vec();
    for queries in all {
        let count = queries.features.len();
        let one = move |row: usize| engine.request().features(&queries.media, &queries.features[row]);
        let next = move |row: usize| &queries.features[(row + 1) % count];
        let mut add = |name: String, shape: Shape<'a>| shapes.push((name, count, shape));
        if targets.len() == 2 {
            let name = format!("{}/both", queries.name);
            add(name, Box::new(move |row| Ok(one(row)?.similarity(Similarity::Both))));
        }
        for &target in &targets {
            let similarity = Similarity::Metric(target);
            let named = |what: &str| format!("{}/{}/{what}", queries.name, target.as_str());
            let unwanted =
                move |row| Ok(one(row)?.not_features(&queries.media, next(row))?.similarity(similarity));
            add(named("but not"), Box::new(unwanted));
            let least = move |row| Ok(one(row)?.similarity(similarity).min_probability(LEAST));
            add(named("at least"), Box::new(least));
        }
    }
    if let [queries, others, ..] = all {
        let count = queries.features.len().min(others.features.len());
        for target in targets {
            let two = move |row: usize| {
                let request = engine.request().features(&queries.media, &queries.features[row])?;
                let request = request.features(&others.media, &others.features[row])?;
                Ok(request
                    .media(MediaChoice::Named(others.media.clone()))
                    .similarity(Similarity::Metric(target)))
            };
            let name = format!("{} + {}/{}", queries.name, others.name, target.as_str());
            shapes.push((name, count, Box::new(two)));
        }
    }
    let mut out = Vec::new();
    for (name, queries, shape) in shapes {
        let shape = Rc::new(shape);
        let recalls = arguments.recalls.iter().map(|recall| Some(*recall));
        for recall in arguments.exact.then_some(None).into_iter().chain(recalls) {
            let shape = shape.clone();
            let prepare = move |row: usize| -> Result<Ask<'a>> {
                let request = shape(row)?.k(K);
                let request = match recall {
                    Some(recall) => request.recall(recall),
                    None => request.exact(),
                };
                Ok(Box::new(move || Ok(request.run()?.into())))
            };
            let name = recall.map_or_else(|| format!("{name}/exact"), |recall| format!("{name}/{recall}"));
            out.push(Kind { name, queries, per: 1, prepare: Box::new(prepare) });
        }
    }
    out
}

/// All queries as one batch.
fn batch<'a>(engine: &'a Engine, queries: &'a Queries, target: Target, recall: f32) -> Kind<'a> {
    let prepare = move |_: usize| -> Result<Ask<'a>> {
        let one = |features: &Vec<f32>| -> Result<Request> {
            let request = engine.request().features(&queries.media, features)?;
            Ok(request.similarity(Similarity::Metric(target)).recall(recall).k(K))
        };
        let requests: Vec<Request> = queries.features.iter().map(one).collect::<Result<_>>()?;
        Ok(Box::new(move || {
            let mut all = Answer { hits: Vec::new(), scored: 0, exact: true };
            for found in engine.batch(requests) {
                let one = Answer::from(found?);
                all.hits.extend(one.hits);
                all.scored += one.scored;
                all.exact &= one.exact;
            }
            Ok(all)
        }))
    };
    let name = format!("batch/{}/{}/{recall}", queries.name, target.as_str());
    Kind { name, queries: 1, per: queries.features.len(), prepare: Box::new(prepare) }
}

/// Media types that are searched: as a request does, what the query is not, or everything where that is all there is.
fn wanted(index: &Index, engine: &Engine, queries: &Queries) -> Result<Option<Vec<usize>>> {
    let mut held = vec![false; engine.bundle().media().len()];
    for reader in engine.searcher().segment_readers() {
        let vectors = index.cache().get(reader)?;
        held.iter_mut().enumerate().for_each(|(media, held)| *held |= !vectors.view(media).is_empty());
    }
    let mut wanted: Vec<usize> = (0..held.len()).filter(|&media| held[media]).collect();
    if wanted.iter().any(|&media| media != queries.at) {
        wanted.retain(|&media| media != queries.at);
    }
    Ok((!wanted.is_empty()).then_some(wanted))
}

/// The best documents by cells and codes alone: an app's query, and the host's collector.
fn nearest<'a>(
    name: String,
    index: &'a Index,
    engine: &'a Engine,
    queries: &'a Queries,
    (target, wanted): (Target, Vec<usize>),
    recall: f32,
) -> Kind<'a> {
    let (bundle, searcher) = (engine.bundle(), engine.searcher());
    let prepare = move |query: usize| -> Result<Ask<'a>> {
        let part = QueryPart::new(queries.at, queries.vectors[query].clone());
        let scorer = DocScorer::new(&bundle, Similarity::Metric(target), &[part], &wanted)?.for_ranking();
        let query = CrossMediaQuery::new(Arc::new(scorer), index.cache())?.nearest(&bundle, K, recall)?;
        let searcher = searcher.clone();
        Ok(Box::new(move || {
            let found = searcher.search(&query, &TopDocs::with_limit(K).order_by_score())?;
            let hits = found.iter().map(|&(_, address)| address).collect();
            Ok(Answer { hits, scored: 0, exact: false })
        }))
    };
    Kind { name, queries: queries.features.len(), per: 1, prepare: Box::new(prepare) }
}

/// The exact scan alone: the collector of an app over all documents.
fn collector<'a>(
    name: String,
    index: &'a Index,
    engine: &'a Engine,
    queries: &'a Queries,
    target: Target,
) -> Result<Option<Kind<'a>>> {
    let (bundle, searcher) = (engine.bundle(), engine.searcher());
    let Some(wanted) = wanted(index, engine, queries)? else { return Ok(None) };
    let prepare = move |query: usize| -> Result<Ask<'a>> {
        let part = QueryPart::new(queries.at, queries.vectors[query].clone());
        let scorer = DocScorer::new(&bundle, Similarity::Metric(target), &[part], &wanted)?.for_ranking();
        let collector = MetricCollector::new(Arc::new(scorer), index.cache(), K);
        let searcher = searcher.clone();
        Ok(Box::new(move || {
            let found = searcher.search(&AllQuery, &collector)?;
            let hits = found.docs.iter().map(|doc| doc.address).collect();
            Ok(Answer { hits, scored: found.scored, exact: true })
        }))
    };
    Ok(Some(Kind { name, queries: queries.features.len(), per: 1, prepare: Box::new(prepare) }))
}

/// Keywords and a media part, joined by ranks.
fn hybrid<'a>(
    name: String,
    engine: &'a Engine,
    queries: &'a Queries,
    words: &'a [String],
    rows: Vec<usize>,
    window: usize,
) -> Kind<'a> {
    let count = rows.len();
    let prepare = move |query: usize| -> Result<Ask<'a>> {
        let row = rows[query];
        let request = engine.request().features(&queries.media, &queries.features[row])?;
        let request = request.keywords(&words[row]).fusion(Fusion::Rrf).window(window).k(K);
        Ok(Box::new(move || Ok(request.run()?.into())))
    };
    Kind { name, queries: count, per: 1, prepare: Box::new(prepare) }
}

/// Keywords alone: a request, and the host's own collectors on the same query.
fn keywords<'a>(index: &'a Index, engine: &'a Engine, words: &'a [String]) -> [Kind<'a>; 6] {
    let words: Arc<[&'a str]> = words.iter().map(String::as_str).filter(|words| !words.is_empty()).collect();
    let queries = words.len();
    let of = words.clone();
    let whole = move |query: usize| -> Result<Ask<'a>> {
        let request = engine.request().keywords(of[query]).k(K);
        Ok(Box::new(move || Ok(request.run()?.into())))
    };
    let of = words.clone();
    let bare = move |query: usize| -> Result<Ask<'a>> {
        let request = engine.request().keywords(of[query]).fields(NO_FIELDS).k(K);
        Ok(Box::new(move || Ok(request.run()?.into())))
    };
    // What an app calls: the grammar, and the host's collectors.
    let (searcher, grammar, of) = (engine.searcher(), Grammar::new(index.tantivy()), words.clone());
    let app = move |query: usize| -> Result<Ask<'a>> {
        let (searcher, grammar, words) = (searcher.clone(), grammar.clone(), of[query]);
        Ok(Box::new(move || {
            let top = TopDocs::with_limit(K).order_by_score();
            let (found, count) = searcher.search(&*grammar.keywords(words)?, &(top, Count))?;
            let hits = found.iter().map(|&(_, address)| address).collect();
            Ok(Answer { hits, scored: count as u64, exact: true })
        }))
    };
    // The same by the host's own parser over the same fields.
    let (searcher, of) = (engine.searcher(), words.clone());
    let parser = Rc::new(QueryParser::for_index(index.tantivy(), tokenised(index.tantivy())));
    let parsed = move |query: usize| -> Result<Ask<'a>> {
        let (searcher, parser, words) = (searcher.clone(), parser.clone(), of[query]);
        Ok(Box::new(move || {
            let query = parser
                .parse_query(words)
                .map_err(|e| Error::new(ErrorCode::BadQuery, "the host's parser refuses the words").got(e))?;
            let top = TopDocs::with_limit(K).order_by_score();
            let (found, count) = searcher.search(&*query, &(top, Count))?;
            let hits = found.iter().map(|&(_, address)| address).collect();
            Ok(Answer { hits, scored: count as u64, exact: true })
        }))
    };
    let host = |name: &str, counts: bool| {
        let (searcher, grammar, words) = (engine.searcher(), Grammar::new(index.tantivy()), words.clone());
        let prepare = move |query: usize| -> Result<Ask<'a>> {
            let (query, searcher) = (grammar.keywords(words[query])?, searcher.clone());
            Ok(Box::new(move || {
                let top = TopDocs::with_limit(K).order_by_score();
                let (found, scored) = match counts {
                    true => {
                        let (found, count) = searcher.search(&*query, &(top, Count))?;
                        (found, count as u64)
                    }
                    false => (searcher.search(&*query, &top)?, 0),
                };
                let hits = found.iter().map(|&(_, address)| address).collect();
                Ok(Answer { hits, scored, exact: true })
            }))
        };
        Kind { name: name.into(), queries, per: 1, prepare: Box::new(prepare) }
    };
    [
        Kind { name: "keywords".into(), queries, per: 1, prepare: Box::new(whole) },
        Kind { name: "keywords/bare".into(), queries, per: 1, prepare: Box::new(bare) },
        Kind { name: "keywords/collector".into(), queries, per: 1, prepare: Box::new(app) },
        Kind { name: "tantivy, parsed".into(), queries, per: 1, prepare: Box::new(parsed) },
        host("tantivy (TopDocs, Count)", true),
        host("tantivy TopDocs", false),
    ]
}

/// The fields of words, which keywords without a field look in.
fn tokenised(index: &tantivy::Index) -> Vec<Field> {
    let schema = index.schema();
    let is_tokenised = |entry: &FieldEntry| match entry.field_type() {
        FieldType::Str(options) => {
            options.get_indexing_options().is_some_and(|indexing| indexing.tokenizer() != "raw")
        }
        _ => false,
    };
    schema.fields().filter(|(_, entry)| is_tokenised(entry)).map(|(field, _)| field).collect()
}
