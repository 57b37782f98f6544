//! What a user may ask of `query`; the keys of a batch line are these flags.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::args::LimitArgs;

#[derive(Debug, Default, Args)]
pub struct QueryArgs {
    /// An index; several are searched as if they were one
    #[arg(value_name = "INDEX", required = true)]
    pub index: Vec<PathBuf>,
    /// The bundle that scores, of the indexes' space (default: the one that they hold, which must be the same in all)
    #[arg(long, value_name = "BUNDLE")]
    pub bundle: Option<PathBuf>,
    /// A sentence; may be repeated
    #[arg(long, value_name = "STRING")]
    pub text: Vec<String>,
    /// A picture; may be repeated
    #[arg(long, value_name = "FILE")]
    pub image: Vec<PathBuf>,
    /// A sentence that says what is not wanted; may be repeated
    #[arg(long, value_name = "STRING")]
    pub not_text: Vec<String>,
    /// A picture of what is not wanted; may be repeated
    #[arg(long, value_name = "FILE")]
    pub not_image: Vec<PathBuf>,
    /// The items of this document are the query
    #[arg(long, value_name = "ID")]
    pub like: Option<String>,
    /// Leave this document out; may be repeated
    #[arg(long, value_name = "ID")]
    pub exclude: Vec<String>,
    /// Features of query items
    #[arg(long, value_name = "FILE.safetensors", requires = "pathway")]
    pub features: Option<PathBuf>,
    /// The tensor that holds the features of a media type; may be repeated
    #[arg(long, value_name = "MEDIA=TENSOR", requires = "features")]
    pub pathway: Vec<String>,
    /// Rows of --features, the first included and the last not
    #[arg(long, value_name = "A..B", requires = "features")]
    pub rows: Option<String>,
    /// The encoder of a media type, where it does not lie where it is looked for; may be repeated
    #[arg(long, value_name = "MEDIA=NAME_OR_DIR")]
    pub encoder: Vec<String>,
    /// Keywords in tantivy's query grammar; `word~` and `word~2` match words within one or two edits, `wor*` words by their letters
    #[arg(long, value_name = "QUERY")]
    pub keywords: Option<String>,
    /// A restriction in tantivy's query grammar that does not score; a clause that gives no term is an error; of
    /// several, all must match
    #[arg(long, value_name = "QUERY")]
    pub filter: Vec<String>,
    /// Multiply the keyword scores of words in a field; may be repeated
    #[arg(long, value_name = "FIELD=W")]
    pub boost: Vec<String>,
    /// The media type to search in, or `any`
    #[arg(long, value_name = "NAME")]
    pub media: Option<String>,
    /// Number of hits [default: 10]
    #[arg(short, value_name = "N")]
    pub k: Option<usize>,
    /// Hits to pass over [default: 0]
    #[arg(long, value_name = "N")]
    pub offset: Option<usize>,
    /// What ranks the items (default: metric)
    #[arg(long, value_enum)]
    pub similarity: Option<SimilarityArg>,
    /// What the metric network is asked (default: the bundle's own)
    #[arg(long, value_enum)]
    pub target: Option<TargetArg>,
    /// How keywords and media parts become one ranking [default: rrf]
    #[arg(long, value_enum)]
    pub fusion: Option<FusionArg>,
    /// The scale of `--fusion linear` [default: probability]
    #[arg(long, value_enum, alias = "normalize")]
    pub normalise: Option<NormaliseArg>,
    /// The constant of `--fusion rrf` [default: 60]
    #[arg(long, value_name = "N")]
    pub rrf_k: Option<f32>,
    /// Weight of a leg (keyword, metric) or of a query part (text, image[1], like, not-text); may be repeated
    #[arg(long, value_name = "LEG_OR_PART=W")]
    pub weight: Vec<String>,
    /// Documents of each leg that take part in a fusion [default: 1000]
    #[arg(long, value_name = "N")]
    pub window: Option<usize>,
    /// Leave out documents of a lower match probability
    #[arg(long, value_name = "P")]
    pub min_probability: Option<f32>,
    /// The rate of matches that probabilities assume (default: the bundle's)
    #[arg(long, value_name = "P")]
    pub prior: Option<f32>,
    /// Share of the best items that must be found (every candidate is scored in this version, so all are)
    #[arg(long, value_name = "R", conflicts_with = "exact")]
    pub recall: Option<f32>,
    /// Score every candidate (always so in this version)
    #[arg(long)]
    pub exact: bool,
    /// List every item of a hit, not the best alone
    #[arg(long)]
    pub items: bool,
    /// Count the values of a field over the documents that filter AND keywords let through, whatever a picture or a
    /// sentence ranks; may be repeated
    #[arg(long, value_name = "FIELD")]
    pub facet: Vec<String>,
    /// Aggregations in tantivy's (Elasticsearch's) JSON form, over the documents that facets count
    #[arg(long, value_name = "JSON")]
    pub aggregations: Option<String>,
    /// What facets and aggregations count: `matches` of filter AND keywords, or the `hits`: the documents that are ranked,
    /// up to --window of each leg, which a sentence may bring in without any keyword [default: matches]
    #[arg(long, value_enum, value_name = "WHAT")]
    pub facets_over: Option<FacetsOverArg>,
    /// The passage of a text field that fits the keywords best; may be repeated
    #[arg(long, value_name = "FIELD")]
    pub snippet: Vec<String>,
    /// Every number that made a hit, and what was run
    #[arg(long)]
    pub explain: bool,
    /// Stop scoring after this time; what was found is then marked as partial
    #[arg(long, value_name = "MS")]
    pub time_budget: Option<u64>,
    /// One query per line, in JSON: the keys are the flag names, and "features": {"image": [..]} gives raw features.
    ///
    /// What is given beside it goes for every line that does not say otherwise. A bad line is an error of that line.
    #[arg(long, value_name = "FILE.jsonl")]
    pub batch: Option<PathBuf>,
    #[command(flatten)]
    pub limits: LimitArgs,
}

impl QueryArgs {
    /// These arguments, and those of `base` where they say nothing. Indexes, bundle, encoders and limits are those of
    /// `base`.
    pub fn over(self, base: &Self) -> Self {
        let list = |own: Vec<String>, base: &[String]| if own.is_empty() { base.to_vec() } else { own };
        let files = |own: Vec<PathBuf>, base: &[PathBuf]| if own.is_empty() { base.to_vec() } else { own };
        // A file of features, its tensors and its rows belong together.
        let (features, pathway, rows) = match self.features {
            Some(features) => (Some(features), self.pathway, self.rows),
            None => (base.features.clone(), base.pathway.clone(), base.rows.clone()),
        };
        Self {
            index: base.index.clone(),
            bundle: base.bundle.clone(),
            text: list(self.text, &base.text),
            image: files(self.image, &base.image),
            not_text: list(self.not_text, &base.not_text),
            not_image: files(self.not_image, &base.not_image),
            like: self.like.or_else(|| base.like.clone()),
            exclude: list(self.exclude, &base.exclude),
            features,
            pathway,
            rows,
            encoder: base.encoder.clone(),
            keywords: self.keywords.or_else(|| base.keywords.clone()),
            filter: list(self.filter, &base.filter),
            boost: list(self.boost, &base.boost),
            media: self.media.or_else(|| base.media.clone()),
            k: self.k.or(base.k),
            offset: self.offset.or(base.offset),
            similarity: self.similarity.or(base.similarity),
            target: self.target.or(base.target),
            fusion: self.fusion.or(base.fusion),
            normalise: self.normalise.or(base.normalise),
            rrf_k: self.rrf_k.or(base.rrf_k),
            weight: list(self.weight, &base.weight),
            window: self.window.or(base.window),
            min_probability: self.min_probability.or(base.min_probability),
            prior: self.prior.or(base.prior),
            recall: self.recall.or(base.recall),
            exact: self.exact || base.exact,
            items: self.items || base.items,
            facet: list(self.facet, &base.facet),
            aggregations: self.aggregations.or_else(|| base.aggregations.clone()),
            facets_over: self.facets_over.or(base.facets_over),
            snippet: list(self.snippet, &base.snippet),
            explain: self.explain || base.explain,
            time_budget: self.time_budget.or(base.time_budget),
            batch: None,
            limits: base.limits,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SimilarityArg {
    Metric,
    Cosine,
    Posterior,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TargetArg {
    Class,
    Pair,
    Both,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FusionArg {
    Rrf,
    Linear,
    Product,
    Metric,
    Learned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum FacetsOverArg {
    Matches,
    Hits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NormaliseArg {
    MinMax,
    ZScore,
    Probability,
}
