//! `inspect` and `verify` on the index of an app that has our media field, and no manifest.

use std::path::Path;

use tantivy::TantivyDocument;
use tantivy::directory::MmapDirectory;
use tantivy::schema::{STRING, Schema};
use uncsm_index::index::{MediaField, MediaValue, UvecPlugin};
use uncsm_index::media::{Dtype, Fingerprint, ItemOrigin, MediaSpec, SpaceSpec};

use crate::run::command;

fn app(dir: &Path) {
    let media = MediaSpec { name: "image".into(), dim: 4, half: 0, hubs: 0, dtype: Dtype::F16 };
    let spec = SpaceSpec { space: Fingerprint([5; 32]), media: vec![media] };
    let mut builder = Schema::builder();
    let sku = builder.add_text_field("sku", STRING);
    let field = MediaField::add(&mut builder, &spec).unwrap();
    let index = tantivy::Index::builder().schema(builder.build());
    let index = UvecPlugin::new().create(index, MmapDirectory::open(dir).unwrap()).unwrap();
    let mut writer = index.writer_with_num_threads(1, 15_000_000).unwrap();
    for i in 0..3 {
        let mut value = MediaValue::builder(&spec);
        let origin = ItemOrigin { ordinal: 0, span: None, hash: [1; 16] };
        value.item(0, &origin, &[0.5, i as f32, 1.0, -1.0], &[]).unwrap();
        let mut document = TantivyDocument::new();
        document.add_text(sku, i.to_string());
        value.finish().add_to(&mut document, field.field());
        writer.add_document(document).unwrap();
    }
    writer.commit().unwrap();
    writer.wait_merging_threads().unwrap();
}

fn run(line: &[&str], dir: &Path) -> (Option<i32>, serde_json::Value, String) {
    let output = command().args(line).arg(dir).arg("--json").output().unwrap();
    let text = if output.stdout.is_empty() { &output.stderr } else { &output.stdout };
    let json = serde_json::from_slice(text).unwrap();
    (output.status.code(), json, String::from_utf8(output.stderr.clone()).unwrap())
}

#[test]
fn an_apps_own_index_is_inspected_and_verified() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    // Nothing there yet.
    let (code, json, _) = run(&["verify"], dir);
    assert_eq!((code, &json["error"]["code"]), (Some(2), &"not_found".into()), "{json}");
    // Nor is another program's file of that name an index.
    std::fs::write(dir.join("meta.json"), "{\"name\":\"my data set\"}").unwrap();
    let (code, json, _) = run(&["verify"], dir);
    assert_eq!((code, &json["error"]["code"]), (Some(2), &"not_found".into()), "{json}");
    std::fs::remove_file(dir.join("meta.json")).unwrap();
    app(dir);
    let (code, json, stderr) = run(&["inspect"], dir);
    assert_eq!(code, Some(0), "{stderr}");
    assert_eq!((&json["documents"], &json["rejected"]), (&3.into(), &0.into()), "{json}");
    assert_eq!(json["segments"][0]["items"]["image"], 3);
    assert_eq!(json["media"]["image"]["shared_dim"], 4);
    assert_eq!(json["fingerprint"]["space"], Fingerprint([5; 32]).to_string());
    let text = command().arg("inspect").arg(dir).output().unwrap();
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("in an index of another program") && text.contains("3 documents"), "{text}");
    let (code, json, stderr) = run(&["verify"], dir);
    assert_eq!((code, &json["ok"]), (Some(0), &true.into()), "{json} {stderr}");
    // One byte of a vector.
    let file = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let file = file.into_iter().find(|path| path.extension().is_some_and(|kind| kind == "uvec")).unwrap();
    let (_, about, _) = run(&["inspect"], &file);
    let vectors = about["sections"].as_array().unwrap().iter();
    let vectors = vectors.into_iter().find(|s| s["name"].as_str().unwrap().eq_ignore_ascii_case("vectors"));
    let mut bytes = std::fs::read(&file).unwrap();
    bytes[vectors.unwrap()["offset"].as_u64().unwrap() as usize] ^= 1;
    std::fs::write(&file, bytes).unwrap();
    let (code, json, _) = run(&["verify"], dir);
    assert_eq!((code, &json["ok"]), (Some(2), &false.into()), "{json}");
    assert!(file.ends_with(json["damage"][0]["file"].as_str().unwrap()), "{json}");
    let (code, json, _) = run(&["inspect"], dir);
    assert_eq!((code, json["damaged"].as_object().unwrap().len()), (Some(0), 1), "{json}");
}
