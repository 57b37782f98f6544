//! Texts: seconds per round, and the features of the last one.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use safetensors::Dtype;
use safetensors::tensor::TensorView;
use uncsm_index::encode::bert::SentenceEncoder;
use uncsm_index::encode::{Encoder, Item};

/// `MODEL_DIR TEXTS.jsonl OUT.safetensors`: a round per line of standard input, of all texts in one batch.
///
/// With `single` as fourth argument each text is a batch by itself.
pub(crate) fn run(arguments: &[String]) -> Result<(), Box<dyn std::error::Error>> {
    let (model, texts, out, single) = match arguments {
        [model, texts, out] => (model, texts, out, false),
        [model, texts, out, word] if word == "single" => (model, texts, out, true),
        _ => return Err("expected: text MODEL_DIR TEXTS.jsonl OUT.safetensors [single]".into()),
    };
    let started = Instant::now();
    let encoder = SentenceEncoder::open(Path::new(model), "text")?;
    let open = started.elapsed().as_secs_f64();
    let texts = read(Path::new(texts))?;
    let items: Vec<Item<'_>> = texts.iter().map(|text| Item::Text(text)).collect();
    println!("{}", serde_json::json!({ "open": open, "texts": texts.len(), "features": encoder.features() }));
    std::io::stdout().flush()?;
    let mut features = Vec::new();
    while crate::turn()? {
        let started = Instant::now();
        let rows = match single {
            false => encoder.encode(&items),
            true => items.iter().flat_map(|item| encoder.encode(std::slice::from_ref(item))).collect(),
        };
        let seconds = started.elapsed().as_secs_f64();
        features = rows.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
        println!("{}", serde_json::json!({ "seconds": seconds }));
        std::io::stdout().flush()?;
    }
    let bytes: Vec<u8> = features.iter().flat_map(|x| x.to_le_bytes()).collect();
    let view =
        TensorView::new(Dtype::F32, vec![features.len() / encoder.features(), encoder.features()], &bytes)?;
    std::fs::write(out, safetensors::serialize([("features", view)], None)?)?;
    Ok(())
}

/// The member `text` of each line.
fn read(file: &Path) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let mut texts = Vec::new();
    for line in std::fs::read_to_string(file)?.lines() {
        let value: serde_json::Value = serde_json::from_str(line)?;
        texts.push(value["text"].as_str().ok_or("a line without `text`")?.to_owned());
    }
    Ok(texts)
}
