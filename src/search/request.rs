//! A query as a builder: parts, keywords, filter; `run` is the end verb.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tantivy::query::{BooleanQuery, ConstScoreQuery, Occur, Query, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{DocAddress, Searcher, Term};

use super::fusion::Fusion;
use super::hits::{self, Response};
use super::keyword;
use super::query::CrossMediaQuery;
use super::scorer::{DocScorer, QueryPart, Similarity};
use super::top::ID_FIELD;
use crate::encode::{Encoder, EncoderPaths, Item, read_media_file};
use crate::error::{Error, ErrorCode, Result};
use crate::index::{Index, SegmentVectors, find_document};
use crate::media::content_hash;

/// Documents of a leg that take part in a fusion, unless a query wants more.
pub const WINDOW: usize = 1000;

/// Searches the last commit of an index.
///
/// # Example
/// ```no_run
/// use uncsm_index::index::Index;
/// use uncsm_index::search::{Engine, Fusion};
///
/// # fn main() -> uncsm_index::Result<()> {
/// let index = Index::open("index".as_ref())?;
/// let engine = Engine::new(&index)?;
/// // Pictures that match the sentence, of documents that match the keywords.
/// let found = engine.request().text("a red circle")?.keywords("on white").fusion(Fusion::Metric).k(5).run()?;
/// for hit in &found.hits {
///     println!("{:?}: {:?}", hit.id, hit.probability);
/// }
/// # Ok(())
/// # }
/// ```
pub struct Engine<'a> {
    pub(super) index: &'a Index,
    pub(super) searcher: Searcher,
    /// Held so that a merge elsewhere does not take them away.
    _segments: Vec<Arc<SegmentVectors>>,
    paths: EncoderPaths,
    /// By media type, from the first query part that needed it.
    encoders: Mutex<BTreeMap<usize, Arc<dyn Encoder>>>,
}

impl<'a> Engine<'a> {
    /// Opens a reader on `index`. Encoders are opened when a query part needs one, from the index itself or from where
    /// [`EncoderPaths::from_env`] says.
    ///
    /// # Errors
    /// Those of [`Index::reader`].
    pub fn new(index: &'a Index) -> Result<Self> {
        let searcher = index.reader()?.searcher();
        let segments = searcher.segment_readers().iter().map(|reader| index.cache().get(reader));
        let segments = segments.collect::<Result<_>>()?;
        let paths = index.encoder_paths(EncoderPaths::from_env());
        Ok(Self { index, _segments: segments, searcher, paths, encoders: Mutex::default() })
    }

    /// Looks for encoders in the index itself and in `paths`.
    #[must_use]
    pub fn with_encoders(self, paths: EncoderPaths) -> Self {
        Self { paths: self.index.encoder_paths(paths), encoders: Mutex::default(), ..self }
    }

    /// The encoder of a media type, which stays open.
    fn encoder(&self, media: usize) -> Result<Arc<dyn Encoder>> {
        // A panic elsewhere leaves whole encoders in the map.
        let mut encoders = self.encoders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(encoder) = encoders.get(&media) {
            return Ok(encoder.clone());
        }
        let encoder: Arc<dyn Encoder> = self.index.bundle().encoder(media, &self.paths)?.into();
        encoders.insert(media, encoder.clone());
        Ok(encoder)
    }

    /// Starts a query.
    pub fn request(&self) -> Request<'_> {
        Request {
            engine: self,
            parts: Vec::new(),
            like: None,
            keywords: None,
            filter: None,
            wanted: Wanted::Other,
            k: 10,
            offset: 0,
            window: WINDOW,
            similarity: None,
            fusion: Fusion::default(),
            minimum: None,
            weights: (1.0, 1.0),
        }
    }

    /// The host's searcher.
    pub fn searcher(&self) -> &Searcher {
        &self.searcher
    }

    /// Address of the live document `id`.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownId`].
    pub fn find(&self, id: &str) -> Result<DocAddress> {
        let unknown = || Error::new(ErrorCode::UnknownId, format!("no document has the id {id:?}"));
        let field = self.index.id_field().ok_or_else(unknown)?;
        find_document(&self.searcher, field, id)?.ok_or_else(unknown)
    }
}

/// Which media types a document is scored by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Wanted {
    /// Those that the query's own parts do not have, or all where the index holds no other.
    #[default]
    Other,
    /// All of them.
    Any,
    /// One.
    Named(String),
}

/// A query under construction.
pub struct Request<'a> {
    pub(super) engine: &'a Engine<'a>,
    parts: Vec<QueryPart>,
    like: Option<String>,
    keywords: Option<String>,
    filter: Option<String>,
    wanted: Wanted,
    pub(super) k: usize,
    pub(super) offset: usize,
    pub(super) window: usize,
    similarity: Option<Similarity>,
    pub(super) fusion: Fusion,
    minimum: Option<f32>,
    /// Of the keyword leg and the media leg.
    pub(super) weights: (f32, f32),
}

/// A query whose strings are parsed and whose vectors are compiled.
pub(super) struct Plan {
    pub(super) keywords: Option<Box<dyn Query>>,
    pub(super) filter: Option<Box<dyn Query>>,
    pub(super) media: Option<Arc<DocScorer>>,
    /// For probabilities, whatever similarity ranks.
    pub(super) metric: Option<Arc<DocScorer>>,
    /// Media type of each query part.
    pub(super) part_media: Vec<usize>,
}

impl Request<'_> {
    /// Adds an item by its features `[d_in]`, as the media type's encoder gives them.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownMedia`], [`ErrorCode::BadDimension`], [`ErrorCode::NotFinite`].
    pub fn features(mut self, media: &str, features: &[f32]) -> Result<Self> {
        let bundle = self.engine.index.bundle();
        let media = bundle.media_index(media)?;
        let width = bundle.media()[media].features;
        if features.len() != width {
            return Err(Error::new(
                ErrorCode::BadDimension,
                "the features of a query item have the wrong length",
            )
            .expected(format!("{width}, as {} gives them", bundle.media()[media].encoder))
            .got(features.len()));
        }
        let vector = bundle.project(media, features)?;
        self.parts.push(QueryPart::new(media, vector));
        Ok(self)
    }

    /// Adds a sentence, encoded as the bundle's texts were.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownMedia`] for a bundle without texts; [`ErrorCode::NoItems`] for a blank one; those of
    /// [`crate::model::Bundle::encoder`].
    pub fn text(self, text: &str) -> Result<Self> {
        if text.trim().is_empty() {
            return Err(Error::new(ErrorCode::NoItems, "the text of the query is blank"));
        }
        self.item("text", Item::Text(text))
    }

    /// Adds a media file, encoded as the bundle's items of that media type were.
    ///
    /// # Errors
    /// Those of [`Request::text`]; those of reading and decoding, naming the file.
    pub fn file(self, media: &str, path: &Path) -> Result<Self> {
        let bundle = self.engine.index.bundle();
        let encoder = self.engine.encoder(bundle.media_index(media)?)?;
        let bytes = read_media_file(path, encoder.max_bytes())?;
        self.item(media, Item::Bytes(&bytes))
            .map_err(|e| if e.facts().file.is_some() { e } else { e.file(path) })
    }

    fn item(self, media: &str, item: Item<'_>) -> Result<Self> {
        let bundle = self.engine.index.bundle();
        let encoder = self.engine.encoder(bundle.media_index(media)?)?;
        let features = encoder.encode(&[item]).pop().unwrap_or_else(|| {
            Err(Error::new(ErrorCode::NoItems, format!("the encoder {} gave nothing", encoder.name())))
        })?;
        self.features(media, &features)
    }

    /// Takes all items of the document `id` as query parts, and leaves that document out of the hits.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownId`]; [`ErrorCode::NoItems`] where it has no item.
    pub fn like(mut self, id: &str) -> Result<Self> {
        let address = self.engine.find(id)?;
        let reader = self.engine.searcher.segment_reader(address.segment_ord);
        let vectors = self.engine.index.cache().get(reader)?;
        let before = self.parts.len();
        let mut seen = std::collections::HashSet::new();
        for media in 0..self.engine.index.bundle().media().len() {
            let view = vectors.view(media);
            for row in view.items_of(address.doc_id) {
                let mut vector = vec![0.0; view.dim];
                view.vector_into(row, &mut vector);
                let key = vector.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
                // Equal items would only double a weight.
                if seen.insert((media, content_hash(&key))) {
                    self.parts.push(QueryPart::new(media, vector));
                }
            }
        }
        if self.parts.len() == before {
            return Err(Error::new(
                ErrorCode::NoItems,
                format!("the document {id:?} has no item to search with"),
            ));
        }
        self.like = Some(id.into());
        Ok(self)
    }

    /// Keywords in tantivy's query grammar.
    #[must_use]
    pub fn keywords(mut self, query: &str) -> Self {
        self.keywords = Some(query.into());
        self
    }

    /// A restriction in tantivy's query grammar that does not score.
    #[must_use]
    pub fn filter(mut self, query: &str) -> Self {
        self.filter = Some(query.into());
        self
    }

    /// Media types that documents are scored by.
    #[must_use]
    pub fn media(mut self, wanted: Wanted) -> Self {
        self.wanted = wanted;
        self
    }

    /// Number of hits, at least 1 (default 10).
    #[must_use]
    pub fn k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// Hits to pass over.
    #[must_use]
    pub fn offset(mut self, offset: usize) -> Self {
        self.offset = offset;
        self
    }

    /// Documents of each leg that take part in a fusion (default [`WINDOW`]; never fewer than offset + k).
    #[must_use]
    pub fn window(mut self, window: usize) -> Self {
        self.window = window;
        self
    }

    /// What the media leg ranks by (default: the metric network with the bundle's default target).
    #[must_use]
    pub fn similarity(mut self, similarity: Similarity) -> Self {
        self.similarity = Some(similarity);
        self
    }

    /// How keywords and media parts become one ranking.
    #[must_use]
    pub fn fusion(mut self, fusion: Fusion) -> Self {
        self.fusion = fusion;
        self
    }

    /// Leaves out documents of a lower match probability, or of none.
    #[must_use]
    pub fn min_probability(mut self, minimum: f32) -> Self {
        self.minimum = Some(minimum);
        self
    }

    /// Weights of the keyword leg and the media leg in `rrf` (default 1 and 1).
    #[must_use]
    pub fn weights(mut self, keyword: f32, media: f32) -> Self {
        self.weights = (keyword, media);
        self
    }

    /// Runs the query.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] for an empty query, `k` of 0, or weights that are no numbers above or equal 0;
    /// [`ErrorCode::BadQuery`], [`ErrorCode::UnknownField`], [`ErrorCode::UnknownMedia`]; those of opening segments.
    pub fn run(self) -> Result<Response> {
        let plan = self.plan()?;
        hits::run(&self, plan)
    }

    fn plan(&self) -> Result<Plan> {
        let bad = |message: &str| Error::new(ErrorCode::BadArgument, message);
        if self.k == 0 {
            return Err(bad("k is 0").expected("at least 1").got(0));
        }
        if self.offset.checked_add(self.k).is_none() {
            return Err(bad("offset and k are too large"));
        }
        let usable = |w: f32| w.is_finite() && w >= 0.0;
        if !usable(self.weights.0) || !usable(self.weights.1) || self.weights == (0.0, 0.0) {
            return Err(bad("the weights of the legs are unusable")
                .expected("numbers of at least 0, not both 0")
                .got(format!("{} and {}", self.weights.0, self.weights.1)));
        }
        if self.parts.is_empty() && self.keywords.is_none() && self.filter.is_none() {
            return Err(bad("the query is empty").hint("give a media part, --keywords or --filter"));
        }
        if self.parts.is_empty() && self.minimum.is_some() {
            return Err(bad("a minimum probability needs a media part"));
        }
        let tantivy = self.engine.index.tantivy();
        let keywords = self.keywords.as_deref().map(|q| keyword::parse(tantivy, "keyword", q)).transpose()?;
        let user_filter = self.filter.as_deref().map(|q| keyword::parse(tantivy, "filter", q)).transpose()?;
        let target = match self.similarity {
            Some(Similarity::Metric(target)) => target,
            _ => self.engine.index.bundle().default_target(),
        };
        let mut plan = Plan {
            keywords,
            filter: None,
            media: None,
            metric: None,
            part_media: self.parts.iter().map(|p| p.media).collect(),
        };
        let mut minimum = None;
        if !self.parts.is_empty() {
            let wanted = self.wanted()?;
            let bundle = self.engine.index.bundle();
            let compile = |similarity| DocScorer::new(bundle, similarity, &self.parts, &wanted).map(Arc::new);
            let similarity = self.similarity.unwrap_or(Similarity::Metric(target));
            let media = compile(similarity)?;
            plan.metric = match similarity {
                Similarity::Metric(_) => Some(media.clone()),
                // Only for probabilities, so pairs of media types that were not trained are no error.
                _ => compile(Similarity::Metric(target)).ok(),
            };
            plan.media = Some(media);
            if let Some(floor) = self.minimum {
                let metric =
                    plan.metric.clone().ok_or_else(|| bad("no probability for these media types"))?;
                minimum =
                    Some(CrossMediaQuery::new(metric, self.engine.index.cache())?.min_probability(floor)?);
            }
        }
        plan.filter = self.filter_query(user_filter, minimum);
        Ok(plan)
    }

    /// The restrictions as one query that adds nothing to a score.
    fn filter_query(
        &self,
        user: Option<Box<dyn Query>>,
        minimum: Option<CrossMediaQuery>,
    ) -> Option<Box<dyn Query>> {
        let silent = |query: Box<dyn Query>| Box::new(ConstScoreQuery::new(query, 0.0)) as Box<dyn Query>;
        let mut clauses: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        clauses.extend(user.map(|query| (Occur::Must, silent(query))));
        clauses.extend(minimum.map(|query| (Occur::Must, silent(Box::new(query)))));
        if let (Some(id), Ok(field)) = (&self.like, self.engine.index.tantivy().schema().get_field(ID_FIELD))
        {
            let this = TermQuery::new(Term::from_field_text(field, id), IndexRecordOption::Basic);
            if clauses.is_empty() {
                clauses.push((Occur::Must, silent(Box::new(tantivy::query::AllQuery))));
            }
            clauses.push((Occur::MustNot, Box::new(this)));
        }
        (!clauses.is_empty()).then(|| Box::new(BooleanQuery::new(clauses)) as Box<dyn Query>)
    }

    fn wanted(&self) -> Result<Vec<usize>> {
        let bundle = self.engine.index.bundle();
        let all: Vec<usize> = (0..bundle.media().len()).collect();
        match &self.wanted {
            Wanted::Any => Ok(all),
            Wanted::Named(name) => Ok(vec![bundle.media_index(name)?]),
            Wanted::Other => {
                let held = self.held()?;
                let is_other = |media: &usize| !self.parts.iter().any(|part| part.media == *media);
                let others: Vec<usize> = all.iter().copied().filter(is_other).filter(|m| held[*m]).collect();
                Ok(if others.is_empty() { all } else { others })
            }
        }
    }

    /// By media type: whether the index holds any item of it.
    fn held(&self) -> Result<Vec<bool>> {
        let mut held = vec![false; self.engine.index.bundle().media().len()];
        for reader in self.engine.searcher.segment_readers() {
            let vectors = self.engine.index.cache().get(reader)?;
            for (media, held) in held.iter_mut().enumerate() {
                *held |= vectors.view(media).docs.iter().any(|&doc| !reader.is_deleted(doc));
            }
        }
        Ok(held)
    }
}
