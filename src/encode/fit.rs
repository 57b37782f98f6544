//! The encoders of a corpus, before there is a bundle.

use std::collections::BTreeMap;

use super::{Builtin, BuiltinText, Encoder, Encoders, builtin};
use crate::corpus::{Document, EncoderArg};
use crate::error::{Error, ErrorCode, Result};

/// Encoders for the media types that `documents` have, and by media type what those have learned that learn from them.
///
/// `named` are encoders other than the built-in one of their media type. Cost: one pass over the texts.
///
/// # Errors
/// [`ErrorCode::Empty`] where no document has an item; [`ErrorCode::BadArgument`] for an unknown encoder;
/// [`ErrorCode::UnknownMedia`] for an encoder of a media type that no document has.
pub fn fit(
    documents: impl Iterator<Item = Document>,
    named: &[EncoderArg],
) -> Result<(Encoders, BTreeMap<String, Vec<f32>>)> {
    let (mut texts, mut pictures) = (0u64, 0u64);
    let texts_of = documents.flat_map(|document| {
        texts += document.texts.len() as u64;
        pictures += document.images.len() as u64;
        document.texts
    });
    let text = BuiltinText::fit(texts_of);
    let mut encoders = Encoders::new();
    let mut states = BTreeMap::new();
    for (media, count) in [("image", pictures), ("text", texts)] {
        let name = match named.iter().find(|arg| arg.media == media) {
            Some(_) if count == 0 => {
                return Err(Error::new(
                    ErrorCode::UnknownMedia,
                    "an encoder is named for a media type that no document has",
                )
                .got(media));
            }
            Some(arg) => arg.encoder.as_str(),
            None if media == "text" => Builtin::Text.name(),
            None => Builtin::Image.name(),
        };
        if count == 0 {
            continue;
        }
        let state = if name == Builtin::Text.name() { text.idf().to_vec() } else { Vec::new() };
        let encoder: Box<dyn Encoder> = builtin(media, name, &state)?;
        encoders.insert(media.into(), encoder);
        if !state.is_empty() {
            states.insert(media.into(), state);
        }
    }
    if let Some(unknown) = named.iter().find(|arg| arg.media != "image" && arg.media != "text") {
        return Err(Error::new(ErrorCode::UnknownMedia, "a corpus has items of two media types")
            .expected("image or text")
            .got(&unknown.media));
    }
    if encoders.is_empty() {
        return Err(Error::new(ErrorCode::Empty, "no document to learn from has a text or a picture"));
    }
    Ok((encoders, states))
}
