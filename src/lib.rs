//! An embedded cross-media search engine: a plugin for tantivy, an index format, and the model that they score with.
//!
//! Data flows one way, and so do the modules: `error`, [`limits`], [`media`], [`corpus`], [`schema`], [`encode`], [`model`],
//! [`data`], [`eval`], [`train`], [`index`], [`search`]. A module uses only modules to its left.
//!
//! # Example
//!
//! The whole way: a corpus of pictures and sentences, a model trained on it, an index, and a query.
//!
//! ```
//! use uncsm_index::index::{Index, IndexBuilder};
//! use uncsm_index::data::{CorpusOptions, from_corpus};
//! use uncsm_index::train::{TrainConfig, train};
//! use uncsm_index::search::{Engine, Fusion};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let dir = folder.path();
//! // One document per line: an id, a sentence, a picture, and any fields. Here, plain squares of four colours.
//! let colors = [("red", [220, 30, 30]), ("green", [30, 170, 50]), ("blue", [40, 60, 220]), ("grey", [90, 90, 90])];
//! let mut lines = String::new();
//! for i in 0..48 {
//!     let (name, rgb) = colors[i % 4];
//!     let side = 12 + i as u32 / 4;
//!     let inside = |x, y| x > 4 && x < 4 + side && y > 4 && y < 4 + side;
//!     let at = |x, y| image::Rgb(if inside(x, y) { rgb } else { [250; 3] });
//!     image::RgbImage::from_fn(32, 32, at).save(dir.join(format!("{i}.png")))?;
//!     let text = if i % 3 == 0 { format!("a square in {name}") } else { format!("the {name} square") };
//!     let split = if i / 4 % 4 == 3 { "val" } else { "train" };
//!     lines += &format!(
//!         r#"{{"id":{i},"text":"{text}","image":"{i}.png","color":"{name}","side":{side},"split":"{split}"}}"#
//!     );
//!     lines += "\n";
//! }
//! let corpus = dir.join("corpus.jsonl");
//! std::fs::write(&corpus, lines)?;
//!
//! // Items become features by the built-in encoders, and the model learns which belong together.
//! let options = CorpusOptions { label: Some("color"), ..CorpusOptions::default() };
//! let data = from_corpus(&corpus, &options, &mut |bad| eprintln!("{bad}"), &mut |_| {})?;
//! let config = TrainConfig {
//!     epochs_contrastive: 20,
//!     epochs_double_triplet: 5,
//!     epochs_metric: 5,
//! #   dim: 16,
//! #   hidden: 32,
//! #   half: 8,
//! #   least_steps: 0,
//! #   average: 0.8,
//! #   dropout_input: 0.1,
//! #   dropout_hidden: 0.1,
//! #   refit: uncsm_index::train::Refit::Off,
//!     ..TrainConfig::default()
//! };
//! let bundle = train(&data, &config, &|_| {})?.bundle;
//! bundle.save(&dir.join("bundle"))?;
//!
//! // The index holds the fields, the shared vectors of all items, and a copy of the bundle.
//! let report = IndexBuilder::new(dir.join("index"), &bundle).source(&corpus).run()?;
//! assert_eq!((report.documents, report.items["image"], report.warnings), (48, 48, 0));
//!
//! // A sentence that no document has finds pictures; a field restricts them.
//! let index = Index::open(&dir.join("index"))?;
//! let engine = Engine::new(&index)?;
//! let found = engine
//!     .request()
//!     .text("a blue square")?
//!     .keywords("side:[15 TO 18]")
//!     .fusion(Fusion::Metric)
//!     .k(4)
//!     .run()?;
//! assert_eq!((found.candidates, found.hits.len()), (16, 4));
//! let best = &found.hits[0];
//! assert_eq!(best.items[0].media, "image");
//! assert!(best.fields["text"].as_str().is_some_and(|text| text.contains("blue")));
//! assert!(best.probability > Some(0.5));
//! # assert!(found.hits.iter().all(|hit| hit.fields["color"] == "blue"));
//! # Ok(())
//! # }
//! ```

// What training alone reads stands beside what else reads the same data.
#![cfg_attr(not(feature = "train"), allow(dead_code, unused_imports))]

mod hint;
mod error;
mod guard;
pub mod limits;
pub mod media;
mod parallel;
pub mod corpus;
pub mod schema;
pub mod encode;
pub mod model;
pub mod data;
pub mod eval;
#[cfg(feature = "train")]
pub mod train;
pub mod index;
pub mod search;

pub use error::{Error, ErrorCode, Facts, Result};
pub use hint::{Hint, Named, Setting, Task};

/// The code of the README, which must compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
