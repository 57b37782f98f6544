//! What the user may type; each command turns it into ready objects in a file of its own.

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

pub use crate::demo_args::DemoArgs;
pub use crate::limit_args::LimitArgs;
pub use crate::merge_args::MergeArgs;
pub use crate::package_args::{CompletionsArgs, ManArgs};
pub use crate::query_args::QueryArgs;
use crate::query_args::named;
pub use crate::serve_args::ServeArgs;
pub use crate::source_args::{ItemArgs, KeyArgs, SourceArgs};
use uncsm_index::corpus::IdsFrom;
use uncsm_index::search::TargetName;

/// A cross-media search engine: train a similarity of pictures and texts, build an index with it, query it.
#[derive(Debug, Parser)]
#[command(
    name = "uncsm-index",
    version,
    about,
    propagate_version = true,
    after_help = "Exit codes: 0 done (for `query`: at least one hit), 1 `query` found nothing, 2 error.\n\
        Example: uncsm-index demo"
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// Print one JSON object on stdout, and errors as one JSON line on stderr [default: off, text for people].
    /// Example: --json
    #[arg(long, global = true)]
    pub json: bool,
    /// No progress bars and no log lines [default: off; where stderr is no terminal there are none]. Example: --quiet
    #[arg(long, global = true)]
    pub quiet: bool,
    /// Limit all thread pools [default: what the system grants, or RAYON_NUM_THREADS]. Example: --threads 4
    #[arg(long, global = true, value_name = "N")]
    pub threads: Option<usize>,
    /// Seed of everything random [default: 42, or what a --config file says]. Example: --seed 7
    #[arg(long, global = true, value_name = "N")]
    pub seed: Option<u64>,
}

impl Global {
    /// Whether anyone watches.
    pub fn shows_progress(&self) -> bool {
        !self.quiet && std::io::stderr().is_terminal()
    }
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Generate a corpus, train, evaluate, build, query, and write a page that shows it
    #[command(after_help = "Example: uncsm-index demo --dir first-look")]
    Demo(DemoArgs),
    /// Train a bundle
    #[command(after_help = "Example: uncsm-index train corpus.jsonl --label category --out my.bundle")]
    Train(TrainArgs),
    /// Encode a corpus into a safetensors file that `train`, `eval` and `calibrate` take as --features
    ///
    /// The file holds a tensor per media type, `label` (-1 for none, also for a class that no train row has), `is_test`
    /// and `group`; train with `--features FILE --pathway image=image --pathway text=text --label label --test-mask
    /// is_test --group group`. Rows of the split `val` become train rows, since such a file knows test rows and others.
    /// Documents that lack an item of a media type are left out and counted.
    #[command(
        after_help = "Example: uncsm-index features corpus.jsonl --label category --out features.safetensors"
    )]
    Features(FeaturesArgs),
    /// Fit the probabilities of a bundle again, on held-out rows or for another rate of matches
    ///
    /// Fitted on the rows marked `val`, or where there are none on all rows that are not marked test. Rows that the bundle
    /// was trained on read too confident: give rows that it has not seen. Rankings and stored vectors stay as they are, so
    /// `attach` brings the result to an index without a rebuild. A target and pair of media types without matches among
    /// these rows has no probability any more. Of more than 4,096 rows as many are drawn.
    #[command(
        after_help = "Example: uncsm-index calibrate my.bundle held_out.jsonl --prior 0.01 --out rare.bundle"
    )]
    Calibrate(CalibrateArgs),
    /// Evaluate a bundle as in the literature: MAP over all results, recall of the paired item, calibration
    #[command(after_help = "Example: uncsm-index eval my.bundle corpus.jsonl --split test")]
    Eval(EvalArgs),
    /// Print the field schema that `build` would infer, as TOML
    ///
    /// Edited, it is a file for `build --schema`. There `tokenizer` says how a text becomes terms: parts joined by `+`. One may
    /// cut the text: words (where none is named), default, whitespace, raw (the whole value), cjk_bigram, icu, jieba. Others
    /// change the terms, always in this order: limit:BYTES; lower or cased; stop:LANGUAGE; stem:LANGUAGE; fold (accents);
    /// ngram:MIN:MAX or prefix:MIN:MAX. Such as stem:german+fold; an unknown part or language is answered with all there are.
    /// `exact` says the same of whole values, for facets and filters on NAME_exact: raw+nfc (where none is named: composed and
    /// decomposed letters are equal), raw, raw+nfc+lower. `synonyms` names a file of words that stand for each other in queries, beside the
    /// schema file: `car, automobile`, or `bird => sparrow, wren`, one rule a line.
    #[command(after_help = "Example: uncsm-index schema corpus.jsonl > schema.toml")]
    Schema(SchemaArgs),
    /// Build an index
    #[command(after_help = "Example: uncsm-index build corpus.jsonl --bundle my.bundle --out my.index")]
    Build(BuildArgs),
    /// Make one index of several: of the parts that `build --shard` has built, or of any of one space and schema
    ///
    /// All files are compared with their checksums first. The result answers as an index that was built in one go. Parts that are missing
    /// are said, and no error: what is merged of some is a part itself, and may be merged again with the others.
    #[command(after_help = "Example: uncsm-index merge my.index part.0 part.1 part.2")]
    Merge(MergeArgs),
    /// Add documents to an index, replacing those of equal id, in one commit
    #[command(after_help = "Example: uncsm-index add my.index more.jsonl")]
    Add(AddArgs),
    /// Delete documents from an index, in one commit
    #[command(after_help = "Example: uncsm-index delete my.index --filter 'category_exact:birds' --dry-run")]
    Delete(DeleteArgs),
    /// Let an index use another bundle of equal space, atomically
    #[command(after_help = "Example: uncsm-index attach my.index --bundle rare.bundle")]
    Attach(AttachArgs),
    /// Train how keywords and media parts become one ranking, from clicks or relevance
    ///
    /// The result differs from BUNDLE in its learned fusion alone: `attach` brings it to an index without a rebuild, and
    /// `query --fusion learned` ranks by it.
    #[command(
        after_help = "Example: uncsm-index fuse my.bundle --clicks clicks.jsonl --index my.index --out fused.bundle"
    )]
    Fuse(FuseArgs),
    /// Query an index, or several as if they were one
    #[command(
        after_help = "Example: uncsm-index query my.index --text 'a bird that sits' --filter 'category_exact:birds' -k 5"
    )]
    Query(Box<QueryArgs>),
    /// A page to search with, in the browser of this machine
    ///
    /// Words, pictures and sentences, facets, "more like this"; the JSON of `query --json` under POST /api/query. Requests carry bytes,
    /// never names of files. It is a tool for one's own machine: only this machine reaches it, unless --addr and --token say
    /// otherwise, and what is public needs a server in front of it. Documents that `add` commits appear without a restart.
    #[command(after_help = "Example: uncsm-index serve my.index --open")]
    Serve(ServeArgs),
    /// Show what an index, a bundle or a .uvec file is made of
    #[command(after_help = "Example: uncsm-index inspect my.index --json")]
    Inspect(InspectArgs),
    /// Check every checksum and every row of an index
    #[command(after_help = "Example: uncsm-index verify my.index")]
    Verify(VerifyArgs),
    /// Encoders with weights: which are here, and getting one
    #[command(subcommand, after_help = "Example: uncsm-index encoders list")]
    Encoders(EncodersCommand),
    /// Print what a shell needs to complete commands, flags and values
    ///
    /// Where it goes: bash, ~/.local/share/bash-completion/completions/uncsm-index; zsh, _uncsm-index in a folder of $fpath;
    /// fish, ~/.config/fish/completions/uncsm-index.fish.
    #[command(after_help = "Example: uncsm-index completions bash > uncsm-index.bash")]
    Completions(CompletionsArgs),
    /// Write a manual page for the program and for each command into a folder
    #[command(hide = true, after_help = "Example: uncsm-index man target/man")]
    Man(ManArgs),
}

#[derive(Debug, Args)]
pub struct TrainArgs {
    #[command(flatten)]
    pub source: SourceArgs,
    /// Where to write the bundle, which is not there yet. Example: --out my.bundle
    #[arg(long, value_name = "BUNDLE")]
    pub out: PathBuf,
    /// The key or tensor that holds the class [default: none, and pairs alone are learned]. Example: --label category
    #[arg(long, value_name = "KEY")]
    pub label: Option<String>,
    /// The tensor of --features that is 1 for rows that training must not see [default: none]. Example: --features
    /// rows.safetensors --pathway image=image --pathway text=text --test-mask is_test
    #[arg(long, value_name = "TENSOR")]
    pub test_mask: Option<String>,
    /// A key or an integer tensor: rows of equal value stay on one side of the validation split [default: none].
    /// Example: --group album
    ///
    /// Near-duplicates stay together without it, and documents of a corpus with equal `title`.
    #[arg(long, value_name = "KEY")]
    pub group: Option<String>,
    /// Graded pairs to learn from too, each a line of JSON such as this one:
    /// {"a":{"id":"..","media":"image"},"b":{"id":"..","media":"text"},"similar":0..1} [default: none]. Example: --pairs judged.jsonl
    ///
    /// Ids are those of SOURCE, or row numbers from 0 with --features. Pairs that name a test or validation row are left
    /// out and counted.
    #[arg(long, value_name = "FILE.jsonl")]
    pub pairs: Option<PathBuf>,
    /// Start from a trained bundle, with its encoders, classes and sizes, and run the metric stage alone [default: from the
    /// beginning]. Example: --from my.bundle
    ///
    /// Where SOURCE holds rows that the bundle was trained on, drawn validation rows are not unseen: mark held-out rows as
    /// `val`, or use `calibrate` on others.
    #[arg(long, value_name = "BUNDLE")]
    pub from: Option<PathBuf>,
    /// Elements of a shared vector [default: 256]. Example: --dim 128
    #[arg(long, value_name = "N", conflicts_with = "from")]
    pub dim: Option<usize>,
    /// Training settings; see the documentation of `TrainConfig` [default: settings that go by the number of rows].
    /// Example: --config train.toml
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,
    /// Keep no features of train rows in the bundle: train without kernel members, whose landmarks are such features, and without hub terms
    /// [default: off]. Example: --no-landmarks
    ///
    /// Sample queries stay: up to 256 shared vectors of train rows, and of means of some, for each media type, as they would stand in an index.
    /// The model is less good on small data: `inspect` shows what a bundle has of them.
    #[arg(long)]
    pub no_landmarks: bool,
}

#[derive(Debug, Args)]
pub struct FeaturesArgs {
    /// A corpus: JSON Lines, a JSON list, CSV, TSV (each also .gz or .zst), Parquet, a WebDataset .tar, or a folder of media files
    ///
    /// Several files are one corpus, in the order in which they are named; so are a folder that holds such files alone, and a
    /// quoted pattern such as 'shards/*.jsonl.zst', in order of name. Documents without `id` are then named FILE:LINE.
    #[arg(value_name = "SOURCE", required = true)]
    pub source: Vec<PathBuf>,
    /// Where to write the features. Example: --out features.safetensors
    #[arg(long, value_name = "FILE.safetensors")]
    pub out: PathBuf,
    /// The key that holds the class [default: none, and the file has no `label`]. Example: --label category
    #[arg(long, value_name = "KEY")]
    pub label: Option<String>,
    /// A key: documents of equal value stay on one side of the validation split [default: none]. Example: --group album
    #[arg(long, value_name = "KEY")]
    pub group: Option<String>,
    #[command(flatten)]
    pub items: ItemArgs,
    /// An error where a document or item does not read, or a document lacks an item, instead of counting a warning
    /// [default: off]. Example: --strict
    #[arg(long)]
    pub strict: bool,
}

impl FeaturesArgs {
    /// The corpus and how it is encoded.
    pub fn source(&self) -> SourceArgs {
        SourceArgs {
            source: self.source.clone(),
            features: Vec::new(),
            pathway: Vec::new(),
            items: self.items.clone(),
        }
    }
}

#[derive(Debug, Args)]
pub struct EvalArgs {
    /// A trained bundle
    #[arg(value_name = "BUNDLE")]
    pub bundle: PathBuf,
    #[command(flatten)]
    pub source: SourceArgs,
    /// The rows to evaluate on. Example: --split val
    #[arg(long, value_enum, default_value_t = SplitArg::Test)]
    pub split: SplitArg,
    /// The key or tensor that holds the class [default: the one that the bundle was trained with]. Example: --label category
    #[arg(long, value_name = "KEY")]
    pub label: Option<String>,
    /// The tensor of --features that is 1 for test rows [default: none]. Example: --features rows.safetensors
    /// --pathway image=image --pathway text=text --test-mask is_test
    #[arg(long, value_name = "TENSOR")]
    pub test_mask: Option<String>,
}

#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// A trained bundle
    #[arg(value_name = "BUNDLE")]
    pub bundle: PathBuf,
    #[command(flatten)]
    pub source: SourceArgs,
    /// Where to write the calibrated bundle, which is not there yet. Example: --out rare.bundle
    #[arg(long, value_name = "BUNDLE2")]
    pub out: PathBuf,
    /// The rate of matches to assume, above 0 and below 1 [default: the one that the bundle was given, where it is not 0.5; else that of
    /// the rows, and for `pair` that of the index]. Example: --prior 0.01
    #[arg(long, value_name = "P")]
    pub prior: Option<f32>,
    /// The key or tensor that holds the class [default: the one that the bundle was trained with]. Example: --label category
    #[arg(long, value_name = "KEY")]
    pub label: Option<String>,
    /// The tensor of --features that is 1 for test rows [default: none]. Example: --features rows.safetensors
    /// --pathway image=image --pathway text=text --test-mask is_test
    #[arg(long, value_name = "TENSOR")]
    pub test_mask: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SplitArg {
    Train,
    Val,
    Test,
}

#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// A corpus: JSON Lines, a JSON list, CSV, TSV (each also .gz or .zst), Parquet, a WebDataset .tar, or a folder of media files
    ///
    /// Several files are one corpus, in the order in which they are named; so are a folder that holds such files alone, and a
    /// quoted pattern such as 'shards/*.jsonl.zst', in order of name. Documents without `id` are then named FILE:LINE.
    #[arg(value_name = "SOURCE", required = true)]
    pub source: Vec<PathBuf>,
    #[command(flatten)]
    pub keys: KeyArgs,
}

#[derive(Debug, Args)]
pub struct BuildArgs {
    #[command(flatten)]
    pub source: SourceArgs,
    /// A trained bundle. Example: --bundle my.bundle
    #[arg(long, value_name = "BUNDLE")]
    pub bundle: PathBuf,
    /// Where the index comes into being. Example: --out my.index
    #[arg(long, value_name = "INDEX")]
    pub out: PathBuf,
    /// The fields of the rows of --features: a corpus, as SOURCE is one, whose document i is row i [default: none].
    /// Example: --features rows.safetensors --pathway image=image --corpus rows.jsonl
    #[arg(long, value_name = "FILE", requires = "features")]
    pub corpus: Option<PathBuf>,
    /// Replace an index that is there already, when the new one is whole [default: an error]. Example: --force
    #[arg(long, conflicts_with = "append")]
    pub force: bool,
    /// Add to an index that is there already, replacing documents of equal id, in commits on the way [default: an error].
    /// Example: --append
    #[arg(long)]
    pub append: bool,
    /// Go on with a build that was stopped, from its last commit; source and options must be the same [default: begin anew].
    /// Example: --resume
    #[arg(long)]
    pub resume: bool,
    /// What the id of a document without one is made from [default: line]: its line (of several files FILE:LINE), the path of its
    /// first media file as the source names it (FILE:LINE without one), or a hash of its keys and values and its split, the same
    /// in every build (a media file counts by its path). Later additions must bring ids. Example: --id-from hash
    #[arg(long, value_name = "line|path|hash", value_parser = named::<IdsFrom>())]
    pub id_from: Option<IdsFrom>,
    /// Documents between two commits [default: 50000, or 60 seconds]. Example: --commit-every 10000
    #[arg(long, value_name = "N")]
    pub commit_every: Option<u64>,
    /// Stop at the first bad line instead of counting a warning [default: off]. Example: --strict
    #[arg(long)]
    pub strict: bool,
    /// Types, tokenizers and options of fields that differ from what is inferred; `help schema` says more [default: all is
    /// inferred]. Example: --schema schema.toml
    #[arg(long, value_name = "FILE.toml")]
    pub schema: Option<PathBuf>,
    /// Build part I of N of the source alone, 0 <= I < N, for `merge` or to be searched beside the others [default: all of
    /// it]. Example: --shard 0/4
    ///
    /// JSON Lines are cut at lines (each needs an `id`, a media file with `--id-from path`, or `--id-from hash`), Parquet at row groups, features at rows, a folder of media document by document;
    /// of other kinds each part has whole files. Run again, a part that is there stays as it is, and one that was stopped goes on.
    #[arg(long, value_name = "I/N", conflicts_with = "append")]
    pub shard: Option<String>,
    /// Leave out what makes approximate search fast: for an index that is to be merged, since `merge` makes it
    /// [default: off]. Example: --shard 0/4 --no-cells
    #[arg(long)]
    pub no_cells: bool,
    /// Copy the weights of the bundle's encoders into the index, so that it answers without them [default: off].
    /// Example: --embed-encoders
    #[arg(long)]
    pub embed_encoders: bool,
    /// Megabytes for documents that are not yet in a segment, 15 to 4095. Example: --memory 1024
    #[arg(long, value_name = "MB", default_value_t = 256)]
    pub memory: usize,
}

#[derive(Debug, Args)]
pub struct FuseArgs {
    /// A trained bundle
    #[arg(value_name = "BUNDLE")]
    pub bundle: PathBuf,
    /// Judged queries, one JSON object a line: the keys of a line of `query --batch` with keywords and a media part, and
    /// either "relevant": [ids] or {"id": grade 0..1}, or "clicked": [ids] with optional "shown": [ids].
    /// Example: --clicks clicks.jsonl
    #[arg(long, value_name = "FILE.jsonl")]
    pub clicks: PathBuf,
    /// The index that the ids are of, of the bundle's space; may be repeated. Example: --index my.index
    #[arg(long, value_name = "INDEX", required = true)]
    pub index: Vec<PathBuf>,
    /// Where to write the bundle with the learned fusion. Example: --out fused.bundle
    #[arg(long, value_name = "BUNDLE2")]
    pub out: PathBuf,
    /// What the metric network is asked [default: the bundle's own]. Example: --target pair
    #[arg(long, value_parser = named::<TargetName>())]
    pub target: Option<TargetName>,
    /// The encoder of a media type; may be repeated [default: the one that the bundle names, looked for in UNCSM_ENCODERS
    /// and the cache]. Example: --encoder text=./all-MiniLM-L6-v2
    #[arg(long, value_name = "MEDIA=NAME_OR_DIR")]
    pub encoder: Vec<String>,
    #[command(flatten)]
    pub limits: LimitArgs,
}

#[derive(Debug, Subcommand)]
pub enum EncodersCommand {
    /// List the built-in encoders and all below UNCSM_ENCODERS and the cache
    #[command(after_help = "Example: uncsm-index encoders list --json")]
    List,
    /// Pull an encoder such as sentence-transformers/all-MiniLM-L6-v2 into the cache (a build with the feature `hub`)
    #[command(after_help = "Example: uncsm-index encoders fetch sentence-transformers/all-MiniLM-L6-v2")]
    Fetch {
        /// ORG/NAME
        #[arg(value_name = "NAME")]
        name: String,
    },
}

#[derive(Debug, Args)]
pub struct InspectArgs {
    /// An index, a bundle, or a .uvec file
    #[arg(value_name = "INDEX|BUNDLE|FILE.uvec")]
    pub path: PathBuf,
}

#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// An index
    #[arg(value_name = "INDEX")]
    pub index: PathBuf,
}

#[derive(Debug, Args)]
pub struct AddArgs {
    /// An index
    #[arg(value_name = "INDEX")]
    pub index: PathBuf,
    #[command(flatten)]
    pub source: SourceArgs,
    /// The fields of the rows of --features: a corpus, as SOURCE is one, whose document i is row i [default: none].
    /// Example: --features rows.safetensors --pathway image=image --corpus rows.jsonl
    #[arg(long, value_name = "FILE", requires = "features")]
    pub corpus: Option<PathBuf>,
    /// Stop at the first bad line instead of counting a warning [default: off]. Example: --strict
    #[arg(long)]
    pub strict: bool,
}

#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// An index
    #[arg(value_name = "INDEX")]
    pub index: PathBuf,
    /// Ids of documents [default: none, and --filter says which]. Example: --id d17 d18
    #[arg(long, value_name = "ID", num_args = 1.., required_unless_present = "filter", conflicts_with = "filter")]
    pub id: Vec<String>,
    /// All documents that match, in tantivy's query grammar; a clause that gives no term is an error; of several, all
    /// must match [default: none, and --id says which]. Example: --filter 'category_exact:birds'
    #[arg(long, value_name = "QUERY")]
    pub filter: Vec<String>,
    /// Delete also where the filter matches every document of the index [default: an error]. Example: --filter '*' --all
    #[arg(long, requires = "filter")]
    pub all: bool,
    /// Count what would be deleted, and change nothing [default: off]. Example: --filter 'category_exact:birds' --dry-run
    #[arg(long)]
    pub dry_run: bool,
}

#[derive(Debug, Args)]
pub struct AttachArgs {
    /// An index
    #[arg(value_name = "INDEX")]
    pub index: PathBuf,
    /// A bundle of the same space. Example: --bundle rare.bundle
    #[arg(long, value_name = "BUNDLE")]
    pub bundle: PathBuf,
}

#[cfg(test)]
mod tests;
