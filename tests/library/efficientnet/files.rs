//! Checkpoints that open, and those that do not.

use uncsm_index::encode::{DecodeLimits, EfficientNetLite0, Encoder, Item};
use uncsm_index::{Error, ErrorCode};

use crate::efficientnet::checkpoint::{self, Tensors};

fn refused(tensors: &Tensors, file: &std::path::Path) -> Error {
    checkpoint::write(tensors, file);
    match EfficientNetLite0::open(file, "net", DecodeLimits::default()) {
        Ok(_) => panic!("opened"),
        Err(error) => error,
    }
}

#[test]
fn a_folder_a_file_and_a_config() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("model.safetensors");
    let open = |path: &std::path::Path, limits| EfficientNetLite0::open(path, "lite", limits);
    let code = |path: &std::path::Path| open(path, DecodeLimits::default()).map(drop).unwrap_err().code();
    assert_eq!(code(dir.path()), ErrorCode::NotFound);
    assert_eq!(code(&file), ErrorCode::NotFound);
    std::fs::write(&file, b"\x80\x02pickle").unwrap();
    assert_eq!(code(&file), ErrorCode::Damaged);

    checkpoint::write(&checkpoint::random(1), &file);
    let limits = DecodeLimits { max_pixels: 3, max_bytes: 1000 };
    let (folder, alone) = (open(dir.path(), DecodeLimits::default()).unwrap(), open(&file, limits).unwrap());
    assert_eq!((folder.name(), folder.features()), ("lite", 1280));
    // Limits decide which files are refused, not what their features are.
    assert_eq!(folder.fingerprint(), alone.fingerprint());
    assert_eq!(alone.max_bytes(), 1000);
    let mut bmp = std::io::Cursor::new(Vec::new());
    image::RgbImage::new(2, 2).write_to(&mut bmp, image::ImageFormat::Bmp).unwrap();
    let result = alone.encode(&[Item::Bytes(bmp.get_ref())]).pop().unwrap();
    assert_eq!(result.unwrap_err().code(), ErrorCode::TooLarge);
    assert!(folder.encode(&[Item::Bytes(bmp.get_ref())])[0].is_ok());

    let config = dir.path().join("config.json");
    std::fs::write(&config, r#"{"model_type": "efficientnet-lite0"}"#).unwrap();
    assert_eq!(open(dir.path(), limits).unwrap().fingerprint(), folder.fingerprint());
    for (text, expected) in [
        (r#"{"model_type": "bert"}"#, ErrorCode::BadValue),
        ("{}", ErrorCode::BadValue),
        ("{", ErrorCode::BadJson),
    ] {
        std::fs::write(&config, text).unwrap();
        let error = open(dir.path(), limits).map(drop).unwrap_err();
        assert_eq!((error.code(), error.facts().file.as_deref()), (expected, Some(config.as_path())));
    }

    checkpoint::write(&checkpoint::random(2), &file);
    assert_ne!(open(&file, limits).unwrap().fingerprint(), folder.fingerprint());
}

#[test]
fn weights_that_do_not_fit() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("w.safetensors");
    let good = checkpoint::random(3);
    let mut tensors = good.clone();
    tensors.remove("_blocks.4._bn1.running_var");
    let error = refused(&tensors, &file);
    assert_eq!(error.code(), ErrorCode::UnknownTensor);
    assert!(error.to_string().contains("_blocks.4._bn1.running_var"), "{error}");
    assert_eq!(error.facts().file.as_deref(), Some(file.as_path()));

    let mut tensors = good.clone();
    tensors.get_mut("_conv_head.weight").unwrap().0 = vec![320, 1280, 1, 1];
    assert_eq!(refused(&tensors, &file).code(), ErrorCode::BadDimension);

    for value in [f32::NAN, f32::INFINITY] {
        let mut tensors = good.clone();
        tensors.get_mut("_blocks.9._project_conv.weight").unwrap().1[5] = value;
        assert_eq!(refused(&tensors, &file).code(), ErrorCode::NotFinite);
    }
    let mut tensors = good.clone();
    tensors.get_mut("_bn1.running_var").unwrap().1[3] = -1.0;
    assert_eq!(refused(&tensors, &file).code(), ErrorCode::NotFinite);

    // Every number is finite, but not what comes out.
    let mut tensors = good;
    tensors.get_mut("_blocks.15._project_conv.weight").unwrap().1.fill(3e38);
    tensors.get_mut("_blocks.15._bn2.weight").unwrap().1.fill(1.0);
    tensors.get_mut("_blocks.15._bn2.running_var").unwrap().1.fill(1.0);
    checkpoint::write(&tensors, &file);
    let encoder = EfficientNetLite0::open(&file, "net", DecodeLimits::default()).unwrap();
    let error = encoder.encode_pixels(&image::RgbImage::new(9, 9)).unwrap_err();
    assert_eq!(error.code(), ErrorCode::NotFinite);
}
