//! The encoders of a corpus, before there is a bundle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::batch::Encoders;
use super::builtin::{Builtin, Learning};
use super::from_file::FromFile;
use super::hashing::has_word;
use super::{Encoder, Registry};
use crate::corpus::{Document, EncoderArg, Given, Keys};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};

/// Encoders for the media types that `documents` have, and by media type what those have learned that learn from them.
///
/// `named` are encoders other than the built-in one of their media type, which are looked for in `paths`. Cost: one pass
/// over the documents, over their texts where the built-in encoder learns from them.
///
/// # Errors
/// [`ErrorCode::Empty`] where no document has an item; [`ErrorCode::UnknownMedia`] for an encoder of a media type that no
/// document has, and for a media type without an encoder; those of [`Registry::open`].
pub fn fit(
    documents: impl Iterator<Item = Document>,
    named: &[EncoderArg],
    paths: &Registry,
) -> Result<(Encoders, BTreeMap<String, Vec<f32>>)> {
    let found = fit_any(documents, named, paths, &Keys::default())?;
    if found.0.is_empty() {
        return Err(Error::new(ErrorCode::Empty, "no document to learn from has a text or a picture"));
    }
    Ok(found)
}

/// As [`fit`], without an encoder where no document has an item. Features that the documents have already, under a key of `keys`, are of an encoder
/// that serves no other item.
pub(crate) fn fit_any(
    documents: impl Iterator<Item = Document>,
    named: &[EncoderArg],
    paths: &Registry,
    keys: &Keys,
) -> Result<(Encoders, BTreeMap<String, Vec<f32>>)> {
    let made: BTreeMap<&str, String> = keys.of_features().map(|(key, name)| (key.media(), name)).collect();
    let mut widths: BTreeMap<String, usize> = BTreeMap::new();
    let name_of = |media: &str| {
        let named = named.iter().find(|arg| arg.media == media).map(|arg| arg.encoder.as_str());
        named.or(Builtin::for_media(media).map(Builtin::name))
    };
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut learning: BTreeMap<String, Learning> = BTreeMap::new();
    for document in documents {
        for (media, items) in document.items {
            let learns = !made.contains_key(media.as_str()) && name_of(&media) == Some(Builtin::Text.name());
            if let Some(Given::Features(row)) = items.first() {
                widths.entry(media.clone()).or_insert(row.len());
            }
            // A column of blanks is no media type; nor is one without words, where the encoder reads words alone.
            let says = |item: &&Given| match item.text() {
                Some(text) if learns => has_word(text),
                Some(text) => !is_blank(text),
                None => true,
            };
            *counts.entry(media.clone()).or_default() += items.iter().filter(says).count() as u64;
            if learns {
                let learning = learning.entry(media).or_default();
                items.iter().filter_map(Given::text).for_each(|text| learning.add(text));
            }
        }
    }
    counts.retain(|_, count| *count > 0);
    if let Some(unknown) = named.iter().find(|arg| !counts.contains_key(&arg.media)) {
        let what = "an encoder is named for a media type that no document has";
        return Err(Error::new(ErrorCode::UnknownMedia, what).got(&unknown.media));
    }
    let mut encoders = Encoders::new();
    let mut states = BTreeMap::new();
    for media in counts.into_keys() {
        if let Some((name, width)) = made.get(media.as_str()).zip(widths.get(&media)) {
            let named = named.iter().find(|arg| arg.media == media);
            let name = named.map_or(name.as_str(), |arg| arg.encoder.as_str());
            let encoder: Arc<dyn Encoder> = Arc::new(FromFile::new(media.as_str(), name, *width));
            encoders.insert(media, encoder);
            continue;
        }
        let Some(name) = name_of(&media) else {
            let what = format!("no encoder is named for the media type `{media}`");
            return Err(Error::new(ErrorCode::UnknownMedia, what)
                .hint(Hint::new("name one with").given(Setting::Encoder, format!("{media}=NAME_OR_DIR"))));
        };
        let encoder: Arc<dyn Encoder> = match learning.remove(&media) {
            Some(learning) => {
                let learned = learning.finish();
                states.insert(media.clone(), learned.idf().to_vec());
                Arc::new(learned)
            }
            None => paths.open(&media, name)?,
        };
        encoders.insert(media, encoder);
    }
    Ok((encoders, states))
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// Which of the media types `wanted` the documents have. Cost: reads documents until all have been seen.
pub(crate) fn media_of(documents: impl Iterator<Item = Document>, wanted: &[&str]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for document in documents {
        for (media, items) in document.items {
            // Features need no encoder.
            let says = |item: &Given| match item {
                Given::Text(text) => !is_blank(text),
                Given::Features(_) => false,
                Given::Path(_) | Given::Bytes(_) => true,
            };
            if wanted.contains(&media.as_str()) && items.iter().any(says) {
                seen.insert(media);
            }
        }
        if seen.len() == wanted.len() {
            break;
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::{IMAGE, TEXT};

    fn document(text: &str, image: &str) -> Document {
        let items = [(TEXT, Given::Text(text.into())), (IMAGE, Given::Path(image.into()))];
        let items = items.into_iter().zip([text, image]).filter(|(_, part)| !part.is_empty());
        let items = items.map(|((media, item), _)| (media.to_owned(), vec![item])).collect();
        Document { items, ..Document::default() }
    }

    #[test]
    fn media_types_are_seen_and_reading_stops() {
        let mut read = 0;
        let documents = [document("a", ""), document("", ""), document("", "b.png"), document("c", "")];
        let count = documents.iter().cloned().inspect(|_| read += 1);
        let seen = media_of(count, &["image", "text"]);
        assert_eq!(
            (seen.into_iter().collect::<Vec<_>>(), read),
            (vec!["image".to_owned(), "text".into()], 3)
        );
        let seen = media_of(documents[..2].iter().cloned(), &["image", "text"]);
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["text"]);
        assert!(media_of(documents.iter().cloned(), &["audio"]).is_empty());
    }

    #[test]
    fn named_encoders_come_from_the_paths() {
        use crate::encode::testing;
        let dir = tempfile::tempdir().unwrap();
        testing::write(dir.path(), "one", 1);
        let paths = Registry::default().with_root(dir.path());
        let named = |encoder: &str| [EncoderArg { media: "text".into(), encoder: encoder.into() }];
        let documents = || [document("a text", "b.png")].into_iter();
        let (encoders, states) = fit(documents(), &named("one"), &paths).unwrap();
        assert_eq!(encoders["text"].fingerprint(), testing::fingerprint(1));
        assert_eq!((encoders["image"].name(), states.len()), ("builtin-image-v1", 0));
        let (encoders, states) = fit(documents(), &[], &paths).unwrap();
        assert_eq!((encoders["text"].name(), states["text"].len()), ("builtin-text-v1", 2048));
        let code = |named: &[EncoderArg], documents: Vec<Document>| {
            fit(documents.into_iter(), named, &paths).err().unwrap().code()
        };
        assert_eq!(code(&named("two"), documents().collect()), ErrorCode::NotFound);
        assert_eq!(code(&named("one"), vec![document("", "b.png")]), ErrorCode::UnknownMedia);
        assert_eq!(code(&[], vec![document("", "")]), ErrorCode::Empty);
        // Marks are no words of the built-in encoder; another may read them.
        let marks = || vec![document("!!!", "b.png")].into_iter();
        let (encoders, states) = fit(marks(), &[], &paths).unwrap();
        assert_eq!(
            (encoders.keys().map(String::as_str).collect::<Vec<_>>(), states.len()),
            (vec!["image"], 0)
        );
        assert_eq!(fit(marks(), &named("one"), &paths).unwrap().0.len(), 2);
    }
}
