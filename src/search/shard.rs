//! The indexes that one query searches, as if they were one.

use std::path::Path;
use std::sync::Arc;

use tantivy::collector::Collector;
use tantivy::query::{Bm25StatisticsProvider, EnableScoring, Query, Weight};
use tantivy::schema::Field;
use tantivy::{DocAddress, Searcher, SegmentReader, Term};

use super::top::RankedDoc;
use crate::error::{Error, ErrorCode, Result};
use crate::index::{Index, SegmentCache, SegmentVectors};
use crate::schema::FieldMap;

/// One index at one commit. Its segments are numbered on from those of the shards before it.
pub(super) struct Shard<'a> {
    pub(super) tantivy: tantivy::Index,
    pub(super) searcher: Searcher,
    pub(super) cache: SegmentCache,
    /// Names of multi-valued fields, where the index is one of this crate.
    pub(super) fields: Option<&'a FieldMap>,
    /// Where it lies, where the index is one of this crate.
    pub(super) dir: Option<&'a std::path::Path>,
    base: u32,
    /// By segment. Held so that a merge elsewhere does not take them away.
    segments: Vec<Arc<SegmentVectors>>,
}

impl<'a> Shard<'a> {
    pub(super) fn of(index: &'a Index) -> Result<Self> {
        let searcher = index.reader()?.searcher();
        index.check_contents(&searcher)?;
        let shard = Self::host(index.tantivy(), searcher, index.cache())?;
        Ok(Self { fields: Some(index.fields()), dir: Some(index.dir()), ..shard })
    }

    pub(super) fn host(index: &tantivy::Index, searcher: Searcher, cache: &SegmentCache) -> Result<Self> {
        let segments = searcher.segment_readers().iter().map(|reader| cache.get(reader));
        Ok(Self {
            tantivy: index.clone(),
            segments: segments.collect::<Result<_>>()?,
            searcher,
            cache: cache.clone(),
            fields: None,
            dir: None,
            base: 0,
        })
    }
}

/// All shards, in the order given.
pub(super) struct Shards<'a> {
    shards: Vec<Shard<'a>>,
    /// The segments of all.
    pub(super) cache: SegmentCache,
}

impl<'a> Shards<'a> {
    /// # Errors
    /// [`ErrorCode::BadArgument`] without any, or where schemas differ.
    pub(super) fn new(mut shards: Vec<Shard<'a>>) -> Result<Self> {
        let mut base = 0;
        for shard in &mut shards {
            shard.base = base;
            base += shard.searcher.segment_readers().len() as u32;
        }
        let Some(first) = shards.first() else {
            return Err(Error::new(ErrorCode::BadArgument, "there is no index to search"));
        };
        let schema = first.searcher.schema().clone();
        if let Some(other) = shards.iter().find(|shard| *shard.searcher.schema() != schema) {
            let error = Error::new(ErrorCode::SchemaConflict, "the indexes have different fields")
                .hint("build all of them with one --schema file (`uncsm-index schema SOURCE` prints one)");
            return Err(match other.dir {
                Some(dir) => error.file(dir),
                None => error,
            });
        }
        let cache = match shards.as_slice() {
            [only] => only.cache.clone(),
            _ => SegmentCache::new(),
        };
        for shard in &shards {
            for (reader, vectors) in shard.searcher.segment_readers().iter().zip(&shard.segments) {
                cache.hold(reader.segment_id(), vectors.clone());
            }
        }
        Ok(Self { shards, cache })
    }

    /// Directories of those that are index directories.
    pub(super) fn dirs(&self) -> impl Iterator<Item = &Path> {
        self.shards.iter().filter_map(|shard| shard.dir)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Shard<'a>> {
        self.shards.iter()
    }

    /// The first one: schema and analysis are those of all.
    pub(super) fn first(&self) -> &Shard<'a> {
        &self.shards[0]
    }

    pub(super) fn len(&self) -> usize {
        self.shards.len()
    }

    /// The shard of an address, its position, and the address inside it.
    pub(super) fn at(&self, address: DocAddress) -> (usize, &Shard<'a>, DocAddress) {
        let at = self.shards.partition_point(|shard| shard.base <= address.segment_ord) - 1;
        let shard = &self.shards[at];
        (at, shard, DocAddress::new(address.segment_ord - shard.base, address.doc_id))
    }

    /// Reader and vectors of the segment of an address.
    pub(super) fn segment(&self, address: DocAddress) -> (&SegmentReader, &SegmentVectors) {
        let (_, shard, inside) = self.at(address);
        (shard.searcher.segment_reader(inside.segment_ord), &shard.segments[inside.segment_ord as usize])
    }

    /// Searches every shard, with the keyword statistics of all; `collector` is made for each.
    pub(super) fn search<C: Collector>(
        &self,
        query: &dyn Query,
        collector: impl Fn(&Shard<'a>) -> C,
    ) -> Result<Vec<(u32, C::Fruit)>> {
        let search = |shard: &Shard<'a>| -> Result<(u32, C::Fruit)> {
            let collector = collector(shard);
            Ok((shard.base, shard.searcher.search_with_statistics_provider(query, &collector, self)?))
        };
        self.iter().map(search).collect()
    }

    /// The compiled query by shard, with the keyword statistics of all.
    pub(super) fn weights(&self, query: &dyn Query) -> Result<Vec<Box<dyn Weight>>> {
        let weight = |shard: &Shard<'a>| {
            Ok(query.weight(EnableScoring::enabled_from_statistics_provider(self, &shard.searcher))?)
        };
        self.iter().map(weight).collect()
    }
}

/// Addresses of a shard as addresses among all.
pub(super) fn moved(docs: Vec<RankedDoc>, base: u32) -> Vec<RankedDoc> {
    let moved = |mut doc: RankedDoc| {
        doc.address.segment_ord += base;
        doc
    };
    docs.into_iter().map(moved).collect()
}

/// As if the shards were one index; like tantivy's own, the counts include deleted documents until a merge.
impl Bm25StatisticsProvider for Shards<'_> {
    fn total_num_tokens(&self, field: Field) -> tantivy::Result<u64> {
        self.iter().map(|shard| shard.searcher.total_num_tokens(field)).sum()
    }

    fn total_num_docs(&self) -> tantivy::Result<u64> {
        self.iter().map(|shard| shard.searcher.total_num_docs()).sum()
    }

    fn doc_freq(&self, term: &Term) -> tantivy::Result<u64> {
        self.iter().map(|shard| Bm25StatisticsProvider::doc_freq(&shard.searcher, term)).sum()
    }
}
