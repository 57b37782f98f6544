//! What is learned from and measured on: rows of features with their classes, splits and graded pairs, made of a corpus or
//! of a features file.

mod classes;
mod content;
mod from_corpus;
mod from_features;
mod graded;
mod items;
mod rows;
mod seen;
mod sets;
mod store;
mod summary;
#[cfg(test)]
mod testing;
mod titles;
mod write_features;

#[cfg(feature = "train")]
pub(crate) use content::content_numbers;
pub use from_corpus::{CorpusOptions, NewClasses, from_corpora, from_corpus};
pub use from_features::{FeatureOptions, from_features};
pub use graded::GradedCount;
pub(crate) use items::{Items, MediaItems, Similarity};
pub use rows::{DocumentRef, Documents, GradedItems, GradedPair, Labels, MediaFeatures, TrainingData};
pub(crate) use sets::Sets;
pub use store::FeatureStore;
pub use summary::DataSummary;
#[cfg(test)]
pub(crate) use testing::made;
pub use write_features::{WrittenFeatures, write_features};
