//! The writer: streaming, order, and every error that it has.

mod common;

use std::io::Write;

use common::{IMAGES, Optional, TEXTS, aligned, info};
use uncsm_format::{Column, Dtype, ElementType, Error, ItemRow, MediaInfo, Rows, Uvec, Writer};

fn item<'a>(doc: u32, vector: &'a [f32], half: &'a [f32]) -> ItemRow<'a> {
    ItemRow { doc, ordinal: 0, span: None, hash: [0; 16], vector, half, hubs: &[] }
}

fn new_error(media: &[MediaInfo]) -> Error {
    Writer::new(Vec::new(), &[0; 32], media).map(|_| ()).unwrap_err()
}

#[test]
fn chunks_of_any_size_give_the_same_file() {
    let media = common::golden_media();
    let rows =
        [common::rows(&media[0], &IMAGES), common::rows(&media[1], &TEXTS), common::rows(&media[2], &[])];
    for chunk in [1, 3, 5, 7, 64] {
        let mut writer = Writer::new(Vec::new(), &common::SPACE, &media).unwrap();
        for (index, rows) in rows.iter().enumerate() {
            for column in Column::stored(&media[index]) {
                writer.begin(index, column).unwrap();
                for bytes in rows.column(column).chunks(chunk) {
                    writer.write(bytes).unwrap();
                    writer.write(&[]).unwrap();
                }
                writer.end().unwrap();
            }
        }
        let bytes = writer.finish(common::DOCUMENTS, common::REJECTED, Some(common::REASON)).unwrap();
        assert!(bytes == common::write_golden(Optional::Absent), "chunks of {chunk} bytes");
    }
}

#[test]
fn bad_media_types_are_refused() {
    let one = |name: &str| [info(name, 1, Dtype::F16, 0)];
    assert!(matches!(new_error(&one("")), Error::MediaName { reason: "empty", .. }));
    assert!(matches!(new_error(&one("a\0")), Error::MediaName { .. }));
    assert!(matches!(new_error(&one(&"é".repeat(17))), Error::MediaName { reason: "over 32 bytes", .. }));
    assert!(Writer::new(Vec::new(), &[0; 32], &one(&"é".repeat(16))).is_ok());
    let twice = [info("image", 1, Dtype::F16, 0), info("image", 2, Dtype::F32, 0)];
    assert!(matches!(new_error(&twice), Error::MediaName { reason: "stands twice", .. }));
    assert!(matches!(new_error(&[info("a", 0, Dtype::F16, 0)]), Error::Limit { least: 1, got: 0, .. }));
    assert!(matches!(new_error(&[info("a", 65_537, Dtype::F16, 0)]), Error::Limit { .. }));
    assert!(matches!(new_error(&[info("a", 1, Dtype::F16, 65_537)]), Error::Limit { .. }));
    let hubs = |hubs| [MediaInfo { hubs, ..info("a", 1, Dtype::F16, 0) }];
    assert!(matches!(new_error(&hubs(256)), Error::Limit { what: "number of hubs", most: 255, .. }));
    assert!(Writer::new(Vec::new(), &[0; 32], &hubs(255)).is_ok());
    let many: Vec<_> = (0..257).map(|i| info(&i.to_string(), 1, Dtype::F16, 0)).collect();
    assert!(matches!(new_error(&many), Error::Limit { most: 256, got: 257, .. }));
    assert!(Writer::new(Vec::new(), &[0; 32], &many[..256]).is_ok());
}

#[test]
fn steps_out_of_order_are_refused() {
    let media = [info("image", 2, Dtype::F32, 0)];
    let mut writer = Writer::new(Vec::new(), &[0; 32], &media).unwrap();
    let order = |result: Result<(), Error>| assert!(matches!(result, Err(Error::Order { .. })), "{result:?}");
    order(writer.write(&[0]));
    order(writer.end());
    order(writer.begin(0, Column::Docs));
    order(writer.begin(1, Column::Vectors));
    writer.begin(0, Column::Vectors).unwrap();
    order(writer.begin(0, Column::Docs));
    order(writer.optional(1000, None, &[]));
    writer.write(&[0; 16]).unwrap();
    writer.end().unwrap();
    order(writer.optional(Column::Docs.kind(), Some(0), &[]));
    order(writer.optional(1000, Some(1), &[]));
    // Halves and hubs are not stored, so they never are due.
    for column in Column::stored(&media[0]).skip(1) {
        order(writer.begin(0, Column::Halves));
        order(writer.begin(0, Column::Hubs));
        writer.begin(0, column).unwrap();
        writer.write(&vec![0; 2 * column.row_bytes(&media[0])]).unwrap();
        writer.end().unwrap();
    }
    order(writer.begin(0, Column::Halves));
    writer.finish(1, 0, None).unwrap();

    let mut writer = Writer::new(Vec::new(), &[0; 32], &media).unwrap();
    order(Rows::new(&info("image", 2, Dtype::F16, 0)).write_to(0, &mut writer));
    order(Rows::new(&media[0]).write_to(1, &mut writer));
    let finished = writer.finish(1, 0, None).map(|_| ());
    order(finished);
    let mut writer = Writer::new(Vec::new(), &[0; 32], &media).unwrap();
    writer.begin(0, Column::Vectors).unwrap();
    order(writer.finish(1, 0, None).map(|_| ()));
}

#[test]
fn partial_and_unequal_rows_are_refused_and_can_be_completed() {
    let media = [info("image", 2, Dtype::F32, 0)];
    let mut writer = Writer::new(Vec::new(), &[0; 32], &media).unwrap();
    writer.begin(0, Column::Vectors).unwrap();
    writer.write(&[0; 15]).unwrap();
    assert!(matches!(writer.end(), Err(Error::PartialRow { row: 8, got: 15, .. })));
    writer.write(&[0; 1]).unwrap();
    writer.end().unwrap();
    writer.begin(0, Column::Docs).unwrap();
    writer.write(&[0; 4]).unwrap();
    assert!(matches!(writer.end(), Err(Error::RowCount { expected: 2, got: 1, .. })));
    writer.write(&[0; 4]).unwrap();
    writer.end().unwrap();
}

#[test]
fn documents_are_checked() {
    let media = [info("image", 1, Dtype::F32, 0)];
    let mut writer = Writer::new(Vec::new(), &[0; 32], &media).unwrap();
    writer.begin(0, Column::Vectors).unwrap();
    writer.write(&[0; 12]).unwrap();
    writer.end().unwrap();
    writer.begin(0, Column::Docs).unwrap();
    // Cut within a value, so that the check has to carry bytes over.
    writer.write(&[1, 0, 0, 0, 7, 0]).unwrap();
    let error = writer.write(&[0, 0, 6, 0, 0, 0]);
    assert!(matches!(error, Err(Error::DocOrder { previous: 7, got: 6 })), "{error:?}");
    writer.write(&[0, 0, 7, 0, 0, 0]).unwrap();
    writer.end().unwrap();
    for column in Column::stored(&media[0]).skip(2) {
        writer.begin(0, column).unwrap();
        writer.write(&vec![0; 3 * column.row_bytes(&media[0])]).unwrap();
        writer.end().unwrap();
    }
    assert!(matches!(writer.finish(7, 0, None), Err(Error::DocRange { documents: 7, got: 7 })));
}

#[test]
fn bad_items_are_refused_and_leave_the_rows_as_they_were() {
    let mut rows = Rows::new(&MediaInfo { hubs: 2, ..info("image", 2, Dtype::F16, 1) });
    let item = |doc, vector, half| ItemRow { hubs: &[1.0e9, -0.5], ..item(doc, vector, half) };
    rows.push(&item(4, &[1.0, 2.0], &[3.0])).unwrap();
    let before: Vec<_> = Column::ALL.map(|column| rows.column(column).to_vec()).into();
    let bad = [
        item(4, &[1.0], &[3.0]),
        item(4, &[1.0, 2.0], &[]),
        item(4, &[1.0, f32::NAN], &[3.0]),
        item(4, &[1.0, 65_520.0], &[3.0]),
        item(4, &[1.0, 2.0], &[-65_520.0]),
        item(3, &[1.0, 2.0], &[3.0]),
        ItemRow { hubs: &[0.5], ..item(4, &[1.0, 2.0], &[3.0]) },
        ItemRow { hubs: &[0.5, f32::INFINITY], ..item(4, &[1.0, 2.0], &[3.0]) },
        ItemRow { span: Some((2, 1)), ..item(4, &[1.0, 2.0], &[3.0]) },
        ItemRow { span: Some((u32::MAX, u32::MAX)), ..item(4, &[1.0, 2.0], &[3.0]) },
    ];
    let errors = bad.map(|item| rows.push(&item).unwrap_err());
    assert!(matches!(errors[0], Error::RowLength { column: "VECTORS", expected: 2, got: 1 }));
    assert!(matches!(errors[1], Error::RowLength { column: "HALVES", expected: 1, got: 0 }));
    assert!(matches!(errors[2], Error::NotFinite { column: "VECTORS", position: 1, got } if got.is_nan()));
    assert!(matches!(errors[3], Error::NotFinite { column: "VECTORS", position: 1, got: 65_520.0 }));
    assert!(matches!(errors[4], Error::NotFinite { column: "HALVES", position: 0, got: -65_520.0 }));
    assert!(matches!(errors[5], Error::DocOrder { previous: 4, got: 3 }));
    assert!(matches!(errors[6], Error::RowLength { column: "HUBS", expected: 2, got: 1 }));
    assert!(matches!(errors[7], Error::NotFinite { column: "HUBS", position: 1, got: f32::INFINITY }));
    assert!(matches!(errors[8], Error::Span { start: 2, end: 1 }));
    assert!(matches!(errors[9], Error::Span { start: u32::MAX, end: u32::MAX }));
    assert!(errors.iter().all(|error| error.offset().is_none()));
    let after: Vec<_> = Column::ALL.map(|column| rows.column(column).to_vec()).into();
    assert_eq!((rows.len(), rows.is_empty(), before), (1, false, after));
    rows.push(&item(4, &[65_519.0, 0.0], &[3.0])).unwrap();
    assert!(rows.bytes() >= 2 * (4 + 4 + 4 + 8 + 16 + 4 + 2 + 8));
}

#[test]
fn inverse_norms_without_a_range_are_zero() {
    let norm = uncsm_format::inverse_norm;
    assert_eq!(norm(&[3.0, -4.0]), 0.2);
    assert_eq!(norm(&[]), 0.0);
    assert_eq!(norm(&[0.0, -0.0]), 0.0);
    // The smallest subnormal: its inverse is beyond f32.
    assert_eq!(norm(&[f32::from_bits(1)]), 0.0);
    assert!(norm(&[f32::MAX; 4]) > 0.0);
}

#[test]
fn long_reasons_are_cut_at_a_character() {
    let reason = format!("x{}", "é".repeat(600));
    let writer = Writer::new(Vec::new(), &[0; 32], &[]).unwrap();
    let bytes = writer.finish(0, 9, Some(&reason)).unwrap();
    let uvec = Uvec::open(bytes).unwrap();
    let (count, kept) = uvec.rejected();
    assert_eq!((count, kept.map(str::len)), (9, Some(1023)));
    assert!(reason.starts_with(kept.unwrap()));
    assert_eq!(uvec.verify(), []);
    let writer = Writer::new(Vec::new(), &[0; 32], &[]).unwrap();
    let empty = Uvec::open(writer.finish(0, 0, Some("")).unwrap()).unwrap();
    assert_eq!(empty.rejected(), (0, None));
}

/// A disk that is full after some bytes.
struct Full(usize);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let taken = bytes.len().min(self.0);
        self.0 -= taken;
        if taken == 0 && !bytes.is_empty() { Err(std::io::ErrorKind::StorageFull.into()) } else { Ok(taken) }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn full_disk_at_any_byte_is_an_io_error() {
    let whole = common::write_golden(Optional::Absent);
    let media = common::golden_media();
    let write = |room| -> Result<(), Error> {
        let mut writer = Writer::new(Full(room), &common::SPACE, &media)?;
        common::rows(&media[0], &IMAGES).write_to(0, &mut writer)?;
        common::rows(&media[1], &TEXTS).write_to(1, &mut writer)?;
        common::rows(&media[2], &[]).write_to(2, &mut writer)?;
        writer.finish(common::DOCUMENTS, common::REJECTED, Some(common::REASON)).map(|_| ())
    };
    for room in 0..whole.len() {
        let error = write(room);
        assert!(matches!(error, Err(Error::Io(_))), "{room} bytes of room: {error:?}");
    }
    write(whole.len()).unwrap();
    // Nothing is written after a failure, though there may be room again.
    let mut writer = Writer::new(Full(260), &common::SPACE, &media).unwrap();
    writer.begin(0, Column::Vectors).unwrap();
    assert!(matches!(writer.write(&[0; 24]), Err(Error::Io(_))));
    assert!(matches!(writer.write(&[]), Err(Error::Order { .. })));
    assert!(matches!(writer.end(), Err(Error::Order { .. })));
    assert!(matches!(writer.begin(0, Column::Vectors), Err(Error::Order { .. })));
    assert!(matches!(writer.finish(0, 0, None), Err(Error::Order { .. })));
}

#[test]
fn derived_sections_are_whole_rows_of_their_own_kind_once() {
    let media = [info("image", 2, Dtype::F32, 0)];
    let mut writer = Writer::new(Vec::new(), &[0; 32], &media).unwrap();
    let order = |result: Result<(), Error>| assert!(matches!(result, Err(Error::Order { .. })), "{result:?}");
    let u32s = ElementType::U32;
    order(writer.derived(Column::Docs.kind(), Some(0), u32s, 1, &[]));
    order(writer.derived(2000, Some(1), u32s, 1, &[]));
    assert!(matches!(writer.derived(2000, None, u32s, 0, &[]), Err(Error::Limit { got: 0, .. })));
    let part = writer.derived(2000, Some(0), u32s, 2, &[0; 12]);
    assert!(matches!(part, Err(Error::PartialRow { row: 8, got: 12, .. })), "{part:?}");
    writer.derived(2000, None, u32s, 2, &[0; 16]).unwrap();
    order(writer.derived(2000, None, u32s, 2, &[0; 16]));
    // Another media type, or none, has one of its own.
    writer.derived(2000, Some(0), u32s, 2, &[]).unwrap();
    writer.begin(0, Column::Vectors).unwrap();
    order(writer.derived(2001, Some(0), u32s, 1, &[]));
}

#[test]
fn derived_sections_in_pieces_are_those_written_at_once() {
    let media = [info("image", 2, Dtype::F32, 0)];
    let order = |result: Result<(), Error>| assert!(matches!(result, Err(Error::Order { .. })), "{result:?}");
    let u32s = ElementType::U32;
    let bytes: Vec<u8> = (0..72).collect();
    let columns = |writer: &mut Writer<Vec<u8>>| Rows::new(&media[0]).write_to(0, writer).unwrap();
    let mut whole = Writer::new(Vec::new(), &[0; 32], &media).unwrap();
    columns(&mut whole);
    whole.derived(2000, Some(0), u32s, 3, &bytes).unwrap();
    whole.derived(53, Some(0), ElementType::Bytes, 64, &[]).unwrap();
    let whole = whole.finish(0, 0, None).unwrap();
    for chunk in [1, 5, 12, 72] {
        let mut writer = Writer::new(Vec::new(), &[0; 32], &media).unwrap();
        columns(&mut writer);
        writer.begin_derived(2000, Some(0), u32s, 3).unwrap();
        for part in bytes.chunks(chunk) {
            writer.write(part).unwrap();
        }
        writer.end().unwrap();
        writer.begin_derived(53, Some(0), ElementType::Bytes, 64).unwrap();
        writer.end().unwrap();
        assert!(writer.finish(0, 0, None).unwrap() == whole, "chunks of {chunk} bytes");
    }

    let mut writer = Writer::new(Vec::new(), &[0; 32], &media).unwrap();
    // Cells are of a media type, and derived.
    order(writer.begin_derived(53, None, ElementType::Bytes, 64));
    order(writer.derived(53, None, ElementType::Bytes, 64, &[]));
    order(writer.optional(53, Some(0), &[]));
    order(writer.begin_derived(Column::Docs.kind(), Some(0), u32s, 1));
    order(writer.begin_derived(2000, Some(1), u32s, 1));
    assert!(matches!(writer.begin_derived(2000, None, u32s, 0), Err(Error::Limit { got: 0, .. })));
    order(writer.write(&[0]));
    // Between two columns, not inside of one; and no column inside of it.
    writer.begin_derived(2000, Some(0), u32s, 2).unwrap();
    order(writer.begin(0, Column::Vectors));
    order(writer.begin_derived(2001, Some(0), u32s, 2));
    order(writer.optional(1000, None, &[]));
    writer.write(&[0; 12]).unwrap();
    let part = writer.end();
    assert!(
        matches!(&part, Err(Error::PartialRow { section, row: 8, got: 12 }) if section == "kind 2000 of image")
    );
    // Values that descend are documents in a column alone.
    writer.write(&[1, 0, 0, 0]).unwrap();
    writer.end().unwrap();
    order(writer.end());
    order(writer.begin_derived(2000, Some(0), u32s, 2));
    order(writer.derived(2000, Some(0), u32s, 2, &[]));
    columns(&mut writer);
    writer.begin_derived(2002, None, u32s, 1).unwrap();
    let unfinished = writer.finish(0, 0, None).map(|_| ());
    assert!(matches!(&unfinished, Err(Error::Order { expected, .. }) if expected == "the end of kind 2002"));
}

#[test]
fn sections_of_an_earlier_build_are_passed_over() {
    let media = [info("image", 2, Dtype::F32, 0)];
    let mut writer = Writer::new(Vec::new(), &[0; 32], &media).unwrap();
    Rows::new(&media[0]).write_to(0, &mut writer).unwrap();
    for kind in 32..=40 {
        writer.derived(kind, Some(0), ElementType::Bytes, 1, &[7; 3]).unwrap();
    }
    let bytes = writer.finish(0, 0, None).unwrap();
    let uvec = Uvec::open(aligned(&bytes)).unwrap();
    assert_eq!(uvec.verify(), []);
    assert!(uvec.cells(0).unwrap().is_none());
}

#[test]
fn full_disk_inside_of_a_derived_section_is_an_io_error() {
    let media = [info("image", 2, Dtype::F32, 0)];
    let write = |room| -> Result<(), Error> {
        let mut writer = Writer::new(Full(room), &[0; 32], &media)?;
        writer.begin_derived(2000, Some(0), ElementType::U32, 1)?;
        (0..8).try_for_each(|_| writer.write(&[7; 8]))?;
        writer.end()
    };
    for room in 0..192 {
        assert!(matches!(write(room), Err(Error::Io(_))), "{room} bytes of room");
    }
    write(192).unwrap();
}
