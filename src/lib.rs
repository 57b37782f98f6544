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
//! use uncsm_index::data::{CorpusOptions, from_corpus};
//! use uncsm_index::index::{Index, IndexBuilder};
//! use uncsm_index::search::{Engine, Fusion};
//! use uncsm_index::train::{TrainConfig, Trainer};
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
//! let mut config = TrainConfig::default();
//! (config.model.dim, config.model.hidden, config.model.item_half) = (16, 32, 8);
//! (config.contrastive.epochs, config.double_triplet.epochs, config.metric.epochs) = (20, 5, 5);
//! # (config.steps.least, config.steps.average) = (0, 0.8);
//! # (config.regularisation.dropout_input, config.regularisation.dropout_hidden) = (0.1, 0.1);
//! # config.selection.refit = uncsm_index::train::Refit::Off;
//! let bundle = Trainer::new(&data).config(config).run()?.bundle;
//!
//! // The index holds the fields, the shared vectors of all items, and a copy of the bundle.
//! let report = IndexBuilder::new(dir.join("index"), &bundle).source(&corpus).run()?;
//! assert_eq!((report.documents, report.items["image"], report.warnings), (48, 48, 0));
//!
//! // A sentence that no document has finds pictures; a field restricts them.
//! let index = Index::open(&dir.join("index"))?;
//! let engine = Engine::new(&index)?;
//! let found = engine.request().text("a blue square")?.keywords("side:[15 TO 18]").fusion(Fusion::Metric).k(4).run()?;
//! assert_eq!((found.candidates, found.hits.len()), (16, 4));
//! assert!(found.hits.iter().all(|hit| hit.fields["color"] == "blue") && found.hits[0].probability > Some(0.5));
//! # Ok(())
//! # }
//! ```

mod hint;
mod error;
mod guard;
pub mod limits;
pub mod media;
#[cfg(any(feature = "encoders", feature = "train"))]
mod parallel;
pub mod corpus;
pub mod schema;
pub mod encode;
// What training alone reads stands beside what else reads the same data.
#[cfg_attr(not(feature = "train"), allow(dead_code, unused_imports))]
pub mod model;
#[cfg_attr(not(feature = "train"), allow(dead_code, unused_imports))]
pub mod data;
#[cfg_attr(not(feature = "train"), allow(dead_code, unused_imports))]
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

/// The Rust code of the recipes, which must run.
#[cfg(doctest)]
#[doc = include_str!("../docs/recipes/own-encoder.md")]
#[doc = include_str!("../docs/recipes/tantivy-app.md")]
struct Recipes;
