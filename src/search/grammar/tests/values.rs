//! Values, lists, ranges and patterns.

use super::*;

#[test]
fn negative_numbers_are_values() {
    let index = shop();
    for (query, expected) in [
        ("n:(-5 OR 7)", &[0, 1][..]),
        ("n:-5", &[0]),
        ("n:(1 OR (-5))", &[0, 2]),
        ("n: IN [-5, 7]", &[0, 1]),
        ("n:[-5 TO 0]", &[0, 3]),
        ("n:>-5", &[1, 2, 3]),
        ("x:-1.5e3", &[0]),
        ("x:(-1.5e3 OR 2)", &[0, 3]),
        ("x: IN [-1.5e3]", &[0]),
        ("x:<=-1.5e3", &[0]),
        ("x:0", &[2]),
        ("x:-0.0", &[2]),
        ("x:>=0", &[1, 2, 3]),
        ("x:>-0.0", &[1, 3]),
        ("x:<0", &[0]),
        ("n:(7 AND NOT -5)", &[1]),
        ("_extra.meta.year:(-5 OR 2005)", &[1, 3]),
        ("_extra.meta.year:>1990", &[0, 1]),
        ("_extra.meta.year:[-5 TO 1999}", &[2, 3]),
        ("_extra.meta.year:<0.5", &[2, 3]),
        ("* -n:5", &[0, 1, 2, 3]),
        ("* -n:7", &[0, 2, 3]),
        // In a text field it excludes.
        ("body:(state -art)", &[]),
        ("body:(fox -5)", &[0]),
    ] {
        assert_eq!(kept(&index, query), expected, "{query}");
        assert_eq!(found(&index, query), expected, "{query}");
    }
}

#[test]
fn lists_ranges_and_existence() {
    let index = shop();
    for (query, expected) in [
        ("title_exact: IN [Zebra, apple]", &[0, 1][..]),
        ("title_exact: IN [Zebra,apple]", &[0, 1]),
        ("title_exact: IN [\"the end\", 'apple' ]", &[1, 3]),
        ("id: IN [1, 2, 3]", &[1, 2, 3]),
        ("id: IN [1 2]", &[1, 2]),
        ("title: IN [\"the end\" zebra]", &[0, 3]),
        ("_extra.meta.year: IN [1999 0]", &[0, 2]),
        // A column changes no range: words, in lower case.
        ("title:>=mango", &[0, 2, 3]),
        ("title:[a TO b]", &[1]),
        ("title_exact:>=a", &[1, 3]),
        ("title_exact:[\"M\" TO \"the end\"]", &[0, 1, 2, 3]),
        ("id:>\"1\"", &[2, 3]),
        ("_extra.meta.kind:[b TO c]", &[0, 1, 2, 3]),
        ("b:[false TO true}", &[1, 3]),
        ("b:>=true", &[0, 2]),
        ("n:[* TO *]", &[0, 1, 2, 3]),
        ("body:*", &[0, 1, 2, 3]),
        ("title:[* TO *] AND n:>=*", &[0, 1, 2, 3]),
        ("_extra.meta.year:* AND _extra.meta:*", &[0, 1, 2, 3]),
        ("_extra.meta.gone:* OR _extra.year:*", &[]),
        ("n:(* AND NOT 7)", &[0, 2, 3]),
        ("title:/z.*/", &[0]),
    ] {
        assert_eq!(kept(&index, query), expected, "{query}");
    }
    for query in ["title:>5", "id:>5", "id:[1 TO 2]", "body:[10 TO *]"] {
        let error = refused(&index, Mode::Filter, query);
        assert!(error.facts().hint.as_deref().unwrap().contains("quotes"), "{error}");
    }
}

#[test]
fn patterns_match_words_by_their_letters() {
    let index = shop();
    for (query, expected) in [
        ("qu*", &[0][..]),
        ("QUI*", &[0]),
        ("f?x", &[0]),
        ("*ox", &[0]),
        ("l*y", &[1]),
        ("*a*", &[0, 1, 2, 3]),
        ("title:zeb*", &[0]),
        ("title:\"zeb\"*", &[0]),
        ("\"qui\"*", &[0]),
        ("qu* AND lazy", &[]),
        ("zzz*", &[]),
        ("f\\*x OR dog", &[1]),
        ("title_exact:Z*", &[]),
    ] {
        assert_eq!(found(&index, query), expected, "{query}");
    }
    for query in ["fo?", "n:1*", "_extra.meta.kind:ol*", "state-of-a*"] {
        refused(&index, Mode::Keywords, query);
    }
}

#[test]
fn values_of_the_wrong_type_are_told_in_words() {
    let index = shop();
    for (query, expected) in [
        ("n:>1.5", "a whole number"),
        ("n:big", "a whole number"),
        ("n:99999999999999999999", "a whole number"),
        ("x:much", "a number"),
        ("x:nan", "a number"),
        ("b:TRUE", "true or false"),
        ("b: IN [true, maybe]", "true or false"),
    ] {
        let error = refused(&index, Mode::Filter, query);
        assert!(error.facts().expected.as_deref().unwrap().starts_with(expected), "{error}");
        for word in ["ParseIntError", "InvalidDigit", "Error(", "kind:"] {
            assert!(!error.to_string().contains(word), "{error}");
        }
    }
    assert_eq!(refused(&index, Mode::Filter, "b:TRUE").facts().hint.as_deref(), Some("write b:true"));
}

#[test]
fn a_document_has_a_field_whatever_its_value_is() {
    let mut builder = Schema::builder();
    let id = builder.add_text_field("id", STRING);
    let note = builder.add_text_field("note", TEXT | STORED);
    let index = Index::create_in_ram(builder.build());
    let mut writer = index.writer_with_num_threads(1, 15 << 20).unwrap();
    let notes = [
        Some("x".to_owned()),
        None,
        Some(String::new()),
        Some("☕".into()),
        Some("y".repeat(500)),
        Some("z ".repeat(400)),
        None,
    ];
    for (at, value) in notes.iter().enumerate() {
        let mut document = TantivyDocument::new();
        document.add_text(id, at.to_string());
        if let Some(value) = value {
            document.add_text(note, value);
        }
        writer.add_document(document).unwrap();
    }
    writer.commit().unwrap();
    assert_eq!(kept(&index, "note:*"), [0, 2, 3, 4, 5]);
    assert_eq!(kept(&index, "* AND NOT note:[* TO *]"), [1, 6]);
}

#[test]
fn patterns_over_stems_are_errors_that_name_the_exact_twin() {
    let mut builder = Schema::builder();
    let positions = tantivy::schema::IndexRecordOption::WithFreqsAndPositions;
    let text = |tokenizer: &str| {
        TextOptions::default().set_indexing_options(
            TextFieldIndexing::default().set_tokenizer(tokenizer).set_index_option(positions),
        )
    };
    let stems = builder.add_text_field("stems", text("stem:english"));
    let exact = builder.add_text_field("stems_exact", STRING | FAST);
    let plain = builder.add_text_field("plain", text("default"));
    let index = Index::create_in_ram(builder.build());
    register_analyses(&index).unwrap();
    let mut writer = index.writer_with_num_threads(1, 15 << 20).unwrap();
    writer.add_document(doc!(stems => "flying", exact => "flying", plain => "flying")).unwrap();
    writer.commit().unwrap();
    for query in ["stems:flyin*", "stems:\"flyin\"*", "flyin*", "stems:f?ying"] {
        for mode in [Mode::Filter, Mode::Keywords] {
            let error = refused(&index, mode, query);
            assert!(error.facts().hint.as_deref().unwrap().contains("stems_exact"), "{error}");
        }
    }
    assert_eq!(kept(&index, "plain:flyin*"), [0]);
    assert_eq!(kept(&index, "stems_exact:\"flyin\"*"), [0]);
}

#[test]
fn nested_integers_beyond_a_sign_are_compared_exactly() {
    let mut builder = Schema::builder();
    let extra = builder.add_json_field("_extra", JsonObjectOptions::from(TEXT).set_expand_dots_enabled());
    let index = Index::create_in_ram(builder.build());
    let mut writer = index.writer_with_num_threads(1, 15 << 20).unwrap();
    for n in [(1u64 << 63) - 1, 1 << 63, (1 << 63) + 1, u64::MAX - 1, u64::MAX] {
        let object = serde_json::json!({ "n": n });
        let tantivy::schema::OwnedValue::Object(object) = object.into() else { unreachable!() };
        let mut document = TantivyDocument::new();
        document.add_object(extra, object.into_iter().collect());
        writer.add_document(document).unwrap();
    }
    writer.commit().unwrap();
    for (query, expected) in [
        ("_extra.n:>9223372036854775808", &[2, 3, 4][..]),
        ("_extra.n:>=9223372036854775808", &[1, 2, 3, 4]),
        ("_extra.n:<9223372036854775809", &[0, 1]),
        ("_extra.n:<=9223372036854775809", &[0, 1, 2]),
        ("_extra.n:>18446744073709551614", &[4]),
        ("_extra.n:<18446744073709551615", &[0, 1, 2, 3]),
        ("_extra.n:>18446744073709551615", &[]),
        ("_extra.n:>=18446744073709551616", &[]),
        ("_extra.n:<=18446744073709551616", &[0, 1, 2, 3, 4]),
        ("_extra.n:<=9223372036854775807", &[0]),
        ("_extra.n:>-1", &[0, 1, 2, 3, 4]),
        ("_extra.n:18446744073709551614", &[3]),
        ("_extra.n:>1e19", &[3, 4]),
    ] {
        assert_eq!(kept(&index, query), expected, "{query}");
    }
}

#[test]
fn ranges_of_addresses_end_at_the_ends() {
    let mut builder = Schema::builder();
    let ip = builder.add_ip_addr_field("ip", INDEXED | FAST);
    let yes = builder.add_bool_field("yes", FAST);
    let index = Index::create_in_ram(builder.build());
    let mut writer = index.writer_with_num_threads(1, 15 << 20).unwrap();
    for address in ["::", "::5", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"] {
        let address: std::net::Ipv6Addr = address.parse().unwrap();
        writer.add_document(doc!(ip => address, yes => true)).unwrap();
    }
    writer.commit().unwrap();
    for (query, expected) in [
        ("ip:<::", &[][..]),
        ("ip:<=::", &[0]),
        ("ip:>::", &[1, 2]),
        ("ip:>ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &[]),
        ("ip:>=ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", &[2]),
    ] {
        assert_eq!(kept(&index, query), expected, "{query}");
    }
    for query in ["yes:true", "yes:>=false", "yes: IN [true]"] {
        let error = refused(&index, Mode::Filter, query);
        assert!(error.facts().message.contains("column alone"), "{error}");
    }
}

#[test]
fn regular_expressions_are_spelled_as_the_terms_are() {
    let index = shop();
    assert_eq!(kept(&index, "title:/z\\w+/"), [0]);
    assert_eq!(kept(&index, "title_exact:/Z.*/"), [0]);
    let error = refused(&index, Mode::Filter, "title:/Z.*/");
    assert!(error.facts().hint.as_deref().unwrap().contains("lower case"), "{error}");
    let mut builder = Schema::builder();
    let indexing = TextFieldIndexing::default().set_tokenizer("words");
    let text = builder.add_text_field("text", TextOptions::default().set_indexing_options(indexing));
    let index = Index::create_in_ram(builder.build());
    register_analyses(&index).unwrap();
    let mut writer = index.writer_with_num_threads(1, 15 << 20).unwrap();
    writer.add_document(doc!(text => "\u{e9}tat")).unwrap();
    writer.commit().unwrap();
    assert_eq!(kept(&index, "text:/e\u{301}ta./"), [0]);
}

#[test]
fn hints_can_be_followed() {
    let mut builder = Schema::builder();
    builder.add_date_field("day", INDEXED | FAST);
    builder.add_i64_field("a:b -c", INDEXED | FAST);
    builder.add_text_field("name", STRING);
    let index = Index::create_in_ram(builder.build());
    register_analyses(&index).unwrap();
    for query in ["day:2023/01/15", "day:2023-01-*", "day:\"2023-01-15T10:00:00\"", "a\\:b\\ -c:1.5"] {
        let hint = refused(&index, Mode::Filter, query).facts().hint.clone().unwrap();
        let way = hint.trim_start_matches("write ").trim_start_matches("whole numbers above it are ");
        let way = way.split(", those").next().unwrap().split(" for UTC").next().unwrap();
        assert!(parse(&index, Mode::Filter, way).is_ok(), "{hint}");
    }
    let hint = refused(&index, Mode::Filter, "day:2023/13/45").facts().hint.clone().unwrap();
    assert!(!hint.contains("2023"), "{hint}");
    assert!(parse(&index, Mode::Filter, "name:>'5'").is_ok());
    let error = refused(&shop(), Mode::Filter, &format!("title:\"fox {}\"", "y".repeat(300)));
    assert!(!error.facts().hint.as_deref().unwrap().contains("title_exact"), "{error}");
    for (query, at) in [("(NOT body:fox)^2", 5), ("  -body:fox", 3)] {
        let error = refused(&shop(), Mode::Filter, query);
        assert_eq!(error.facts().offset, Some(at), "{error}");
        assert!(error.facts().message.contains("only excludes"), "{error}");
    }
}
