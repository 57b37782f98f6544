//! What a query runs on: indexes at one commit each, the bundle that scores, and its encoders.

pub(crate) mod encoders;
pub(in crate::search) mod ids;
mod order;
pub(crate) mod required;
pub(crate) mod shard;

use std::sync::{Arc, OnceLock};

use tantivy::{DocAddress, Searcher, SegmentOrdinal};

use self::encoders::OpenEncoders;
use self::ids::Columns;
use self::order::Order;
use self::required::Required;
use self::shard::Shards;
use crate::encode::Encoder;
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};
use crate::index::{IdField, find_document, guarded};
use crate::model::Bundle;
use crate::search::top::{Ids, RankedDoc, name};

/// One state of an engine. A clone is cheap; commits do not change it.
#[derive(Clone)]
pub(crate) struct View {
    pub(crate) shards: Arc<Shards>,
    pub(crate) bundle: Arc<Bundle>,
    pub(crate) encoders: Arc<OpenEncoders>,
    /// Name of the field of ids.
    pub(crate) id: Arc<str>,
    /// What binds every answer.
    pub(crate) required: Required,
    /// Its columns, in the segments of `shards`.
    pub(in crate::search) ids: Columns,
    /// Across the segments of `shards`.
    pub(in crate::search) order: Arc<Order>,
    /// Once they are counted: items of live documents by media type.
    pub(in crate::search) items: Arc<OnceLock<Vec<u64>>>,
}

impl View {
    /// Documents are named by the field `id`.
    pub(crate) fn new(
        shards: Arc<Shards>,
        bundle: Arc<Bundle>,
        encoders: Arc<OpenEncoders>,
        id: Arc<str>,
    ) -> Self {
        let (ids, order, items) = (Columns::kept(id.clone()), Arc::default(), Arc::default());
        Self { shards, bundle, encoders, id, required: Required::default(), ids, order, items }
    }

    /// Fills in the ids of documents that have none.
    pub(in crate::search) fn name<'d>(
        &self,
        docs: impl IntoIterator<Item = &'d mut RankedDoc>,
    ) -> Result<()> {
        name(docs, |segment| self.ids_of(segment))
    }

    /// Sorts documents of equal scores by id and address.
    pub(in crate::search) fn sort_equals(&self, docs: &mut [RankedDoc]) -> Result<()> {
        let segments = self.shards.iter().map(|shard| shard.searcher.segment_readers().len() as u32).sum();
        self.order.sort(docs, segments, |segment| self.ids_of(segment))
    }

    fn ids_of(&self, segment: SegmentOrdinal) -> Result<Ids> {
        self.ids.of(self.shards.segment(DocAddress::new(segment, 0)).0)
    }

    /// The encoder of a media type, which stays open.
    ///
    /// # Errors
    /// Those of [`Bundle::encoder`].
    pub(crate) fn encoder(&self, media: usize) -> Result<Arc<dyn Encoder>> {
        self.encoders.get(&self.bundle, media)
    }

    /// The first searcher: schema and analysis are those of all.
    pub(crate) fn searcher(&self) -> &Searcher {
        &self.shards.first().searcher
    }

    /// The field of ids.
    ///
    /// # Errors
    /// Those of [`IdField::of`].
    pub(crate) fn id_field(&self) -> Result<IdField> {
        IdField::of(self.shards.schema(), &self.id)
    }

    /// Address of the live document `id` that the required filters let through; segments of several indexes are numbered on.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownId`]; [`ErrorCode::UnknownField`] in an index without ids.
    pub(crate) fn find(&self, id: &str) -> Result<DocAddress> {
        self.find_in(id, None)
    }

    /// [`View::find`] in the index at one position alone.
    ///
    /// # Errors
    /// Those of [`View::find`].
    pub(crate) fn find_in(&self, id: &str, index: Option<usize>) -> Result<DocAddress> {
        let field = self.id_field()?.field();
        for (at, shard) in self.shards.iter().enumerate() {
            if index.is_some_and(|index| index != at) {
                continue;
            }
            let base = shard.base();
            if let Some(found) = guarded(shard.dir(), || find_document(&shard.searcher, field, id))? {
                let address = DocAddress::new(base + found.segment_ord, found.doc_id);
                if guarded(shard.dir(), || self.lets_through(address))? {
                    return Ok(address);
                }
            }
        }
        let hint =
            Hint::new("ids are case-sensitive and whole;").given(Setting::Filter, "'id:..' finds one too");
        Err(Error::new(ErrorCode::UnknownId, format!("no document has the id {id:?}")).hint(hint))
    }

    /// By media type: whether any index holds an item of a live document.
    pub(crate) fn held(&self) -> Result<Vec<bool>> {
        Ok(self.items()?.iter().map(|items| *items > 0).collect())
    }

    /// Items of live documents by media type, of all indexes together, as far as the required filters let them through. Cost:
    /// once in a state, a look at every item of segments with deleted documents, and of all under a required filter.
    pub(crate) fn items(&self) -> Result<&[u64]> {
        if let Some(items) = self.items.get() {
            return Ok(items);
        }
        let counted = self.count_items()?;
        Ok(self.items.get_or_init(|| counted))
    }

    fn count_items(&self) -> Result<Vec<u64>> {
        let mut items = vec![0; self.bundle.media().len()];
        let required = self.required.segments(&self.shards)?;
        let mut allowed = required.as_ref().map(|segments| segments.iter());
        for shard in self.shards.iter() {
            for reader in shard.searcher.segment_readers() {
                let vectors = self.shards.cache.get(reader)?;
                let allowed = allowed.as_mut().and_then(Iterator::next);
                let is_allowed = |doc: u32| {
                    allowed.is_none_or(|allowed| allowed.get(doc as usize).copied().unwrap_or(false))
                };
                for (media, items) in items.iter_mut().enumerate() {
                    let docs = vectors.view(media).docs;
                    // The values of an open file are unchecked, and the host looks into a bitset.
                    let is_live = |doc: &u32| *doc < reader.max_doc() && !reader.is_deleted(*doc);
                    *items += match reader.has_deletes() || allowed.is_some() {
                        false => docs.len(),
                        true => docs.iter().filter(|doc| is_live(doc) && is_allowed(**doc)).count(),
                    } as u64;
                }
            }
        }
        Ok(items)
    }
}
