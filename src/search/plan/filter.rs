//! Keywords, plain words and restrictions as queries of the host.

use tantivy::query::{AllQuery, BooleanQuery, ConstScoreQuery, Occur, Query};

use serde_json::Value;

use super::asked::{Asked, Clause};
use crate::error::Result;
use crate::search::budget::Budget;
use crate::search::grammar::{AskedWord, Grammar, Mode, Told};
use crate::search::ordered::OrderedQuery;
use crate::search::query::CrossMediaQuery;
use crate::search::view::View;
use crate::search::words::{DidYouMean, did_you_mean, read};

type MaybeQuery = Option<Box<dyn Query>>;

/// The strings of a query as queries of the host.
pub(super) struct Queries {
    /// What scores: keywords AND plain words, whose scores are added.
    pub(super) keywords: MaybeQuery,
    /// What the filters say together.
    pub(super) filter: MaybeQuery,
    /// How plain words were read.
    pub(super) words: Option<Value>,
    /// Which keywords were widened by synonyms.
    pub(super) synonyms: Option<Value>,
    pub(super) warnings: Vec<String>,
    pub(super) did_you_mean: Vec<DidYouMean>,
}

/// Parses what is asked for in strings.
pub(super) fn queries(view: &View, asked: &Asked, budget: &Budget) -> Result<Queries> {
    let shards = &*view.shards;
    let grammar = Grammar::new(&shards.first().tantivy).over(shards.searchers()).within(budget.clone());
    let grammar = grammar.widened_by(shards.synonyms()?);
    let filter = |clause: &Clause| match clause {
        Clause::Text(text) => grammar.filter(text),
        Clause::Query(query) => Ok(query.box_clone()),
    };
    let mut filters: Vec<Box<dyn Query>> = asked.filters.iter().map(filter).collect::<Result<_>>()?;
    filters.extend(view.required.query(shards)?);
    // Queries are joined, not texts, where the AND would bind to what one of them ends with.
    let filter = match filters.len() {
        0 | 1 => filters.pop(),
        _ => Some(Box::new(BooleanQuery::intersection(filters)) as Box<dyn Query>),
    };
    let mut boosted = grammar;
    for (field, boost) in &asked.boosts {
        boosted = boosted.boost(field, *boost)?;
    }
    let mut told = Told::default();
    let keywords = match &asked.keywords {
        Some(Clause::Text(text)) => {
            let query;
            (query, told) = boosted.told(Mode::Keywords, text)?;
            Some(query)
        }
        Some(Clause::Query(query)) => Some(query.box_clone()),
        None => None,
    };
    let synonyms = told.to_json();
    let Some(words) = &asked.words else {
        let did_you_mean = suggestions(view, &told.words, budget)?;
        return Ok(Queries { keywords, filter, words: None, synonyms, warnings: Vec::new(), did_you_mean });
    };
    let read = read(shards, &boosted, words, budget, view.required.is_some())?;
    told.words.extend(read.asked);
    let did_you_mean = suggestions(view, &told.words, budget)?;
    let keywords: Box<dyn Query> = match keywords {
        Some(keywords) => {
            Box::new(OrderedQuery::new(vec![(Occur::Must, keywords), (Occur::Must, read.query)]))
        }
        None => read.query,
    };
    let (keywords, words, warnings) = (Some(keywords), Some(read.explained), read.warnings);
    Ok(Queries { keywords, filter, words, synonyms, warnings, did_you_mean })
}

/// Words near those that no document has; none under a required filter, since they name words of documents that it hides.
fn suggestions(view: &View, words: &[AskedWord], budget: &Budget) -> Result<Vec<DidYouMean>> {
    if view.required.is_some() { Ok(Vec::new()) } else { did_you_mean(&view.shards, words, budget) }
}

/// The restrictions as one query that adds nothing to a score.
pub(super) fn restrictions(
    view: &View,
    asked: &Asked,
    user: MaybeQuery,
    minimum: Option<CrossMediaQuery>,
) -> Result<MaybeQuery> {
    let silent = |query: Box<dyn Query>| Box::new(ConstScoreQuery::new(query, 0.0)) as Box<dyn Query>;
    let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
    clauses.extend(user.map(|query| (Occur::Must, silent(query))));
    clauses.extend(minimum.map(|query| (Occur::Must, silent(Box::new(query)))));
    if !asked.excluded.is_empty() {
        let field = view.id_field()?;
        if clauses.is_empty() {
            clauses.push((Occur::Must, silent(Box::new(AllQuery))));
        }
        for id in &asked.excluded {
            clauses.push((Occur::MustNot, field.query(id)?));
        }
    }
    Ok((!clauses.is_empty()).then(|| Box::new(BooleanQuery::new(clauses)) as Box<dyn Query>))
}
