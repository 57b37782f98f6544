//! Which keys of a document hold its items: texts and pictures by default, and what a user names beside them.

use std::fmt;
use std::str::FromStr;

use crate::corpus::document::names::{check_field_name, check_media_name};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};

/// The media type of texts that no key names otherwise.
pub(crate) const TEXT: &str = "text";
/// The media type of pictures that no key names otherwise.
pub(crate) const IMAGE: &str = "image";

/// The keys that hold items where nobody says otherwise: media type, key of one item, key of a list, and what they hold.
const DEFAULTS: [(&str, &str, &str, Holds); 2] =
    [(TEXT, "text", "texts", Holds::Texts), (IMAGE, "image", "images", Holds::Files)];

/// The key of the id, and that of the split, where nobody says otherwise.
const ID: &str = "id";
const SPLIT: &str = "split";

/// What the values of a key are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Texts.
    Texts,
    /// Paths of media files, relative to the folder of the corpus, or `data:` addresses; in a Parquet file their bytes too.
    Files,
    /// Features that an encoder made: a list of numbers for each item. They leave no field.
    Features,
}

/// The keys of one media type.
///
/// Written `MEDIA=KEY`: the key holds a string or a list of strings. They are texts where the media type is `text`, paths of
/// files for any other; `MEDIA:text=KEY` and `MEDIA:file=KEY` say so. With `MEDIA:features=KEY` it holds the features of one item, a
/// list of numbers, or of several, a list of such lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaKey {
    media: String,
    one: String,
    /// The key of a list, where it has another name; else `one` may hold either.
    many: Option<String>,
    holds: Holds,
}

/// Which keys of a document hold items of which media type, and which are passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    media: Vec<MediaKey>,
    without: Vec<String>,
    id: String,
    split: String,
}

/// Names under which texts and pictures often stand, those that say more first.
const USUAL: [(&str, &[&str]); 2] = [
    (
        TEXT,
        &[
            "caption",
            "captions",
            "description",
            "title",
            "alt_text",
            "alt",
            "sentence",
            "prompt",
            "content",
            "body",
        ],
    ),
    (
        IMAGE,
        &[
            "file_name",
            "image_path",
            "img_path",
            "image_file",
            "picture",
            "photo",
            "img",
            "filename",
            "path",
            "file",
        ],
    ),
];

/// What a key may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::corpus) enum Form {
    One,
    Many,
    Either,
}

impl MediaKey {
    /// The items of the media type `media` stand under `key`, one or a list.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] or [`ErrorCode::BadValue`] for an impossible name.
    pub fn new(media: impl Into<String>, key: impl Into<String>, holds: Holds) -> Result<Self> {
        let (media, one) = (media.into(), key.into());
        check_media_name(&media)?;
        check_field_name(&one)?;
        if one == ID || one == SPLIT {
            return Err(holds_no_items(&one));
        }
        Ok(Self { media, one, many: None, holds })
    }

    /// Name of the media type.
    pub fn media(&self) -> &str {
        &self.media
    }

    /// The key of one item, which is the name of the field.
    pub fn field(&self) -> &str {
        &self.one
    }

    /// What they hold.
    pub fn holds(&self) -> Holds {
        self.holds
    }

    /// All keys of the media type.
    pub(in crate::corpus) fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.one.as_str()).chain(self.many.as_deref())
    }
}

/// As [`MediaKey::from_str`] reads it.
impl fmt::Display for MediaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let holds = match self.holds {
            Holds::Texts => "text",
            Holds::Files => "file",
            Holds::Features => "features",
        };
        write!(f, "{}:{holds}={}", self.media, self.one)
    }
}

impl FromStr for MediaKey {
    type Err = Error;

    /// Reads `MEDIA=KEY`, `MEDIA:text=KEY`, `MEDIA:file=KEY` or `MEDIA:features=KEY`.
    fn from_str(argument: &str) -> Result<Self> {
        let bad = || {
            Error::new(ErrorCode::BadArgument, "not the key of a media type")
                .expected(
                    "MEDIA=KEY, for instance audio=sound_path, summary:text=abstract or image:features=embedding",
                )
                .got(format!("{argument:?}"))
        };
        let (media, key) = argument.split_once('=').ok_or_else(bad)?;
        let (media, holds) = match media.split_once(':') {
            Some((media, "text")) => (media, Holds::Texts),
            Some((media, "file")) => (media, Holds::Files),
            Some((media, "features")) => (media, Holds::Features),
            Some(_) => return Err(bad()),
            None => (media, if media == TEXT { Holds::Texts } else { Holds::Files }),
        };
        Self::new(media, key, holds)
    }
}

/// `text` and `texts` hold texts, `image` and `images` pictures, and no key is passed over.
impl Default for Keys {
    fn default() -> Self {
        let media = DEFAULTS.map(|(media, one, many, holds)| MediaKey {
            media: media.to_owned(),
            one: one.to_owned(),
            many: Some(many.to_owned()),
            holds,
        });
        Self { media: media.to_vec(), without: Vec::new(), id: ID.to_owned(), split: SPLIT.to_owned() }
    }
}

impl Keys {
    /// Adds the keys of a media type, in place of those that it had.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] where a key is that of another media type.
    pub fn with(mut self, key: MediaKey) -> Result<Self> {
        self.media.retain(|old| old.media != key.media);
        if key.one == self.id || key.one == self.split {
            return Err(holds_no_items(&key.one));
        }
        if let Some((other, _)) = self.find(&key.one) {
            let what = format!("the key `{}` holds items of `{}` already", key.one, self.media[other].media);
            return Err(Error::new(ErrorCode::BadArgument, what)
                .expected("keys of their own for each media type")
                .hint(Hint::new("give").setting(Setting::MediaKey).text(" another key")));
        }
        self.media.push(key);
        Ok(self)
    }

    /// Reads `NAME=KEY` or several with commas between, which hold at once: NAME is a media type, as [`MediaKey`] is written, `id` or
    /// `split`. A key `id` beside another one of ids is passed over, since that name is taken.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] or [`ErrorCode::BadValue`] for what is none, a name that is given twice, or an impossible one; those of [`Keys::with`].
    pub fn map(self, argument: &str) -> Result<Self> {
        self.map_all(argument.split(','))
    }

    /// As [`Keys::map`], of parts that hold at once, so that two keys may change places.
    fn map_all<'a>(mut self, parts: impl Iterator<Item = &'a str>) -> Result<Self> {
        let mut media: Vec<MediaKey> = Vec::new();
        let mut named: Vec<String> = Vec::new();
        for part in parts {
            let name = match part.split_once('=') {
                Some((name @ (ID | SPLIT), key)) => {
                    // The key itself becomes no field, so that `_id` may be one.
                    check_field_name(key.trim_start_matches(['_', '-']))?;
                    *(if name == ID { &mut self.id } else { &mut self.split }) = key.to_owned();
                    name.to_owned()
                }
                _ => {
                    let key: MediaKey = part.parse()?;
                    let name = key.media.clone();
                    media.push(key);
                    name
                }
            };
            if named.contains(&name) {
                return Err(Error::new(ErrorCode::BadArgument, format!("`{name}` is given two keys"))
                    .expected("one key for the id, the split and each media type"));
            }
            named.push(name);
        }
        self.media.retain(|old| media.iter().all(|key| key.media != old.media));
        let is_taken = |key: &str| self.find(key).is_some() || media.iter().any(|own| own.one == key);
        let twice = [&self.id, &self.split].into_iter().find(|key| is_taken(key));
        if let Some(key) = twice.or((self.id == self.split).then_some(&self.id)) {
            return Err(Error::new(ErrorCode::BadArgument, format!("the key `{key}` has two meanings"))
                .expected("keys of their own for the id, the split and each media type"));
        }
        media.into_iter().try_fold(self, Self::with)
    }

    /// What of the keys `names` may hold texts and pictures by its name, as [`Keys::map`] reads it; `None` where none does.
    pub fn propose<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<String> {
        let names: Vec<&str> = names.into_iter().collect();
        let found = USUAL.iter().filter_map(|(media, usual)| {
            let key = usual.iter().find(|key| names.contains(key))?;
            Some(format!("{media}={key}"))
        });
        let found: Vec<String> = found.collect();
        (!found.is_empty()).then(|| found.join(","))
    }

    /// The key that holds the id.
    pub(in crate::corpus) fn id(&self) -> &str {
        &self.id
    }

    /// The key that holds the split.
    pub(in crate::corpus) fn split(&self) -> &str {
        &self.split
    }

    /// What differs from the default, as [`Keys::map`] reads it.
    pub(crate) fn mapped(&self) -> Vec<String> {
        let mut out = Vec::new();
        if self.media != Self::default().media {
            out.extend(self.media.iter().map(MediaKey::to_string));
        }
        for (name, key) in [(ID, &self.id), (SPLIT, &self.split)] {
            if name != key {
                out.push(format!("{name}={key}"));
            }
        }
        out
    }

    /// Refuses a key that cannot be one.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`].
    pub(in crate::corpus) fn check_key(&self, key: &str) -> Result<()> {
        if key == self.id || key == self.split {
            return Ok(());
        }
        check_field_name(key)
    }

    /// Passes over these keys or columns, whatever they hold.
    #[must_use]
    pub fn without(mut self, keys: &[String]) -> Self {
        self.without = keys.to_vec();
        self
    }

    /// Passes over these keys too.
    #[must_use]
    pub(crate) fn and_without(mut self, keys: impl IntoIterator<Item = String>) -> Self {
        self.without.extend(keys);
        self
    }

    /// The keys that are passed over.
    pub(crate) fn passed_over(&self) -> &[String] {
        &self.without
    }

    /// The media types of which a document may have items.
    pub fn media(&self) -> &[MediaKey] {
        &self.media
    }

    /// Whether the key is passed over: named so, or in the place of one that has another name.
    pub fn passes_over(&self, key: &str) -> bool {
        let taken = |name: &str, own: &str| key == name && key != own && self.find(key).is_none();
        self.without.iter().any(|without| without == key) || taken(ID, &self.id) || taken(SPLIT, &self.split)
    }

    /// Whether the key holds values as any other: neither items, nor the id or the split.
    pub(in crate::corpus) fn is_value(&self, key: &str) -> bool {
        key != self.id && key != self.split && self.find(key).is_none()
    }

    /// The keys that hold features, by their place in place of an encoder's name: `features:KEY`.
    pub(crate) fn of_features(&self) -> impl Iterator<Item = (&MediaKey, String)> {
        let features = self.media.iter().filter(|key| key.holds == Holds::Features);
        features.map(|key| (key, format!("features:{}", key.one)))
    }

    /// Whether the field `name` holds paths of media files, which are shown and not searched.
    pub fn is_of_files(&self, name: &str) -> bool {
        self.media.iter().any(|key| key.holds == Holds::Files && key.one == name)
    }

    /// Whether the field `name` holds the texts of a media type.
    pub(crate) fn is_of_texts(&self, name: &str) -> bool {
        self.media.iter().any(|key| key.holds == Holds::Texts && key.one == name)
    }

    /// The media type, by its place in the list, of which `key` holds items.
    pub(in crate::corpus) fn find(&self, key: &str) -> Option<(usize, Form)> {
        self.media.iter().enumerate().find_map(|(at, media)| match &media.many {
            None => (media.one == key).then_some((at, Form::Either)),
            Some(_) if media.one == key => Some((at, Form::One)),
            Some(many) => (many == key).then_some((at, Form::Many)),
        })
    }

    /// The keys of the media type `media`, where it has any.
    pub(in crate::corpus) fn of(&self, media: &str) -> Option<&MediaKey> {
        self.media.iter().find(|key| key.media == media)
    }
}

fn holds_no_items(key: &str) -> Error {
    Error::new(ErrorCode::BadArgument, format!("the key `{key}` holds no items"))
        .expected("a key of the corpus that holds texts, paths or features")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_mapped_holds_at_once() {
        let keys = Keys::default().map("text=image,image=text").unwrap();
        assert_eq!(keys.of(TEXT).unwrap().field(), "image");
        assert_eq!(keys.of(IMAGE).unwrap().field(), "text");
        for twice in ["text=a,text=b", "id=a,id=b", "text=a,text:file=b", "id=a,text=a"] {
            assert_eq!(Keys::default().map(twice).unwrap_err().code(), ErrorCode::BadArgument, "{twice}");
        }
    }

    #[test]
    fn a_map_names_all_keys_at_once() {
        let keys = Keys::default().map("text=caption,image=file_name,id=_id,sound:features=emb").unwrap();
        assert_eq!(
            (keys.id(), keys.split(), keys.find("caption")),
            ("_id", "split", Some((0, Form::Either)))
        );
        assert!(keys.passes_over("id") && !keys.passes_over("_id") && !keys.passes_over("text"));
        assert_eq!(keys.media()[2].holds(), Holds::Features);
        keys.check_key("_id").unwrap();
        assert!(keys.check_key("_ie").is_err());
        let again = keys.mapped().iter().try_fold(Keys::default(), |keys, arg| keys.map(arg)).unwrap();
        assert_eq!(again, keys);
        assert!(Keys::default().mapped().is_empty());
        let proposed = Keys::propose(["file_name", "title", "caption", "x"]);
        assert_eq!(proposed.as_deref(), Some("text=caption,image=file_name"));
        assert_eq!(Keys::propose(["x"]), None);
        for bad in
            ["", "text", "id=", "id=_", "text=a,,", "id=text", "text=a,id=a", "id=x,split=x", "image=id"]
        {
            assert!(Keys::default().map(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_media_type_is_a_name_with_its_key() {
        let read = |text: &str| text.parse::<MediaKey>().unwrap();
        let audio = read("audio=sound_path");
        assert_eq!((audio.media(), audio.field(), audio.holds()), ("audio", "sound_path", Holds::Files));
        assert_eq!(read("summary:text=abstract").holds(), Holds::Texts);
        assert_eq!(read("text=body").holds(), Holds::Texts);
        assert_eq!(read("text:file=body").holds(), Holds::Files);
        for bad in ["", "audio", "audio=", "any=x", "a b=x", "audio:sound=x", "audio=id", "audio=_x"] {
            assert!(bad.parse::<MediaKey>().is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_belong_to_one_media_type() {
        let keys = Keys::default().with("audio=sound".parse().unwrap()).unwrap();
        assert_eq!(keys.find("texts"), Some((0, Form::Many)));
        assert_eq!(keys.find("image"), Some((1, Form::One)));
        assert_eq!(keys.find("sound"), Some((2, Form::Either)));
        assert_eq!(
            (keys.find("sounds"), keys.is_of_files("sound"), keys.is_of_files("text")),
            (None, true, false)
        );
        let error = keys.clone().with("noise=sound".parse().unwrap()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::BadArgument);
        assert!(keys.clone().with("noise=images".parse().unwrap()).is_err());
        // In place of the keys that it had.
        let keys = keys.with("text=body".parse().unwrap()).unwrap();
        assert_eq!((keys.find("text"), keys.find("texts")), (None, None));
        assert!(keys.find("body").is_some());
    }
}
