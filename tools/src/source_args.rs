//! Where items come from, as the user types it: what commands with a SOURCE share.

use std::path::PathBuf;

use clap::Args;

use crate::limit_args::LimitArgs;

/// Heading of `--help`.
const SOURCE: &str = "Source";

/// Where items come from: a corpus, or features in a safetensors file.
#[derive(Debug, Args)]
pub struct SourceArgs {
    /// A corpus: JSON Lines, a JSON list, CSV, TSV (each also .gz or .zst), Parquet, a WebDataset .tar, or a folder of media files
    ///
    /// Several files are one corpus, in the order in which they are named; so are a folder that holds such files alone, and a
    /// quoted pattern such as 'shards/*.jsonl.zst', in order of name. Documents without `id` are then named FILE:LINE.
    #[arg(value_name = "SOURCE")]
    pub source: Vec<PathBuf>,
    /// Features instead of a corpus: row i of every tensor is one document [default: none]. Example: --features
    /// rows.safetensors --pathway image=image
    ///
    /// `train`, `eval` and `calibrate` take several files, whose rows follow each other: named one by one, by a quoted pattern such as
    /// 'part-*.safetensors', or as the folder that holds them. Features stay in their files and are read as they are needed, so that they may be
    /// more than memory; the files must stay as they are meanwhile.
    #[arg(long, value_name = "FILE.safetensors", help_heading = SOURCE)]
    pub features: Vec<PathBuf>,
    /// The tensor that holds the features of a media type; may be repeated [default: none]. Example: --features
    /// rows.safetensors --pathway image=image --pathway text=captions
    #[arg(long, value_name = "MEDIA=TENSOR", help_heading = SOURCE)]
    pub pathway: Vec<String>,
    #[command(flatten)]
    pub items: ItemArgs,
}

/// What of a corpus is an item, and how it is encoded.
#[derive(Debug, Clone, Args)]
pub struct ItemArgs {
    /// The encoder of a media type, or the one that made its features; may be repeated [default: the one that the bundle
    /// names, and without a bundle a built-in one]. Example: --encoder text=./all-MiniLM-L6-v2
    #[arg(long, value_name = "MEDIA=NAME_OR_DIR", help_heading = SOURCE)]
    pub encoder: Vec<String>,
    /// Keep features of a corpus' items here, and take over those that are there [default: none are kept].
    /// Example: --features-cache features.cache
    #[arg(long, value_name = "DIR", help_heading = SOURCE)]
    pub features_cache: Option<PathBuf>,
    #[command(flatten)]
    pub keys: KeyArgs,
    /// Split long texts of a corpus into items of at most N words, of which M repeat the passage before [default: whole
    /// texts; M is 0]. Example: --passages 200:40
    #[arg(long, value_name = "N[:M]", help_heading = SOURCE)]
    pub passages: Option<String>,
    #[command(flatten)]
    pub limits: LimitArgs,
}

/// Which keys of a corpus hold what.
#[derive(Debug, Clone, Args)]
pub struct KeyArgs {
    /// A key or column of a corpus that is passed over, whatever it holds; may be repeated [default: none].
    /// Example: --skip-column notes
    #[arg(long, visible_alias = "skip-column", value_name = "KEY", help_heading = SOURCE)]
    pub without: Vec<String>,
    /// The key that holds the items of a media type, in place of the keys that the media type had: texts for `text`, else
    /// paths of files; MEDIA:text=KEY and MEDIA:file=KEY say which; MEDIA:features=KEY holds features, a list of numbers that an encoder
    /// made; may be repeated [default: text, texts, image and images]. Example: --media-key audio=sound_path
    #[arg(long, value_name = "MEDIA=KEY", help_heading = SOURCE)]
    pub media_key: Vec<String>,
    /// Other names for the keys of a corpus, all at once: media types as for --media-key, `id` and `split` [default: text,
    /// image, id and split]. Example: --map text=caption,image=file_name,id=_id
    #[arg(long, value_name = "NAME=KEY,..", help_heading = SOURCE)]
    pub map: Vec<String>,
}
