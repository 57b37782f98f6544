//! What a user may ask of `query`; the keys of a batch line are these flags.

use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use uncsm_index::Result;
use uncsm_index::search::{
    FacetsOver, FeaturesFrom, Fusion, Normalise, RequestSpec, SimilarityName, TargetName, named_fields,
    named_number, names_of, parse_aggregations, parse_rows,
};

use crate::args::LimitArgs;

/// Headings of `--help`.
const ASKED: &str = "What is asked for";
const WORDS: &str = "Keywords and filters";
const RANKING: &str = "Ranking";
const ANSWER: &str = "What an answer holds";
const MANY: &str = "Many queries";

#[derive(Debug, Default, Args)]
pub struct QueryArgs {
    /// An index; several are searched as if they were one
    #[arg(value_name = "INDEX", required = true)]
    pub index: Vec<PathBuf>,
    /// The bundle that scores, of the indexes' space (default: the one that they hold, which must be the same in all)
    #[arg(long, value_name = "BUNDLE")]
    pub bundle: Option<PathBuf>,
    /// A sentence; may be repeated
    #[arg(long, help_heading = ASKED, value_name = "STRING")]
    pub text: Vec<String>,
    /// A picture; may be repeated
    #[arg(long, help_heading = ASKED, value_name = "FILE")]
    pub image: Vec<PathBuf>,
    /// A sentence that says what is not wanted; may be repeated
    #[arg(long, help_heading = ASKED, value_name = "STRING")]
    pub not_text: Vec<String>,
    /// A picture of what is not wanted; may be repeated
    #[arg(long, help_heading = ASKED, value_name = "FILE")]
    pub not_image: Vec<PathBuf>,
    /// The items of this document are the query
    #[arg(long, help_heading = ASKED, value_name = "ID")]
    pub like: Option<String>,
    /// Leave this document out; may be repeated
    #[arg(long, help_heading = ASKED, value_name = "ID")]
    pub exclude: Vec<String>,
    /// Features of query items
    #[arg(long, help_heading = ASKED, value_name = "FILE.safetensors", requires = "pathway")]
    pub features: Option<PathBuf>,
    /// The tensor that holds the features of a media type; may be repeated
    #[arg(long, help_heading = ASKED, value_name = "MEDIA=TENSOR", requires = "features")]
    pub pathway: Vec<String>,
    /// Rows of --features, the first included and the last not
    #[arg(long, help_heading = ASKED, value_name = "A..B", requires = "features")]
    pub rows: Option<String>,
    /// The encoder of a media type, where it does not lie where it is looked for; may be repeated
    #[arg(long, help_heading = ASKED, value_name = "MEDIA=NAME_OR_DIR")]
    pub encoder: Vec<String>,
    /// Keywords in tantivy's query grammar; `word~` and `word~2` match words within one or two edits, `wor*` words by their letters
    #[arg(long, help_heading = WORDS, value_name = "QUERY")]
    pub keywords: Option<String>,
    /// A restriction in tantivy's query grammar that does not score; a clause that gives no term is an error; of
    /// several, all must match
    #[arg(long, help_heading = WORDS, value_name = "QUERY")]
    pub filter: Vec<String>,
    /// Multiply the keyword scores of words in a field; may be repeated
    #[arg(long, help_heading = WORDS, value_name = "FIELD=W")]
    pub boost: Vec<String>,
    /// The media type to search in, or `any`
    #[arg(long, help_heading = RANKING, value_name = "NAME")]
    pub media: Option<String>,
    /// Number of hits [default: 10]
    #[arg(short, help_heading = ANSWER, value_name = "N")]
    pub k: Option<usize>,
    /// Hits to pass over [default: 0]
    #[arg(long, help_heading = ANSWER, value_name = "N")]
    pub offset: Option<usize>,
    /// What ranks the items (default: metric)
    #[arg(long, help_heading = RANKING, value_parser = named::<SimilarityName>())]
    pub similarity: Option<SimilarityName>,
    /// What the metric network is asked (default: the bundle's own)
    #[arg(long, help_heading = RANKING, value_parser = named::<TargetName>())]
    pub target: Option<TargetName>,
    /// How keywords and media parts become one ranking [default: rrf]
    #[arg(long, help_heading = RANKING, value_parser = named::<Fusion>())]
    pub fusion: Option<Fusion>,
    /// The scale of `--fusion linear` [default: probability]
    #[arg(long, help_heading = RANKING, value_parser = named::<Normalise>(), alias = "normalize")]
    pub normalise: Option<Normalise>,
    /// The constant of `--fusion rrf` [default: 60]
    #[arg(long, help_heading = RANKING, value_name = "N")]
    pub rrf_k: Option<f32>,
    /// Weight of a leg (keyword, metric) or of a query part (text, image[1], like, not-text); may be repeated
    #[arg(long, help_heading = RANKING, value_name = "LEG_OR_PART=W")]
    pub weight: Vec<String>,
    /// Documents of each leg that take part in a fusion [default: 1000]
    #[arg(long, help_heading = RANKING, value_name = "N")]
    pub window: Option<usize>,
    /// Leave out documents of a lower match probability
    #[arg(long, help_heading = RANKING, value_name = "P")]
    pub min_probability: Option<f32>,
    /// The rate of matches that probabilities and scores assume (default: what the bundle was given; else probabilities assume
    /// the rate of the index, and scores even odds)
    #[arg(long, help_heading = RANKING, value_name = "P")]
    pub prior: Option<f32>,
    /// Share of the best items that must be found (every candidate is scored in this version, so all are)
    #[arg(long, help_heading = RANKING, value_name = "R", conflicts_with = "exact")]
    pub recall: Option<f32>,
    /// Score every candidate (always so in this version)
    #[arg(long, help_heading = RANKING)]
    pub exact: bool,
    /// List every item of a hit, not the best alone
    #[arg(long, help_heading = ANSWER)]
    pub items: bool,
    /// Count the values of a field over the documents that filter AND keywords let through, whatever a picture or a
    /// sentence ranks; may be repeated
    #[arg(long, help_heading = ANSWER, value_name = "FIELD")]
    pub facet: Vec<String>,
    /// Aggregations in tantivy's (Elasticsearch's) JSON form, over the documents that facets count
    #[arg(long, help_heading = ANSWER, value_name = "JSON")]
    pub aggregations: Option<String>,
    /// What facets and aggregations count: `matches` of filter AND keywords, or the `hits`: the documents that are ranked,
    /// up to --window of each leg, which a sentence may bring in without any keyword [default: matches]
    #[arg(long, help_heading = ANSWER, value_parser = named::<FacetsOver>(), value_name = "WHAT")]
    pub facets_over: Option<FacetsOver>,
    /// The passage of a text field that fits the keywords best; may be repeated
    #[arg(long, help_heading = ANSWER, value_name = "FIELD")]
    pub snippet: Vec<String>,
    /// The stored fields that hits show, with commas between them, or `none`, which reads no stored document (default: all)
    #[arg(long, help_heading = ANSWER, value_name = "F,..")]
    pub fields: Option<String>,
    /// Every number that made a hit, and what was run
    #[arg(long, help_heading = ANSWER)]
    pub explain: bool,
    /// Stop scoring after this time; what was found is then marked as partial
    #[arg(long, help_heading = ANSWER, value_name = "MS")]
    pub time_budget: Option<u64>,
    /// One query per line, in JSON: the keys are the flag names, and "features": {"image": [..]} gives raw features.
    ///
    /// What is given beside it goes for every line that does not say otherwise. A bad line is an error of that line.
    #[arg(long, help_heading = MANY, value_name = "FILE.jsonl")]
    pub batch: Option<PathBuf>,
    #[command(flatten)]
    pub limits: LimitArgs,
}

impl QueryArgs {
    /// What is asked for.
    ///
    /// # Errors
    /// [`uncsm_index::ErrorCode::BadArgument`] for a weight, a boost, rows or aggregations that do not parse.
    pub fn spec(&self) -> Result<RequestSpec> {
        let mut spec = RequestSpec::default();
        spec.text.clone_from(&self.text);
        spec.image = self.image.iter().map(|path| path.clone().into()).collect();
        spec.not_text.clone_from(&self.not_text);
        spec.not_image = self.not_image.iter().map(|path| path.clone().into()).collect();
        spec.like.clone_from(&self.like);
        spec.exclude.clone_from(&self.exclude);
        spec.features_from = self.features_from()?;
        spec.keywords.clone_from(&self.keywords);
        spec.filter.clone_from(&self.filter);
        spec.boost = self.boost.iter().map(|text| named_number("boost", text)).collect::<Result<_>>()?;
        spec.media.clone_from(&self.media);
        (spec.k, spec.offset, spec.window) = (self.k, self.offset, self.window);
        (spec.similarity, spec.target) = (self.similarity, self.target);
        (spec.fusion, spec.normalise, spec.rrf_k) = (self.fusion, self.normalise, self.rrf_k);
        spec.weight = self.weight.iter().map(|text| named_number("weight", text)).collect::<Result<_>>()?;
        (spec.min_probability, spec.prior) = (self.min_probability, self.prior);
        (spec.recall, spec.exact) = (self.recall, self.exact);
        (spec.items, spec.explain) = (self.items, self.explain);
        spec.facet.clone_from(&self.facet);
        spec.aggregations = self.aggregations.as_deref().map(parse_aggregations).transpose()?;
        spec.facets_over = self.facets_over;
        spec.snippet.clone_from(&self.snippet);
        spec.fields = self.fields.as_deref().map(named_fields);
        spec.time_budget = self.time_budget;
        Ok(spec)
    }

    fn features_from(&self) -> Result<Option<FeaturesFrom>> {
        let Some(file) = &self.features else { return Ok(None) };
        let mut from = FeaturesFrom::new(file, self.pathway.clone());
        from.rows = self.rows.as_deref().map(parse_rows).transpose()?;
        Ok(Some(from))
    }
}

/// One of the names of an enum of the library.
pub fn named<T>() -> impl TypedValueParser<Value = T>
where
    T: for<'de> Deserialize<'de> + Clone + Send + Sync + 'static,
{
    let read = |name: String| T::deserialize(name.as_str().into_deserializer());
    PossibleValuesParser::new(names_of::<T>())
        .try_map(read as fn(String) -> std::result::Result<T, serde::de::value::Error>)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn every_name_is_one_of_the_library() {
        let parses =
            |flag: &str, name: &str| Cli::try_parse_from(["uncsm-index", "query", "x", flag, name]).is_ok();
        for (flag, names) in [
            ("--similarity", names_of::<SimilarityName>()),
            ("--target", names_of::<TargetName>()),
            ("--fusion", names_of::<Fusion>()),
            ("--normalise", names_of::<Normalise>()),
            ("--facets-over", names_of::<FacetsOver>()),
        ] {
            assert!(names.len() > 1 && names.iter().all(|name| parses(flag, name)), "{flag}");
            assert!(!parses(flag, "sum"), "{flag}");
        }
    }
}
