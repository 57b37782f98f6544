//! Looks at every byte of a container.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::column::Column;
use crate::damage::{Damage, Reason};
use crate::layout::{self, padding};
use crate::parts;
use crate::reader::{SectionInfo, Uvec};
use crate::rows::{inverse_norm, is_span};
use crate::view::MediaView;

/// First row and number of rows that are wrong.
#[derive(Clone, Copy)]
pub(crate) struct Rows {
    pub(crate) first: usize,
    pub(crate) count: usize,
}

pub(crate) fn find(wrong: impl Iterator<Item = bool>) -> Option<Rows> {
    let mut found = None;
    for (row, _) in wrong.enumerate().filter(|&(_, wrong)| wrong) {
        found.get_or_insert(Rows { first: row, count: 0 }).count += 1;
    }
    found
}

impl<D: AsRef<[u8]>> Uvec<D> {
    /// Checks everything that `open` leaves out: the checksum of every section, also of unknown kinds; padding; the shape and
    /// media index of derived sections, and that none stands twice; order and range of documents; spans; finite vectors,
    /// halves and hubs; inverse norms; shapes and values of cells, where their sections are whole. Finds all damage, at most one
    /// entry per section and reason; none means that the file is sound. Cost: reads the file twice, and a byte of memory for
    /// each item that lies in a cell.
    pub fn verify(&self) -> Vec<Damage> {
        let mut damage = Vec::new();
        let mut derived = HashMap::new();
        let mut sections = self.sections().iter().peekable();
        while let Some(section) = sections.next() {
            self.check_crc(section, &mut damage);
            if section.derived {
                self.check_derived(section, &mut derived, &mut damage);
            }
            let end = section.offset.saturating_add(section.length);
            let next = sections.peek().map_or(self.table(), |next| next.offset);
            self.check_padding(section, end, next, &mut damage);
        }
        for media in 0..self.media().len() {
            self.check_values(media, &mut damage);
            self.check_cells(media, &mut damage);
        }
        damage
    }

    /// Checks the sections of one media type, as [`Uvec::verify`] does, but not the padding between them, and not what is
    /// derived, which is not copied. To be called before rows are copied to another file, where they get a fresh checksum.
    /// Cost: reads these sections twice.
    ///
    /// # Panics
    /// If there is no media type `media`.
    pub fn verify_media(&self, media: usize) -> Vec<Damage> {
        let mut damage = Vec::new();
        let of_items = |section: &&SectionInfo| section.media == Some(media) && !section.derived;
        for section in self.sections().iter().filter(of_items) {
            self.check_crc(section, &mut damage);
        }
        self.check_values(media, &mut damage);
        damage
    }

    pub(crate) fn damage(&self, section: &SectionInfo, offset: u64, reason: Reason) -> Damage {
        let media = section.media.and_then(|media| self.media().get(media)).map(|info| info.name.clone());
        Damage { section: section.name.clone(), media, offset, reason }
    }

    fn check_crc(&self, section: &SectionInfo, damage: &mut Vec<Damage>) {
        // No overflow: `open` found the section within the bytes.
        let start = section.offset as usize;
        let bytes = self.data().get(start..start + section.length as usize).unwrap_or_default();
        let (expected, got) = (section.crc, crc32fast::hash(bytes));
        if expected != got {
            damage.push(self.damage(section, section.offset, Reason::Checksum { expected, got }));
        }
    }

    /// The rules of a derived section; its shape only where this version knows its elements. `seen` holds the first bytes of
    /// those before it.
    fn check_derived(
        &self,
        section: &SectionInfo,
        seen: &mut HashMap<(u32, Option<usize>), u64>,
        damage: &mut Vec<Damage>,
    ) {
        let mut push = |reason| damage.push(self.damage(section, section.offset, reason));
        let &SectionInfo { kind, media, offset, rows, columns, length, .. } = section;
        if !section.is_whole() {
            push(Reason::Shape { rows, columns, length });
        }
        let count = self.media().len();
        // Cells are of a media type.
        let none = parts::part(kind).map(|_| layout::NONE as usize);
        if let Some(got) = media.or(none).filter(|&media| media >= count) {
            push(Reason::MediaIndex { got, count });
        }
        match seen.entry((kind, media)) {
            Entry::Occupied(first) => push(Reason::Duplicate { first: *first.get() }),
            Entry::Vacant(first) => {
                first.insert(offset);
            }
        }
    }

    fn check_padding(&self, section: &SectionInfo, end: u64, next: u64, damage: &mut Vec<Damage>) {
        debug_assert_eq!(next, end + padding(end) as u64, "open checks the places");
        let bytes = self.data().get(end as usize..next as usize).unwrap_or_default();
        if let Some(Rows { first, count }) = find(bytes.iter().map(|&b| b != 0)) {
            damage.push(self.damage(section, end + first as u64, Reason::Padding { count }));
        }
    }

    fn check_values(&self, media: usize, damage: &mut Vec<Damage>) {
        let view = self.view(media);
        let documents = self.documents();
        let mut push = |column: Column, row: usize, reason: Reason| {
            let section = self.sections().iter().find(|s| s.kind == column.kind() && s.media == Some(media));
            let (Some(section), Some(info)) = (section, self.media().get(media)) else { return };
            let offset = section.offset + (row * column.row_bytes(info)) as u64;
            damage.push(self.damage(section, offset, reason));
        };
        for (column, row, reason) in docs(&view, documents).chain(values(&view)) {
            push(column, row, reason);
        }
    }
}

fn docs(view: &MediaView<'_>, documents: u32) -> impl Iterator<Item = (Column, usize, Reason)> + use<> {
    let descends = view.docs.windows(2).map(|pair| matches!(pair, [a, b] if a > b));
    let order = find(descends).map(|Rows { first, count }| {
        // The pair that starts at `first` descends to the row after it.
        (Column::Docs, first + 1, Reason::DocOrder { row: first + 1, count })
    });
    let range = find(view.docs.iter().map(|&doc| doc >= documents)).map(|Rows { first, count }| {
        (Column::Docs, first, Reason::DocRange { row: first, count, documents })
    });
    let is_whole = |&[start, end]: &[u32; 2]| (start, end) == (layout::NONE, layout::NONE);
    let spans = find(view.spans.iter().map(|span| !is_whole(span) && !is_span(span[0], span[1])))
        .map(|Rows { first, count }| (Column::Spans, first, Reason::Span { row: first, count }));
    order.into_iter().chain(range).chain(spans)
}

fn values(view: &MediaView<'_>) -> impl Iterator<Item = (Column, usize, Reason)> + use<> {
    let mut vector = vec![0.0; view.dim];
    let mut expected_norms = Vec::with_capacity(view.len());
    let vectors = find((0..view.len()).map(|row| {
        view.vector_into(row, &mut vector);
        expected_norms.push(inverse_norm(&vector));
        vector.iter().any(|value| !value.is_finite())
    }))
    .map(|Rows { first, count }| (Column::Vectors, first, Reason::NotFinite { row: first, count }));
    let pairs = || view.inverse_norms.iter().copied().zip(expected_norms.iter().copied());
    let norms =
        find(pairs().map(|(got, expected)| !is_close(got, expected))).and_then(|Rows { first, count }| {
            let (got, expected) = pairs().nth(first)?;
            Some((Column::InverseNorms, first, Reason::InverseNorm { row: first, count, expected, got }))
        });
    // `half` is at least 1 where there are halves, and then `halves` holds whole rows.
    let not_finite = |row: &[half::f16]| row.iter().any(|value| !value.is_finite());
    let halves = find(view.halves.chunks(view.half.max(1)).map(not_finite))
        .map(|Rows { first, count }| (Column::Halves, first, Reason::NotFinite { row: first, count }));
    let not_finite = |row: &[f32]| row.iter().any(|value| !value.is_finite());
    let hubs = find(view.hubs.chunks(view.hub_columns.max(1)).map(not_finite))
        .map(|Rows { first, count }| (Column::Hubs, first, Reason::NotFinite { row: first, count }));
    vectors.into_iter().chain(norms).chain(halves).chain(hubs)
}

/// Whether two inverse norms agree to 20 bits; never for NaN.
fn is_close(got: f32, expected: f32) -> bool {
    let tolerance = expected.abs() / 1_048_576.0 + f32::MIN_POSITIVE;
    (got - expected).abs() <= tolerance
}
