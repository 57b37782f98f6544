//! What a model is trained and measured on: features of several media types, row by row.

use super::content::content_numbers;
use super::store::FeatureStore;
use crate::corpus::Split;
use crate::error::{Error, ErrorCode, Result};
use crate::media::Fingerprint;
use crate::model::{Bundle, not_finite};

/// The features of one media type.
#[derive(Clone, Debug)]
pub struct MediaFeatures {
    /// Name of the media type.
    pub name: String,
    /// The encoder that made them; the name of the tensor where nothing else is known.
    pub encoder: String,
    /// What the encoder has learned from the train rows, kept in the bundle; empty where it learns nothing.
    pub encoder_state: Vec<f32>,
    /// Stands for the encoder; `None` where nobody knows what made the features.
    pub fingerprint: Option<Fingerprint>,
    /// Elements per row.
    pub d_in: usize,
    /// `[n, d_in]` row-major; rows that are not present may hold anything.
    pub rows: FeatureStore,
    /// `[n]`: whether the row has an item of this media type.
    pub present: Vec<bool>,
}

impl MediaFeatures {
    /// The features of one row `[d_in]`; `buffer` holds them where they come from a file.
    pub(crate) fn row<'s>(&'s self, row: usize, buffer: &'s mut Vec<f32>) -> &'s [f32] {
        self.rows.row(row, self.d_in, buffer)
    }

    /// The features of some rows `[rows.len(), d_in]`.
    pub(crate) fn gather(&self, rows: &[usize]) -> Vec<f32> {
        let mut out = Vec::with_capacity(rows.len() * self.d_in);
        rows.iter().for_each(|&row| self.rows.append(row, self.d_in, &mut out));
        out
    }

    /// Numbers of the contents of some rows: see [`content_numbers`].
    pub(crate) fn contents(&self, rows: &[usize]) -> Vec<u32> {
        content_numbers(rows.len(), |at, out| self.rows.append(rows[at], self.d_in, out))
    }
}

/// The class of each row.
#[derive(Clone, Debug)]
pub struct Labels {
    /// `[n]`; `None` where a row has no class.
    pub class: Vec<Option<u32>>,
    /// Names in order of the class numbers, where known.
    pub names: Option<Vec<String>>,
    /// The field or tensor that held them.
    pub key: String,
}

/// A document that rows come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentRef {
    /// Its id, given or made from its place.
    pub id: String,
    /// Its 1-based place in the corpus.
    pub line: u64,
}

/// Which documents the rows come from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Documents {
    /// All documents that were read, those without rows too.
    pub known: Vec<DocumentRef>,
    /// `[n]`: number of the document of each row in `known`.
    pub of_row: Vec<usize>,
}

/// The items of one side of a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GradedItems {
    /// Position of the media type in [`TrainingData::media`].
    pub media: usize,
    /// Rows that hold the items, all of one document.
    pub rows: Vec<usize>,
}

/// Two items, or sets of items, and how much they match.
#[derive(Clone, Debug, PartialEq)]
pub struct GradedPair {
    /// One side.
    pub a: GradedItems,
    /// The other side.
    pub b: GradedItems,
    /// 0 to 1.
    pub similar: f32,
}

/// Rows of features with classes, groups and splits; row i of every media type is one document.
#[derive(Clone, Debug)]
pub struct TrainingData {
    /// One entry per media type, each of `n` rows.
    pub media: Vec<MediaFeatures>,
    /// Classes, where there are any.
    pub labels: Option<Labels>,
    /// `[n]`: rows of equal value stay together when a validation split is drawn.
    pub groups: Option<Vec<u64>>,
    /// `[n]`.
    pub split: Vec<Split>,
    /// Names the features beside every figure.
    pub features_name: String,
    /// The documents of a corpus; `None` where a row is a document, and its number the id.
    pub documents: Option<Documents>,
    /// Pairs that somebody graded, beside what labels and rows say; see [`TrainingData::grade`].
    pub graded: Vec<GradedPair>,
}

impl TrainingData {
    /// Number of rows, `n`.
    pub fn rows(&self) -> usize {
        self.split.len()
    }

    /// The class of a row.
    pub(crate) fn class(&self, row: usize) -> Option<u32> {
        self.labels.as_ref().and_then(|labels| labels.class[row])
    }

    /// Numbers of the rows of a split, ascending.
    pub(crate) fn rows_of(&self, split: Split) -> Vec<usize> {
        (0..self.rows()).filter(|&row| self.split[row] == split).collect()
    }

    /// Checks lengths, which do not depend on the content of any row.
    pub(crate) fn check_shapes(&self) -> Result<()> {
        let n = self.rows();
        let wrong = |what: String, expected: usize, got: usize| {
            Err(Error::new(ErrorCode::BadDimension, format!("{what} has the wrong length"))
                .expected(expected)
                .got(got))
        };
        if self.media.is_empty() {
            return Err(Error::new(ErrorCode::Empty, "no media types to train on"));
        }
        for (m, media) in self.media.iter().enumerate() {
            if media.d_in == 0 {
                return wrong(format!("a feature row of `{}`", media.name), 1, 0);
            }
            if media.rows.len() != n * media.d_in {
                return wrong(
                    format!("the feature matrix of `{}`", media.name),
                    n * media.d_in,
                    media.rows.len(),
                );
            }
            if media.present.len() != n {
                return wrong(format!("the presence list of `{}`", media.name), n, media.present.len());
            }
            if media.name.is_empty() || media.name.len() > 32 {
                return Err(Error::new(ErrorCode::BadArgument, "a media type needs a short name")
                    .expected("1 to 32 bytes")
                    .got(format!("{:?}", media.name)));
            }
            if self.media[..m].iter().any(|other| other.name == media.name) {
                return Err(Error::new(ErrorCode::BadArgument, "a media type stands twice").got(&media.name));
            }
        }
        if let Some(labels) = &self.labels
            && labels.class.len() != n
        {
            return wrong(format!("the label list `{}`", labels.key), n, labels.class.len());
        }
        if let Some(groups) = &self.groups
            && groups.len() != n
        {
            return wrong("the group list".to_owned(), n, groups.len());
        }
        if let Some(documents) = &self.documents
            && documents.of_row.len() != n
        {
            return wrong("the list of documents".to_owned(), n, documents.of_row.len());
        }
        Ok(())
    }

    /// Checks that the media types are those of `bundle`, in its order, with features as wide as its pathways read.
    pub(crate) fn check_fits(&self, bundle: &Bundle) -> Result<()> {
        if bundle.media().len() != self.media.len() {
            return Err(Error::new(
                ErrorCode::UnknownMedia,
                "the data have other media types than the bundle",
            )
            .expected(bundle.media().len())
            .got(self.media.len()));
        }
        for (config, media) in bundle.media().iter().zip(&self.media) {
            if config.name != media.name {
                return Err(Error::new(
                    ErrorCode::UnknownMedia,
                    "the data have another media type than the bundle",
                )
                .expected(&config.name)
                .got(&media.name));
            }
            if config.features != media.d_in {
                return Err(Error::new(
                    ErrorCode::BadDimension,
                    format!("features of `{}` do not fit its pathway", media.name),
                )
                .expected(config.features)
                .got(media.d_in));
            }
        }
        Ok(())
    }

    /// `result`, of reading rows; an error where some could not be read, or their files were changed meanwhile.
    ///
    /// Each verb ends by it, and a long one asks now and then: until then, rows that cannot be read are zeros.
    ///
    /// # Errors
    /// [`ErrorCode::Changed`] and [`ErrorCode::Io`], before that of `result`.
    pub(crate) fn whole<T>(&self, result: Result<T>) -> Result<T> {
        self.media.iter().try_for_each(|media| media.rows.check())?;
        result
    }

    /// The error that `of` makes of the number of a row in its features file, with the file; of the row itself where there is none.
    fn placed(&self, row: usize, of: impl FnOnce(usize) -> Error) -> Error {
        match self.media.first().and_then(|media| media.rows.place(row)) {
            Some((file, row)) => of(row).file(file),
            None => of(row),
        }
    }

    /// Checks that the features of these rows are finite.
    pub(crate) fn check_finite(&self, rows: &[usize]) -> Result<()> {
        self.whole(self.all_finite(rows))
    }

    fn all_finite(&self, rows: &[usize]) -> Result<()> {
        let mut buffer = Vec::new();
        for media in &self.media {
            for &row in rows.iter().filter(|&&row| media.present[row]) {
                if let Some(column) = media.row(row, &mut buffer).iter().position(|x| !x.is_finite()) {
                    return Err(self.placed(row, |row| not_finite(&media.name, row, column)));
                }
            }
        }
        Ok(())
    }

    /// Checks the labels of the rows that are learned from, and returns the number of classes.
    ///
    /// Rows outside `rows` are not looked at: without names, the highest class of `rows` counts.
    pub(crate) fn class_count(&self, rows: &[usize]) -> Result<usize> {
        let Some(labels) = &self.labels else { return Ok(0) };
        let mut seen: Vec<u32> = rows.iter().filter_map(|&row| labels.class[row]).collect();
        seen.sort_unstable();
        seen.dedup();
        if seen.len() < 2 {
            return Err(Error::new(
                ErrorCode::TooFewData,
                format!("the train rows have fewer than two classes in `{}`", labels.key),
            )
            .expected("at least 2")
            .got(seen.len())
            .hint("train without labels, from pairs alone"));
        }
        let highest = seen.last().map_or(0, |class| *class as usize);
        let count = labels.names.as_ref().map_or(highest + 1, Vec::len);
        if highest >= count || count > MAX_CLASSES {
            let row =
                rows.iter().find(|&&row| labels.class[row].is_some_and(|class| class as usize == highest));
            let error = |row| {
                let what = format!("row {row} has a class out of range in `{}`", labels.key);
                Error::new(ErrorCode::BadValue, what)
                    .expected(format!("less than {}", count.min(MAX_CLASSES)))
                    .got(highest)
            };
            return Err(self.placed(*row.unwrap_or(&0), error));
        }
        Ok(count)
    }
}

/// Posteriors are stored with every item, so this many classes are the limit.
const MAX_CLASSES: usize = crate::limits::BUNDLE_CLASSES;
