//! What is indexed: a corpus, or features with the corpus of their rows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::identity::{Identity, absolute};
use super::options::{BuildOptions, BuildProgress, Existing};
use super::pipeline::build;
use super::report::BuildReport;
use crate::corpus::{EncoderArg, FeaturesFile, Keys, Passages, PathwayArg, Reader, Shard, content, files};
use crate::encode::{
    CorpusSource, Encoder, Encoders, FeatureCache, FeatureRows, FeatureSource, FromFile, Ids, Incoming,
    Registry, media_of,
};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};
use crate::index::dir::store::Index;
use crate::index::dir::writer::Writer;
use crate::media::Fingerprint;
use crate::model::{Bundle, MediaConfig};
use crate::schema::{BadLines, FieldSchema, SchemaOverrides, infer_files};

/// Where documents come from; nothing is opened before it is indexed.
#[derive(Debug, Clone)]
pub struct Source {
    from: From,
    /// The corpus whose document i is row i of features.
    fields: Option<PathBuf>,
    keys: Keys,
    encoders: Vec<EncoderArg>,
    passages: Option<Passages>,
    cache: Option<PathBuf>,
    /// What is indexed of it; `None` for all.
    shard: Option<Shard>,
}

#[derive(Debug, Clone)]
enum From {
    /// One, or several as one.
    Corpus(Vec<PathBuf>),
    /// Tensors of a file.
    Features { file: PathBuf, pathways: Vec<PathwayArg> },
}

/// A corpus.
impl<P: AsRef<Path>> std::convert::From<P> for Source {
    fn from(path: P) -> Self {
        Self::corpus(path)
    }
}

impl Source {
    /// A corpus: a file that a [`Reader`] reads, a folder or pattern of such files, or a folder of media files.
    pub fn corpus(path: impl AsRef<Path>) -> Self {
        Self::corpora([path.as_ref().to_path_buf()])
    }

    /// Several corpora as one, in this order.
    pub fn corpora(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self::new(From::Corpus(paths.into_iter().collect()))
    }

    /// Features in a safetensors file: row i of every tensor of `pathways` is one document.
    pub fn features(file: impl AsRef<Path>, pathways: impl IntoIterator<Item = PathwayArg>) -> Self {
        let (file, pathways) = (file.as_ref().to_path_buf(), pathways.into_iter().collect());
        Self::new(From::Features { file, pathways })
    }

    fn new(from: From) -> Self {
        let (keys, encoders) = (Keys::default(), Vec::new());
        Self { from, fields: None, keys, encoders, passages: None, cache: None, shard: None }
    }

    /// The corpus that gives ids and fields to rows of features: its document i is row i. A corpus has its own.
    #[must_use]
    pub fn fields_of(mut self, path: impl AsRef<Path>) -> Self {
        self.fields = Some(path.as_ref().to_path_buf());
        self
    }

    /// Keys or columns that are passed over.
    #[must_use]
    pub fn without(mut self, keys: impl IntoIterator<Item = String>) -> Self {
        self.keys = self.keys.and_without(keys);
        self
    }

    /// Which keys hold items, and which are passed over.
    #[must_use]
    pub fn keys(mut self, keys: Keys) -> Self {
        self.keys = keys;
        self
    }

    /// Who made the features of a media type, or is to encode its items: refused where it is not the bundle's own.
    #[must_use]
    pub fn encoders(mut self, named: impl IntoIterator<Item = EncoderArg>) -> Self {
        self.encoders.extend(named);
        self
    }

    /// Splits long texts of a corpus into items; their fields stay whole.
    #[must_use]
    pub fn passages(mut self, passages: Passages) -> Self {
        self.passages = Some(passages);
        self
    }

    /// The folder that keeps features of the items of a corpus for the next time.
    #[must_use]
    pub fn cache(mut self, dir: impl AsRef<Path>) -> Self {
        self.cache = Some(dir.as_ref().to_path_buf());
        self
    }

    /// One part of it alone; its fields are those of the whole.
    pub(crate) fn part(mut self, shard: Shard) -> Self {
        self.shard = Some(shard);
        self
    }

    /// The corpus, of several the first, or the file of features.
    pub fn path(&self) -> &Path {
        match &self.from {
            From::Corpus(paths) => paths.first().map_or(Path::new(""), PathBuf::as_path),
            From::Features { file, .. } => file,
        }
    }

    /// The files whose lines are the documents; none where features have no fields.
    pub(crate) fn lines(&self) -> &[PathBuf] {
        match &self.from {
            From::Corpus(paths) => paths,
            From::Features { .. } => self.fields.as_slice(),
        }
    }

    /// The reader of [`Source::lines`]: of those of the part, where documents come from them.
    pub(crate) fn read(&self) -> Result<Reader> {
        let shard = self.shard.filter(|_| matches!(self.from, From::Corpus(_)));
        Reader::open_part(self.lines(), &self.keys, shard)
    }

    /// What is known of its files wherever they lie.
    ///
    /// # Errors
    /// Those of looking at them.
    pub(crate) fn content(&self) -> Result<Fingerprint> {
        let mut list = match &self.from {
            From::Corpus(paths) => files(paths)?,
            From::Features { file, .. } => vec![file.clone()],
        };
        if let Some(fields) = &self.fields {
            list.extend(files(std::slice::from_ref(fields))?);
        }
        content(&list)
    }

    /// Its name for people: its paths from the root of the file system.
    pub(crate) fn name(&self) -> Result<String> {
        match &self.from {
            From::Corpus(paths) => absolute(paths),
            From::Features { file, .. } => absolute(std::slice::from_ref(file)),
        }
    }

    /// The fields of the documents: those of `given`, over what a scan finds.
    pub(crate) fn schema(&self, given: Option<&SchemaOverrides>) -> Result<FieldSchema> {
        let none = SchemaOverrides::default();
        let given = given.unwrap_or(&none);
        if let Some(complete) = given.complete()? {
            return Ok(complete);
        }
        match self.lines() {
            [] => given.apply(FieldSchema::default()),
            // Bad lines are counted when their documents are due.
            [_, ..] => {
                let mut whole = Reader::open_all(self.lines(), &self.keys)?;
                Ok(infer_files(&mut whole, &self.keys, given, BadLines::Skip)?.schema)
            }
        }
    }

    /// What shapes the documents and items of this, wherever it lies and whichever part it is: settings that are not the usual, by their names
    /// in the library. Encoders are not among them, since a build refuses others than those of its bundle.
    pub(crate) fn options(&self) -> BTreeMap<String, String> {
        let mut options = vec![
            (Setting::Without, self.keys.passed_over().join("\n")),
            (Setting::MediaKey, self.keys.mapped().join("\n")),
            (Setting::Passages, self.passages.map(|passages| passages.to_string()).unwrap_or_default()),
        ];
        if let From::Features { pathways, .. } = &self.from {
            let named = pathways.iter().map(|arg| format!("{}={}", arg.media, arg.tensor));
            options.push((Setting::Pathway, named.collect::<Vec<_>>().join(" ")));
        }
        let said = options.into_iter().filter(|(_, value)| !value.is_empty());
        said.map(|(setting, value)| (setting.as_str().to_owned(), value)).collect()
    }

    /// What a build of this is known by, options of the build left out; `called` gives the names of settings.
    pub(crate) fn identity(&self, called: &dyn Fn(Setting) -> String) -> Result<Identity> {
        let one = [self.path().to_path_buf()];
        let paths = match &self.from {
            From::Corpus(paths) => paths.as_slice(),
            From::Features { .. } => &one,
        };
        let mut identity = Identity::new(absolute(paths)?).about("source", paths)?;
        let mut pathways = Vec::new();
        if let From::Features { pathways: named, .. } = &self.from {
            pathways.extend(named.iter().map(|arg| format!("{}={}", arg.media, arg.tensor)));
        }
        if let Some(corpus) = &self.fields {
            let name = called(Setting::Corpus);
            let corpus = std::slice::from_ref(corpus);
            identity = identity.with(&name, absolute(corpus)?).about(&name, corpus)?;
        }
        // Only where it is used: builds of earlier versions know nothing of it.
        if !self.keys.passed_over().is_empty() {
            identity = identity.with(called(Setting::Without), self.keys.passed_over().join("\n"));
        }
        let mapped = self.keys.mapped();
        if !mapped.is_empty() {
            identity = identity.with(called(Setting::MediaKey), mapped.join("\n"));
        }
        if let Some(shard) = self.shard {
            identity = identity.with(called(Setting::Shard), shard);
        }
        let encoders = self.encoders.iter().map(|arg| format!("{}={}", arg.media, arg.encoder));
        Ok(identity
            .with(called(Setting::Pathway), pathways.join(" "))
            .with(called(Setting::Encoder), encoders.collect::<Vec<_>>().join(" "))
            .with(
                called(Setting::Passages),
                self.passages.map(|passages| passages.to_string()).unwrap_or_default(),
            ))
    }

    /// `paths`, with the encoders that are named here.
    pub(crate) fn named_in(&self, paths: &Registry) -> Registry {
        match self.encoders.as_slice() {
            [] => paths.clone(),
            named => paths.clone().with_named(named),
        }
    }

    /// Opens it, and what keeps its features.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] for what can be read once alone, and for settings of the other kind of source; those of
    /// opening the files.
    pub(crate) fn open(&self) -> Result<Opened<'_>> {
        let misplaced = match &self.from {
            From::Corpus(_) => {
                self.fields.as_ref().map(|_| "the fields of another corpus belong to features")
            }
            From::Features { .. } if self.passages.is_some() => Some("passages belong to a corpus"),
            From::Features { .. } => self.cache.as_ref().map(|_| "a cache of features belongs to a corpus"),
        };
        if let Some(misplaced) = misplaced {
            return Err(Error::new(ErrorCode::BadArgument, misplaced).file(self.path()));
        }
        let cache = self.cache.as_deref().map(FeatureCache::open).transpose()?;
        let file = match &self.from {
            From::Features { file, .. } => Some(FeaturesFile::open(file)?),
            From::Corpus(paths) => {
                for path in files(paths)? {
                    let about = std::fs::metadata(&path).map_err(|error| Error::io(&path, error))?;
                    if !about.is_file() && !about.is_dir() {
                        return Err(Error::new(ErrorCode::BadArgument, "a source is read more than once")
                            .file(path)
                            .expected("a file or a folder")
                            .hint("write it to a file first"));
                    }
                }
                None
            }
        };
        Ok(Opened { source: self, cache, file })
    }

    /// Opens it, and closes it again.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] for what can be read once alone, such as a pipe, and for settings of the other kind of
    /// source; those of opening its files.
    pub fn check(&self) -> Result<()> {
        self.open().map(drop)
    }

    /// Refuses a source whose items `bundle` does not fit, and opens the encoders of those media types that the source has;
    /// features need none.
    ///
    /// # Errors
    /// Those of the source, of [`Bundle::check_encoder`] and of [`Bundle::encoders_of`]; [`ErrorCode::BadDimension`] for
    /// features that no pathway fits.
    pub fn encoders_for(&self, bundle: &Bundle, paths: &Registry) -> Result<Encoders> {
        self.open()?.encoders(bundle, paths)
    }

    /// As [`Source::encoders_for`], with the encoders of media types that a corpus has no item of.
    ///
    /// # Errors
    /// Those of [`Source::encoders_for`].
    pub fn all_encoders_for(&self, bundle: &Bundle, paths: &Registry) -> Result<Encoders> {
        let opened = self.open()?;
        opened.check_fits(bundle, paths)?;
        match opened.file {
            Some(_) => Ok(Encoders::new()),
            None => {
                let features: Vec<&str> = self.keys.of_features().map(|(key, _)| key.media()).collect();
                let other = |media: &&MediaConfig| !features.contains(&media.name.as_str());
                let wanted = bundle.media().iter().filter(other).map(|media| media.name.clone()).collect();
                let mut encoders = bundle.encoders_of(&wanted, paths).map_err(from_features)?;
                for media in bundle.media().iter().filter(|media| !other(media)) {
                    let made = FromFile::new(media.name.clone(), media.encoder.clone(), media.features);
                    encoders.insert(media.name.clone(), Arc::new(made));
                }
                Ok(encoders)
            }
        }
    }
}

/// A source whose files are open.
pub(crate) struct Opened<'a> {
    source: &'a Source,
    cache: Option<FeatureCache>,
    /// Of features.
    file: Option<FeaturesFile>,
}

impl Opened<'_> {
    pub(crate) fn source(&self) -> &Source {
        self.source
    }

    /// As [`Source::encoders_for`].
    pub(crate) fn encoders(&self, bundle: &Bundle, paths: &Registry) -> Result<Encoders> {
        self.check_fits(bundle, paths)?;
        if self.file.is_some() {
            return Ok(Encoders::new());
        }
        let all: Vec<&str> = bundle.media().iter().map(|media| media.name.as_str()).collect();
        // Bad lines are counted when their documents are due.
        let documents = self.source.read()?.filter_map(std::result::Result::ok);
        bundle.encoders_of(&media_of(documents, &all), paths).map_err(from_features)
    }

    /// Refuses features that the pathways of `bundle` do not fit, and encoders that are named and are not its own.
    fn check_fits(&self, bundle: &Bundle, paths: &Registry) -> Result<()> {
        if let Some(file) = &self.file {
            return self.rows(file)?.iter().try_for_each(|rows| check_rows(bundle, rows, paths));
        }
        for (key, name) in self.source.keys.of_features() {
            let named = self.source.encoders.iter().find(|named| named.media == key.media());
            let name = named.map_or(name.as_str(), |named| named.encoder.as_str());
            bundle.check_encoder(key.media(), name, paths)?;
        }
        let mut named = self.source.encoders.iter();
        named.try_for_each(|named| bundle.check_encoder(&named.media, &named.encoder, paths))
    }

    fn rows<'f>(&self, file: &'f FeaturesFile) -> Result<Vec<FeatureRows<'f>>> {
        match &self.source.from {
            From::Features { pathways, .. } => FeatureRows::find(file, pathways, &self.source.encoders),
            From::Corpus(_) => Ok(Vec::new()),
        }
    }

    /// Puts the documents into `index` through `writer`; `options` lack the cache.
    ///
    /// # Errors
    /// Those of [`build`].
    pub(crate) fn fill(
        &self,
        (index, writer): (&Index, &mut Writer),
        options: BuildOptions<'_>,
        progress: &mut dyn FnMut(BuildProgress),
    ) -> Result<BuildReport> {
        let ids = match (options.existing, index.manifest().ids.unwrap_or_default()) {
            (Existing::Replace, _) => Ids::Required { built: index.manifest().ids },
            (Existing::None, from) => Ids::Made(from),
        };
        let options = BuildOptions { cache: self.cache.as_ref(), ..options };
        let begins = options
            .start
            .map_or_else(BuildProgress::default, |start| BuildProgress::after(start.consumed, &start.report));
        if let Some(file) = &self.file {
            let corpus = self.source.fields.as_deref();
            let mut documents =
                FeatureSource::new(file.path(), self.rows(file)?, corpus, ids)?.keys(&self.source.keys)?;
            if let Some(shard) = self.source.shard {
                documents = documents.part(shard);
            }
            let length = Some(documents.len() as u64);
            progress(BuildProgress { position: begins.consumed, length, ..begins });
            return build(index, writer, documents, options, &mut |at| {
                progress(BuildProgress { position: at.consumed, length, ..at });
            });
        }
        let path = self.source.path();
        let documents = CorpusSource::new(self.source.read()?, ids).passages(self.source.passages);
        let length = documents.reader().len_hint();
        progress(BuildProgress { length, ..begins });
        let position = AtomicU64::new(0);
        let documents = Watched { documents, position: &position };
        let report = build(index, writer, documents, options, &mut |at| {
            progress(BuildProgress { position: position.load(Ordering::Relaxed), length, ..at });
        });
        report.map_err(|error| match error.code() {
            ErrorCode::Empty if error.facts().file.is_none() => error.file(path),
            _ => error,
        })
    }
}

/// Documents of a corpus that say how far it is read, a little ahead of what is indexed.
struct Watched<'a> {
    documents: CorpusSource,
    position: &'a AtomicU64,
}

impl Iterator for Watched<'_> {
    type Item = Incoming;

    fn next(&mut self) -> Option<Incoming> {
        let next = self.documents.next();
        self.position.store(self.documents.reader().position(), Ordering::Relaxed);
        next
    }
}

fn check_rows(bundle: &Bundle, rows: &FeatureRows<'_>, paths: &Registry) -> Result<()> {
    let media = &bundle.media()[bundle.media_index(rows.encoder.media())?];
    if media.features != rows.tensor.cols() {
        let message = format!("tensor `{}` does not fit the pathway of `{}`", rows.tensor.name(), media.name);
        return Err(Error::new(ErrorCode::BadDimension, message)
            .expected(format!("{} features, as {} gives them", media.features, media.encoder))
            .got(rows.tensor.cols()));
    }
    bundle.check_encoder(&media.name, rows.encoder.name(), paths)
}

/// What to do about a bundle that does not know its encoder, where a corpus is to be encoded.
fn from_features(error: Error) -> Error {
    match error.code() {
        ErrorCode::BadArgument => error.hint(
            Hint::new("the bundle was trained on features from a file: give")
                .setting(Setting::Features)
                .text(" and")
                .setting(Setting::Pathway)
                .text(", and with `build`")
                .setting(Setting::Corpus)
                .text("; or train it again with")
                .setting(Setting::Encoder),
        ),
        _ => error,
    }
}
