//! The value that carries the items of one document into the segment writer: checked before it enters tantivy's queue.
//!
//! An error inside the plugin would kill tantivy's writer together with everything uncommitted, so all checks happen
//! here, once: also that a value stays finite where the segment's rows will round it to f16, as they alone do. The bytes are
//! private to this module and live only in memory.

use std::collections::BTreeSet;

use half::f16;
use tantivy::TantivyDocument;
use tantivy::schema::Field;

use crate::error::{Error, ErrorCode, Result};
use crate::media::{Dtype, ItemOrigin, MediaSpec, SpaceSpec, content_hash};
use crate::model::Bundle;

const MAGIC: [u8; 4] = *b"UVV0";
const WHOLE: u32 = u32::MAX;

/// The items of one document, checked against a space; made by [`MediaValue::builder`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaValue {
    bytes: Vec<u8>,
}

impl MediaValue {
    /// Starts a value for an index of space `spec`: that of [`MediaField::of_index`](super::field::MediaField::of_index), which
    /// refuses an index that would lose it.
    pub fn builder(spec: &SpaceSpec) -> MediaValueBuilder<'_> {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&spec.space.0);
        MediaValueBuilder { spec, bytes, items: 0, seen: BTreeSet::new() }
    }

    /// Puts the value into a document.
    pub fn add_to(&self, document: &mut TantivyDocument, field: Field) {
        document.add_custom(field, &self.bytes);
    }
}

/// Whether `value` is finite as it is stored: of f16, values from the middle between its largest number and the next power of
/// two on round to infinity.
fn is_storable(value: f32, narrow: bool) -> bool {
    if narrow { value.abs() < 65520.0 } else { value.is_finite() }
}

/// Collects the items of one document.
#[derive(Debug)]
pub struct MediaValueBuilder<'a> {
    spec: &'a SpaceSpec,
    bytes: Vec<u8>,
    items: usize,
    /// Media type and ordinal of each item.
    seen: BTreeSet<(usize, u32)>,
}

impl MediaValueBuilder<'_> {
    /// Adds an item of a media type without hubs: [`item_with_hubs`](Self::item_with_hubs) of none.
    ///
    /// # Errors
    /// Those of [`item_with_hubs`](Self::item_with_hubs).
    pub fn item(
        &mut self,
        media: usize,
        origin: &ItemOrigin,
        vector: &[f32],
        half: &[f32],
    ) -> Result<&mut Self> {
        self.item_with_hubs(media, origin, vector, half, &[])
    }

    /// Adds an item: shared vector `[d]`, item half `[h]` and hubs `[g]` (both empty where the media type stores none).
    ///
    /// # Errors
    /// [`ErrorCode::UnknownMedia`], [`ErrorCode::BadDimension`], [`ErrorCode::BadValue`] for a span out of order or an
    /// ordinal that an item of the media type has already, or
    /// [`ErrorCode::NotFinite`] (after rounding to the stored type, so a value beyond f16 counts). The builder is unchanged
    /// then.
    pub fn item_with_hubs(
        &mut self,
        media: usize,
        origin: &ItemOrigin,
        vector: &[f32],
        half: &[f32],
        hubs: &[f32],
    ) -> Result<&mut Self> {
        let Some(spec) = self.spec.media.get(media) else {
            return Err(Error::new(ErrorCode::UnknownMedia, format!("no media type number {media}"))
                .expected(format!("less than {}", self.spec.media.len()))
                .got(media));
        };
        for (what, expected, values, narrow) in [
            ("shared vector", spec.dim, vector, spec.dtype == Dtype::F16),
            ("item half", spec.half, half, true),
            ("list of hubs", spec.hubs, hubs, false),
        ] {
            if values.len() != expected {
                let message = format!("{what} of media type `{}` has the wrong length", spec.name);
                return Err(Error::new(ErrorCode::BadDimension, message)
                    .expected(expected)
                    .got(values.len()));
            }
            if let Some(at) = values.iter().position(|&v| !is_storable(v, narrow)) {
                let message = format!("{what} of media type `{}` is not finite at element {at}", spec.name);
                return Err(Error::new(ErrorCode::NotFinite, message)
                    .expected(if narrow {
                        "finite numbers of magnitude below 65520"
                    } else {
                        "finite numbers"
                    })
                    .got(values[at]));
            }
        }
        let (start, end) = origin.span.unwrap_or((WHOLE, WHOLE));
        if origin.span.is_some() && (start > end || end == WHOLE) {
            return Err(Error::new(ErrorCode::BadValue, "the span of a passage is out of order")
                .expected("start <= end, and an end below 2^32 - 1")
                .got(format!("{start}..{end}")));
        }
        if !self.seen.insert((media, origin.ordinal)) {
            let what = format!("two items of media type `{}` have the same ordinal", spec.name);
            return Err(Error::new(ErrorCode::BadValue, what)
                .expected("the position of the item among those of its media type")
                .got(format!("{} again", origin.ordinal)));
        }
        for word in [media as u32, origin.ordinal, start, end] {
            self.bytes.extend_from_slice(&word.to_le_bytes());
        }
        self.bytes.extend_from_slice(&origin.hash);
        for value in vector.iter().chain(half).chain(hubs) {
            self.bytes.extend_from_slice(&value.to_le_bytes());
        }
        self.items += 1;
        Ok(self)
    }

    /// Adds the item number `ordinal` of the media type `media` by its features `[d_in]`: projects them with `bundle`,
    /// rounds the shared vector as an index stores it, and hashes the features as the item's content.
    ///
    /// Cost: one row through the pathway; many items are cheaper through [`Bundle::project`] at once.
    ///
    /// # Errors
    /// [`ErrorCode::SpaceMismatch`] for a bundle of another space, [`ErrorCode::UnknownMedia`],
    /// [`ErrorCode::BadDimension`], [`ErrorCode::NotFinite`]. The builder is unchanged then.
    pub fn features(
        &mut self,
        bundle: &Bundle,
        media: &str,
        ordinal: u32,
        features: &[f32],
    ) -> Result<&mut Self> {
        if bundle.space() != self.spec.space {
            return Err(Error::new(ErrorCode::SpaceMismatch, "the bundle belongs to another shared space")
                .expected(format!("space {}", self.spec.space))
                .got(format!("space {}", bundle.space())));
        }
        let media = self.spec.media_index(media)?;
        let width = bundle.media()[media].features;
        if features.len() != width {
            let message =
                format!("features of media type `{}` have the wrong length", self.spec.media[media].name);
            return Err(Error::new(ErrorCode::BadDimension, message).expected(width).got(features.len()));
        }
        bundle.check_store()?;
        let stored = bundle.store(media, &bundle.project(media, features)?);
        let widen = |values: &[f16]| values.iter().map(|v| v.to_f32()).collect::<Vec<f32>>();
        let bytes: Vec<u8> = features.iter().flat_map(|v| v.to_le_bytes()).collect();
        let origin = ItemOrigin { ordinal, span: None, hash: content_hash(&bytes) };
        let (vector, half) = (widen(&stored.vectors), widen(&stored.halves));
        self.item_with_hubs(media, &origin, &vector, &half, &stored.hubs)
    }

    /// Items so far.
    pub fn len(&self) -> usize {
        self.items
    }

    /// Whether there is no item yet.
    pub fn is_empty(&self) -> bool {
        self.items == 0
    }

    /// The finished value.
    pub fn finish(self) -> MediaValue {
        MediaValue { bytes: self.bytes }
    }
}

/// One item as it comes out of the bytes again.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct DecodedItem {
    pub(crate) media: usize,
    pub(crate) origin: ItemOrigin,
    pub(crate) vector: Vec<f32>,
    pub(crate) half: Vec<f32>,
    pub(crate) hubs: Vec<f32>,
}

/// Reads what any app may have put into the field; `Err` is the reason for `inspect`.
pub(crate) fn decode(bytes: &[u8], spec: &SpaceSpec) -> std::result::Result<Vec<DecodedItem>, String> {
    let mut rest = bytes;
    if take::<4>(&mut rest) != Some(MAGIC) {
        return Err("value was not made by MediaValue".into());
    }
    if take::<32>(&mut rest) != Some(spec.space.0) {
        return Err("value belongs to another space".into());
    }
    let mut items = Vec::new();
    while !rest.is_empty() {
        items.push(decode_item(&mut rest, spec).ok_or("value is cut short, or names an unknown media type")?);
    }
    // The constructor has checked what it made; of bytes that only look like its own, it says what is wrong.
    for item in items.iter().filter(|item| !item.is_sound(&spec.media[item.media])) {
        let mut builder = MediaValue::builder(spec);
        builder
            .item_with_hubs(item.media, &item.origin, &item.vector, &item.half, &item.hubs)
            .map_err(|e| e.to_string())?;
    }
    Ok(items)
}

impl DecodedItem {
    /// Whether the constructor may have made it: one comparison for each value. Rounding is for the rows of the segment.
    fn is_sound(&self, spec: &MediaSpec) -> bool {
        let narrow = spec.dtype == Dtype::F16;
        self.origin.span.is_none_or(|(start, end)| start <= end && end != WHOLE)
            && self.vector.iter().all(|&value| is_storable(value, narrow))
            && self.half.iter().all(|&value| is_storable(value, true))
            && self.hubs.iter().all(|&value| is_storable(value, false))
    }
}

fn decode_item(rest: &mut &[u8], spec: &SpaceSpec) -> Option<DecodedItem> {
    let mut word = || take::<4>(rest).map(u32::from_le_bytes);
    let (media, ordinal, start, end) = (word()? as usize, word()?, word()?, word()?);
    let hash = take::<16>(rest)?;
    let shape = spec.media.get(media)?;
    let mut floats =
        |n: usize| (0..n).map(|_| take::<4>(rest).map(f32::from_le_bytes)).collect::<Option<Vec<_>>>();
    let vector = floats(shape.dim)?;
    let half = floats(shape.half)?;
    let hubs = floats(shape.hubs)?;
    let span = (start != WHOLE || end != WHOLE).then_some((start, end));
    Some(DecodedItem { media, origin: ItemOrigin { ordinal, span, hash }, vector, half, hubs })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Fingerprint;

    fn spec() -> SpaceSpec {
        let media =
            |name: &str, half| MediaSpec { name: name.into(), dim: 2, half, hubs: 0, dtype: Dtype::F16 };
        SpaceSpec { space: Fingerprint([7; 32]), media: vec![media("image", 1), media("text", 0)] }
    }

    fn origin(ordinal: u32) -> ItemOrigin {
        ItemOrigin { ordinal, span: Some((1, 5)), hash: [ordinal as u8; 16] }
    }

    #[test]
    fn items_come_out_as_they_went_in() {
        let spec = spec();
        let mut builder = MediaValue::builder(&spec);
        builder.item(1, &ItemOrigin { span: None, ..origin(3) }, &[1.0, -2.0], &[]).unwrap();
        builder.item(0, &origin(4), &[0.5, 0.25], &[9.0]).unwrap();
        assert_eq!(builder.len(), 2);
        let items = decode(&builder.finish().bytes, &spec).unwrap();
        assert_eq!(items[0].origin, ItemOrigin { span: None, ..origin(3) });
        assert_eq!((items[0].media, items[0].vector.as_slice()), (1, &[1.0, -2.0][..]));
        assert_eq!((items[1].origin, items[1].half.as_slice()), (origin(4), &[9.0][..]));
    }

    #[test]
    fn bad_items_are_refused_by_code() {
        let spec = spec();
        let mut builder = MediaValue::builder(&spec);
        let mut code = |media, vector: &[f32], half: &[f32]| {
            builder.item(media, &origin(0), vector, half).map(|_| ()).unwrap_err().code()
        };
        assert_eq!(code(2, &[0.0, 0.0], &[]), ErrorCode::UnknownMedia);
        assert_eq!(code(1, &[0.0], &[]), ErrorCode::BadDimension);
        assert_eq!(code(0, &[0.0, 0.0], &[]), ErrorCode::BadDimension);
        assert_eq!(code(1, &[0.0, f32::NAN], &[]), ErrorCode::NotFinite);
        assert_eq!(code(1, &[0.0, 70000.0], &[]), ErrorCode::NotFinite);
        for span in [(5, 1), (0, u32::MAX), (u32::MAX, u32::MAX)] {
            let origin = ItemOrigin { span: Some(span), ..origin(0) };
            assert_eq!(builder.item(1, &origin, &[0.0, 0.0], &[]).unwrap_err().code(), ErrorCode::BadValue);
        }
        assert!(builder.is_empty());
    }

    #[test]
    fn hubs_are_as_many_as_the_spec_says_and_finite() {
        let mut spec = spec();
        spec.media.iter_mut().for_each(|media| media.hubs = 1);
        let mut builder = MediaValue::builder(&spec);
        let mut code = |hubs: &[f32]| {
            builder.item_with_hubs(0, &origin(0), &[0.5, 0.25], &[9.0], hubs).map(|_| ()).unwrap_err().code()
        };
        assert_eq!(code(&[]), ErrorCode::BadDimension);
        assert_eq!(code(&[0.5, 0.5]), ErrorCode::BadDimension);
        assert_eq!(code(&[f32::INFINITY]), ErrorCode::NotFinite);
        assert_eq!(code(&[f32::NAN]), ErrorCode::NotFinite);
        let error = builder.item(0, &origin(0), &[0.5, 0.25], &[9.0]).unwrap_err();
        assert!(error.to_string().contains("list of hubs of media type `image`"), "{error}");
        // More than f16 holds, and more digits: they are stored as they are.
        builder.item_with_hubs(0, &origin(0), &[0.5, 0.25], &[9.0], &[1.0e9 / 3.0]).unwrap();
        builder.item_with_hubs(1, &origin(1), &[0.5, 0.25], &[], &[-0.1]).unwrap();
        let bytes = builder.finish().bytes;
        let items = decode(&bytes, &spec).unwrap();
        assert_eq!((items[0].hubs.as_slice(), items[1].hubs.as_slice()), (&[1.0e9 / 3.0][..], &[-0.1][..]));
        let mut foreign = bytes;
        foreign.truncate(foreign.len() - 4);
        assert!(decode(&foreign, &spec).unwrap_err().contains("cut short"));
        foreign.extend_from_slice(&f32::NAN.to_le_bytes());
        assert!(decode(&foreign, &spec).unwrap_err().contains("not finite"));
    }

    #[test]
    fn what_is_storable_is_finite_after_rounding() {
        // Each f16 and its neighbours in f32, of both signs, infinities and NaN too.
        for bits in 0..=u16::MAX {
            let middle = f16::from_bits(bits).to_f32();
            for value in
                [middle, middle.next_up(), middle.next_down(), middle * 1.000_244, middle * 1.000_243]
            {
                assert_eq!(is_storable(value, true), f16::from_f32(value).is_finite(), "{value}");
                assert_eq!(is_storable(value, false), value.is_finite());
            }
        }
        for value in [65504.0, 65519.996, 65520.0, 65520.01, 65536.0, f32::MAX] {
            assert_eq!(is_storable(value, true), f16::from_f32(value).is_finite(), "{value}");
        }
    }

    #[test]
    fn an_ordinal_stands_once_for_each_media_type() {
        let spec = spec();
        let mut builder = MediaValue::builder(&spec);
        builder.item(0, &origin(4), &[0.5, 0.25], &[9.0]).unwrap();
        builder.item(1, &origin(4), &[0.5, 0.25], &[]).unwrap();
        let error = builder.item(0, &origin(4), &[0.5, 0.5], &[1.0]).unwrap_err();
        assert_eq!((error.code(), error.facts().got.as_deref()), (ErrorCode::BadValue, Some("4 again")));
        assert_eq!(builder.len(), 2);
    }

    #[test]
    fn features_become_the_item_that_the_bundle_stores() {
        let bundle = Bundle::random(&[("image", 3), ("text", 2)], 5, 2, 2, 8);
        become_what_the_bundle_stores(&bundle);
        become_what_the_bundle_stores(&bundle.with_random_hubs(3, 8));
    }

    fn become_what_the_bundle_stores(bundle: &Bundle) {
        let spec = bundle.space_spec();
        let mut builder = MediaValue::builder(&spec);
        builder.features(bundle, "text", 4, &[0.5, -1.0]).unwrap();
        let item = decode(&builder.finish().bytes, &spec).unwrap().remove(0);
        let stored = bundle.store(1, &bundle.project(1, &[0.5, -1.0]).unwrap());
        let bytes = [0.5f32.to_le_bytes(), (-1.0f32).to_le_bytes()].concat();
        assert_eq!(
            item,
            DecodedItem {
                media: 1,
                origin: ItemOrigin { ordinal: 4, span: None, hash: content_hash(&bytes) },
                vector: stored.vectors.iter().map(|v| v.to_f32()).collect(),
                half: stored.halves.iter().map(|v| v.to_f32()).collect(),
                hubs: stored.hubs,
            }
        );
    }

    #[test]
    fn bad_features_are_refused_by_code() {
        let bundle = Bundle::random(&[("image", 3)], 5, 2, 2, 8);
        let spec = bundle.space_spec();
        let mut builder = MediaValue::builder(&spec);
        let mut code = |bundle: &Bundle, media, features: &[f32]| {
            builder.features(bundle, media, 0, features).map(|_| ()).unwrap_err().code()
        };
        assert_eq!(code(&bundle, "sound", &[0.0; 3]), ErrorCode::UnknownMedia);
        // Two rows are no item either.
        assert_eq!(code(&bundle, "image", &[0.0; 6]), ErrorCode::BadDimension);
        assert_eq!(code(&bundle, "image", &[0.0, f32::INFINITY, 0.0]), ErrorCode::NotFinite);
        let other = Bundle::random(&[("image", 3)], 5, 2, 2, 9);
        assert_eq!(code(&other, "image", &[0.0; 3]), ErrorCode::SpaceMismatch);
        assert!(builder.is_empty());
    }

    #[test]
    fn foreign_bytes_give_a_reason() {
        let spec = spec();
        assert!(decode(b"hello", &spec).unwrap_err().contains("not made by"));
        let other = SpaceSpec { space: Fingerprint([8; 32]), ..spec.clone() };
        let value = MediaValue::builder(&other).finish();
        assert!(decode(&value.bytes, &spec).unwrap_err().contains("another space"));
        let mut builder = MediaValue::builder(&spec);
        builder.item(1, &origin(0), &[1.0, 1.0], &[]).unwrap();
        let bytes = builder.finish().bytes;
        for end in 36 + 1..bytes.len() {
            assert!(decode(&bytes[..end], &spec).is_err(), "cut at {end}");
        }
        let mut nan = bytes.clone();
        nan.truncate(bytes.len() - 4);
        nan.extend_from_slice(&f32::NAN.to_le_bytes());
        assert!(decode(&nan, &spec).unwrap_err().contains("not finite"));
    }
}
