//! SOURCE as the user names it, turned into data to train on and rows to query with.

use std::path::{Path, PathBuf};

use uncsm_index::corpus::{EncoderArg, FeatureFiles, Keys, Passages, PathwayArg};
use uncsm_index::data::{
    CorpusOptions, FeatureOptions, NewClasses, TrainingData, from_corpora, from_features,
};
use uncsm_index::encode::{Encoders, FeatureCache, Registry};
use uncsm_index::index;
use uncsm_index::model::Bundle;
use uncsm_index::{Error, ErrorCode, Result};

use crate::args::{Global, KeyArgs, LimitArgs, SourceArgs};
use crate::left_out::LeftOut;
use crate::progress;

/// Names of the tensors beside the features.
#[derive(Debug, Default, Clone, Copy)]
pub struct Beside<'a> {
    pub label: Option<&'a str>,
    pub test_mask: Option<&'a str>,
    pub group: Option<&'a str>,
    /// What becomes of classes in a corpus that a trained bundle does not have.
    pub new_classes: NewClasses,
}

/// What the user named.
pub enum Source {
    /// A corpus with texts and pictures.
    Corpus(Vec<PathBuf>),
    /// Features of the same rows in tensors.
    Features(FeatureFiles),
}

impl Source {
    /// Opens what `args` names.
    ///
    /// # Errors
    /// No source, or two; those of opening the features files.
    pub fn open(args: &SourceArgs) -> Result<Self> {
        match named(args)? {
            Named::Features(paths) => Ok(Self::Features(FeatureFiles::open(paths)?)),
            Named::Corpus(paths) => {
                index::Source::corpora(paths.to_vec()).check()?;
                Ok(Self::Corpus(paths.to_vec()))
            }
        }
    }
}

/// A path of which nothing is read yet.
enum Named<'a> {
    Corpus(&'a [PathBuf]),
    Features(&'a [PathBuf]),
}

/// What `args` name, where they name one source and say nothing that does not belong to it.
fn named(args: &SourceArgs) -> Result<Named<'_>> {
    if let ([_, ..], Some(passages)) = (&args.features[..], &args.items.passages) {
        return Err(Error::new(ErrorCode::BadArgument, "--passages belongs to a corpus")
            .got(passages)
            .hint("features are there already: make them from the passages"));
    }
    passages(args)?;
    match (args.features.as_slice(), args.source.as_slice()) {
        (paths @ [_, ..], []) => Ok(Named::Features(paths)),
        ([], paths @ [_, ..]) => match args.pathway.first() {
            Some(pathway) => {
                Err(Error::new(ErrorCode::BadArgument, "--pathway belongs to --features").got(pathway))
            }
            None => Ok(Named::Corpus(paths)),
        },
        ([_, ..], [source, ..]) => Err(Error::new(ErrorCode::BadArgument, "two sources are named")
            .file(source)
            .expected("a corpus, or --features")
            .hint("with `build`, name the corpus of the same rows with --corpus")),
        ([], []) => Err(Error::new(ErrorCode::BadArgument, "no source is named").hint(
            "give a corpus (FILE.jsonl, FILE.csv, FILE.parquet or a folder), or --features FILE.safetensors --pathway MEDIA=TENSOR",
        )),
    }
}

/// What `args` name, to be indexed; `fields` is the corpus beside features.
///
/// # Errors
/// No source, or two; flags that do not belong to it.
pub fn to_index(args: &SourceArgs, fields: Option<&Path>) -> Result<index::Source> {
    let source = match named(args)? {
        Named::Corpus(paths) => index::Source::corpora(paths.to_vec()),
        Named::Features([path]) => index::Source::features(path, pathways(&args.pathway)?),
        Named::Features(paths) => {
            return Err(Error::new(ErrorCode::BadArgument, "several features files are named")
                .file(&paths[1])
                .expected("one --features")
                .hint(
                    "index each of them alone, with the --corpus of its rows, whose ids differ; then merge",
                ));
        }
    };
    with_settings(source, args, fields)
}

/// What `args` name, to be learned from further or measured with a bundle; of several features files the first.
///
/// # Errors
/// Those of [`to_index`], and of opening features files.
pub fn trained_on(args: &SourceArgs) -> Result<index::Source> {
    let Named::Features(paths) = named(args)? else { return to_index(args, None) };
    let files = FeatureFiles::open(paths)?;
    let first = files.files().next().map(|file| file.path().to_path_buf()).unwrap_or_default();
    with_settings(index::Source::features(first, pathways(&args.pathway)?), args, None)
}

/// `source` with all else that `args` say of it.
fn with_settings(
    mut source: index::Source,
    args: &SourceArgs,
    fields: Option<&Path>,
) -> Result<index::Source> {
    if let (Some(dir), false) = (&args.items.features_cache, args.features.is_empty()) {
        return Err(Error::new(ErrorCode::BadArgument, "--features-cache belongs to a corpus").file(dir));
    }
    if let Some(fields) = fields {
        source = source.fields_of(fields);
    }
    if let Some(passages) = passages(args)? {
        source = source.passages(passages);
    }
    if let Some(dir) = &args.items.features_cache {
        source = source.cache(dir);
    }
    Ok(source.keys(keys(&args.items.keys)?).encoders(encoders(args)?))
}

/// `--encoder` of `args`.
pub fn encoders(args: &SourceArgs) -> Result<Vec<EncoderArg>> {
    encoder_args(&args.items.encoder)
}

/// `--media-key`, `--map` and `--without`: which keys of a corpus hold what, and which are passed over.
pub fn keys(args: &KeyArgs) -> Result<Keys> {
    let keys = args.media_key.iter().try_fold(Keys::default(), |keys, arg| keys.with(arg.parse()?))?;
    // What is said in several arguments holds at once too.
    let keys = if args.map.is_empty() { keys } else { keys.map(&args.map.join(","))? };
    Ok(keys.without(&args.without))
}

/// `--encoder` of any command, each media type once.
pub fn encoder_args(args: &[String]) -> Result<Vec<EncoderArg>> {
    let parsed = args.iter().map(|arg| EncoderArg::parse(arg)).collect::<Result<Vec<_>>>()?;
    for (i, arg) in parsed.iter().enumerate() {
        if parsed[..i].iter().any(|other| other.media == arg.media) {
            return Err(
                Error::new(ErrorCode::BadArgument, "--encoder names a media type twice").got(&arg.media)
            );
        }
    }
    Ok(parsed)
}

/// Where encoders are looked for: as `--encoder` of `args` says, else where the environment says.
pub fn encoder_paths(args: &[String], limits: LimitArgs) -> Result<Registry> {
    Ok(Registry::from_env().with_limits(limits.into()).with_named(&encoder_args(args)?))
}

/// `--passages` of `args`.
pub fn passages(args: &SourceArgs) -> Result<Option<Passages>> {
    args.items.passages.as_deref().map(str::parse).transpose()
}

/// The cache that `args` name.
///
/// # Errors
/// Those of opening it; [`ErrorCode::BadArgument`] beside features, which nobody encodes.
pub fn cache(args: &SourceArgs) -> Result<Option<FeatureCache>> {
    match &args.items.features_cache {
        Some(dir) if !args.features.is_empty() => {
            Err(Error::new(ErrorCode::BadArgument, "--features-cache belongs to a corpus").file(dir))
        }
        Some(dir) => FeatureCache::open(dir).map(Some),
        None => Ok(None),
    }
}

fn pathways(args: &[String]) -> Result<Vec<PathwayArg>> {
    args.iter().map(|arg| PathwayArg::parse(arg)).collect()
}

/// The rows, to train on or, with a `trained` bundle, to evaluate.
pub fn training_data(
    args: &SourceArgs,
    beside: Beside<'_>,
    trained: Option<(&Bundle, &Encoders)>,
    global: &Global,
) -> Result<Read> {
    let cache = cache(args)?;
    match Source::open(args)? {
        Source::Corpus(paths) => corpus_data(&paths, args, beside, (trained, cache.as_ref()), global),
        Source::Features(files) => {
            let Beside { label, test_mask, group, .. } = beside;
            let (mut pathways, encoders) = (pathways(&args.pathway)?, encoders(args)?);
            // Media types are in the order of the bundle, whatever that of the flags is.
            if let Some((bundle, _)) = trained {
                pathways.sort_by_key(|pathway| bundle.media_index(&pathway.media).unwrap_or(usize::MAX));
            }
            let (pathways, encoders) = (pathways.as_slice(), encoders.as_slice());
            // What made the features of an evaluation was checked before.
            let paths = if trained.is_some() { Registry::default() } else { Registry::from_env() };
            let encoders = if trained.is_some() { &[] } else { encoders };
            let options = FeatureOptions { pathways, encoders, paths, label, test_mask, group };
            let data = from_features(&files, &options)?;
            let first = files.files().next().map(|file| file.path().to_path_buf()).unwrap_or_default();
            let mut left_out = LeftOut::default();
            for media in &data.media {
                let mut zeros =
                    (0usize..).zip(&media.present).filter(|(_, present)| !**present).map(|(row, _)| row);
                if let Some(row) = zeros.next() {
                    let (file, row) = media.rows.place(row).unwrap_or((&first, row));
                    left_out.zeros(&media.name, 1 + zeros.count() as u64, row as u64, file);
                }
            }
            Ok(Read { data, left_out, file: first })
        }
    }
}

/// A source in features.
pub struct Read {
    pub data: TrainingData,
    /// Documents, items and parts of them that do not read or say nothing.
    pub left_out: LeftOut,
    /// The corpus or features file.
    file: PathBuf,
}

impl Read {
    /// What there is, and what was left out, as the key `data` of a report.
    pub fn summary(&self) -> serde_json::Value {
        let mut value = serde_json::to_value(self.data.summary()).unwrap_or_default();
        value["left_out"] = serde_json::to_value(&self.left_out.reasons).unwrap_or_default();
        value
    }

    /// The same for people.
    pub fn text(&self) -> String {
        format!("{}\n{}", self.data.summary().text(), self.left_out.text())
    }

    /// `error` of learning or measuring, with its first cause where too much was left out.
    pub fn cause_of(&self, error: Error) -> Error {
        let first = self.data.documents.as_ref().and_then(|documents| documents.known.first());
        self.left_out.cause_of(error, &self.file, first.map(|document| document.line))
    }
}

/// Encodes the corpus that `args` name.
///
/// # Errors
/// [`ErrorCode::BadArgument`] where they name features; those of encoding.
pub fn encoded(args: &SourceArgs, beside: Beside<'_>, global: &Global) -> Result<Read> {
    let cache = cache(args)?;
    match Source::open(args)? {
        Source::Corpus(paths) => corpus_data(&paths, args, beside, (None, cache.as_ref()), global),
        Source::Features(files) => {
            let error = Error::new(ErrorCode::BadArgument, "the source is features already");
            let first = files.files().next();
            Err(first.map_or(error.clone(), |first| error.file(first.path())))
        }
    }
}

fn corpus_data(
    paths: &[PathBuf],
    args: &SourceArgs,
    beside: Beside<'_>,
    (trained, cache): (Option<(&Bundle, &Encoders)>, Option<&FeatureCache>),
    global: &Global,
) -> Result<Read> {
    if beside.test_mask.is_some() {
        return Err(Error::new(ErrorCode::BadArgument, "--test-mask belongs to --features")
            .hint("a corpus names its test rows by the key `split`"));
    }
    let named = encoders(args)?;
    let options = CorpusOptions {
        label: beside.label,
        group: beside.group,
        encoders: &named,
        paths: Registry::from_env().with_limits(args.items.limits.into()),
        keys: keys(&args.items.keys)?,
        passages: passages(args)?,
        trained: trained.map(|(bundle, encoders)| (encoders, bundle.classes())),
        new_classes: beside.new_classes,
        cache,
    };
    let bar = progress::bar(global, None, "documents");
    bar.set_message("encoding");
    let mut left_out = LeftOut::default();
    let mut data =
        from_corpora(paths, &options, &mut |error| left_out.add(error), &mut |n| bar.set_position(n))?;
    bar.finish_and_clear();
    if let Some((bundle, _)) = trained {
        let place = |name: &str| bundle.media().iter().position(|media| media.name == name);
        data.media.sort_by_key(|media| place(&media.name));
    }
    Ok(Read { data, left_out, file: paths.first().cloned().unwrap_or_default() })
}
