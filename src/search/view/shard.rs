//! The indexes that one query searches, as if they were one.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use tantivy::collector::Collector;
use tantivy::query::{Bm25StatisticsProvider, EnableScoring, Query, Weight};
use tantivy::schema::{Field, Schema};
use tantivy::{DocAddress, Searcher, SegmentReader, TantivyDocument, Term};

use crate::corpus::Origin;
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting, Task};
use crate::index::{Documents, Index, SegmentCache, SegmentVectors};
use crate::schema::SynonymMap;

/// Unpacked blocks of stored documents that are kept of each segment: as many as the host keeps.
const BLOCKS: usize = 100;

/// One index at one commit. Its segments are numbered on from those of the shards before it.
#[derive(Clone)]
pub(crate) struct Shard {
    pub(crate) tantivy: tantivy::Index,
    pub(crate) searcher: Searcher,
    pub(crate) cache: SegmentCache,
    /// The index, where it is one of this crate.
    own: Option<Arc<Index>>,
    base: u32,
    /// By segment. Held so that a merge elsewhere does not take them away.
    segments: Vec<Arc<SegmentVectors>>,
    /// By segment, opened when a document is first asked for.
    documents: Arc<[OnceLock<Documents>]>,
}

impl Shard {
    pub(crate) fn of(index: &Arc<Index>) -> Result<Self> {
        let searcher = index.reader()?.searcher();
        index.check_contents(&searcher)?;
        let shard = Self::host(index.tantivy(), searcher, index.cache())?;
        Ok(Self { own: Some(index.clone()), ..shard })
    }

    pub(crate) fn host(index: &tantivy::Index, searcher: Searcher, cache: &SegmentCache) -> Result<Self> {
        let segments = searcher.segment_readers().iter().map(|reader| cache.get(reader));
        Ok(Self {
            tantivy: index.clone(),
            segments: segments.collect::<Result<_>>()?,
            documents: searcher.segment_readers().iter().map(|_| OnceLock::new()).collect(),
            searcher,
            cache: cache.clone(),
            own: None,
            base: 0,
        })
    }

    /// Whether what is compiled for `other` runs on this one. An app's `_source` is a field as any other.
    fn is_searched_as(&self, other: &Self) -> bool {
        let (schema, others) = (self.searcher.schema(), other.searcher.schema());
        match self.own.is_some() && other.own.is_some() {
            true => crate::schema::is_searched_alike(schema, others),
            false => schema == others,
        }
    }

    /// The vectors of its segments.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &SegmentVectors> {
        self.segments.iter().map(|vectors| &**vectors)
    }

    /// Segments of the shards before it.
    pub(crate) fn base(&self) -> u32 {
        self.base
    }

    /// Where it lies, where it is an index of this crate.
    pub(crate) fn dir(&self) -> Option<&Path> {
        self.own.as_ref().map(|index| index.dir())
    }

    /// The stored document at an address inside of it.
    ///
    /// # Errors
    /// [`ErrorCode::Damaged`], naming the file of its segment.
    pub(crate) fn document(&self, inside: DocAddress) -> Result<TantivyDocument> {
        let held = &self.documents[inside.segment_ord as usize];
        if let Some(documents) = held.get() {
            return documents.get(inside.doc_id);
        }
        let opened = Documents::open(self.searcher.segment_reader(inside.segment_ord), BLOCKS)?;
        held.get_or_init(|| opened).get(inside.doc_id)
    }

    /// Where a document was read, where it says so: one of an app's index does not.
    pub(crate) fn origin(&self, document: &TantivyDocument) -> Option<Origin> {
        self.own.as_ref()?.fields().origin(document)
    }

    /// The stored fields of a document, without the field of ids: that of an app is called `id`. An index of this crate knows
    /// which fields have several values.
    pub(crate) fn stored_fields(
        &self,
        document: &TantivyDocument,
        id: &str,
    ) -> serde_json::Map<String, serde_json::Value> {
        let schema = self.searcher.schema();
        match &self.own {
            Some(index) => index.fields().stored_fields(document, schema),
            None => crate::schema::stored_fields(document, schema, id),
        }
    }
}

/// All shards, in the order given; at least one.
pub(crate) struct Shards {
    shards: Vec<Shard>,
    /// The segments of all.
    pub(crate) cache: SegmentCache,
}

impl Shards {
    /// # Errors
    /// [`ErrorCode::BadArgument`] without any; [`ErrorCode::SchemaConflict`] where schemas differ.
    pub(crate) fn new(mut shards: Vec<Shard>) -> Result<Self> {
        let mut base = 0;
        for shard in &mut shards {
            shard.base = base;
            base += shard.searcher.segment_readers().len() as u32;
        }
        let Some(first) = shards.first() else {
            return Err(Error::new(ErrorCode::BadArgument, "there is no index to search"));
        };
        if let Some(other) = shards.iter().find(|shard| !shard.is_searched_as(first)) {
            let hint = Hint::new("build all of them with one")
                .setting(Setting::Schema)
                .text(" file (")
                .task(Task::InferSchema)
                .text(" prints one)");
            let error = Error::new(ErrorCode::SchemaConflict, "the indexes have different fields").hint(hint);
            return Err(match other.dir() {
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

    /// The fields of all.
    pub(crate) fn schema(&self) -> &Schema {
        self.first().searcher.schema()
    }

    /// Directories of those that are index directories.
    pub(crate) fn dirs(&self) -> impl Iterator<Item = &Path> {
        self.shards.iter().filter_map(Shard::dir)
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Shard> {
        self.shards.iter()
    }

    /// The first one: schema and analysis are those of all.
    pub(crate) fn first(&self) -> &Shard {
        &self.shards[0]
    }

    /// The searchers of all.
    pub(crate) fn searchers(&self) -> Vec<Searcher> {
        self.iter().map(|shard| shard.searcher.clone()).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.len()
    }

    /// What stands for words, by the rules of each index of this crate.
    ///
    /// # Errors
    /// Those of the schema's own.
    pub(crate) fn synonyms(&self) -> Result<Vec<(Field, Arc<SynonymMap>)>> {
        let mut out = Vec::new();
        for index in self.iter().filter_map(|shard| shard.own.as_ref()) {
            out.extend(index.fields().synonyms()?);
        }
        Ok(out)
    }

    /// The shard of an address, its position, and the address inside it.
    pub(crate) fn at(&self, address: DocAddress) -> (usize, &Shard, DocAddress) {
        let at = self.shards.partition_point(|shard| shard.base <= address.segment_ord) - 1;
        let shard = &self.shards[at];
        (at, shard, DocAddress::new(address.segment_ord - shard.base, address.doc_id))
    }

    /// Reader and vectors of the segment of an address.
    pub(crate) fn segment(&self, address: DocAddress) -> (&SegmentReader, &SegmentVectors) {
        let (_, shard, inside) = self.at(address);
        (shard.searcher.segment_reader(inside.segment_ord), &shard.segments[inside.segment_ord as usize])
    }

    /// Searches every shard, with the keyword statistics of all; `collector` is made for each.
    pub(crate) fn search<C: Collector>(
        &self,
        query: &dyn Query,
        collector: impl Fn(&Shard) -> C,
    ) -> Result<Vec<(u32, C::Fruit)>> {
        let search = |shard: &Shard| -> Result<(u32, C::Fruit)> {
            let collector = collector(shard);
            Ok((shard.base, shard.searcher.search_with_statistics_provider(query, &collector, self)?))
        };
        self.iter().map(search).collect()
    }

    /// The compiled query by shard, without scores.
    pub(crate) fn silent_weights(&self, query: &dyn Query) -> Result<Vec<Box<dyn Weight>>> {
        let weight =
            |shard: &Shard| Ok(query.weight(EnableScoring::disabled_from_searcher(&shard.searcher))?);
        self.iter().map(weight).collect()
    }

    /// The compiled query by shard, with the keyword statistics of all.
    pub(crate) fn weights(&self, query: &dyn Query) -> Result<Vec<Box<dyn Weight>>> {
        let weight = |shard: &Shard| {
            Ok(query.weight(EnableScoring::enabled_from_statistics_provider(self, &shard.searcher))?)
        };
        self.iter().map(weight).collect()
    }
}

/// As if the shards were one index; like tantivy's own, the counts include deleted documents until a merge.
impl Bm25StatisticsProvider for Shards {
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
