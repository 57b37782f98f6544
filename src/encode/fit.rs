//! The encoders of a corpus, before there is a bundle.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Encoder;
use super::batch::Encoders;
use super::builtin::{Builtin, BuiltinText};
use super::hashing::has_word;
use super::resolve::Registry;
use crate::corpus::{Document, EncoderArg};
use crate::error::{Error, ErrorCode, Result};

/// Encoders for the media types that `documents` have, and by media type what those have learned that learn from them.
///
/// `named` are encoders other than the built-in one of their media type, which are looked for in `paths`. Cost: one pass
/// over the documents, over their texts where the built-in encoder learns from them.
///
/// # Errors
/// [`ErrorCode::Empty`] where no document has an item; [`ErrorCode::UnknownMedia`] for an encoder of a media type that no
/// document has; those of [`Registry::open`].
pub fn fit(
    documents: impl Iterator<Item = Document>,
    named: &[EncoderArg],
    paths: &Registry,
) -> Result<(Encoders, BTreeMap<String, Vec<f32>>)> {
    if let Some(unknown) = named.iter().find(|arg| arg.media != "image" && arg.media != "text") {
        return Err(Error::new(ErrorCode::UnknownMedia, "a corpus has items of two media types")
            .expected("image or text")
            .got(&unknown.media));
    }
    let name_of = |media: &str, default: Builtin| {
        let named = named.iter().find(|arg| arg.media == media);
        named.map_or(default.name(), |arg| arg.encoder.as_str())
    };
    let (image, text) = (name_of("image", Builtin::Image), name_of("text", Builtin::Text));
    let learns = text == Builtin::Text.name();
    let (mut texts, mut pictures) = (0u64, 0u64);
    let texts_of = documents.flat_map(|document| {
        // A column of blanks is no media type; nor is one without words, where the encoder reads words alone.
        let says = |text: &&String| if learns { has_word(text) } else { !is_blank(text) };
        texts += document.texts.iter().filter(says).count() as u64;
        pictures += document.images.len() as u64;
        if learns { document.texts } else { Vec::new() }
    });
    let learned = BuiltinText::fit(texts_of);
    let mut encoders = Encoders::new();
    let mut states = BTreeMap::new();
    for (media, name, count) in [("image", image, pictures), ("text", text, texts)] {
        if count == 0 && named.iter().any(|arg| arg.media == media) {
            let what = "an encoder is named for a media type that no document has";
            return Err(Error::new(ErrorCode::UnknownMedia, what).got(media));
        }
        if count == 0 {
            continue;
        }
        let encoder: Arc<dyn Encoder> = if name == Builtin::Text.name() {
            states.insert(media.to_owned(), learned.idf().to_vec());
            Arc::new(BuiltinText::from_idf(learned.idf().to_vec())?)
        } else {
            paths.open(media, name)?
        };
        encoders.insert(media.into(), encoder);
    }
    if encoders.is_empty() {
        return Err(Error::new(ErrorCode::Empty, "no document to learn from has a text or a picture"));
    }
    Ok((encoders, states))
}

fn is_blank(text: &str) -> bool {
    text.trim().is_empty()
}

/// Which of the media types `wanted` the documents have. Cost: reads documents until all have been seen.
pub fn media_of(documents: impl Iterator<Item = Document>, wanted: &[&str]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    for document in documents {
        for (media, has) in [
            ("text", document.texts.iter().any(|text| !is_blank(text))),
            ("image", !document.images.is_empty()),
        ] {
            if has && wanted.contains(&media) {
                seen.insert(media.to_owned());
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
    use crate::corpus::Picture;

    fn document(text: &str, image: &str) -> Document {
        let some = |part: &str| if part.is_empty() { vec![] } else { vec![part.to_owned()] };
        Document {
            texts: some(text),
            images: some(image).into_iter().map(|path| Picture::Path(path.into())).collect(),
            ..Document::default()
        }
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
