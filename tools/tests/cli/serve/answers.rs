//! The answers are those of the command line.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::client::{Server, base64};
use crate::files::{s, write_lines};
use crate::pictures::support::{copy_of_index, draw, id, world};
use crate::run::{ids, ok};

/// Without what differs from run to run.
fn plain(mut answer: Value) -> Value {
    answer.as_object_mut().unwrap().remove("took_ms").expect("a time");
    answer
}

#[test]
fn a_query_has_the_answer_of_the_command_line() {
    let server = Server::start(&world().index, &[]);
    let index = s(&world().index);
    let picture = world().corpus.parent().unwrap().join("img/004-0.png");
    let bytes = fs::read(&picture).unwrap();
    for (asked, args) in [
        (json!({ "text": "a red circle", "k": 7 }), vec!["--text", "a red circle", "-k", "7"]),
        (
            json!({ "words": "circle on whi", "prefix": true, "snippet": "text", "facet": ["color", "category"], "explain": true }),
            vec![
                "--words",
                "circle on whi",
                "--prefix",
                "--snippet",
                "text",
                "--facet",
                "color",
                "--facet",
                "category",
                "--explain",
            ],
        ),
        (json!({ "image": { "base64": base64(&bytes) }, "k": 5 }), vec!["--image", s(&picture), "-k", "5"]),
        (json!({ "image": [{ "bytes": bytes }], "k": 5 }), vec!["--image", s(&picture), "-k", "5"]),
        (
            json!({ "image": { "base64": base64(&bytes) }, "keywords": "red", "weight": { "keyword": 2 }, "fusion": "linear" }),
            vec!["--image", s(&picture), "--keywords", "red", "--weight", "keyword=2", "--fusion", "linear"],
        ),
        (
            json!({ "like": id(3), "not_like": [id(5)], "media": "any" }),
            vec!["--like", "doc-003", "--not-like", "doc-005", "--media", "any"],
        ),
        (json!({ "filter": "color:blue", "k": 1 }), vec!["--filter", "color:blue", "-k", "1"]),
        (json!({ "filter": "nothing_here AND color:blue" }), vec!["--filter", "nothing_here AND color:blue"]),
        (
            json!({ "text": "a red circle", "min_probability": 0.9 }),
            vec!["--text", "a red circle", "--min-probability", "0.9"],
        ),
    ] {
        let expected = ok(&[&["query", index], args.as_slice()].concat());
        assert_eq!(plain(server.query(&asked)), plain(expected), "{args:?}");
    }
    // What is wrong is the error of the command line.
    for (asked, status, code) in [
        (json!({ "keywords": "color:" }), 400, "bad_query"),
        (json!({ "filter": "nosuch:a" }), 400, "unknown_field"),
        (json!({ "like": "nobody" }), 404, "unknown_id"),
        (json!({}), 400, "bad_argument"),
        (json!({ "media": "smell", "text": "a" }), 400, "unknown_media"),
        (json!({ "image": { "base64": "Zm9v" } }), 400, "bad_value"),
    ] {
        let reply = server.post("/api/query", asked.to_string().as_bytes());
        assert_eq!(
            (reply.status, reply.error()["code"].as_str()),
            (status, Some(code)),
            "{asked}: {}",
            reply.text()
        );
    }
    let status = server.get("/api/status").json();
    assert_eq!(status["queries"], json!({ "answered": 9, "failed": 6 }));
    assert_eq!(status["log"][0]["error"], "bad_value");
    let first = &status["log"].as_array().unwrap().last().unwrap();
    assert_eq!((&first["asked"], &first["hits"]), (&json!({ "text": "a red circle" }), &json!(7)));
    assert!(
        status["latency_ms"]["p50"].as_f64().unwrap() > 0.0
            && status["memory_bytes"].as_u64().unwrap() > 1 << 20
    );
    let facets = status["index"]["facets"].as_array().unwrap();
    assert_eq!(
        facets.iter().map(|facet| facet["field"].as_str().unwrap()).collect::<Vec<_>>(),
        ["category", "color"]
    );
    assert_eq!(facets[1]["filter"], "color_exact");
}

#[test]
fn the_page_and_its_files_are_served_and_sealed() {
    let server = Server::start(&world().index, &[]);
    let page = server.get("/");
    assert!(
        page.text().starts_with("<!doctype html>")
            && page.header("content-type") == "text/html; charset=utf-8"
    );
    for (path, status) in [
        ("/", 200),
        ("/app.js", 200),
        ("/style.css", 200),
        ("/icon.svg", 200),
        ("/api/status", 200),
        ("/api/document/doc-003", 200),
        ("/media/doc-003/0", 200),
        ("/nothing", 404),
        ("/api/query", 405),
        ("/api/mark", 405),
        ("/app.js/", 404),
        ("/%2e%2e/Cargo.toml", 404),
        ("/../../etc/passwd", 404),
        ("/media/doc-003", 404),
        ("/media/doc-003/x", 400),
        ("/media/doc-003/0?index=x", 400),
        ("/media/doc-003/0?path=x", 400),
        ("/media/%ff/0", 400),
        ("/api/document/%ff", 400),
        ("/media/doc-003/99", 404),
        ("/media/nobody/0", 404),
        ("/media/doc-003/18446744073709551616", 400),
    ] {
        let reply = server.get(path);
        assert_eq!(reply.status, status, "{path}: {}", reply.text());
        assert_eq!(reply.header("x-content-type-options"), "nosniff", "{path}");
        assert!(reply.header("content-security-policy").starts_with("default-src 'none'"), "{path}");
        assert!(!reply.header("content-security-policy").contains("unsafe"), "{path}");
        assert_eq!(reply.header("cross-origin-resource-policy"), "same-origin", "{path}");
        assert_eq!(
            (reply.header("referrer-policy"), reply.header("x-frame-options")),
            ("no-referrer", "DENY"),
            "{path}"
        );
        assert_eq!(reply.header("access-control-allow-origin"), "", "{path}");
        let head = server.send("HEAD", path, &[], None);
        assert!(head.status == status && head.body.is_empty(), "{path}");
    }
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "BREW"] {
        let origin = format!("http://{}", server.addr);
        let headers = [("Origin", &*origin), ("Content-Type", "application/json")];
        let reply = server.send(method, "/media/doc-003/0", &headers, Some(b"{}"));
        assert_eq!(reply.status, 405, "{method}");
        assert!(reply.header("allow").contains("GET"), "{method}");
    }
}

#[test]
fn documents_that_are_added_appear_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let index = copy_of_index(dir.path());
    let server = Server::start(&index, &[]);
    assert_eq!(server.query(&json!({ "words": "zebra" }))["hits"], json!([]));
    assert_eq!(server.get("/api/document/new").status, 404);
    draw("circle", [0, 0, 0], 5).save(dir.path().join("zebra.png")).unwrap();
    let more = dir.path().join("more.jsonl");
    write_lines(
        &more,
        &[json!({ "id": "new", "text": "a zebra", "image": "zebra.png", "color": "striped" })],
    );
    ok(&["add", s(&index), s(&more)]);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(ids(&server.query(&json!({ "words": "zebra" }))), ["new"]);
    let document = server.get("/api/document/new").json();
    assert_eq!(document["fields"]["text"], "a zebra");
    assert_eq!(document["media"], json!([{ "media": "image", "ordinal": 0, "url": "/media/new/0" }]));
    // From the folder of the new source.
    let reply = server.get("/media/new/0");
    assert_eq!(reply.body, fs::read(dir.path().join("zebra.png")).unwrap());
    ok(&["delete", s(&index), "--id", "new"]);
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(server.query(&json!({ "words": "zebra" }))["hits"], json!([]));
    assert_eq!(server.get("/media/new/0").status, 404);
    // Another bundle of the space.
    let bundle = dir.path().join("calibrated");
    ok(&["calibrate", s(&world().bundle), s(&world().corpus), "--prior", "0.3", "--out", s(&bundle)]);
    let ask = json!({ "text": "a red circle", "k": 1 });
    let before = server.query(&ask)["hits"][0]["probability"].as_f64().unwrap();
    ok(&["attach", s(&index), "--bundle", s(&bundle)]);
    std::thread::sleep(Duration::from_millis(300));
    assert_ne!(server.query(&ask)["hits"][0]["probability"].as_f64().unwrap(), before);
}
