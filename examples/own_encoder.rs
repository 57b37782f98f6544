//! An encoder that an app brings itself, from training to a query: `cargo run --example own_encoder`.
//!
//! `Letters` reads a text as the pairs of letters that it is made of, so that `blau` and `blaues` are near each other. It
//! is registered once, under its name; training, the index and the engine find it in the registry.

#![allow(clippy::print_stdout, reason = "the result of an example")]

use std::path::Path;
use std::sync::Arc;

use uncsm_index::corpus::EncoderArg;
use uncsm_index::data::{CorpusOptions, from_corpus};
use uncsm_index::encode::{Encoder, Item, Registry};
use uncsm_index::index::{Index, IndexBuilder};
use uncsm_index::media::Fingerprint;
use uncsm_index::search::{Engine, Fusion};
use uncsm_index::train::{Refit, TrainConfig, Trainer};
use uncsm_index::{Error, ErrorCode, Result};

/// Pairs of neighbouring letters, counted into 128 bins; a blank is a letter.
struct Letters;

impl Letters {
    const BINS: usize = 128;

    fn features(text: &str) -> Vec<f32> {
        let text = format!(" {} ", text.to_lowercase());
        let mut bins = vec![0.0f32; Self::BINS];
        for pair in text.as_bytes().windows(2) {
            bins[(usize::from(pair[0]) * 31 + usize::from(pair[1])) % Self::BINS] += 1.0;
        }
        let norm = bins.iter().map(|x| x * x).sum::<f32>().sqrt();
        bins.iter_mut().for_each(|x| *x /= norm);
        bins
    }
}

impl Encoder for Letters {
    fn name(&self) -> &str {
        "letters"
    }

    // Other features need another version: an index refuses the vectors of an encoder that it was not built with.
    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of([b"letters, version 1".as_slice()])
    }

    fn features(&self) -> usize {
        Self::BINS
    }

    // A pure function of each item, whatever else is in the batch.
    fn encode(&self, items: &[Item<'_>]) -> Vec<Result<Vec<f32>>> {
        let each = |item: &Item<'_>| match item {
            Item::Text(text) => Ok(Self::features(text)),
            Item::Bytes(_) => Err(Error::new(ErrorCode::BadArgument, "letters are read from texts alone")),
        };
        items.iter().map(each).collect()
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    for (id, text) in run(dir.path())? {
        println!("{id}: {text}");
    }
    Ok(())
}

/// Trains, builds and asks for blue squares in words that no document has; gives ids and texts of the hits.
fn run(dir: &Path) -> std::result::Result<Vec<(String, String)>, Box<dyn std::error::Error>> {
    let colours =
        [("rot", [220, 30, 30]), ("gruen", [30, 170, 50]), ("blau", [40, 60, 220]), ("grau", [90, 90, 90])];
    let mut lines = String::new();
    for i in 0..48 {
        let (name, rgb) = colours[i % 4];
        let side = 12 + i as u32 / 4;
        let inside = |x, y| x > 4 && x < 4 + side && y > 4 && y < 4 + side;
        let at = |x, y| image::Rgb(if inside(x, y) { rgb } else { [250; 3] });
        image::RgbImage::from_fn(32, 32, at).save(dir.join(format!("{i}.png")))?;
        let text = if i % 3 == 0 { format!("ein {name}es Quadrat") } else { format!("Quadrat in {name}") };
        let split = if i / 4 % 4 == 3 { "val" } else { "train" };
        lines += &format!(
            r#"{{"id":"{i}","text":"{text}","image":"{i}.png","colour":"{name}","split":"{split}"}}"#
        );
        lines += "\n";
    }
    let corpus = dir.join("corpus.jsonl");
    std::fs::write(&corpus, lines)?;

    // The registry holds the encoder of the app beside those of the library; texts are to be encoded by it.
    let registry = Registry::default().with_encoder("text", Arc::new(Letters));
    let named = [EncoderArg { media: "text".into(), encoder: "letters".into() }];
    let options = CorpusOptions {
        label: Some("colour"),
        encoders: &named,
        paths: registry.clone(),
        ..CorpusOptions::default()
    };
    let data = from_corpus(&corpus, &options, &mut |bad| eprintln!("{bad}"), &mut |_| {})?;
    let mut config = TrainConfig::default();
    config.contrastive.epochs = 20;
    config.double_triplet.epochs = 5;
    config.metric.epochs = 5;
    config.model.dim = 16;
    config.model.hidden = 32;
    config.model.item_half = 8;
    config.steps.least = 0;
    config.steps.average = 0.8;
    config.regularisation.dropout_input = 0.1;
    config.regularisation.dropout_hidden = 0.1;
    config.selection.refit = Refit::Off;
    let bundle = Trainer::new(&data).config(config).run()?.bundle;

    IndexBuilder::new(dir.join("index"), &bundle).source(&corpus).encoder_paths(registry.clone()).run()?;

    // A new sentence is encoded by the app's encoder too: the bundle knows it by name and fingerprint.
    let index = Index::open(&dir.join("index"))?;
    let engine = Engine::new(&index)?.with_encoders(registry);
    let found = engine.request().text("blaue Quadrate")?.fusion(Fusion::Metric).k(3).run()?;
    let hit = |hit: &uncsm_index::search::Hit| {
        let text = hit.fields["text"].as_str().unwrap_or_default().to_owned();
        (hit.id.clone().unwrap_or_default(), text)
    };
    Ok(found.hits.iter().map(hit).collect())
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_finds_what_it_is_asked_for() {
        let dir = tempfile::tempdir().unwrap();
        let found = super::run(dir.path()).unwrap();
        assert_eq!(found.len(), 3);
        assert!(found.iter().all(|(_, text)| text.contains("blau")), "{found:?}");
    }
}
