//! A corpus from a file to tantivy fields and back, features from a file, and every error by its code.

use std::cell::Cell;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;

use proptest::prelude::*;
use safetensors::tensor::{Dtype, TensorView, serialize};
use serde_json::{Value, json};
use tantivy::TantivyDocument;
use tantivy::collector::Count;
use tantivy::query::QueryParser;
use tantivy::schema::Schema;
use uncsm_index::ErrorCode::{self, *};
use uncsm_index::Result;
use uncsm_index::corpus::*;
use uncsm_index::encode::FromFile;
use uncsm_index::schema::*;

fn read(text: impl AsRef<[u8]>) -> Vec<Result<Document, ReadError>> {
    JsonlReader::new(text.as_ref(), "c.jsonl").line_limit(1000).collect()
}

/// The code and line of the only error in `text`.
fn bad_line(text: impl AsRef<[u8]>) -> (ErrorCode, u64) {
    let mut errors: Vec<ReadError> = read(text).into_iter().filter_map(Result::err).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    let error = errors.remove(0);
    assert_eq!(error.facts().file.as_deref(), Some(Path::new("c.jsonl")));
    (error.code(), error.facts().line.unwrap())
}

fn scan(text: &str, overrides: &str) -> Result<FieldSchema> {
    let overrides = SchemaOverrides::parse(overrides, "s.toml")?;
    Ok(infer(read(text), Path::new("c.jsonl"), &overrides, BadLines::Skip)?.schema)
}

#[test]
fn every_bad_line_is_named_and_the_rest_is_read() {
    for (line, code) in [
        ("{\"a\":", BadJson),
        ("{\"a\":1}{}", BadJson),
        ("[1]", BadJson),
        ("7", BadJson),
        ("{\"a\":1,\"a\":2}", BadJson),
        ("{\"a\":{\"b\":1,\"b\":1}}", BadJson),
        ("{\"a\":\"\\ud800\"}", BadJson),
        ("{\"id\":1.5}", BadValue),
        ("{\"id\":\"\"}", BadValue),
        ("{\"id\":true}", BadValue),
        ("{\"id\":[1]}", BadValue),
        ("{\"text\":1}", BadValue),
        ("{\"text\":[\"a\"]}", BadValue),
        ("{\"texts\":\"a\"}", BadValue),
        ("{\"texts\":[\"a\",1]}", BadValue),
        ("{\"image\":{}}", BadValue),
        ("{\"images\":[2]}", BadValue),
        ("{\"text\":\"a\",\"texts\":[\"b\"]}", BadValue),
        ("{\"image\":\"a\",\"images\":[\"b\"]}", BadValue),
        ("{\"_score\":1}", BadValue),
        ("{\"-x\":1}", BadValue),
        ("{\"\":1}", BadValue),
        ("{\"a\\u0000b\":1}", BadValue),
        ("{\"a\":[{\"b\\u0001\":1}]}", BadValue),
    ] {
        let text = format!("{{\"id\":1}}\r\n\n{line}\n{{\"id\":2}}");
        assert_eq!(bad_line(&text), (code, 3), "{line}");
        assert_eq!(read(&text).iter().flatten().count(), 2, "{line}");
    }
    let long_id = format!("{{\"id\":\"{}\"}}", "x".repeat(MAX_ID_BYTES + 1));
    let mut reader = JsonlReader::new(long_id.as_bytes(), "c.jsonl");
    assert_eq!(reader.next().unwrap().unwrap_err().code(), BadValue);
}

#[test]
fn long_lines_and_wrong_bytes_have_offsets() {
    let at = |text: Vec<u8>, code, offset| {
        let error = read(&text).into_iter().find_map(Result::err).unwrap();
        assert_eq!((error.code(), error.facts().line, error.facts().offset), (code, Some(2), Some(offset)));
        assert_eq!(read(&text).iter().flatten().count(), 2);
    };
    at(b"{\"id\":1}\n{\"id\":\"\xff\"}\n{\"id\":2}".to_vec(), BadJson, 16);
    // `{"a":""}` has 8 bytes; the limit is 1000.
    for length in [993, 994, 995, 5000, 300_000] {
        at(format!("{{}}\n{{\"a\":\"{}\"}}\n{{}}", "x".repeat(length)).into_bytes(), TooLarge, 3);
    }
    let fits = format!("{{\"a\":\"{}\"}}\r\n{{}}", "x".repeat(992));
    assert_eq!(read(fits).iter().flatten().count(), 2);
    assert_eq!(JsonlReader::open("no/such/file").unwrap_err().code(), NotFound);
}

/// Makes its lines as they are asked for, and counts its bytes.
struct Lines {
    next: u64,
    pending: Vec<u8>,
    given: Rc<Cell<u64>>,
}

impl Read for Lines {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if self.pending.is_empty() && self.next < 200_000 {
            self.next += 1;
            self.pending = format!("{{\"id\":{},\"text\":\"line\"}}\n", self.next).into_bytes();
        }
        let length = out.len().min(self.pending.len());
        out[..length].copy_from_slice(&self.pending[..length]);
        self.pending.drain(..length);
        self.given.set(self.given.get() + length as u64);
        Ok(length)
    }
}

#[test]
fn two_hundred_thousand_lines_stream() {
    let given = Rc::new(Cell::new(0));
    let lines = Lines { next: 0, pending: vec![], given: Rc::clone(&given) };
    let mut reader = JsonlReader::new(lines, "c.jsonl");
    let mut last = Document::default();
    while let Some(document) = reader.next() {
        last = document.unwrap();
        // Never ahead of the documents by more than its buffer of 128 KiB.
        assert!(given.get() - reader.position() <= 1 << 17);
    }
    assert_eq!((last.id.as_deref(), last.line), (Some("200000"), 200_000));
    assert_eq!(given.get(), reader.position());
}

#[test]
fn schema_of_every_kind() {
    let long = "y".repeat(EXACT_LIMIT + 1);
    let text = format!(
        "{{\"t\":\"a\",\"l\":[\"a\",null],\"n\":1,\"f\":1,\"b\":true,\"nest\":{{\"k\":1}},\"mix\":[1,\"a\"],\
         \"big\":18446744073709551615,\"image\":\"a.png\",\"nul\":null,\"e\":[]}}\n\
         {{\"t\":[\"b\",\"c\"],\"n\":null,\"f\":0.5,\"long\":\"{long}\",\"texts\":[\"{long}\"]}}\nbad\n"
    );
    let schema = scan(&text, "").unwrap();
    let seen: Vec<_> = schema.iter().map(|(n, s)| (n, s.kind.as_str(), s.multi, s.facet)).collect();
    let wanted = [
        ("b", "bool", false, false),
        ("big", "float", false, false),
        ("f", "float", false, false),
        ("image", "stored", false, false),
        ("l", "text", true, true),
        ("long", "text", false, false),
        ("mix", "extra", false, false),
        ("n", "integer", false, false),
        ("nest", "extra", false, false),
        ("t", "text", true, true),
        ("text", "text", true, false),
    ];
    assert_eq!(seen, wanted);
}

#[test]
fn conflicts_name_both_lines() {
    for (a, b) in
        [("1", "\"x\""), ("true", "1"), ("\"x\"", "{\"k\":1}"), ("[\"x\"]", "[1]"), ("1.5", "false")]
    {
        let error = scan(&format!("{{\"k\":{a}}}\n{{}}\n{{\"k\":{b}}}"), "").unwrap_err();
        assert_eq!((error.code(), error.facts().line), (SchemaConflict, Some(3)), "{a} {b}");
        assert!(error.facts().expected.as_ref().unwrap().contains("line 1"), "{error}");
    }
    let error = scan("{\"a\":\"x\"}\n{\"a_exact\":1}", "").unwrap_err();
    assert_eq!((error.code(), error.facts().line), (SchemaConflict, Some(2)), "{error}");
    let fixed = scan("{\"a\":\"x\"}\n{\"a_exact\":1}", "[fields.a]\nfacet = false\n").unwrap();
    assert_eq!(fixed.len(), 2);
    let fixed = scan("{\"k\":1}\n{\"k\":\"x\"}", "[fields.k]\ntype = \"text\"\n").unwrap();
    assert_eq!(fixed.get("k").unwrap().kind, FieldKind::Text);
    let keys: Vec<String> = (0..=MAX_FIELDS).map(|i| format!("{{\"k{i}\":1}}")).collect();
    assert_eq!(scan(&keys.join("\n"), "").unwrap_err().code(), BadValue);
    let strict = infer(read("{}\nbad"), Path::new("c"), &SchemaOverrides::default(), BadLines::Stop);
    assert_eq!(strict.unwrap_err().code(), BadJson);
}

#[test]
fn a_field_of_an_app_is_hidden_nowhere_because_of_its_name() {
    let schema = scan("{\"id\":\"a\",\"n\":1}", "").unwrap();
    let mut builder = Schema::builder();
    let source = builder.add_text_field("_source", tantivy::schema::STORED);
    let fields = tantivy_schema(&schema, &mut builder);
    let host = builder.build();
    for fields in [fields, FieldMap::from_schema(&host, &schema).unwrap()] {
        let mut document = TantivyDocument::new();
        let origin = Origin::new(&Root::new("jsonl", Path::new("c")), Spot::row(1));
        assert!(!fields.fill_origin(&origin, &mut document) && document.field_values().count() == 0);
        document.add_text(fields.id(), "a");
        document.add_text(source, "theirs");
        assert_eq!(fields.origin(&document), None);
        assert_eq!(Value::from(fields.stored_fields(&document, &host)), json!({"_source": "theirs"}));
        assert_eq!(Value::from(stored_fields(&document, &host, "id")), json!({"_source": "theirs"}));
        let all = json!({"id": "a", "_source": "theirs"});
        assert_eq!(Value::from(stored_fields(&document, &host, "sku")), all);
    }
}

#[test]
fn documents_become_fields_and_come_back() {
    let text = "{\"id\":5,\"title\":\"Red apple\",\"tags\":[\"x y\"],\"n\":[3],\
                \"nest\":{\"who\":{\"name\":\"Ada\"}},\"image\":\"i/a.png\",\"f\":2}\n{\"f\":0.5}";
    let schema = scan(text, "").unwrap();
    let mut builder = Schema::builder();
    tantivy_schema(&schema, &mut builder);
    let host = builder.build();
    let map = FieldMap::from_schema(&host, &schema).unwrap();
    let index = tantivy::Index::create_in_ram(host.clone());
    register_analyses(&index).unwrap();
    let mut writer: tantivy::IndexWriter = index.writer_with_num_threads(1, 20_000_000).unwrap();
    let mut document = read(text).remove(0).unwrap();
    document.fields.insert("late".into(), json!({"when": "2020-01-01T00:00:00+02:00"}));
    let mut out = TantivyDocument::new();
    assert_eq!(map.fill(&document, &mut out).unwrap(), FillReport { nested: 1, unknown: 1, long_words: 0 });
    writer.add_document(out).unwrap();
    writer.commit().unwrap();
    let searcher = index.reader().unwrap().searcher();
    let count = |query: &str| {
        let parser = QueryParser::for_index(&index, map.text_fields());
        searcher.search(&parser.parse_query(query).unwrap(), &Count).unwrap()
    };
    for query in [
        "apple",
        "id:5",
        "tags_exact:\"x y\"",
        "title_exact:\"Red apple\"",
        "n:[3 TO 3]",
        "_extra.nest.who.name:ada",
    ] {
        assert_eq!(count(query), 1, "{query}");
    }
    assert_eq!(count("title_exact:red") + count("id:6"), 0);
    let stored: TantivyDocument = searcher.doc(tantivy::DocAddress::new(0, 0)).unwrap();
    let printed = serde_json::to_string(&map.stored_fields(&stored, &host)).unwrap();
    let wanted = "{\"_extra\":{\"late\":{\"when\":\"2020-01-01T00:00:00+02:00\"},\"nest\":{\"who\":{\"name\":\"Ada\"}}},\
                  \"f\":2.0,\"image\":\"i/a.png\",\"n\":[3],\"tags\":[\"x y\"],\"title\":\"Red apple\"}";
    assert_eq!(printed, wanted);
    assert_eq!(stored_fields(&stored, &host, "id")["n"], json!(3));

    for (key, value) in [
        ("n", json!(1.5)),
        ("n", json!("x")),
        ("n", json!(u64::MAX)),
        ("title", json!({})),
        ("f", json!(true)),
    ] {
        let mut bad = Document { line: 9, ..Document::default() };
        bad.fields.insert(key.into(), value);
        let error = map.fill(&bad, &mut TantivyDocument::new()).unwrap_err();
        assert_eq!((error.code(), error.facts().line), (BadValue, Some(9)), "{error}");
    }
    let other = scan("{\"n\":\"a\"}", "").unwrap();
    assert_eq!(FieldMap::from_schema(&host, &other).unwrap_err().code(), UnknownField);
}

fn features(tensors: &[(&str, Dtype, &[usize], Vec<u8>)]) -> (tempfile::TempDir, FeaturesFile) {
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, data)| (*name, TensorView::new(*dtype, shape.to_vec(), data).unwrap()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("f.safetensors");
    std::fs::write(&path, serialize(views, None).unwrap()).unwrap();
    let file = FeaturesFile::open(&path).unwrap();
    (folder, file)
}

fn f32s(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

#[test]
fn features_of_every_type_and_every_refusal() {
    let halves =
        |v: &[f32]| v.iter().flat_map(|&v| half::f16::from_f32(v).to_le_bytes()).collect::<Vec<u8>>();
    let brains =
        |v: &[f32]| v.iter().flat_map(|&v| half::bf16::from_f32(v).to_le_bytes()).collect::<Vec<u8>>();
    let doubles = |v: &[f64]| v.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let values = [1.0, -2.0, 0.5, 4.0, 8.0, 0.25];
    let (_folder, file) = features(&[
        ("f32", Dtype::F32, &[3, 2], f32s(&values)),
        ("f16", Dtype::F16, &[3, 2], halves(&values)),
        ("bf16", Dtype::BF16, &[3, 2], brains(&values)),
        ("f64", Dtype::F64, &[3, 2], doubles(&values.map(f64::from))),
        ("huge", Dtype::F64, &[1, 1], doubles(&[1e300])),
        ("nan", Dtype::F32, &[3, 2], f32s(&[1., 1., 1., 1., f32::NAN, 1.])),
        ("flat", Dtype::F32, &[3], f32s(&[1., 2., 3.])),
        ("none", Dtype::F32, &[0, 2], vec![]),
        ("thin", Dtype::F32, &[3, 0], vec![]),
        ("two", Dtype::F32, &[2, 1], f32s(&[1., 2.])),
        ("label", Dtype::I32, &[3, 1], [-1i32, 7, 2].iter().flat_map(|v| v.to_le_bytes()).collect()),
        ("test", Dtype::BOOL, &[3], vec![0, 1, 0]),
        ("mask", Dtype::U8, &[3], vec![0, 1, 2]),
    ]);
    let mut out = vec![];
    for name in ["f32", "f16", "bf16", "f64"] {
        let tensor = file.tensor(name).unwrap();
        assert_eq!((tensor.rows(), tensor.cols()), (3, 2));
        tensor.read(1..3, &mut out).unwrap();
        assert_eq!(out, values[2..], "{name}");
        assert_eq!(tensor.read(2..4, &mut out).unwrap_err().code(), BadArgument);
    }
    for (name, code) in [
        ("flat", BadDimension),
        ("thin", BadDimension),
        ("none", Empty),
        ("label", BadValue),
        ("f23", UnknownTensor),
    ] {
        assert_eq!(file.tensor(name).unwrap_err().code(), code, "{name}");
    }
    assert!(file.tensor("f23").unwrap_err().to_string().contains("`f32` [3, 2]"));
    let nan = file.tensor("nan").unwrap();
    nan.read(0..2, &mut out).unwrap();
    let error = nan.read(1..3, &mut out).unwrap_err();
    assert_eq!((error.code(), error.facts().line), (NotFinite, Some(2)));
    assert_eq!(file.tensor("huge").unwrap().read(0..1, &mut out).unwrap_err().code(), NotFinite);
    assert_eq!(file.labels("label").unwrap(), [-1, 7, 2]);
    assert_eq!(file.labels("f32").unwrap_err().code(), BadDimension);
    assert_eq!(file.labels("flat").unwrap_err().code(), BadValue);
    let mask = file.mask("mask").unwrap_err();
    assert_eq!((mask.code(), mask.facts().line), (BadValue, Some(2)));

    let arg = |text: &str| PathwayArg::parse(text).unwrap();
    let set = file.select(&[arg("image=f32"), arg("text=f16")], Some("label"), Some("test")).unwrap();
    assert_eq!((set.rows, set.pathways.len(), set.test.unwrap()), (3, 2, vec![false, true, false]));
    let refused = |args: &[PathwayArg], label| file.select(args, label, None).unwrap_err();
    let error = refused(&[arg("image=f32"), arg("text=two")], None);
    assert_eq!(error.code(), BadDimension);
    assert!(error.to_string().contains("`f32` and `two`"), "{error}");
    assert_eq!(refused(&[arg("image=two")], Some("label")).code(), BadDimension);
    assert_eq!(refused(&[arg("image=f32"), arg("image=f16")], None).code(), BadArgument);
    assert_eq!(refused(&[], None).code(), BadArgument);

    let tensor = file.tensor("two").unwrap();
    let encoder = FromFile::new("image", "features:x", 2);
    assert_eq!(encoder.rows(&tensor, 0..1, &mut out).unwrap_err().code(), BadDimension);
    let named = FromFile::from_args(&arg("image=two"), &[EncoderArg::parse("image=clip").unwrap()], &tensor);
    assert_eq!(named, FromFile::new("image", "clip", 1));
    assert_eq!(
        FromFile::from_args(&arg("image=two"), &[], &tensor),
        FromFile::new("image", "features:two", 1)
    );
}

#[test]
fn a_features_file_that_is_cut_while_it_is_open_is_an_error() {
    let values: Vec<f32> = (0..4096).map(|x| x as f32).collect();
    let labels = (0..1024i64).flat_map(i64::to_le_bytes).collect();
    let (_folder, file) =
        features(&[("a", Dtype::F32, &[1024, 4], f32s(&values)), ("label", Dtype::I64, &[1024], labels)]);
    let tensor = file.tensor("a").unwrap();
    let mut out = Vec::new();
    tensor.read(1020..1024, &mut out).unwrap();
    assert_eq!(out, values[4080..]);
    let cut = std::fs::OpenOptions::new().write(true).open(file.path()).unwrap();
    cut.set_len(100).unwrap();
    for error in [
        tensor.read(1020..1024, &mut out).unwrap_err(),
        tensor.read_unchecked(0..1, &mut out).unwrap_err(),
        file.labels("label").unwrap_err(),
    ] {
        assert_eq!((error.code(), error.facts().file.as_deref()), (Changed, Some(file.path())), "{error}");
        assert_eq!(error.facts().got.as_deref(), Some("100 bytes"));
    }
}

#[test]
fn what_is_no_features_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    assert_eq!(FeaturesFile::open(&path).unwrap_err().code(), NotFound);
    let (kept, _file) = features(&[("a", Dtype::F32, &[2, 2], f32s(&[1.; 4]))]);
    let whole = std::fs::read(kept.path().join("f.safetensors")).unwrap();
    for length in 0..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        assert_eq!(FeaturesFile::open(&path).unwrap_err().code(), Damaged, "{length}");
    }
}

proptest! {
    #[test]
    fn no_bytes_panic_the_reader(bytes in proptest::collection::vec(any::<u8>(), 0..300), limit in 0usize..40) {
        let lines = bytes.iter().filter(|&&byte| byte == b'\n').count() + 1;
        let reader = JsonlReader::new(&bytes[..], "c.jsonl").line_limit(limit);
        prop_assert!(reader.count() <= lines);
    }

    #[test]
    fn no_soup_of_json_panics_reader_or_scan(
        words in proptest::collection::vec(0usize..20, 0..60),
    ) {
        const WORDS: [&str; 20] = ["{", "}", "[", "]", "\"", ":", ",", "\"id\":", "\"a\":", "\"text\":", "{\"a\":",
            "1", "-", "e9", "null", "\\u00", "\n", "\r", "é", "\u{feff}"];
        let text: String = words.iter().map(|&word| WORDS[word]).collect();
        let lines = text.matches('\n').count() + 1;
        let items = read(&text);
        prop_assert!(items.len() <= lines);
        if let Ok(scan) = infer(items, Path::new("c"), &SchemaOverrides::default(), BadLines::Skip) {
            prop_assert!(scan.documents + scan.bad_lines <= lines as u64);
        }
    }
}
