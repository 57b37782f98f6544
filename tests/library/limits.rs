//! What a corpus, a picture, a bundle or a query may ask for, at the edge of each limit: just within is taken, just above is an
//! error `too_large` that says where, the limit, what there was, and the way out.

use std::path::Path;

use image::{Rgb, RgbImage};
use uncsm_index::corpus::{IdsFrom, JsonlReader, Passages};
use uncsm_index::encode::{CorpusSource, DecodeLimits, Ids, Incoming, decode};
use uncsm_index::limits::{
    BUNDLE_CLASSES, BUNDLE_CONFIG_BYTES, BUNDLE_MEDIA, DIM, DOCUMENT_BYTES, DOCUMENT_ITEMS, LINE_BYTES,
    LINE_VALUES, PICTURE_SIDE, SETTINGS_BYTES, TEXT_BYTES,
};
use uncsm_index::model::Bundle;
use uncsm_index::schema::SchemaOverrides;
#[cfg(feature = "train")]
use uncsm_index::train::TrainConfig;
use uncsm_index::{Error, ErrorCode};

fn complete(error: &Error) {
    let facts = error.facts();
    assert_eq!(facts.code, ErrorCode::TooLarge, "{error}");
    assert!(facts.expected.as_deref().is_some_and(|text| text.starts_with("at most ")), "{error}");
    assert!(facts.got.is_some() && facts.hint.is_some(), "{error}");
}

/// Reads two lines, of which the second is small: whatever becomes of the first, the second is read.
fn first_line(line: &str) -> Result<(), Error> {
    let lines = format!("{line}\n{{\"id\":\"next\"}}\n");
    let mut read = JsonlReader::new(lines.as_bytes(), "c.jsonl");
    let first = read.next().unwrap().map(drop);
    assert_eq!(read.next().unwrap().unwrap().id.as_deref(), Some("next"));
    if let Err(error) = &first {
        complete(error);
        let facts = error.facts();
        assert_eq!((facts.file.as_deref(), facts.line), (Some(Path::new("c.jsonl")), Some(1)), "{error}");
    }
    Ok(first?)
}

#[test]
fn strings_and_documents() {
    let text = |bytes: usize| format!("{{\"id\":1,\"note\":\"{}\"}}", "x".repeat(bytes));
    assert!(first_line(&text(TEXT_BYTES)).is_ok());
    let error = first_line(&text(TEXT_BYTES + 1)).unwrap_err();
    assert!(error.facts().message.contains("`note`"), "{error}");
    let nested = |bytes: usize| format!("{{\"a\":{{\"b\":[\"{}\"]}}}}", "x".repeat(bytes));
    assert!(first_line(&nested(TEXT_BYTES)).is_ok());
    assert!(first_line(&nested(TEXT_BYTES + 1)).is_err());
    // Two strings, and what is left of the limit of all.
    let all = |rest: usize| {
        let half = "x".repeat(TEXT_BYTES / 2);
        let parts = vec![format!("\"{half}\""); DOCUMENT_BYTES / half.len() - 1];
        format!("{{\"a\":[{},\"{}\"]}}", parts.join(","), "y".repeat(TEXT_BYTES / 2 + rest))
    };
    assert!(first_line(&all(0)).is_ok());
    assert!(first_line(&all(1)).is_err());
}

#[test]
fn lines_and_values() {
    let padded = |bytes: usize| format!("{{\"id\":1}}{}", " ".repeat(bytes - 8));
    assert!(first_line(&padded(LINE_BYTES)).is_ok());
    assert!(first_line(&padded(LINE_BYTES + 1)).is_err());
    // The object, the list, and what it holds.
    let list = |values: usize| format!("{{\"a\":[{}0]}}", "0,".repeat(values - 3));
    assert!(first_line(&list(LINE_VALUES)).is_ok());
    assert!(first_line(&list(LINE_VALUES + 1)).is_err());
    // Nesting is the parser's own limit.
    let deep = format!("{{\"a\":{}", "[".repeat(1_000_000));
    let mut read = JsonlReader::new(deep.as_bytes(), "c.jsonl");
    assert_eq!(read.next().unwrap().unwrap_err().code(), ErrorCode::BadJson);
}

#[test]
fn items_of_a_document() {
    let texts = |items: usize| format!("{{\"id\":1,\"texts\":[{}\"b\"]}}", "\"a\",".repeat(items - 1));
    assert!(first_line(&texts(DOCUMENT_ITEMS)).is_ok());
    assert!(first_line(&texts(DOCUMENT_ITEMS + 1)).is_err());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.jsonl");
    let items = |words: usize| {
        std::fs::write(&file, format!("{{\"id\":1,\"text\":\"{}b\"}}\n", "a ".repeat(words - 1))).unwrap();
        let passages: Passages = "1".parse().unwrap();
        match CorpusSource::open(&file, Ids::Made(IdsFrom::Line))
            .unwrap()
            .passages(Some(passages))
            .next()
            .unwrap()
        {
            Incoming::Document(document) => Ok(document.items.len()),
            Incoming::Bad(error) | Incoming::Passed(error) | Incoming::Broken(error) => Err(error),
        }
    };
    assert_eq!(items(DOCUMENT_ITEMS).unwrap(), DOCUMENT_ITEMS);
    let error = items(DOCUMENT_ITEMS + 1).unwrap_err();
    complete(&error);
    assert_eq!((error.facts().file.as_deref(), error.facts().line), (Some(&*file), Some(1)));
}

fn encoded(picture: &RgbImage, format: image::ImageFormat) -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut out, format).unwrap();
    out.into_inner()
}

#[test]
fn sides_of_pictures_of_all_formats() {
    use image::ImageFormat as F;
    let limits = DecodeLimits::default();
    let grey = |width, height| RgbImage::from_pixel(width, height, Rgb([90, 90, 90]));
    for format in [F::Png, F::Tiff] {
        for (width, height) in [(1, PICTURE_SIDE), (PICTURE_SIDE, 1)] {
            let picture = decode(&encoded(&grey(width, height), format), &limits).unwrap();
            assert_eq!(picture.dimensions(), (width, height));
        }
        for (width, height) in [(1, PICTURE_SIDE + 1), (PICTURE_SIDE + 1, 1)] {
            let error = decode(&encoded(&grey(width, height), format), &limits).unwrap_err();
            complete(&error);
            assert_eq!(error.facts().got.as_deref(), Some("262145 pixels"), "{format:?}");
        }
    }
    // The others cannot say as much, or their decoder refuses it; their longest is read.
    for (format, side) in [(F::Jpeg, 65_535), (F::Gif, 65_535), (F::WebP, 16_383), (F::Bmp, 65_535)] {
        assert_eq!(decode(&encoded(&grey(side, 2), format), &limits).unwrap().width(), side, "{format:?}");
    }
    // Pixels, of all.
    let few = DecodeLimits { max_pixels: 600, ..limits };
    for format in [F::Png, F::Bmp, F::Tiff, F::Jpeg, F::Gif, F::WebP] {
        assert!(decode(&encoded(&grey(30, 20), format), &few).is_ok(), "{format:?}");
        complete(&decode(&encoded(&grey(30, 21), format), &few).unwrap_err());
    }
}

/// A tile, or a frame, that is larger than the picture by far.
#[test]
fn memory_beside_the_pixels() {
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    let entries: [(u16, u16, u32); 10] = [
        (256, 3, 10),
        (257, 3, 10),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 1),
        (277, 3, 1),
        (322, 4, 65_536),
        (323, 4, 65_536),
        (324, 4, 134),
        (325, 4, 0xffff_0000),
    ];
    tiff.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, value) in entries {
        tiff.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
        tiff.extend([1u32.to_le_bytes(), value.to_le_bytes()].concat());
    }
    tiff.extend([0; 4]);
    let error = decode(&tiff, &DecodeLimits::default()).unwrap_err();
    assert!(matches!(error.code(), ErrorCode::TooLarge | ErrorCode::Damaged), "{error}");
    let mut gif = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0".to_vec();
    gif.extend([0xff; 4]);
    gif.extend(b"\0\x02\x02\x4c\x01\0;");
    let error = decode(&gif, &DecodeLimits::default()).unwrap_err();
    assert!(matches!(error.code(), ErrorCode::TooLarge | ErrorCode::Damaged), "{error}");
}

#[test]
fn bundles() {
    let dir = tempfile::tempdir().unwrap();
    let at = dir.path().join("bundle");
    Bundle::random(&[("image", 3), ("text", 2)], 6, 4, 2, 9).save(&at).unwrap();
    let file = at.join("config.json");
    let good: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let with = |change: &dyn Fn(&mut serde_json::Value)| {
        let mut config = good.clone();
        change(&mut config);
        std::fs::write(&file, config.to_string()).unwrap();
        let error = Bundle::load(&at).unwrap_err();
        let facts = error.facts();
        assert!(facts.file.is_some(), "{error}");
        if facts.code == ErrorCode::TooLarge {
            complete(&error);
        }
        (error.code(), error.to_string())
    };
    // A target that is named a million times is refused before a tensor of it is read.
    let million = vec!["class"; 1_000_000];
    let (code, said) = with(&|config| config["targets"] = million.clone().into());
    assert_eq!(code, ErrorCode::Damaged);
    assert!(said.contains("the target `class` stands twice"), "{said}");
    for (key, most) in [("dim", DIM), ("half", DIM)] {
        assert_eq!(with(&|config| config[key] = (most + 1).into()).0, ErrorCode::TooLarge);
        assert_eq!(
            with(&|config| config[key] = most.into()).0,
            ErrorCode::Damaged,
            "{key}: the tensors differ"
        );
    }
    assert_eq!(
        with(&|config| config["classes"]["count"] = (BUNDLE_CLASSES + 1).into()).0,
        ErrorCode::TooLarge
    );
    assert_eq!(with(&|config| config["classes"]["count"] = BUNDLE_CLASSES.into()).0, ErrorCode::Damaged);
    let media = |n: usize| {
        let one = |i| serde_json::json!({ "name": format!("m{i}"), "encoder": "e", "features": 3 });
        (0..n).map(one).collect::<Vec<_>>()
    };
    assert_eq!(with(&|config| config["media"] = media(BUNDLE_MEDIA + 1).into()).0, ErrorCode::TooLarge);
    assert_eq!(with(&|config| config["media"] = media(BUNDLE_MEDIA).into()).0, ErrorCode::Damaged);
    let (code, said) = with(&|config| config["media"][1]["name"] = "image".into());
    assert_eq!(code, ErrorCode::Damaged);
    assert!(said.contains("the media type `image` stands twice"), "{said}");
    let first = good["calibration"][0].clone();
    assert_eq!(
        with(&|config| config["calibration"] = vec![first.clone(); 1000].into()).0,
        ErrorCode::TooLarge
    );
    // The file itself, and one that calls its parser again and again.
    let padded = |bytes: u64| {
        let mut text = good.to_string();
        text.push_str(&" ".repeat(bytes as usize - text.len()));
        std::fs::write(&file, text).unwrap();
    };
    padded(BUNDLE_CONFIG_BYTES);
    assert!(Bundle::load(&at).is_ok());
    padded(BUNDLE_CONFIG_BYTES + 1);
    complete(&Bundle::load(&at).unwrap_err());
    std::fs::write(&file, format!("{{\"a\":{}", "[".repeat(1_000_000))).unwrap();
    assert_eq!(Bundle::load(&at).unwrap_err().code(), ErrorCode::Damaged);
}

#[test]
fn settings() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("schema.toml");
    let padded = |bytes: u64| {
        std::fs::write(&file, " ".repeat(bytes as usize)).unwrap();
        SchemaOverrides::open(&file)
    };
    assert!(padded(SETTINGS_BYTES).is_ok());
    complete(&padded(SETTINGS_BYTES + 1).unwrap_err());
}

#[cfg(feature = "train")]
#[test]
fn the_shared_space_has_a_limit() {
    let dim = |dim| {
        let mut config = TrainConfig::default();
        config.model.dim = dim;
        config.check().map_err(|error| error.code())
    };
    assert_eq!((dim(DIM), dim(DIM + 1)), (Ok(()), Err(ErrorCode::BadArgument)));
}
