//! The words of the dictionaries that stand for one that was typed.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use tantivy::schema::Field;
use tantivy::termdict::TermStreamer;
use tantivy_fst::Automaton;

use super::typo::Near;
use crate::error::Result;
use crate::search::budget::Budget;
use crate::search::view::shard::Shards;

/// Words that stand for one at most, in each field: the nearest ones, then those of most documents.
pub(super) const MOST: usize = 1000;
/// Words of a dictionary between two looks at the budget.
const STEP: usize = 1024;
/// What a typing error, and a beginning in place of a word, leave of a score.
const FACTOR: f32 = 0.5;

/// A word of the dictionaries in place of the one that was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Other {
    pub(super) word: String,
    /// Documents that have it, deleted ones too, as BM25 counts them.
    pub(super) documents: u64,
    pub(super) edits: u8,
    /// Whether it only begins so.
    pub(super) longer: bool,
}

impl Other {
    pub(super) fn factor(&self) -> f32 {
        FACTOR.powi(i32::from(self.edits) + i32::from(self.longer))
    }

    /// The better first: nearer, then of more documents.
    fn rank(&self, other: &Self) -> Ordering {
        let far = |other: &Self| other.edits + u8::from(other.longer);
        far(self).cmp(&far(other)).then_with(|| other.documents.cmp(&self.documents))
    }
}

impl Ord for Other {
    fn cmp(&self, other: &Self) -> Ordering {
        let same = || (self.edits, self.longer).cmp(&(other.edits, other.longer));
        self.rank(other).then_with(|| self.word.cmp(&other.word)).then_with(same)
    }
}

impl PartialOrd for Other {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// What was looked for in a field.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// Nearest first.
    pub(super) kept: Vec<Other>,
    /// How many more there are.
    pub(super) cut: usize,
    /// Whether the time budget ended before all dictionaries were read.
    pub(super) spent: bool,
}

/// What a list of others may cost.
pub(super) struct Bounds<'a> {
    /// Words that are kept at most.
    pub(super) most: usize,
    pub(super) budget: &'a Budget,
}

/// The words of `field` in all segments of all indexes that are within `edits` errors of `word`, or, where there is a
/// `beginning`, begin with it or with one within as many errors of it; `word` itself is not among them.
///
/// Cost: the part of each dictionary that has a beginning in common with such a word, until the budget is spent; memory for what is kept.
///
/// # Errors
/// [`ErrorCode::Interrupted`](crate::ErrorCode::Interrupted) after a cancellation.
pub(super) fn others(
    shards: &Shards,
    field: Field,
    (word, edits): (&str, u8),
    beginning: Option<&str>,
    bounds: &Bounds<'_>,
) -> Result<Others> {
    let readers: Result<Vec<_>> = shards
        .iter()
        .flat_map(|shard| shard.searcher.segment_readers())
        .map(|reader| Ok(reader.inverted_index(field)?))
        .collect();
    let readers = readers?;
    let mut out = Others::default();
    let whole = if edits > 0 { Near::new(word, edits, false) } else { None };
    if let Some(near) = &whole {
        let mut top = Top::new(word, bounds);
        let streams = readers.iter().map(|reader| reader.terms().search(near).into_stream());
        top.walk(
            streams,
            |_| true,
            |word| near.distances(word).0.map(|edits| Kind { edits, longer: false, again: false }),
        )?;
        out.add(top);
    }
    if let Some(beginning) = beginning {
        let mut top = Top::new(word, bounds);
        let again = |word: &str| whole.as_ref().is_some_and(|near| near.distances(word).0.is_some());
        match Near::new(beginning, edits, true) {
            Some(near) => {
                let streams = readers.iter().map(|reader| reader.terms().search(&near).into_stream());
                let kind = |word: &str| {
                    let edits = near.distances(word).1?;
                    Some(Kind { edits, longer: true, again: again(word) })
                };
                top.walk(streams, |_| true, kind)?;
            }
            // What is too long to compare.
            None => {
                let head = beginning.as_bytes();
                let streams = readers.iter().map(|reader| reader.terms().range().ge(head).into_stream());
                let kind = |word: &str| Some(Kind { edits: 0, longer: true, again: again(word) });
                top.walk(streams, |key| key.starts_with(head), kind)?;
            }
        }
        out.add(top);
    }
    out.settle(bounds.most);
    Ok(out)
}

/// How a word stands for another.
struct Kind {
    edits: u8,
    longer: bool,
    /// Whether it was counted before.
    again: bool,
}

/// The best words of one walk.
struct Top<'a> {
    /// What is not among them.
    word: &'a str,
    bounds: &'a Bounds<'a>,
    /// The worst first.
    kept: BinaryHeap<Other>,
    /// Words that were not counted before.
    count: usize,
    spent: bool,
}

impl<'a> Top<'a> {
    fn new(word: &'a str, bounds: &'a Bounds<'a>) -> Self {
        Self { word, bounds, kept: BinaryHeap::new(), count: 0, spent: false }
    }

    /// Takes what `kind` says is one, from dictionaries that are read side by side in the order of their words, each as long as `within` says so.
    ///
    /// So a word has all its documents when it comes, and none need wait.
    fn walk<'s, A: Automaton>(
        &mut self,
        streams: impl Iterator<Item = std::io::Result<TermStreamer<'s, A>>>,
        within: impl Fn(&[u8]) -> bool,
        kind: impl Fn(&str) -> Option<Kind>,
    ) -> Result<()>
    where
        A::State: Clone,
    {
        let mut open = Vec::new();
        for stream in streams {
            let mut stream = stream.map_err(tantivy::TantivyError::from)?;
            if stream.advance() && within(stream.key()) {
                open.push(stream);
            }
        }
        let mut key: Vec<u8> = Vec::new();
        let mut walked = 0_usize;
        while let Some(least) = open.iter().map(TermStreamer::key).min() {
            key.clear();
            key.extend_from_slice(least);
            let mut documents = 0;
            open.retain_mut(|stream| {
                if stream.key() != key {
                    return true;
                }
                documents += u64::from(stream.value().doc_freq);
                stream.advance() && within(stream.key())
            });
            // Terms of text are UTF-8, unless a file is damaged.
            if let Ok(word) = std::str::from_utf8(&key)
                && word != self.word
                && let Some(kind) = kind(word)
            {
                self.count += usize::from(!kind.again);
                self.offer(word, documents, &kind);
            }
            walked += 1;
            if walked.is_multiple_of(STEP) && self.bounds.budget.is_spent() {
                self.bounds.budget.check_cancelled()?;
                self.spent = true;
                break;
            }
        }
        Ok(())
    }

    fn offer(&mut self, word: &str, documents: u64, kind: &Kind) {
        let other = |word: String| Other { word, documents, edits: kind.edits, longer: kind.longer };
        if self.kept.len() < self.bounds.most {
            self.kept.push(other(word.to_owned()));
        } else if let Some(mut worst) = self.kept.peek_mut() {
            // Words come in order, so that of equal ones the first stays.
            let new = other(String::new());
            if new.rank(&worst).is_lt() {
                *worst = other(word.to_owned());
            }
        }
    }
}

impl Others {
    /// Adds what a walk kept; of two for one word the better stays.
    fn add(&mut self, top: Top<'_>) {
        self.cut += top.count;
        self.spent |= top.spent;
        self.kept.extend(top.kept);
    }

    /// Keeps the best `most`. A word beyond these in its own walk has as many better ones, and is beyond them here too.
    fn settle(&mut self, most: usize) {
        self.kept.sort_by(|a, b| a.word.cmp(&b.word).then_with(|| a.cmp(b)));
        self.kept.dedup_by(|again, first| again.word == first.word);
        self.kept.sort();
        self.kept.truncate(most);
        self.cut = self.cut.saturating_sub(self.kept.len());
    }
}
