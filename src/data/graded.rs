//! Graded pairs: from the lines of a file to rows.

use std::collections::HashMap;

use super::rows::{GradedItems, GradedPair, TrainingData};
use crate::corpus::{PairItem, Pairs, Split};
use crate::error::{Error, ErrorCode, Result};

/// What became of the lines of a pairs file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GradedCount {
    /// Pairs that are learned from.
    pub used: u64,
    /// Pairs that name a row marked `test` or `val`, which nothing is learned from.
    pub left_out: u64,
}

impl TrainingData {
    /// Adds the graded pairs of a file to those that are there; a pair of which a side has test or validation rows alone is
    /// left out and counted. Media types must be in their final order.
    ///
    /// Ids are those of the corpus, or row numbers where the rows come from a features file. All items of a media type of a
    /// document take part.
    ///
    /// # Errors
    /// Of the first bad line: [`ErrorCode::UnknownMedia`], [`ErrorCode::UnknownId`], [`ErrorCode::DuplicateId`] where two
    /// documents have the id, [`ErrorCode::NoItems`] where the document has no item of the media type that reads.
    pub fn grade(&mut self, pairs: &Pairs) -> Result<GradedCount> {
        let mut rows_of: HashMap<&str, (usize, Vec<usize>)> = HashMap::new();
        let mut twice: HashMap<&str, usize> = HashMap::new();
        if let Some(documents) = &self.documents {
            let mut rows = vec![Vec::new(); documents.known.len()];
            documents.of_row.iter().enumerate().for_each(|(row, &document)| rows[document].push(row));
            for (at, (document, rows)) in documents.known.iter().zip(rows).enumerate() {
                if rows_of.insert(&document.id, (at, rows)).is_some() {
                    twice.insert(&document.id, at);
                }
            }
        }
        let find = |item: &PairItem| -> Result<GradedItems> {
            let media = self.media.iter().position(|media| media.name == item.media).ok_or_else(|| {
                let names: Vec<&str> = self.media.iter().map(|media| media.name.as_str()).collect();
                Error::new(ErrorCode::UnknownMedia, "a pair names a media type that the source does not have")
                    .expected(names.join(" or "))
                    .got(&item.media)
            })?;
            let unknown = |expected: &str| {
                Error::new(ErrorCode::UnknownId, "a pair names a document that the source does not have")
                    .expected(expected)
                    .got(format!("{:?}", item.id))
            };
            let rows = match &self.documents {
                None => {
                    let row = item.id.parse::<usize>().ok().filter(|&row| row < self.rows());
                    vec![row.ok_or_else(|| unknown(&format!("a row number below {}", self.rows())))?]
                }
                Some(documents) => {
                    if let Some(&again) = twice.get(item.id.as_str()) {
                        return Err(Error::new(
                            ErrorCode::DuplicateId,
                            "several documents have the id of a pair",
                        )
                        .expected("one document per id")
                        .got(format!(
                            "{:?} again at place {} of the source",
                            item.id, documents.known[again].line
                        ))
                        .hint("give each document an id of its own"));
                    }
                    let found = rows_of.get(item.id.as_str());
                    found
                        .ok_or_else(|| unknown("the id of a document that reads, of a split that is known"))?
                        .1
                        .clone()
                }
            };
            let mut items: Vec<usize> =
                rows.into_iter().filter(|&row| self.media[media].present[row]).collect();
            // The last item stands in the further rows too.
            let mut numbers = self.media[media].contents(&items).into_iter();
            let mut last = None;
            items.retain(|_| {
                let number = numbers.next();
                std::mem::replace(&mut last, number) != number
            });
            if items.is_empty() {
                let what = format!("the document {:?} of a pair has no item of `{}`", item.id, item.media);
                return Err(Error::new(ErrorCode::NoItems, what)
                    .hint("leave the pair out, or give the document an item that reads"));
            }
            Ok(GradedItems { media, rows: items })
        };
        let (mut graded, mut count) = (Vec::new(), GradedCount::default());
        for line in &pairs.lines {
            let side = |item: &PairItem| find(item).map_err(|error| error.file(&pairs.file).line(line.line));
            let (a, b) = (side(&line.a)?, side(&line.b)?);
            let learned = |items: &GradedItems| items.rows.iter().any(|&row| self.split[row] == Split::Train);
            if learned(&a) && learned(&b) {
                count.used += 1;
                graded.push(GradedPair { a, b, similar: line.similar });
            } else {
                count.left_out += 1;
            }
        }
        self.whole(Ok(()))?;
        self.graded.extend(graded);
        Ok(count)
    }

    /// Checks what graded pairs point at.
    pub(crate) fn check_graded(&self) -> Result<()> {
        for (at, pair) in self.graded.iter().enumerate() {
            if [&pair.a, &pair.b].into_iter().any(|side| side.media >= self.media.len()) {
                return Err(Error::new(
                    ErrorCode::UnknownMedia,
                    format!("graded pair {at} has no media type here"),
                )
                .expected(format!("less than {}", self.media.len())));
            }
            for side in [&pair.a, &pair.b] {
                let absent = |row: usize| row >= self.rows() || !self.media[side.media].present[row];
                if side.rows.is_empty() || side.rows.iter().any(|&row| absent(row)) {
                    return Err(Error::new(
                        ErrorCode::NoItems,
                        format!("graded pair {at} names a row without an item"),
                    ));
                }
            }
            // NaN is in no range.
            if !(0.0..=1.0).contains(&pair.similar) {
                return Err(Error::new(
                    ErrorCode::BadValue,
                    format!("the grade of pair {at} is out of range"),
                )
                .expected("0 to 1")
                .got(pair.similar));
            }
        }
        Ok(())
    }
}
