//! A query as a builder: parts, keywords, filter; `run` is the end verb.

mod image;
mod learn;

use std::collections::HashSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tantivy::query::Query;

pub use self::image::Image;
use super::budget::Cancel;
use super::candidates::Candidates;
use super::fusion::{Fusion, Normalise};
use super::legs;
use super::plan::asked::{Asked, Clause, FacetsOver, ListItems, Look, MediaChoice, NamedPart};
use super::plan::{Plan, build};
use super::scorer::{Polarity, QueryPart};
use super::show::hits;
use super::show::response::Response;
use super::similarity::Similarity;
use super::view::View;
use super::words::Words;
use crate::corpus::{IMAGE, TEXT};
use crate::encode::{Item, empty_text, read_media_file};
use crate::error::{Error, ErrorCode, Result};
use crate::index::guarded;
use crate::limits::{self, TEXT_BYTES};
use crate::media::content_hash;

/// A query under construction, on the state that its engine had when it was started. Nothing runs before [`Request::run`];
/// what is typed wrongly is an error there.
#[derive(Clone)]
pub struct Request {
    pub(super) view: View,
    pub(super) asked: Asked,
}

impl Request {
    pub(super) fn new(view: View) -> Self {
        Self { view, asked: Asked::default() }
    }

    /// Adds an item by its features `[d_in]`, as the media type's encoder gives them.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownMedia`], [`ErrorCode::BadDimension`], [`ErrorCode::NotFinite`]; [`ErrorCode::NoItems`] where all are
    /// zero.
    pub fn features(self, media: &str, features: &[f32]) -> Result<Self> {
        self.add_features(media, features, Polarity::Like)
    }

    /// [`Request::features`] of an example of what is not wanted.
    ///
    /// # Errors
    /// Those of [`Request::features`].
    pub fn not_features(self, media: &str, features: &[f32]) -> Result<Self> {
        self.add_features(media, features, Polarity::Unlike)
    }

    fn add_features(mut self, media: &str, features: &[f32], polarity: Polarity) -> Result<Self> {
        let part = QueryPart { polarity, ..QueryPart::of(&self.view.bundle, media, features)? };
        let not = if polarity == Polarity::Unlike { "not-" } else { "" };
        self.asked.parts.push(NamedPart { name: format!("{not}{media}"), part });
        Ok(self)
    }

    /// Adds a sentence, encoded as the bundle's texts were.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownMedia`] for a bundle without texts; [`ErrorCode::NoItems`] for one without a word; those of
    /// [`crate::model::Bundle::encoder`].
    pub fn text(self, text: &str) -> Result<Self> {
        self.add_text(text, Polarity::Like)
    }

    /// Adds a sentence that says what is not wanted.
    ///
    /// # Errors
    /// Those of [`Request::text`].
    pub fn not_text(self, text: &str) -> Result<Self> {
        self.add_text(text, Polarity::Unlike)
    }

    fn add_text(self, text: &str, polarity: Polarity) -> Result<Self> {
        if text.trim().is_empty() {
            return Err(Error::new(ErrorCode::NoItems, "the text of the query is blank"));
        }
        if text.len() > TEXT_BYTES {
            let error = limits::over("the text of the query is too long", TEXT_BYTES, text.len(), "bytes");
            return Err(error.hint("ask with a part of it"));
        }
        self.item(TEXT, Item::Text(text), polarity)
    }

    /// Adds a media file, encoded as the bundle's items of that media type were.
    ///
    /// # Errors
    /// Those of [`Request::text`]; those of reading and decoding, naming the file.
    pub fn file(self, media: &str, path: &Path) -> Result<Self> {
        self.add_file(media, path, Polarity::Like)
    }

    /// Adds a media file of what is not wanted.
    ///
    /// # Errors
    /// Those of [`Request::file`].
    pub fn not_file(self, media: &str, path: &Path) -> Result<Self> {
        self.add_file(media, path, Polarity::Unlike)
    }

    /// [`Request::file`] of a picture by its path or its bytes.
    ///
    /// # Errors
    /// Those of [`Request::file`].
    pub fn image(self, image: impl Into<Image>) -> Result<Self> {
        self.add_image(&image.into(), Polarity::Like)
    }

    /// Adds a picture of what is not wanted.
    ///
    /// # Errors
    /// Those of [`Request::file`].
    pub fn not_image(self, image: impl Into<Image>) -> Result<Self> {
        self.add_image(&image.into(), Polarity::Unlike)
    }

    /// Adds a media file by its bytes, as [`Request::file`] adds one by its path.
    ///
    /// # Errors
    /// [`ErrorCode::TooLarge`]; those of [`Request::text`] and of decoding.
    pub fn bytes(self, media: &str, bytes: &[u8]) -> Result<Self> {
        self.add_bytes(media, bytes, Polarity::Like)
    }

    /// Adds the bytes of a media file of what is not wanted.
    ///
    /// # Errors
    /// Those of [`Request::bytes`].
    pub fn not_bytes(self, media: &str, bytes: &[u8]) -> Result<Self> {
        self.add_bytes(media, bytes, Polarity::Unlike)
    }

    fn add_image(self, image: &Image, polarity: Polarity) -> Result<Self> {
        match image {
            Image::Path(path) => self.add_file(IMAGE, path, polarity),
            Image::Bytes(bytes) => self.add_bytes(IMAGE, bytes, polarity),
        }
    }

    fn add_bytes(self, media: &str, bytes: &[u8], polarity: Polarity) -> Result<Self> {
        let encoder = self.view.encoder(self.view.bundle.media_index(media)?)?;
        let (most, length) = (encoder.max_bytes(), bytes.len());
        if length as u64 > most {
            return Err(Error::new(ErrorCode::TooLarge, "a media file of the query is too large")
                .expected(format!("at most {most} bytes"))
                .got(format!("{length} bytes"))
                .hint("save it smaller, or raise the limit of the encoder"));
        }
        self.item(media, Item::Bytes(bytes), polarity)
    }

    fn add_file(self, media: &str, path: &Path, polarity: Polarity) -> Result<Self> {
        if is_url(path) {
            return Err(Error::new(
                ErrorCode::BadArgument,
                "a URL is no file, and nothing is fetched from a network",
            )
            .file(path)
            .expected("the path of a file")
            .hint("download it first, and give the file that it becomes"));
        }
        let encoder = self.view.encoder(self.view.bundle.media_index(media)?)?;
        let bytes = read_media_file(path, encoder.max_bytes())?;
        self.item(media, Item::Bytes(&bytes), polarity)
            .map_err(|e| if e.facts().file.is_some() { e } else { e.file(path) })
    }

    fn item(self, media: &str, item: Item<'_>, polarity: Polarity) -> Result<Self> {
        let encoder = self.view.encoder(self.view.bundle.media_index(media)?)?;
        if let Item::Text(text) = &item
            && encoder.is_empty(&item)
        {
            return Err(empty_text(text).hint("search with words, or with another part"));
        }
        let features = encoder.encode(&[item]).pop().unwrap_or_else(|| {
            Err(Error::new(ErrorCode::NoItems, format!("the encoder {} gave nothing", encoder.name())))
        })?;
        self.add_features(media, &features, polarity)
    }

    /// Takes all items of the document `id` as query parts, and leaves that document out of the hits.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownId`]; [`ErrorCode::NoItems`] where it has no item; [`ErrorCode::UnknownField`] in an index without
    /// ids; [`ErrorCode::BadValue`] for an id that is no number where the field of ids holds numbers.
    pub fn like(self, id: &str) -> Result<Self> {
        self.add_document(id, Polarity::Like)
    }

    /// Takes all items of the document `id` as examples of what is not wanted, and leaves that document out of the hits.
    ///
    /// # Errors
    /// Those of [`Request::like`].
    pub fn not_like(self, id: &str) -> Result<Self> {
        self.add_document(id, Polarity::Unlike)
    }

    fn add_document(mut self, id: &str, polarity: Polarity) -> Result<Self> {
        let name = if polarity == Polarity::Unlike { "not-like" } else { "like" };
        let address = self.view.find(id)?;
        let (_, vectors) = self.view.shards.segment(address);
        let before = self.asked.parts.len();
        let mut seen = HashSet::new();
        for media in 0..self.view.bundle.media().len() {
            let view = vectors.view(media);
            for row in view.items_of(address.doc_id) {
                let mut vector = vec![0.0; view.dim];
                view.vector_into(row, &mut vector);
                let key = vector.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
                // Equal items would only double a weight.
                if seen.insert((media, content_hash(&key))) {
                    let part = QueryPart { polarity, ..QueryPart::new(media, vector) };
                    self.asked.parts.push(NamedPart { name: name.into(), part });
                }
            }
        }
        if self.asked.parts.len() == before {
            return Err(Error::new(
                ErrorCode::NoItems,
                format!("the document {id:?} has no item to search with"),
            ));
        }
        Ok(self.exclude(id))
    }

    /// Leaves the document `id` out of the hits. One that the field of ids cannot hold is an error of
    /// [`Request::run`].
    #[must_use]
    pub fn exclude(mut self, id: &str) -> Self {
        self.asked.excluded.push(id.into());
        self
    }

    /// Keywords in the grammar of [`super::Grammar`].
    #[must_use]
    pub fn keywords(mut self, query: &str) -> Self {
        self.asked.keywords = Some(Clause::Text(query.into()));
        self
    }

    /// Keywords as a query of the host, in place of a string; [`Request::boost`] has no say in it.
    #[must_use]
    pub fn keywords_query(mut self, query: Box<dyn Query>) -> Self {
        self.asked.keywords = Some(Clause::Query(query));
        self
    }

    /// Plain words, as people type them: they never fail to parse. With [`Request::keywords`] a document must match both, and
    /// their scores are added. Like keywords they make the keyword leg, and boosts hold for them.
    ///
    /// # Errors
    /// When the request runs: [`ErrorCode::UnknownField`], or [`ErrorCode::BadArgument`] for a field that holds no words and for more
    /// than two typing errors.
    #[must_use]
    pub fn words(mut self, words: impl Into<Words>) -> Self {
        self.asked.words = Some(words.into());
        self
    }

    /// A restriction in the grammar of [`super::Grammar`] that does not score; of several ones all must match.
    #[must_use]
    pub fn filter(mut self, query: &str) -> Self {
        self.asked.filters.push(Clause::Text(query.into()));
        self
    }

    /// [`Request::filter`] with a query of the host, whose scores have no say.
    #[must_use]
    pub fn filter_query(mut self, query: Box<dyn Query>) -> Self {
        self.asked.filters.push(Clause::Query(query));
        self
    }

    /// Multiplies the keyword scores of words in `field` (default 1).
    #[must_use]
    pub fn boost(mut self, field: &str, boost: f32) -> Self {
        self.asked.boosts.push((field.into(), boost));
        self
    }

    /// Media types that documents are scored by.
    #[must_use]
    pub fn media(mut self, choice: MediaChoice) -> Self {
        self.asked.media = choice;
        self
    }

    /// Number of hits (default 10); with 0 what matches is counted and nothing is ranked.
    #[must_use]
    pub fn k(mut self, k: usize) -> Self {
        self.asked.k = k;
        self
    }

    /// Hits to pass over. Pages of exact answers of one commit are stable while `offset + k` is within the window.
    #[must_use]
    pub fn offset(mut self, offset: usize) -> Self {
        self.asked.offset = offset;
        self
    }

    /// Documents of each leg that take part in a fusion, in [`FacetsOver::Hits`], and in an order of fields where a media part ranks
    /// (default [`WINDOW`](super::WINDOW); never fewer than offset + k).
    #[must_use]
    pub fn window(mut self, window: usize) -> Self {
        self.asked.window = window;
        self
    }

    /// What the media leg ranks by (default: the metric network with the bundle's default target; under
    /// [`Fusion::Learned`] with the target that the layer was trained with).
    #[must_use]
    pub fn similarity(mut self, similarity: Similarity) -> Self {
        self.asked.similarity = Some(similarity);
        self
    }

    /// The share of the best documents that the media leg is to find, above 0 and at most 1 (default [`RECALL`](super::RECALL)): segments
    /// with cells are looked at as far as their curves say it takes, others whole. The share is one of many queries together, of
    /// the kind that the bundle's sample queries are; a single query may find less, and a later page may hold a document that
    /// belonged on an earlier one. With a minimum probability it is the share of all documents that reach it, and what the response counts is
    /// what was found. At 1 everything is looked at. Takes the place of [`Request::candidates`].
    ///
    /// # Errors
    /// A share out of range is refused when the request runs.
    #[must_use]
    pub fn recall(mut self, recall: f32) -> Self {
        self.asked.candidates = Look::Recall(recall);
        self
    }

    /// Looks at every document: [`Request::recall`] of 1.
    #[must_use]
    pub fn exact(self) -> Self {
        self.recall(1.0)
    }

    /// Where the media leg looks, in place of cells ([`Request::recall`]). Another source than an exact one makes the response inexact.
    /// Under [`Fusion::Product`] with keywords, where every keyword match is scored, it is not asked.
    #[must_use]
    pub fn candidates(mut self, source: Arc<dyn Candidates>) -> Self {
        self.asked.candidates = Look::Source(source);
        self
    }

    /// What probabilities are of where the media leg ranks by another similarity than the metric network (default: the
    /// bundle's default target).
    #[must_use]
    pub fn probability_of(mut self, asked: Similarity) -> Self {
        self.asked.probability_of = Some(asked);
        self
    }

    /// How keywords and media parts become one ranking.
    #[must_use]
    pub fn fusion(mut self, fusion: Fusion) -> Self {
        self.asked.fusion = fusion;
        self
    }

    /// The scale of [`Fusion::Linear`].
    #[must_use]
    pub fn normalise(mut self, normalise: Normalise) -> Self {
        self.asked.normalise = normalise;
        self
    }

    /// The constant of [`Fusion::Rrf`] (default [`RRF_K`](super::RRF_K)).
    #[must_use]
    pub fn rrf_k(mut self, k: f32) -> Self {
        self.asked.rrf_k = k;
        self
    }

    /// Leaves out documents of a lower match probability, or of none.
    #[must_use]
    pub fn min_probability(mut self, minimum: f32) -> Self {
        self.asked.minimum = Some(minimum);
        self
    }

    /// The rate of matches that probabilities and scores assume, in place of the bundle's. Without it, and unless the bundle was
    /// given one, probabilities assume the rate of all that is searched, which filters do not change, and scores even odds.
    #[must_use]
    pub fn prior(mut self, prior: f32) -> Self {
        self.asked.prior = Some(prior);
        self
    }

    /// Weight of a leg (`keyword`; `metric`, `cosine` or `posterior`; `media` for whichever it is) or of a query part: its
    /// media type, `like`, or `not-` and its media type, with `[i]` for the one at position i from 0. Default 1.
    #[must_use]
    pub fn weight(mut self, name: &str, weight: f32) -> Self {
        self.asked.weights.push((name.into(), weight));
        self
    }

    /// Which items of a hit are listed.
    #[must_use]
    pub fn items(mut self, items: ListItems) -> Self {
        self.asked.items = items;
        self
    }

    /// Counts the values of a fast field over the documents that filter and keywords let through (media parts let through
    /// all, but for a minimum probability), or over those that [`Request::facets_over`] says; `NAME` takes `NAME_exact`
    /// where there is one.
    #[must_use]
    pub fn facet(mut self, field: &str) -> Self {
        self.asked.facets.push(field.into());
        self
    }

    /// Aggregations in tantivy's (Elasticsearch's) JSON form over the documents that facets count: ranges, terms, histograms,
    /// statistics. A field that is not there is an error, unlike with tantivy.
    #[must_use]
    pub fn aggregations(mut self, request: serde_json::Value) -> Self {
        self.asked.aggregations = Some(request);
        self
    }

    /// Which documents facets and aggregations count (default: all that filter and keywords let through).
    ///
    /// Under [`Fusion::Rrf`] and the like hits may lie outside of the keywords' matches, since the media leg has a window of
    /// its own: [`FacetsOver::Hits`] counts what the hits come from.
    #[must_use]
    pub fn facets_over(mut self, over: FacetsOver) -> Self {
        self.asked.facets_over = over;
        self
    }

    /// Gives the passage of a stored text field that fits the keywords best, as HTML with the words in `<b>`. Fuzzy words,
    /// patterns and ranges mark nothing.
    #[must_use]
    pub fn snippet(mut self, field: &str) -> Self {
        self.asked.snippets.push(field.into());
        self
    }

    /// The stored fields that hits show, in place of all; without any, no stored document is read, which is most of what a hit
    /// costs.
    #[must_use]
    pub fn fields(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.asked.fields = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Sorts hits by a field: `FIELD` or `FIELD:asc`, least first, or `FIELD:desc`; of several calls the first goes before the
    /// others. Numbers, dates, booleans and whole strings (by their bytes) of a column, or a key inside of a JSON field
    /// (`_extra.year`); of several values of a document the least counts for `asc` and the greatest for `desc`. A missing value comes
    /// last in both directions, and ties go by id.
    ///
    /// What is sorted is all that filter and keywords let through; where a media part ranks, the documents that are ranked: the
    /// best of each leg, as many as the window. Scores of the legs are shown all the same. Cost: a look at the column for each
    /// of them; of a key in a JSON field without columns, a stored document for each.
    ///
    /// # Errors
    /// When the request runs: [`ErrorCode::UnknownField`] with near names; [`ErrorCode::BadArgument`] for a field without a column, or
    /// another direction; [`ErrorCode::TooLarge`] for more than 16 fields.
    #[must_use]
    pub fn sort(mut self, by: &str) -> Self {
        self.asked.sort.push(by.into());
        self
    }

    /// Shows for each value of a field the first hit alone, with the number of others in [`Hit::collapsed`](super::Hit::collapsed).
    /// Documents without a value stand each for themselves; of several values the least counts. `k` and offset count what is left,
    /// facets and [`Response::matched`] what was there before. Others are counted over the documents that [`Request::sort`] sorts: over
    /// all matches, or where a media part ranks, inside the window.
    ///
    /// # Errors
    /// Those of [`Request::sort`].
    #[must_use]
    pub fn collapse(mut self, field: &str) -> Self {
        self.asked.collapse = Some(field.into());
        self
    }

    /// Gives every number that made a hit, and the plan.
    #[must_use]
    pub fn explain(mut self) -> Self {
        self.asked.explains = true;
        self
    }

    /// Stops scoring after this time and answers with what was found; the response is then marked `partial`.
    #[must_use]
    pub fn time_budget(mut self, time: Duration) -> Self {
        self.asked.time = Some(time);
        self
    }

    /// Most intervals that the histograms of all aggregations list together, those inside of others as often as these may have
    /// intervals or values. Without it each may have a million.
    #[must_use]
    pub fn max_intervals(mut self, most: usize) -> Self {
        self.asked.max_intervals = Some(most);
        self
    }

    /// Most bytes that facets and aggregations may take while they are counted, what is kept of all segments among them, by estimates; and
    /// eight times those of their result as JSON: as values it takes as much. Without it 500 MB, and a result of any length.
    #[must_use]
    pub fn max_counting(mut self, bytes: u64) -> Self {
        self.asked.max_counting = Some(bytes);
        self
    }

    /// Ends the query with [`ErrorCode::Interrupted`] when `cancel` says so.
    #[must_use]
    pub fn cancel(mut self, cancel: Cancel) -> Self {
        self.asked.cancel = Some(cancel);
        self
    }

    /// Runs the query.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] for an empty query, or numbers out of range; [`ErrorCode::BadQuery`],
    /// [`ErrorCode::UnknownField`], [`ErrorCode::UnknownMedia`]; [`ErrorCode::BadValue`] for an excluded id that is no number
    /// where the field of ids holds numbers; [`ErrorCode::Interrupted`]; those of opening segments.
    pub fn run(self) -> Result<Response> {
        guarded(self.view.shards.dirs(), || {
            let plan = self.plan()?;
            let ranking = legs::rank(&plan, None)?;
            hits::respond(&plan, &ranking)
        })
    }

    pub(super) fn plan(&self) -> Result<Plan> {
        build::build(&self.view, &self.asked)
    }
}

/// Whether a path is `scheme://..` or `data:..`, and no file of that name is there.
fn is_url(path: &Path) -> bool {
    let named = path.to_str().and_then(|path| path.split_once(':'));
    named.is_some_and(|(scheme, rest)| {
        let is_scheme = scheme.len() > 1
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+.-".contains(&byte));
        let is_data = scheme.eq_ignore_ascii_case("data") && rest.contains(',');
        is_scheme && (rest.starts_with("//") || is_data) && !path.exists()
    })
}
