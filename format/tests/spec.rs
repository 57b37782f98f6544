//! The tables of SPEC.md say what the code does.

mod common;

use uncsm_format::cells::{self, Elements, kind};
use uncsm_format::layout::{self, entry, header, media, status, trailer};
use uncsm_format::{Column, Dtype, ElementType, FORMAT_VERSION, MediaInfo, Uvec};

const SPEC: &str = include_str!("../SPEC.md");

/// The cells of the first table under a heading, without its head; fails if there is none.
fn table(heading: &str) -> Vec<Vec<&'static str>> {
    let mut lines = SPEC.lines().skip_while(|line| *line != heading).skip(1);
    let head = lines.by_ref().find(|line| line.starts_with(['|', '#']));
    assert!(head.is_some_and(|line| line.starts_with('|')), "no table under {heading:?}");
    let rows: Vec<Vec<&str>> = lines
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert!(!rows.is_empty(), "empty table under {heading:?}");
    rows
}

fn number(cell: &str) -> u64 {
    cell.parse().unwrap_or_else(|_| panic!("{cell:?} is no number"))
}

/// Compares a table of fields with a chain of offsets that ends with the size of the record.
fn fields(heading: &str, chain: &[(&str, usize)], size: usize) {
    let rows = table(heading);
    assert_eq!(rows.len(), chain.len(), "{heading}");
    for (i, (row, &(name, offset))) in rows.iter().zip(chain).enumerate() {
        let end = chain.get(i + 1).map_or(size, |next| next.1);
        let bytes = end - offset;
        assert_eq!(
            (row[3], number(row[0]), number(row[1])),
            (name, offset as u64, bytes as u64),
            "{heading}"
        );
        let of_type = match row[2].trim_matches('`') {
            "u32" => 4,
            "u64" => 8,
            array => number(array.strip_prefix("u8[").unwrap().strip_suffix(']').unwrap()) as usize,
        };
        assert_eq!(of_type, bytes, "{heading} {name}");
    }
}

#[test]
fn records_are_those_of_the_text() {
    fields(
        "### Header",
        &[
            ("magic", header::MAGIC),
            ("format version", header::VERSION),
            ("header length", header::LENGTH),
            ("space", header::SPACE),
            ("reserved", header::RESERVED),
        ],
        header::SIZE,
    );
    fields(
        "### Table entry",
        &[
            ("kind", entry::KIND),
            ("media index", entry::MEDIA),
            ("flags", entry::FLAGS),
            ("element type", entry::ELEMENT),
            ("offset", entry::OFFSET),
            ("length", entry::LENGTH),
            ("rows", entry::ROWS),
            ("columns", entry::COLUMNS),
            ("crc", entry::CRC),
        ],
        entry::SIZE,
    );
    fields(
        "### Trailer",
        &[
            ("table offset", trailer::TABLE),
            ("section count", trailer::SECTIONS),
            ("documents", trailer::DOCUMENTS),
            ("crc", trailer::CRC),
            ("reserved", trailer::RESERVED),
            ("magic", trailer::MAGIC),
        ],
        trailer::SIZE,
    );
    fields(
        "### MEDIA: one record per media type",
        &[
            ("name", media::NAME),
            ("dim", media::DIM),
            ("dtype", media::DTYPE),
            ("half", media::HALF),
            ("hubs", media::HUBS),
            ("reserved", media::RESERVED),
        ],
        media::SIZE,
    );
    let rows = table("### STATUS: values that the segment could not take");
    assert_eq!((rows[0][0], rows[0][1], rows[0][3]), ("0", "8", "rejected"));
    assert_eq!(number(rows[0][0]) as usize, status::REJECTED);
    assert_eq!((number(rows[1][0]) as usize, rows[1][1], rows[1][3]), (status::REASON, "rest", "reason"));
}

#[test]
fn parts_have_the_sizes_of_the_text() {
    let rows = table("## Parts of a file");
    assert_eq!(number(rows[0][2]) as usize, header::SIZE);
    assert_eq!(number(rows[1][1]) as usize, header::SIZE);
    assert_eq!(rows[3][2], format!("{} x `section count`", entry::SIZE));
    assert_eq!(number(rows[4][2]) as usize, trailer::SIZE);
    assert!(rows[2][1].contains(&format!("multiple of {} ", layout::ALIGNMENT)));
    assert!(rows[3][1].contains(&format!("multiple of {} ", layout::ALIGNMENT)));
    assert!(SPEC.contains(&format!("fewer than {} bytes; a wrong magic", header::SIZE + trailer::SIZE)));
}

#[test]
fn magics_and_version_are_those_of_the_text() {
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<Vec<_>>().join(" ");
    assert!(table("### Header")[0][4].starts_with(&format!("`{}`", hex(&layout::MAGIC))));
    assert!(table("### Trailer")[5][4].starts_with(&format!("`{}`", hex(&layout::TRAILER_MAGIC))));
    assert_eq!(number(table("### Header")[1][4]), u64::from(FORMAT_VERSION));
    assert_eq!(number(table("### Header")[2][4]), header::SIZE as u64);
    assert_eq!(number(table("## Versions").last().unwrap()[0]), u64::from(FORMAT_VERSION));
    assert!(SPEC.starts_with(&format!("# The `.uvec` container, format version {FORMAT_VERSION}\n")));
    assert!(
        table("### Table entry")[1][4]
            .starts_with(&format!("position of the media type in MEDIA; {}", layout::NONE))
    );
    assert!(table("### Table entry")[2][4].starts_with("bit 0: required;"));
    assert_eq!(layout::FLAG_REQUIRED, 1 << 0);
    assert!(table("### Table entry")[2][4].contains("; bit 1: derived"));
    assert_eq!(layout::FLAG_DERIVED, 1 << 1);
}

#[test]
fn element_types_are_those_of_the_text() {
    let rows = table("## Element types");
    assert_eq!(rows.len(), ElementType::ALL.len());
    for (row, element) in rows.iter().zip(ElementType::ALL) {
        let name = format!("{element:?}").to_lowercase();
        assert_eq!((number(row[0]), row[1]), (u64::from(element.code()), name.as_str()));
        assert_eq!(number(row[2]), element.size() as u64);
        assert_eq!(ElementType::from_code(element.code()), Some(element));
    }
    let dtype = table("### MEDIA: one record per media type")[2][4];
    let codes = (ElementType::F16.code(), ElementType::F32.code());
    assert_eq!(dtype, format!("element type of VECTORS: {} (f16) or {} (f32)", codes.0, codes.1));
    assert_eq!((Dtype::F16.size(), Dtype::F32.size()), (2, 4));
}

#[test]
fn section_kinds_are_those_of_the_text() {
    let rows = table("## Section kinds");
    assert_eq!(rows.len(), 2 + Column::ALL.len());
    let head = |i: usize| (number(rows[i][0]), rows[i][1], rows[i][2], rows[i][3], rows[i][6]);
    assert_eq!(head(0), (u64::from(layout::KIND_MEDIA), "MEDIA", "1", "bytes", "no"));
    assert_eq!(head(1), (u64::from(layout::KIND_STATUS), "STATUS", "1", "bytes", "no"));
    assert_eq!(number(rows[0][5]) as usize, media::SIZE);
    assert_eq!(rows[1][5], format!("{} to {}", status::REASON, status::REASON + layout::MAX_REASON));
    let (d, h, g) = (11, 13, 17);
    for (row, column) in rows[2..].iter().zip(Column::ALL) {
        assert_eq!((number(row[0]), row[1]), (u64::from(column.kind()), column.name()));
        assert_eq!(number(row[2]), u64::from(column.flags()));
        assert_eq!(row[4], "n");
        for dtype in [Dtype::F16, Dtype::F32] {
            let info = MediaInfo { name: "image".into(), dim: d, dtype, half: h, hubs: g };
            let element = format!("{:?}", column.element(&info)).to_lowercase();
            assert!(row[3].split(" or ").any(|name| name == element), "{row:?}");
            let columns = match row[5] {
                "d" => d,
                "h" => h,
                "g" => g,
                fixed => number(fixed) as u32,
            };
            assert_eq!(columns, column.columns(&info), "{row:?}");
            assert_eq!(column.row_bytes(&info), columns as usize * column.element(&info).size());
        }
        let of_each = match column {
            Column::Halves => "where h > 0",
            Column::Hubs => "where g > 0",
            _ => "yes",
        };
        assert_eq!(row[6], of_each);
    }
}

#[test]
fn kinds_of_cells_are_those_of_the_text() {
    let kinds = [
        (kind::MEAN, "CODE_MEAN"),
        (kind::DIRECTIONS, "CODE_DIRECTIONS"),
        (kind::STEPS, "CODE_STEPS"),
        (kind::CENTRES, "CELL_CENTRES"),
        (kind::ENDS, "CELL_ENDS"),
        (kind::SHORT, "SHORT_CODES"),
        (kind::LONG, "LONG_CODES"),
        (kind::ROWS, "CODE_ROWS"),
        (kind::NORMS, "CODE_NORMS"),
        (kind::CURVE_MODEL, "CURVE_MODEL"),
        (kind::CURVES, "CURVES"),
    ];
    let rows: Vec<Vec<&str>> = SPEC
        .lines()
        .skip_while(|line| !line.starts_with("| 48 | CODE"))
        .take_while(|line| line.starts_with('|'))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let names: Vec<_> = rows.iter().map(|row| (number(row[0]) as u32, row[1])).collect();
    assert_eq!(names, kinds);

    // The golden file was written from the text: its sections have the shapes of the table, and their names.
    let bytes = common::cells::write_golden();
    let uvec = Uvec::open(&bytes).unwrap();
    let (n, d, c) = (40, common::cells::DIM, 3);
    let elements = Elements::of(d);
    let groups = |rows: u64| rows.div_ceil(cells::GROUP as u64);
    for row in rows {
        let section = uvec.sections().iter().find(|section| section.name == row[1]).unwrap();
        assert_eq!((section.kind, section.derived), (number(row[0]) as u32, true));
        assert_eq!(format!("{:?}", section.element().unwrap()).to_lowercase(), row[2]);
        let due = match row[3] {
            "any" => section.rows,
            "ceil(c / 16)" => groups(c),
            "ceil(n / 16)" => groups(n),
            "c" => c,
            "n" => n,
            "m" => elements.directions as u64,
            fixed => number(fixed),
        };
        let columns = match row[4] {
            "d" => d,
            "e + m" => elements.short() + elements.directions,
            "w" => elements.group_bytes(),
            "l" => elements.long_bytes(),
            fixed => number(fixed) as usize,
        };
        assert_eq!((section.rows, section.columns as usize), (due, columns), "{row:?}");
    }
    // Bits and numbers of elements.
    let rows = table("### Cells and codes");
    let least = |row: usize| number(rows[row][3].rsplit(' ').next().unwrap()) as usize;
    let bits: Vec<_> = rows.iter().map(|row| (row[0], number(row[2]))).collect();
    assert_eq!(bits, [("fine", 4), ("finer", 4), ("coarse", 2), ("long", 4)]);
    for d in [1, 7, 8, 24, 25, 33, 119, 120, 121, 191, 192, 193, 4096] {
        let of = Elements::of(d);
        let m = d.min(192);
        assert!(SPEC.contains("there are `m`, the least of `d` and 192"));
        assert_eq!((of.directions, of.fine, of.finer), (m, m.min(least(0)), of.fine.min(least(1))));
        assert_eq!(of.coarse, (m - of.fine).min(least(2)));
        assert_eq!(of.short(), of.fine + of.finer + of.coarse);
        assert_eq!(of.group_bytes(), 64 * ((of.fine + of.finer).div_ceil(8) + of.coarse.div_ceil(16)));
        assert_eq!(of.long_bytes(), 32 * m.div_ceil(64));
    }
    assert!(SPEC.contains("`w` = 64 x (ceil((`f` + `b`) / 8) + ceil(`o` / 16))"));
    assert!(SPEC.contains("`l` = 32 x ceil(`m` / 64)"));
    assert_eq!(cells::CURVE_COLUMNS, 3 + 3 * cells::MISSES.len());
    let misses = cells::MISSES.map(|miss| miss.to_string());
    let (last, rest) = misses.split_last().unwrap();
    assert!(SPEC.contains(&format!("a share {} and {last} of the true rows", rest.join(", "))));
}

#[test]
fn limits_are_those_of_the_text() {
    let expected = [
        ("media types", 0, layout::MAX_MEDIA as u64),
        ("bytes of a name", 1, layout::MAX_NAME as u64),
        ("d", 1, u64::from(layout::MAX_DIM)),
        ("h", 0, u64::from(layout::MAX_DIM)),
        ("g", 0, u64::from(layout::MAX_HUBS)),
        ("documents", 0, u64::from(u32::MAX)),
        ("bytes of the reason in STATUS", 0, layout::MAX_REASON as u64),
    ];
    let rows: Vec<_> =
        table("## Limits").iter().map(|row| (row[0], number(row[1]), number(row[2]))).collect();
    assert_eq!(rows, expected);
    assert_eq!(layout::MAX_NAME, media::DIM - media::NAME);
    assert_eq!(layout::MAX_HUBS as usize, layout::MAX_MEDIA - 1);
}
