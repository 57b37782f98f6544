//! What a user may ask of `query`; the keys of a batch line are these flags.

use std::io::Read;
use std::path::PathBuf;

use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use uncsm_index::encode::DecodeLimits;
use uncsm_index::limits::over;
use uncsm_index::search::{
    FacetsOver, FeaturesFrom, Fusion, Image, Normalise, Operator, RequestSpec, SimilarityName, TargetName,
    named_fields, named_number, names_of, parse_aggregations, parse_rows,
};
use uncsm_index::{Error, ErrorCode, Result};

use crate::limit_args::LimitArgs;

/// Headings of `--help`.
const ASKED: &str = "What is asked for";
const WORDS: &str = "Keywords and filters";
const RANKING: &str = "Ranking";
const ANSWER: &str = "What an answer holds";
const MANY: &str = "Many queries";

#[derive(Debug, Default, Args)]
pub struct QueryArgs {
    /// An index; several are searched as if they were one, each may be named once. Example: my.index --keywords red
    #[arg(value_name = "INDEX", required = true)]
    pub index: Vec<PathBuf>,
    /// The bundle that scores, of the indexes' space [default: the one that they hold, which must be the same in all].
    /// Example: --bundle rare.bundle
    #[arg(long, value_name = "BUNDLE")]
    pub bundle: Option<PathBuf>,
    /// A sentence that hits are like, in meaning; may be repeated [default: none]. Example: --text 'a bird that sits'
    #[arg(long, help_heading = ASKED, value_name = "STRING", allow_hyphen_values = true, value_parser = typed)]
    pub text: Vec<String>,
    /// A picture that hits are like, a file, or - for one from stdin; nothing is fetched from a network; may be repeated
    /// [default: none]. Example: --image bird.png
    #[arg(long, help_heading = ASKED, value_name = "FILE|-")]
    pub image: Vec<PathBuf>,
    /// A sentence that says what is not wanted; may be repeated [default: none]. Example: --not-text 'a drawing'
    #[arg(long, help_heading = ASKED, value_name = "STRING", allow_hyphen_values = true, value_parser = typed)]
    pub not_text: Vec<String>,
    /// A picture of what is not wanted, a file or -; may be repeated [default: none]. Example: --not-image cage.png
    #[arg(long, help_heading = ASKED, value_name = "FILE|-")]
    pub not_image: Vec<PathBuf>,
    /// The items of this document are the query, and it is left out [default: none]. Example: --like d17
    #[arg(long, help_heading = ASKED, value_name = "ID", allow_hyphen_values = true, value_parser = typed)]
    pub like: Option<String>,
    /// The items of this document say what is not wanted, and it is left out; may be repeated [default: none].
    /// Example: --text 'a bird' --not-like d17
    #[arg(long, help_heading = ASKED, value_name = "ID", allow_hyphen_values = true, value_parser = typed)]
    pub not_like: Vec<String>,
    /// Leave this document out; may be repeated [default: none]. Example: --exclude d17
    #[arg(long, help_heading = ASKED, value_name = "ID", allow_hyphen_values = true, value_parser = typed)]
    pub exclude: Vec<String>,
    /// A file of features of query items, with --pathway [default: none]. Example: --features queries.safetensors
    /// --pathway image=image
    #[arg(long, help_heading = ASKED, value_name = "FILE.safetensors", requires = "pathway")]
    pub features: Option<PathBuf>,
    /// The tensor of --features that holds those of a media type; may be repeated [default: none]. Example: --features
    /// queries.safetensors --pathway text=captions
    #[arg(long, help_heading = ASKED, value_name = "MEDIA=TENSOR", requires = "features")]
    pub pathway: Vec<String>,
    /// Rows of --features, the first included and the last not [default: the only one]. Example: --features
    /// queries.safetensors --pathway image=image --rows 4..5
    #[arg(long, help_heading = ASKED, value_name = "A..B", requires = "features")]
    pub rows: Option<String>,
    /// The encoder of a media type [default: the one that the bundle names, looked for in the index, UNCSM_ENCODERS and
    /// the cache]; may be repeated. Example: --encoder text=./all-MiniLM-L6-v2
    #[arg(long, help_heading = ASKED, value_name = "MEDIA=NAME_OR_DIR")]
    pub encoder: Vec<String>,
    /// Text as people type it, ranked by BM25: no sign has a meaning, and it never fails to parse. Without a word in it
    /// nothing is found. With --keywords a document must match both, and the scores are added [default: none].
    /// Example: --words "O'Brien's pub - a story"
    #[arg(long, help_heading = WORDS, value_name = "STRING", allow_hyphen_values = true, value_parser = typed)]
    pub words: Option<String>,
    /// Whether a document needs any of the --words, or all of them, each in any field [default: or].
    /// Example: --words 'red bird' --operator and
    #[arg(long, help_heading = WORDS, value_parser = named::<Operator>())]
    pub operator: Option<Operator>,
    /// A text field that --words are looked for in; may be repeated [default: every field of words].
    /// Example: --words 'red bird' --in title
    #[arg(long = "in", help_heading = WORDS, value_name = "FIELD")]
    pub words_in: Vec<String>,
    /// Take the last of the --words as a beginning, for search as you type; a blank after it ends the word. The word itself
    /// scores higher than others [default: off]. Example: --words 'red bir' --prefix
    #[arg(long, help_heading = WORDS)]
    pub prefix: bool,
    /// Typing errors of a word of --words at most, 0 to 2: words of five letters and more are let one, of nine and more two.
    /// The word itself scores higher than one with errors [default: 0]. Example: --words 'elefant' --typos 2
    #[arg(long, help_heading = WORDS, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=2))]
    pub typos: Option<u8>,
    /// Keywords in tantivy's query grammar; `word~` and `word~2` match words within one or two edits, `wor*` words by their
    /// letters [default: none]. Example: --keywords 'title:bird AND NOT (cage OR draw*)'
    #[arg(long, help_heading = WORDS, value_name = "QUERY", allow_hyphen_values = true, value_parser = typed)]
    pub keywords: Option<String>,
    /// A restriction in tantivy's query grammar that does not score; a clause that gives no term is an error; of
    /// several, all must match. Of dates a day, month or year is a value: 'taken:[2020-01-01 TO 2021-06-30]', 'taken:2024-05'
    /// [default: none]. Example: --filter 'category_exact:birds' --filter 'size:[10 TO 20]'
    #[arg(long, help_heading = WORDS, value_name = "QUERY", allow_hyphen_values = true, value_parser = typed)]
    pub filter: Vec<String>,
    /// Multiply the keyword scores of words in a field; may be repeated [default: 1]. Example: --words bird --boost title=3
    #[arg(long, help_heading = WORDS, value_name = "FIELD=W")]
    pub boost: Vec<String>,
    /// The media type of the items that are ranked, or `any` [default: those that the query's parts do not have, or all where
    /// the index holds no other]. Example: --text 'a bird' --media image
    #[arg(long, help_heading = RANKING, value_name = "NAME")]
    pub media: Option<String>,
    /// Number of hits; 0 gives counts and facets alone, without ranking [default: 10]. Example: -k 0 --facet category
    #[arg(short, help_heading = ANSWER, value_name = "N")]
    pub k: Option<usize>,
    /// Hits to pass over; beyond --window pages of a fused query may repeat hits [default: 0]. Example: -k 20 --offset 40
    #[arg(long, help_heading = ANSWER, value_name = "N")]
    pub offset: Option<usize>,
    /// What ranks the items [default: metric]. Example: --similarity cosine
    #[arg(long, help_heading = RANKING, value_parser = named::<SimilarityName>())]
    pub similarity: Option<SimilarityName>,
    /// What the metric network is asked: the same class, this very item, or both [default: the bundle's own].
    /// Example: --target pair
    #[arg(long, help_heading = RANKING, value_parser = named::<TargetName>())]
    pub target: Option<TargetName>,
    /// How keywords and media parts become one ranking [default: rrf]. Example: --text 'a bird' --keywords red --fusion
    /// metric
    #[arg(long, help_heading = RANKING, value_parser = named::<Fusion>())]
    pub fusion: Option<Fusion>,
    /// The scale of `--fusion linear` [default: probability]. Example: --fusion linear --normalise min-max
    #[arg(long, help_heading = RANKING, value_parser = named::<Normalise>(), alias = "normalize")]
    pub normalise: Option<Normalise>,
    /// The constant of `--fusion rrf`: the larger, the less first ranks count [default: 60]. Example: --rrf-k 10
    #[arg(long, help_heading = RANKING, value_name = "N")]
    pub rrf_k: Option<f32>,
    /// Weight of a leg (keyword, metric) or of a query part (text, image[1], like, not-text); may be repeated [default: 1].
    /// Example: --weight keyword=2
    #[arg(long, help_heading = RANKING, value_name = "LEG_OR_PART=W")]
    pub weight: Vec<String>,
    /// Documents of each leg that take part in a fusion, --offset plus -k at least [default: 1000]. Example: --window 5000
    #[arg(long, help_heading = RANKING, value_name = "N")]
    pub window: Option<usize>,
    /// Leave out documents of a lower match probability, or of none [default: none is left out]. Example: --text 'a bird'
    /// --min-probability 0.5
    #[arg(long, help_heading = RANKING, value_name = "P")]
    pub min_probability: Option<f32>,
    /// The rate of matches that probabilities and scores assume [default: what the bundle was given; else probabilities assume
    /// the rate of the index, and scores even odds]. Example: --prior 0.01
    #[arg(long, help_heading = RANKING, value_name = "P")]
    pub prior: Option<f32>,
    /// Share of the best documents that the media leg is to find, above 0 and at most 1: of segments with cells it scores as
    /// many as their measured curves say that takes, others whole. It is a share of many queries; `exact` of the answer says
    /// whether everything was scored [default: 0.99]. Example: --text 'a bird' --recall 0.9
    #[arg(long, help_heading = RANKING, value_name = "R", conflicts_with = "exact")]
    pub recall: Option<f32>,
    /// Score every document, whatever cells there are: --recall 1 [default: off]. Example: --text 'a bird' --exact
    #[arg(long, help_heading = RANKING)]
    pub exact: bool,
    /// List every item of a hit [default: off, the best one for each query part]. Example: --text 'a bird' --items
    #[arg(long, help_heading = ANSWER)]
    pub items: bool,
    /// Count the values of a field over the documents that filter AND keywords let through, whatever a picture or a
    /// sentence ranks; of dates by day, month or year in UTC: --facet taken:month; may be repeated [default: none].
    /// Example: --facet category
    #[arg(long, help_heading = ANSWER, value_name = "FIELD[:day|month|year]")]
    pub facet: Vec<String>,
    /// Aggregations in tantivy's (Elasticsearch's) JSON form, over the documents that facets count [default: none].
    /// Example: --aggregations '{"sizes":{"stats":{"field":"size"}}}'
    #[arg(long, help_heading = ANSWER, value_name = "JSON")]
    pub aggregations: Option<String>,
    /// What facets and aggregations count: `matches` of filter AND keywords, or the `hits`: the documents that are ranked,
    /// up to --window of each leg, which a sentence may bring in without any keyword [default: matches].
    /// Example: --facet category --facets-over hits
    #[arg(long, help_heading = ANSWER, value_parser = named::<FacetsOver>(), value_name = "WHAT")]
    pub facets_over: Option<FacetsOver>,
    /// The passage of a text field that fits the words or keywords best, these in <b>; may be repeated [default: none].
    /// Example: --words bird --snippet text
    #[arg(long, help_heading = ANSWER, value_name = "FIELD")]
    pub snippet: Vec<String>,
    /// Sort by a field, least first, or with :desc greatest first; of several the first goes before the others. Numbers,
    /// dates, whole strings (NAME_exact) or a key of a nested field (_extra.KEY); of several values the least counts, with
    /// :desc the greatest; missing ones come last, ties go by id. Sorted are all matches of filter AND keywords; with a
    /// picture or a sentence what is ranked, up to --window of each leg [default: best first]. Example: --sort size:desc
    #[arg(long, help_heading = ANSWER, value_name = "FIELD[:asc|desc]")]
    pub sort: Vec<String>,
    /// Show the first hit for each value of a field, with the number of others in `collapsed`; hits without a value stand
    /// for themselves, of several values the least counts. -k and --offset count after it, facets and counts before it;
    /// with a picture or a sentence others are counted within --window [default: off]. Example: --collapse category_exact
    #[arg(long, help_heading = ANSWER, value_name = "FIELD")]
    pub collapse: Option<String>,
    /// The stored fields that hits show, with commas between them, or `none`, which reads no stored document [default: all].
    /// Example: --words bird --fields title,size
    #[arg(long, help_heading = ANSWER, value_name = "F,..")]
    pub fields: Option<String>,
    /// Every number that made a hit, and what was run [default: off]. Example: --words bird --explain
    #[arg(long, help_heading = ANSWER)]
    pub explain: bool,
    /// Stop scoring after this time; what was found is then marked as partial [default: no limit]. Example: --time-budget 50
    #[arg(long, help_heading = ANSWER, value_name = "MS")]
    pub time_budget: Option<u64>,
    /// One query per line, in JSON, from a file or - for stdin: the keys are the flag names, and "features": {"image": [..]}
    /// gives raw features [default: one query]. Example: --batch queries.jsonl
    ///
    /// What is given beside it goes for every line that does not say otherwise. A bad line is an error of that line.
    #[arg(long, help_heading = MANY, value_name = "FILE.jsonl|-")]
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
        spec.not_text.clone_from(&self.not_text);
        (spec.image, spec.not_image) = self.images()?;
        spec.like.clone_from(&self.like);
        spec.not_like.clone_from(&self.not_like);
        spec.exclude.clone_from(&self.exclude);
        spec.features_from = self.features_from()?;
        spec.keywords.clone_from(&self.keywords);
        spec.words.clone_from(&self.words);
        spec.words_in.clone_from(&self.words_in);
        (spec.operator, spec.prefix, spec.typos) = (self.operator, self.prefix, self.typos);
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
        spec.sort.clone_from(&self.sort);
        spec.collapse.clone_from(&self.collapse);
        spec.fields = self.fields.as_deref().map(named_fields);
        spec.time_budget = self.time_budget;
        Ok(spec)
    }

    /// The pictures that are wanted, and those that are not; one may come from stdin.
    fn images(&self) -> Result<(Vec<Image>, Vec<Image>)> {
        let stdin = |path: &&PathBuf| path.as_os_str() == STDIN;
        let from_stdin = self.image.iter().chain(&self.not_image).chain(&self.batch).filter(stdin).count();
        if from_stdin > 1 {
            return Err(Error::new(ErrorCode::BadArgument, "stdin is asked for more than once")
                .expected("- for one picture, or for --batch")
                .got(format!("{from_stdin} times"))
                .hint("give the others as files"));
        }
        let limits = DecodeLimits::from(self.limits);
        let read = |paths: &[PathBuf]| -> Result<Vec<Image>> {
            let read = |path: &PathBuf| match stdin(&path) {
                true => picture(std::io::stdin().lock(), limits.max_bytes),
                false => Ok(path.clone().into()),
            };
            paths.iter().map(read).collect()
        };
        Ok((read(&self.image)?, read(&self.not_image)?))
    }

    fn features_from(&self) -> Result<Option<FeaturesFrom>> {
        let Some(file) = &self.features else { return Ok(None) };
        let mut from = FeaturesFrom::new(file, self.pathway.clone());
        from.rows = self.rows.as_deref().map(parse_rows).transpose()?;
        Ok(Some(from))
    }
}

/// What stands for stdin in place of a file.
pub const STDIN: &str = "-";

/// A picture from a stream, of `most` bytes at most.
fn picture(from: impl Read, most: u64) -> Result<Image> {
    let mut bytes = Vec::new();
    from.take(most.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| Error::io("stdin", e))?;
    if bytes.is_empty() {
        return Err(Error::new(ErrorCode::NoItems, "the picture on stdin is empty")
            .file("stdin")
            .expected("the bytes of a picture")
            .hint("write one into the pipe, or name a file"));
    }
    if bytes.len() as u64 > most {
        return Err(over("the picture on stdin is too large", most, "more", "bytes")
            .file("stdin")
            .hint("save it smaller, or raise --max-bytes"));
    }
    Ok(bytes.into())
}

/// A text, which may begin with a minus; a flag in its place says that the text was forgotten.
fn typed(text: &str) -> std::result::Result<String, String> {
    match text.strip_prefix("--") {
        Some(name) if is_flag(name) => {
            Err("a flag stands where a text is expected; to look for it, put a blank before it".to_owned())
        }
        _ => Ok(text.to_owned()),
    }
}

/// Whether `query` has a flag `--NAME`.
fn is_flag(name: &str) -> bool {
    let name = name.split('=').next().unwrap_or(name);
    let of = QueryArgs::augment_args(clap::Command::new("query"));
    let own = of
        .get_arguments()
        .any(|arg| arg.get_long() == Some(name) || arg.get_all_aliases().unwrap_or_default().contains(&name));
    own || ["help", "json", "quiet", "seed", "threads", "version"].contains(&name)
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
            ("--operator", names_of::<Operator>()),
        ] {
            assert!(names.len() > 1 && names.iter().all(|name| parses(flag, name)), "{flag}");
            assert!(!parses(flag, "sum"), "{flag}");
        }
    }

    /// The flags of `query` alone, as clap knows them.
    fn flags() -> Vec<clap::Arg> {
        let command = QueryArgs::augment_args(clap::Command::new("query"));
        command.get_arguments().cloned().collect()
    }

    #[test]
    fn every_flag_of_a_query_is_a_key_of_a_line_and_every_key_a_flag() {
        let whole = ["index", "bundle", "encoder", "batch", "max_pixels", "max_bytes"];
        let flags: Vec<String> = flags()
            .iter()
            .filter(|flag| !whole.contains(&flag.get_id().as_str()))
            .map(|flag| flag.get_long().map_or_else(|| "k".to_owned(), |long| long.replace('-', "_")))
            .collect();
        assert!(flags.len() > 35, "{flags:?}");
        for flag in &flags {
            assert!(RequestSpec::has_key(flag), "{flag}");
        }
        let unknown = RequestSpec::from_json(serde_json::Map::from_iter([("zzzzzzzzzzzz".into(), 1.into())]));
        let keys = unknown.unwrap_err().facts().expected.clone().unwrap();
        let keys = keys.trim_start_matches("one of ").split(", ").map(str::to_owned);
        let missing: Vec<String> = keys.filter(|key| !flags.contains(key)).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }

    #[test]
    fn a_text_may_begin_with_a_minus_and_a_flag_is_no_text() {
        let parse = |line: &[&str]| match Cli::try_parse_from([&["uncsm-index", "query", "x"], line].concat())
        {
            Ok(Cli { command: crate::args::Command::Query(args), .. }) => Ok(args),
            Ok(_) => panic!("a query"),
            Err(error) => Err(error.to_string()),
        };
        for text in ["-5 degrees", "- a story", "--", "-", "-k", "--no such flag", "--texture"] {
            assert_eq!(parse(&["--text", text]).unwrap().text, [text]);
            assert_eq!(parse(&["--words", text]).unwrap().words.as_deref(), Some(text));
        }
        assert_eq!(parse(&["--filter", "-n:5", "--filter=-x", "-k", "3"]).unwrap().filter, ["-n:5", "-x"]);
        assert_eq!(parse(&["--like", "-7"]).unwrap().like.as_deref(), Some("-7"));
        for flag in ["--json", "--keywords", "--keywords=red", "--normalize", "--help"] {
            let error = parse(&["--text", flag]).unwrap_err();
            assert!(error.contains("a flag stands"), "{error}");
        }
        assert!(parse(&["--typos", "3"]).is_err() && parse(&["--typos", "-1"]).is_err());
    }

    #[test]
    fn a_picture_of_stdin_has_an_end() {
        assert_eq!(picture(&b"12345"[..], 5).unwrap(), Image::Bytes(b"12345".to_vec()));
        assert_eq!(picture(&b"123456"[..], 5).unwrap_err().code(), ErrorCode::TooLarge);
        assert_eq!(picture(std::io::repeat(1), 1 << 20).unwrap_err().code(), ErrorCode::TooLarge);
        assert_eq!(picture(&b""[..], 5).unwrap_err().code(), ErrorCode::NoItems);
    }
}
