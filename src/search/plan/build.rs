//! From what is asked to what runs: strings parsed, vectors compiled, numbers checked.

use std::sync::Arc;

use super::asked::{Asked, FacetsOver, Look, MediaChoice, NamedPart};
use super::counts::Counts;
use super::fields::Fields;
use super::filter::{Queries, queries, restrictions};
use super::order::Order;
use super::snippets::Snippets;
use super::weights::weights;
use super::{Depth, Plan, bad};
use crate::error::Result;
use crate::hint::{Hint, Setting};
use crate::limits::{self, QUERY_PARTS};
use crate::model::Bundle;
use crate::search::budget::Budget;
use crate::search::candidates::{AllDocuments, Candidates, Cells, Tally, Why};
use crate::search::fusion::{self, Settings};
use crate::search::query::CrossMediaQuery;
use crate::search::scorer::{DocScorer, Polarity, QueryPart};
use crate::search::similarity::Similarity;
use crate::search::view::View;

/// The plan of what is `asked`, on one state of an engine.
pub(crate) fn build(view: &View, asked: &Asked) -> Result<Plan> {
    let depth = check_numbers(asked)?;
    check_sizes(asked)?;
    let mut parts = asked.parts.clone();
    let (bundle, rule) = (&*view.bundle, asked.fusion.rule());
    let similarity = asked.similarity.or_else(|| rule.similarity(bundle));
    let similarity = similarity.unwrap_or(Similarity::Metric(bundle.default_target()));
    check_similarity(bundle, similarity)?;
    if let Some(other) = asked.probability_of {
        check_similarity(bundle, other)?;
    }
    let settings = Settings {
        weights: weights(asked, similarity, &mut parts)?,
        normalise: asked.normalise,
        rrf_k: asked.rrf_k,
        layer: bundle.fusion().copied(),
    };
    rule.check(&fusion::Asked { settings: &settings, similarity, prior: asked.prior })?;
    let budget = Budget::new(asked.time, asked.cancel.clone());
    let Queries { keywords, filter: user_filter, words, synonyms, mut warnings, did_you_mean } =
        queries(view, asked, &budget)?;
    let scorers =
        if parts.is_empty() { Scorers::default() } else { scorers(view, asked, similarity, &parts)? };
    // Counts alone ask for no ranking.
    let counts_alone = asked.k == 0 && asked.facets_over == FacetsOver::Matches;
    let tally = (asked.explains && scorers.media.is_some() && !counts_alone).then(Arc::<Tally>::default);
    let minimum = match asked.minimum {
        Some(floor) if !parts.is_empty() => {
            let minimum = minimum(view, &scorers, floor)?.within(budget.clone());
            warnings.extend(nothing_known(view, &scorers)?);
            Some(match asked.candidates {
                Look::Recall(recall) if recall < 1.0 => {
                    let cells = Cells { recall, model: view.bundle.score(), tally: tally.clone() };
                    minimum.looking(cells, user_filter.as_ref().map(|query| query.box_clone()))
                }
                _ => minimum,
            })
        }
        _ => None,
    };
    let passed = minimum.as_ref().map(CrossMediaQuery::passed);
    let filter = restrictions(view, asked, user_filter, minimum)?;
    let alone = keywords.is_none() || !matches!(rule.score(), fusion::Score::Apart(_));
    let k = if alone { depth.alone } else { depth.window };
    let media = scorers.media.filter(|_| !counts_alone);
    let order = Order::new(view.shards.schema(), asked)?;
    if media.is_some() && (!alone || order.is_some()) {
        warnings.extend(beyond(asked, &depth));
    }
    let (candidates, candidates_match) = candidates(view, asked, media.as_deref(), k, tally.as_ref());
    Ok(Plan {
        counts: Counts::new(view, asked)?,
        fields: Fields::new(view.shards.schema(), asked)?,
        snippets: Snippets::new(&view.shards, keywords.as_deref(), &asked.snippets)?,
        keywords,
        words,
        synonyms,
        warnings,
        did_you_mean,
        filter,
        media,
        rated: scorers.rated,
        probability: scorers.probability,
        parts: parts.into_iter().map(|part| (part.part.media, part.name)).collect(),
        candidates,
        candidates_match,
        tally,
        fusion: asked.fusion,
        settings,
        depth,
        order,
        minimum: passed,
        budget,
        items: asked.items,
        explains: asked.explains,
        view: view.clone(),
    })
}

/// The source that `asked` names, and whether it gives what matches alone: cells where some segment can tell how much of them gives
/// the share. What reaches a minimum probability is ranked whole. The tally is that of a media leg that is to be explained.
fn candidates(
    view: &View,
    asked: &Asked,
    scorer: Option<&DocScorer>,
    k: usize,
    tally: Option<&Arc<Tally>>,
) -> (Arc<dyn Candidates>, bool) {
    let all = |why| -> Arc<dyn Candidates> {
        tally.iter().for_each(|tally| tally.whole(why));
        Arc::new(AllDocuments)
    };
    let source = match (&asked.candidates, scorer) {
        (Look::Source(source), _) => {
            tally.iter().for_each(|tally| tally.whole(Why::Source));
            source.clone()
        }
        (Look::Recall(recall), Some(_)) if *recall >= 1.0 => all(Why::Exact),
        (Look::Recall(_), Some(_)) if asked.minimum.is_some() => Arc::new(AllDocuments),
        (Look::Recall(recall), Some(scorer)) => {
            let cells = Cells { recall: *recall, model: view.bundle.score(), tally: tally.cloned() };
            let mut segments = view.shards.iter().flat_map(|shard| shard.segments());
            // None: one is worth it.
            let useless = segments
                .try_fold(Why::FewRows, |most, vectors| Some(most.max(cells.useless(scorer, vectors, k)?)));
            match useless {
                Some(why) => all(why),
                None => Arc::new(cells),
            }
        }
        (Look::Recall(_), None) => Arc::new(AllDocuments),
    };
    let matches = !matches!(&asked.candidates, Look::Source(_));
    (source, matches)
}

/// Refuses parts above a limit; the grammar refuses strings.
fn check_sizes(asked: &Asked) -> Result<()> {
    if asked.parts.len() > QUERY_PARTS {
        return Err(limits::over("the query has too many parts", QUERY_PARTS, asked.parts.len(), "parts")
            .hint("ask in several queries"));
    }
    Ok(())
}

fn check_numbers(asked: &Asked) -> Result<Depth> {
    let Some(end) = asked.offset.checked_add(asked.k) else {
        return Err(bad("offset and k are too large"));
    };
    if !(0.0..=1e9).contains(&asked.rrf_k) {
        return Err(bad("the constant of rrf is unusable").expected("0 to 1e9").got(asked.rrf_k));
    }
    let no_words = asked.keywords.is_none() && asked.words.is_none();
    if asked.parts.is_empty() && no_words && asked.filters.is_empty() {
        let hint =
            Hint::new("give a media part,").setting(Setting::Words).text(",").setting(Setting::Keywords);
        let hint = hint.text(", or").setting(Setting::Filter);
        return Err(bad("the query is empty").hint(hint));
    }
    let any_like = asked.parts.iter().any(|part| part.part.polarity == Polarity::Like);
    if asked.minimum.is_some() && !any_like {
        let hint = Hint::new("add").setting(Setting::Text).text(",").setting(Setting::Image).text(" or");
        let hint = hint.setting(Setting::Like).text(", or drop").setting(Setting::MinProbability);
        return Err(bad("a minimum probability needs a media part").hint(hint));
    }
    if let Some(prior) = asked.prior
        && !(prior > 0.0 && prior < 1.0)
    {
        return Err(bad("the prior is no rate of matches").expected("above 0 and below 1").got(prior));
    }
    if let Look::Recall(recall) = asked.candidates
        && !(recall > 0.0 && recall <= 1.0)
    {
        return Err(bad("the recall is out of range").expected("above 0 and at most 1").got(recall));
    }
    // Where nothing is shown one document is ranked all the same: collectors count what they rank.
    let end = end.max(1);
    let window = asked.window.max(end);
    let counts = !asked.facets.is_empty() || asked.aggregations.is_some();
    let of_window = !asked.parts.is_empty() && (!asked.sort.is_empty() || asked.collapse.is_some());
    let whole = of_window || (counts && asked.facets_over == FacetsOver::Hits);
    Ok(Depth {
        k: asked.k,
        offset: asked.offset,
        end,
        window,
        alone: if whole { window } else { end },
        whole,
    })
}

/// A page of a fusion, or of what is sorted, beyond its window, in a sentence.
fn beyond(asked: &Asked, depth: &Depth) -> Option<String> {
    (depth.end > asked.window).then(|| {
        format!(
            "the page ends at {0}, beyond the window of {1} documents of each leg: it was made with a window of \
             {0}, so it may repeat or miss hits of pages with another one; ask for all pages with a `window` of {0} or more",
            depth.end, asked.window
        )
    })
}

fn check_similarity(bundle: &Bundle, similarity: Similarity) -> Result<()> {
    let targets = bundle.metric().targets();
    let mut asked = similarity.measure().targets().iter();
    if let Some(missing) = asked.find(|target| !targets.contains(target)) {
        let hint = Hint::new("train it with").setting(Setting::Label).text(" for the target `class`");
        return Err(bad(&format!("the bundle has no target `{}`", missing.as_str())).hint(hint));
    }
    Ok(())
}

/// What ranks by media parts, and what their probability is of.
#[derive(Default)]
struct Scorers {
    media: Option<Arc<DocScorer>>,
    rated: Option<Arc<DocScorer>>,
    probability: Option<Arc<DocScorer>>,
}

fn scorers(view: &View, asked: &Asked, similarity: Similarity, parts: &[NamedPart]) -> Result<Scorers> {
    let searched = searched(view, asked)?;
    let all: Vec<QueryPart> = parts.iter().map(|part| part.part.clone()).collect();
    let likes: Vec<QueryPart> = all.iter().filter(|part| part.polarity == Polarity::Like).cloned().collect();
    let build = |similarity, parts: &[QueryPart]| -> Result<DocScorer> {
        let scorer = DocScorer::new(&view.bundle, similarity, parts, &searched)?;
        Ok(match asked.prior {
            Some(prior) => scorer.with_prior(prior),
            None => scorer,
        })
    };
    // All indexes together have one rate; filters do not change it.
    let rated = |scorer: DocScorer| -> Result<Arc<DocScorer>> {
        Ok(Arc::new(if scorer.needs_items() { scorer.for_items(view.items()?) } else { scorer }))
    };
    let media = build(similarity, &all)?;
    let is_rated = media.has_rates();
    let before = is_rated.then(|| media.clone());
    let media = Arc::new(media.for_ranking());
    let of_all = before.map_or_else(|| Ok(media.clone()), rated)?;
    let metric = if similarity.is_metric() {
        similarity
    } else {
        asked.probability_of.unwrap_or(Similarity::Metric(view.bundle.default_target()))
    };
    let probability = if likes.is_empty() {
        None
    } else if likes.len() == all.len() && similarity.is_metric() {
        Some(of_all.clone())
    } else {
        // Only for probabilities, so pairs of media types that were not trained are no error.
        build(metric, &likes).ok().map(rated).transpose()?
    };
    Ok(Scorers { media: Some(media), rated: Some(of_all), probability })
}

fn minimum(view: &View, scorers: &Scorers, floor: f32) -> Result<CrossMediaQuery> {
    let scorer = scorers.probability.clone().ok_or_else(|| {
        let hint = Hint::new("choose others with").setting(Setting::Media).text(", or drop");
        bad("no probability for these media types").hint(hint.setting(Setting::MinProbability))
    })?;
    CrossMediaQuery::new(scorer, &view.shards.cache)?.min_probability(floor)
}

/// That no document has a probability, in a sentence.
fn nothing_known(view: &View, scorers: &Scorers) -> Result<Option<String>> {
    let held = view.held()?;
    let is_known = |scorer: &&Arc<DocScorer>| scorer.has_calibrations(|media| held[media]);
    let Some(scorer) = scorers.probability.as_ref().filter(|scorer| !is_known(scorer)) else {
        return Ok(None);
    };
    let name = |media: usize| view.bundle.media()[media].name.as_str();
    let parts: Vec<&str> = scorer.parts().iter().map(|part| name(part.media)).collect();
    let there: Vec<&str> =
        scorer.wanted().iter().filter(|media| held[**media]).map(|&media| name(media)).collect();
    // Without items there is nothing that could have one.
    Ok((!there.is_empty()).then(|| {
        format!(
            "no document reaches the minimum probability, since none has a probability: the bundle has no calibration of {} for {} over {}",
            scorer.similarity().measure().describe(),
            parts.join(", "),
            there.join(", ")
        )
    }))
}

/// The media types that documents are scored by.
fn searched(view: &View, asked: &Asked) -> Result<Vec<usize>> {
    let all: Vec<usize> = (0..view.bundle.media().len()).collect();
    match &asked.media {
        MediaChoice::Any => Ok(all),
        MediaChoice::Named(name) => Ok(vec![view.bundle.media_index(name)?]),
        MediaChoice::Other => {
            let held = view.held()?;
            // What is not wanted says nothing about where to look, unless it is all there is.
            let likes = || asked.parts.iter().filter(|part| part.part.polarity == Polarity::Like);
            let own: Vec<usize> = match likes().next() {
                Some(_) => likes().map(|part| part.part.media).collect(),
                None => asked.parts.iter().map(|part| part.part.media).collect(),
            };
            let others: Vec<usize> =
                all.iter().copied().filter(|media| !own.contains(media) && held[*media]).collect();
            Ok(if others.is_empty() { all } else { others })
        }
    }
}
