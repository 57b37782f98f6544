//! The way out of an error, in words that name no face of the program: what a user may set or run are typed values in it.
//!
//! The library calls a setting by its name (`label`); the command line renders it as its flag, another face as what
//! it has.

use std::fmt;
use std::ops::{Deref, Range};

/// Something that a user sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Setting {
    /// Replacing what there is, once it is incomplete or not.
    Append,
    /// The trained bundle.
    Bundle,
    /// The file of training settings.
    Config,
    /// The corpus that gives fields to rows of features.
    Corpus,
    /// The weights inside of an index.
    EmbedEncoders,
    /// The encoder of a media type.
    Encoder,
    /// The file of features.
    Features,
    /// What a document must match.
    Filter,
    /// Replacing an index.
    Force,
    /// The bundle that training goes on from.
    From,
    /// How legs are joined.
    Fusion,
    /// The key of what must not be split.
    Group,
    /// What ids of documents without one are made from.
    IdFrom,
    /// A picture as a part of a query.
    Image,
    /// Words that documents are ranked by.
    Keywords,
    /// The key that holds the class.
    Label,
    /// A document as a part of a query.
    Like,
    /// Other names for keys of a corpus.
    Map,
    /// Most bytes of a media file.
    MaxBytes,
    /// Most pixels of a picture.
    MaxPixels,
    /// Media types of the items that are searched.
    Media,
    /// The key of a corpus that holds the items of a media type.
    MediaKey,
    /// The least probability of a hit.
    MinProbability,
    /// What becomes of documents of one id in several indexes.
    OnDuplicate,
    /// The place of the result.
    Out,
    /// The file of graded pairs.
    Pairs,
    /// How long texts are split.
    Passages,
    /// The tensor of a media type.
    Pathway,
    /// The assumed rate of matches.
    Prior,
    /// Going on from where a build was stopped.
    Resume,
    /// Rows of a file of features.
    Rows,
    /// The file of the field schema.
    Schema,
    /// Which part of a source.
    Shard,
    /// How two items are compared.
    Similarity,
    /// Stopping at the first bad document.
    Strict,
    /// What a match means: the same class, or this very item.
    Target,
    /// A sentence as a part of a query.
    Text,
    /// Keys of a corpus that are passed over.
    Without,
    /// Text as people type it.
    Words,
}

impl Setting {
    /// Its name in the library, in batch lines and requests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Append => "append",
            Self::Bundle => "bundle",
            Self::Config => "config",
            Self::Corpus => "corpus",
            Self::EmbedEncoders => "embed_encoders",
            Self::Encoder => "encoder",
            Self::Features => "features",
            Self::Filter => "filter",
            Self::Force => "force",
            Self::From => "from",
            Self::Fusion => "fusion",
            Self::Group => "group",
            Self::IdFrom => "id_from",
            Self::Image => "image",
            Self::Keywords => "keywords",
            Self::Label => "label",
            Self::Like => "like",
            Self::Map => "map",
            Self::MaxBytes => "max_bytes",
            Self::MaxPixels => "max_pixels",
            Self::Media => "media",
            Self::MediaKey => "media_key",
            Self::MinProbability => "min_probability",
            Self::OnDuplicate => "on_duplicate",
            Self::Out => "out",
            Self::Pairs => "pairs",
            Self::Passages => "passages",
            Self::Pathway => "pathway",
            Self::Prior => "prior",
            Self::Resume => "resume",
            Self::Rows => "rows",
            Self::Schema => "schema",
            Self::Shard => "shard",
            Self::Similarity => "similarity",
            Self::Strict => "strict",
            Self::Target => "target",
            Self::Text => "text",
            Self::Without => "without",
            Self::Words => "words",
        }
    }
}

/// Something that a user runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Task {
    /// Brings a bundle of the same space into an index.
    Attach,
    /// Makes an index.
    Build,
    /// Fetches an encoder.
    FetchEncoder,
    /// Fits the learned fusion.
    Fuse,
    /// Infers a field schema.
    InferSchema,
    /// Makes one index of several.
    Merge,
    /// Trains a bundle.
    Train,
}

impl Task {
    /// Its name in the library.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Attach => "attach",
            Self::Build => "build",
            Self::FetchEncoder => "fetch",
            Self::Fuse => "fuse",
            Self::InferSchema => "infer",
            Self::Merge => "merge",
            Self::Train => "train",
        }
    }
}

/// A setting or task inside a hint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Named {
    /// What a user sets.
    Setting(Setting),
    /// What a user runs.
    Task(Task),
}

/// The way out of an error: a text in which settings and tasks are known.
///
/// It reads as a string in the words of the library; [`Hint::render`] writes it in those of another face.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Hint {
    text: String,
    /// Bytes of `text`, ascending.
    named: Vec<(Range<usize>, Named)>,
}

impl Hint {
    /// A hint that begins with `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), named: Vec::new() }
    }

    /// Goes on with `text`.
    #[must_use]
    pub fn text(mut self, text: impl fmt::Display) -> Self {
        use fmt::Write;
        // Writing to a string does not fail.
        let _ = write!(self.text, "{text}");
        self
    }

    /// Names a setting, between blanks.
    #[must_use]
    pub fn setting(self, setting: Setting) -> Self {
        self.name(Named::Setting(setting), setting.as_str())
    }

    /// Names a setting with a value, between blanks.
    #[must_use]
    pub fn given(self, setting: Setting, value: impl fmt::Display) -> Self {
        self.setting(setting).text(format_args!(" {value}"))
    }

    /// Names a task, between blanks.
    #[must_use]
    pub fn task(self, task: Task) -> Self {
        self.name(Named::Task(task), task.as_str())
    }

    /// Goes on with another hint.
    #[must_use]
    pub fn then(mut self, other: &Self) -> Self {
        let by = self.text.len();
        self.text.push_str(&other.text);
        self.named.extend(other.named.iter().map(|(at, named)| (at.start + by..at.end + by, *named)));
        self
    }

    fn name(mut self, named: Named, word: &str) -> Self {
        if !self.text.is_empty() && !self.text.ends_with([' ', '(', '`']) {
            self.text.push(' ');
        }
        let start = self.text.len();
        self.text.push('`');
        self.text.push_str(word);
        self.text.push('`');
        self.named.push((start..self.text.len(), named));
        self
    }

    /// The text with each setting and task as `write` says it.
    pub fn render(&self, write: impl Fn(Named) -> String) -> String {
        let (mut out, mut done) = (String::with_capacity(self.text.len()), 0);
        for (at, named) in &self.named {
            out.push_str(&self.text[done..at.start]);
            out.push_str(&write(*named));
            done = at.end;
        }
        out.push_str(&self.text[done..]);
        out
    }
}

impl Deref for Hint {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

impl From<&str> for Hint {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Hint {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_reads_in_the_words_of_the_library_and_of_another_face() {
        let slash = |named: Named| match named {
            Named::Setting(setting) => format!("/{}", setting.as_str().replace('_', "-")),
            Named::Task(task) => format!("`/run {}`", task.as_str()),
        };
        let hint = Hint::new("name the encoder with")
            .given(Setting::Encoder, "text=DIR")
            .text(", or bring")
            .setting(Setting::MaxBytes)
            .text("; then")
            .task(Task::Attach);
        assert_eq!(&*hint, "name the encoder with `encoder` text=DIR, or bring `max_bytes`; then `attach`");
        assert_eq!(
            hint.render(slash),
            "name the encoder with /encoder text=DIR, or bring /max-bytes; then `/run attach`"
        );
        let joined = Hint::new("first ").then(&hint).text(".");
        assert_eq!(joined.render(slash), format!("first {}.", hint.render(slash)));
    }
}
