//! From a request to what runs: strings parsed, vectors compiled, numbers checked.

use std::sync::Arc;

use tantivy::Term;
use tantivy::query::{AllQuery, BooleanQuery, ConstScoreQuery, Occur, Query, TermQuery};
use tantivy::schema::{Field, FieldType, IndexRecordOption, Schema};

use super::budget::Budget;
use super::candidates::Candidates;
use super::facets::FacetsOver;
use super::fusion::{Asked, Fusion, Settings};
use super::grammar::Grammar;
use super::near::near_names;
use super::query::CrossMediaQuery;
use super::request::{NamedPart, Request, Wanted};
use super::scorer::{DocScorer, MAX_WEIGHT, Polarity, QueryPart, check_part_weight};
use super::similarity::Similarity;
use super::top::ID_FIELD;
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, QUERY_PARTS};

/// A query whose strings are parsed and whose vectors are compiled.
pub(super) struct Plan {
    pub(super) keywords: Option<Box<dyn Query>>,
    /// Filter, minimum probability and excluded ids; scores 0.
    pub(super) filter: Option<Box<dyn Query>>,
    pub(super) media: Option<Arc<DocScorer>>,
    /// The wanted parts under the metric network, for probabilities, whatever ranks.
    pub(super) probability: Option<Arc<DocScorer>>,
    /// Media type and name of each query part.
    pub(super) parts: Vec<(usize, String)>,
    /// Where the media leg looks.
    pub(super) candidates: Arc<dyn Candidates>,
    /// As it runs: [`Fusion::Rrf`] stands for a query of one leg too.
    pub(super) fusion: Fusion,
    pub(super) settings: Settings,
    pub(super) depth: Depth,
    /// Whether the filter holds a minimum probability.
    pub(super) has_minimum: bool,
    pub(super) budget: Budget,
}

/// How many documents a leg must find.
#[derive(Debug, Clone, Copy)]
pub(super) struct Depth {
    /// `offset + k`.
    pub(super) end: usize,
    /// Of each leg of a fusion.
    pub(super) window: usize,
    /// Of what ranks alone.
    pub(super) alone: usize,
}

impl Depth {
    fn of(request: &Request<'_>) -> Self {
        let end = request.offset + request.k;
        let window = request.window.max(end);
        let counts = !request.facets.is_empty() || request.aggregations.is_some();
        let whole = counts && request.facets_over == FacetsOver::Hits;
        Self { end, window, alone: if whole { window } else { end } }
    }
}

pub(super) fn plan(request: &Request<'_>) -> Result<Plan> {
    check_numbers(request)?;
    check_sizes(request)?;
    let mut parts = request.parts.clone();
    let (bundle, rule) = (request.engine.bundle, request.fusion.rule());
    let similarity = request.similarity.or_else(|| rule.similarity(bundle));
    let similarity = similarity.unwrap_or(Similarity::Metric(bundle.default_target()));
    check_similarity(request, similarity)?;
    if let Some(asked) = request.asked {
        check_similarity(request, asked)?;
    }
    let settings = Settings {
        weights: weights(request, similarity, &mut parts)?,
        normalise: request.normalise,
        rrf_k: request.rrf_k,
        layer: bundle.fusion().copied(),
    };
    rule.check(&Asked { settings: &settings, similarity, prior: request.prior })?;
    let (keywords, user_filter) = queries(request)?;
    let mut plan = Plan {
        keywords,
        filter: None,
        media: None,
        probability: None,
        parts: parts.iter().map(|part| (part.part.media, part.name.clone())).collect(),
        candidates: request.candidates.clone(),
        fusion: request.fusion,
        settings,
        depth: Depth::of(request),
        has_minimum: request.minimum.is_some(),
        budget: Budget::new(request.time, request.cancel.clone()),
    };
    let mut minimum = None;
    if !parts.is_empty() {
        compile(request, &mut plan, similarity, &parts)?;
        minimum = minimum_query(request, &plan)?;
    }
    plan.filter = filter_query(request, user_filter, minimum)?;
    Ok(plan)
}

fn bad(message: &str) -> Error {
    Error::new(ErrorCode::BadArgument, message)
}

/// Refuses parts above a limit; the grammar refuses strings.
fn check_sizes(request: &Request<'_>) -> Result<()> {
    if request.parts.len() > QUERY_PARTS {
        return Err(limits::over("the query has too many parts", QUERY_PARTS, request.parts.len(), "parts")
            .hint("ask in several queries"));
    }
    Ok(())
}

fn check_numbers(request: &Request<'_>) -> Result<()> {
    if request.k == 0 {
        return Err(bad("k is 0").expected("at least 1").got(0));
    }
    if request.offset.checked_add(request.k).is_none() {
        return Err(bad("offset and k are too large"));
    }
    if !(0.0..=1e9).contains(&request.rrf_k) {
        return Err(bad("the constant of rrf is unusable").expected("0 to 1e9").got(request.rrf_k));
    }
    let is_empty = request.parts.is_empty() && request.keywords.is_none() && request.filters.is_empty();
    if is_empty {
        return Err(bad("the query is empty").hint("give a media part, --keywords or --filter"));
    }
    let any_like = request.parts.iter().any(|part| part.part.polarity == Polarity::Like);
    if request.minimum.is_some() && !any_like {
        return Err(bad("a minimum probability needs a media part")
            .hint("add --text, --image or --like, or drop --min-probability"));
    }
    if let Some(prior) = request.prior {
        if !(prior > 0.0 && prior < 1.0) {
            return Err(bad("the prior is no rate of matches").expected("above 0 and below 1").got(prior));
        }
    }
    Ok(())
}

fn check_similarity(request: &Request<'_>, similarity: Similarity) -> Result<()> {
    let targets = request.engine.bundle.metric().targets();
    let mut asked = similarity.measure().targets().iter();
    if let Some(missing) = asked.find(|target| !targets.contains(target)) {
        return Err(bad(&format!("the bundle has no target `{}`", missing.as_str()))
            .hint("train it with --label for the target `class`"));
    }
    Ok(())
}

/// Weights of keyword leg and media leg; those of parts go into `parts`.
fn weights(request: &Request<'_>, similarity: Similarity, parts: &mut [NamedPart]) -> Result<(f32, f32)> {
    let mut legs = (1.0, 1.0);
    for (name, weight) in &request.weights {
        let weight = *weight;
        let is_media = name == similarity.leg() || name == "media";
        if name == "keyword" || is_media {
            if !(0.0..=MAX_WEIGHT).contains(&weight) {
                return Err(bad(&format!("the weight of the leg `{name}` is unusable"))
                    .expected(format!("0 to {MAX_WEIGHT}"))
                    .got(weight));
            }
            if is_media {
                legs.1 = weight;
            } else {
                legs.0 = weight;
            }
            continue;
        }
        check_part_weight(weight)?;
        let mut found = false;
        let (kind, at) = match name.strip_suffix(']').and_then(|name| name.rsplit_once('[')) {
            Some((kind, at)) => (kind, at.parse::<usize>().ok()),
            None => (name.as_str(), None),
        };
        for (seen, part) in parts.iter_mut().filter(|part| part.name == kind).enumerate() {
            if at.is_none_or(|at| at == seen) && (at.is_some() || !name.ends_with(']')) {
                part.part.weight = weight;
                found = true;
            }
        }
        if !found {
            return Err(unknown_weight(name, similarity, parts));
        }
    }
    if legs == (0.0, 0.0) {
        return Err(bad("both legs have the weight 0").expected("a leg that counts"));
    }
    Ok(legs)
}

fn unknown_weight(name: &str, similarity: Similarity, parts: &[NamedPart]) -> Error {
    let mut known = vec!["keyword", similarity.leg(), "media"];
    known.extend(parts.iter().map(|part| part.name.as_str()));
    known.dedup();
    let near = near_names(name, &known);
    let error = bad("a weight names no leg and no part of this query").expected(known.join(", ")).got(name);
    match near.first() {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("parts are counted from 0, as in text[1]"),
    }
}

type MaybeQuery = Option<Box<dyn Query>>;

fn queries(request: &Request<'_>) -> Result<(MaybeQuery, MaybeQuery)> {
    let grammar = Grammar::new(&request.engine.shards.first().tantivy);
    let mut filters: Vec<Box<dyn Query>> =
        request.filters.iter().map(|text| grammar.filter(text)).collect::<Result<_>>()?;
    // Queries are joined, not texts, where the AND would bind to what one of them ends with.
    let filter = match filters.len() {
        0 | 1 => filters.pop(),
        _ => Some(Box::new(BooleanQuery::intersection(filters)) as Box<dyn Query>),
    };
    let mut boosted = grammar;
    for (field, boost) in &request.boosts {
        boosted = boosted.boost(field, *boost)?;
    }
    let keywords = request.keywords.as_deref().map(|text| boosted.keywords(text)).transpose()?;
    Ok((keywords, filter))
}

fn compile(
    request: &Request<'_>,
    plan: &mut Plan,
    similarity: Similarity,
    parts: &[NamedPart],
) -> Result<()> {
    let wanted = wanted(request)?;
    let bundle = request.engine.bundle;
    let all: Vec<QueryPart> = parts.iter().map(|part| part.part.clone()).collect();
    let likes: Vec<QueryPart> = all.iter().filter(|part| part.polarity == Polarity::Like).cloned().collect();
    let build = |similarity, parts: &[QueryPart]| -> Result<Arc<DocScorer>> {
        let scorer = DocScorer::new(bundle, similarity, parts, &wanted)?;
        Ok(Arc::new(match request.prior {
            Some(prior) => scorer.with_prior(prior),
            None => scorer,
        }))
    };
    let media = build(similarity, &all)?;
    let metric = if similarity.is_metric() {
        similarity
    } else {
        request.asked.unwrap_or(Similarity::Metric(bundle.default_target()))
    };
    plan.probability = if likes.is_empty() {
        None
    } else if likes.len() == all.len() && similarity.is_metric() {
        Some(media.clone())
    } else {
        // Only for probabilities, so pairs of media types that were not trained are no error.
        build(metric, &likes).ok()
    };
    plan.media = Some(media);
    Ok(())
}

fn minimum_query(request: &Request<'_>, plan: &Plan) -> Result<Option<CrossMediaQuery>> {
    let Some(floor) = request.minimum else { return Ok(None) };
    let scorer = plan.probability.clone().ok_or_else(|| {
        bad("no probability for these media types")
            .hint("choose others with --media, or drop --min-probability")
    })?;
    let query = CrossMediaQuery::new(scorer, &request.engine.shards.cache)?.min_probability(floor)?;
    Ok(Some(query.within(plan.budget.clone())))
}

/// The restrictions as one query that adds nothing to a score.
fn filter_query(
    request: &Request<'_>,
    user: Option<Box<dyn Query>>,
    minimum: Option<CrossMediaQuery>,
) -> Result<Option<Box<dyn Query>>> {
    let silent = |query: Box<dyn Query>| Box::new(ConstScoreQuery::new(query, 0.0)) as Box<dyn Query>;
    let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
    clauses.extend(user.map(|query| (Occur::Must, silent(query))));
    clauses.extend(minimum.map(|query| (Occur::Must, silent(Box::new(query)))));
    if !request.excluded.is_empty() {
        let schema = request.engine.searcher().schema();
        let field = id_field(schema)?;
        if clauses.is_empty() {
            clauses.push((Occur::Must, silent(Box::new(AllQuery))));
        }
        for id in &request.excluded {
            let this = TermQuery::new(Term::from_field_text(field, id), IndexRecordOption::Basic);
            clauses.push((Occur::MustNot, Box::new(this)));
        }
    }
    Ok((!clauses.is_empty()).then(|| Box::new(BooleanQuery::new(clauses)) as Box<dyn Query>))
}

/// The field of ids, which must be whole strings.
///
/// # Errors
/// [`ErrorCode::UnknownField`].
pub(super) fn id_field(schema: &Schema) -> Result<Field> {
    let is_whole = |field: &Field| match schema.get_field_entry(*field).field_type() {
        FieldType::Str(options) => {
            options.get_indexing_options().is_some_and(|indexing| indexing.tokenizer() == "raw")
        }
        _ => false,
    };
    schema.get_field(ID_FIELD).ok().filter(is_whole).ok_or_else(|| {
        Error::new(ErrorCode::UnknownField, "documents are named by id, and the index has no field of ids")
            .expected(format!("a string field `{ID_FIELD}` that is indexed as a whole"))
    })
}

fn wanted(request: &Request<'_>) -> Result<Vec<usize>> {
    let bundle = request.engine.bundle;
    let all: Vec<usize> = (0..bundle.media().len()).collect();
    match &request.wanted {
        Wanted::Any => Ok(all),
        Wanted::Named(name) => Ok(vec![bundle.media_index(name)?]),
        Wanted::Other => {
            let held = request.engine.held()?;
            // What is not wanted says nothing about where to look, unless it is all there is.
            let likes = || request.parts.iter().filter(|part| part.part.polarity == Polarity::Like);
            let own: Vec<usize> = match likes().next() {
                Some(_) => likes().map(|part| part.part.media).collect(),
                None => request.parts.iter().map(|part| part.part.media).collect(),
            };
            let others: Vec<usize> =
                all.iter().copied().filter(|media| !own.contains(media) && held[*media]).collect();
            Ok(if others.is_empty() { all } else { others })
        }
    }
}
