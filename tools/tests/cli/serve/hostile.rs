//! Requests that mean harm, or are none: none gets through, none stops the server.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use rand::{Rng, RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use super::client::{Server, base64};
use crate::files::{s, write_lines};
use crate::pictures::support::{copy_of_index, world};
use crate::run::ok;

#[test]
fn paths_are_refused_whether_they_lead_somewhere_or_not() {
    let server = Server::start(&world().index, &[]);
    let picture = world().corpus.parent().unwrap().join("img/004-0.png");
    let mut said = Vec::new();
    for path in [
        s(&picture),
        "/etc/passwd",
        "/no/such/file",
        "../../../etc/shadow",
        "file:///etc/passwd",
        "http://127.0.0.1:1/a.png",
        "-",
        "\\\\host\\share\\a.png",
        "data:image/png;base64,Zm9v",
    ] {
        for key in ["image", "not_image", "not-image"] {
            for value in [json!(path), json!([path]), json!([{ "base64": "Zm9v" }, path])] {
                let reply = server.post("/api/query", json!({ key: value }).to_string().as_bytes());
                assert_eq!(reply.status, 400, "{key} {path}");
                said.push(reply.text());
            }
        }
        let reply = server
            .post("/api/query", json!({ "features": path, "pathway": "image=a" }).to_string().as_bytes());
        assert_eq!(reply.status, 400, "{path}");
        said.push(reply.text());
    }
    said.dedup();
    assert_eq!(said.len(), 1, "{said:?}");
    for key in ["bundle", "encoder", "batch", "index", "max-pixels", "record", "media_root"] {
        assert_eq!(
            server
                .post("/api/query", json!({ key: "/etc/passwd", "filter": "*" }).to_string().as_bytes())
                .status,
            400,
            "{key}"
        );
    }
    server.assert_alive();
}

#[test]
fn what_is_counted_has_an_end() {
    let dir = tempfile::tempdir().unwrap();
    let (corpus, index) = (dir.path().join("c.jsonl"), dir.path().join("index"));
    write_lines(
        &corpus,
        &[json!({ "id": 1, "text": "a", "size": 1 }), json!({ "id": 2, "text": "b", "size": 7 })],
    );
    ok(&["build", s(&corpus), "--bundle", s(&world().bundle), "--out", s(&index)]);
    let server = Server::start(&index, &[]);
    // Few documents, and as many intervals as may be, each with numbers: more than an answer holds.
    let most = json!({ "min": 0, "max": 64_000 });
    let sizes = |name: &str| json!({ "extended_stats": { "field": name } });
    let asked = |bounds: &Value| {
        json!({ "filter": "*", "k": 0, "aggregations": { "a": {
            "histogram": { "field": "size", "interval": 1, "extended_bounds": bounds }, "aggs": { "s": sizes("size"), "t": sizes("size") } } } })
    };
    let reply = server.post("/api/query", asked(&most).to_string().as_bytes());
    assert_eq!(reply.status, 413, "{}", reply.text());
    let error = &reply.json()["error"];
    assert_eq!(error["code"], "too_large", "{error}");
    assert!(
        error["hint"].is_string() && error["message"].as_str().unwrap().contains("facets and aggregations"),
        "{error}"
    );
    let few = server.query(&asked(&json!({ "min": 0, "max": 100 })));
    assert!(few["aggregations"]["a"]["buckets"].as_array().unwrap().len() > 100, "{few}");
    server.assert_alive();
}

#[test]
fn sizes_have_an_end() {
    let server = Server::start(&world().index, &[]);
    let head = |length: &str| {
        let addr = server.addr;
        format!(
            "POST /api/query HTTP/1.1\r\nHost: {addr}\r\nOrigin: http://{addr}\r\nContent-Type: application/json\r\n{length}\r\n\r\n"
        )
    };
    let started = Instant::now();
    for length in ["Content-Length: 99999999999", "Content-Length: 30000000"] {
        assert_eq!(server.raw(head(length).as_bytes()).unwrap().status, 413, "{length}");
    }
    // Lengths that are none, or two.
    for length in [
        "Content-Length: -1",
        "Content-Length: 99999999999999999999999",
        "Content-Length: 5\r\nContent-Length: 6",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip",
    ] {
        let reply = server.raw(head(length).as_bytes());
        assert!(reply.is_none_or(|reply| reply.status == 400), "{length}");
    }
    assert!(started.elapsed() < Duration::from_secs(15), "nothing is waited for");
    // A body that does not say where it ends.
    let mut chunked = head("Transfer-Encoding: chunked").into_bytes();
    let piece = vec![b' '; 1 << 20];
    for _ in 0..24 {
        chunked.extend_from_slice(b"100000\r\n");
        chunked.extend_from_slice(&piece);
        chunked.extend_from_slice(b"\r\n");
    }
    let reply = server.raw(&chunked);
    assert!(reply.is_none_or(|reply| reply.status == 413));
    // Heads.
    let many: String = (0..200).map(|n| format!("X-{n}: a\r\n")).collect();
    for odd in [format!("X: {}\r\n", "a".repeat(200_000)), many] {
        let reply = server.raw(format!("GET / HTTP/1.1\r\nHost: {}\r\n{odd}\r\n", server.addr).as_bytes());
        assert!(reply.is_none_or(|reply| reply.status == 431 || reply.status == 400));
    }
    let long = server
        .raw(format!("GET /{} HTTP/1.1\r\nHost: {}\r\n\r\n", "a".repeat(300_000), server.addr).as_bytes());
    assert!(long.is_none_or(|reply| [400, 414, 431].contains(&reply.status)));
    // A small picture that unpacks to much.
    let mut bomb = Vec::new();
    let black = image::GrayImage::new(20_000, 20_000);
    black.write_to(&mut std::io::Cursor::new(&mut bomb), image::ImageFormat::Png).unwrap();
    let asked = json!({ "image": { "base64": base64(&bomb) } }).to_string();
    let reply = server.post("/api/query", asked.as_bytes());
    assert_eq!((reply.status, reply.error()["code"].as_str()), (413, Some("too_large")), "{}", reply.text());
    // Values, depth, and what one answer may hold.
    let wide = format!("{{\"features\":{{\"image\":[{}0]}}}}", "0,".repeat(2_000_000));
    assert_eq!(server.post("/api/query", wide.as_bytes()).status, 413);
    let deep = "[".repeat(2_000_000);
    assert_eq!(server.post("/api/query", deep.as_bytes()).status, 413);
    let deep = "[".repeat(150_000);
    assert_eq!(server.post("/api/query", deep.as_bytes()).status, 400);
    for asked in [
        json!({ "filter": "*", "k": 100_000 }),
        json!({ "filter": "*", "offset": 1e9 as u64 }),
        json!({ "text": vec!["a"; 5000] }),
    ] {
        assert!(server.post("/api/query", asked.to_string().as_bytes()).status >= 400);
    }
    let status = server.get("/api/status").json();
    assert!(status["memory_bytes"].as_u64().unwrap() < 1 << 30, "{}", status["memory_bytes"]);
}

#[test]
fn who_is_slow_keeps_nobody_waiting() {
    let server = Server::start(&world().index, &[]);
    let addr = server.addr;
    let mut slow = Vec::new();
    for n in 0..90 {
        let mut stream = server.connect();
        let beginning = match n % 3 {
            0 => String::new(),
            1 => format!("GET / HTTP/1.1\r\nHost: {addr}\r\nX-Slow: "),
            _ => format!(
                "POST /api/query HTTP/1.1\r\nHost: {addr}\r\nOrigin: http://{addr}\r\nContent-Type: application/json\r\nContent-Length: 200000\r\n\r\n{{"
            ),
        };
        stream.write_all(beginning.as_bytes()).unwrap();
        slow.push(stream);
    }
    for _ in 0..20 {
        let started = Instant::now();
        server.query(&json!({ "text": "a red circle" }));
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}

#[test]
#[ignore = "waits for the time limits of the server, some twenty seconds"]
fn who_is_too_slow_is_sent_away() {
    let server = Server::start(&world().index, &[]);
    let addr = server.addr;
    let mut head = server.connect();
    head.write_all(b"GET / HTTP/1.1\r\n").unwrap();
    let mut idle = server.connect();
    let mut body = server.connect();
    let slow = format!(
        "POST /api/query HTTP/1.1\r\nHost: {addr}\r\nOrigin: http://{addr}\r\nContent-Type: application/json\r\nContent-Length: 20000\r\n\r\n{{"
    );
    body.write_all(slow.as_bytes()).unwrap();
    let mut all = String::new();
    body.read_to_string(&mut all).unwrap();
    assert!(all.starts_with("HTTP/1.1 408"), "{all}");
    for stream in [&mut head, &mut idle] {
        let mut all = Vec::new();
        // Closed, or cut.
        let _ = stream.read_to_end(&mut all);
        assert!(all.is_empty() || all.starts_with(b"HTTP/1.1 4"), "{all:?}");
    }
    server.assert_alive();
}

#[test]
fn random_bytes_are_nothing() {
    let server = Server::start(&world().index, &[]);
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut noise = vec![0; 100_000];
    for round in 0..12 {
        rng.fill_bytes(&mut noise);
        let reply = server.raw(&noise);
        assert!(reply.is_none_or(|reply| reply.status == 400), "round {round}");
        let reply = server.post("/api/query", &noise);
        assert_eq!(reply.status, 400, "round {round}");
        let reply = server.post("/api/mark", &noise);
        assert_eq!(reply.status, 400, "round {round}");
        let picture = json!({ "image": { "base64": base64(&noise) } }).to_string();
        assert_eq!(server.post("/api/query", picture.as_bytes()).status, 400, "round {round}");
        let path: String = noise[..2000].iter().map(|byte| format!("%{byte:02x}")).collect();
        for path in [format!("/media/{path}/0"), format!("/api/document/{path}"), format!("/{path}")] {
            assert!([400, 404].contains(&server.get(&path).status), "round {round}");
        }
    }
    // A good query with some of its bytes changed.
    let good = json!({ "text": "a red circle", "words": "red", "filter": ["color:red"], "weight": { "keyword": 2 }, "facet": "color", "k": 5 }).to_string();
    for _ in 0..300 {
        let mut bytes = good.clone().into_bytes();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..bytes.len());
            bytes[at] = rng.random();
        }
        let reply = server.post("/api/query", &bytes);
        assert!(
            [200, 400, 413].contains(&reply.status),
            "{}: {}",
            String::from_utf8_lossy(&bytes),
            reply.text()
        );
    }
    server.assert_alive();
}

#[test]
fn scripts_stay_text() {
    let dir = tempfile::tempdir().unwrap();
    let index = copy_of_index(dir.path());
    let evil = "<img src=x onerror=alert(1)><script>alert('1')</script>\"'`</b>&lt;b&gt;";
    let lines = [
        json!({ "id": evil, "text": format!("zebra {evil}"), "color": evil, "category": evil, "tag": evil }),
        json!({ "id": "../../etc/passwd", "text": "zebra", "color": "red" }),
        json!({ "id": "a/b?c#d%2f e\u{202e}\u{0}", "text": "zebra javascript:alert(1)", "color": "red" }),
    ];
    let corpus = dir.path().join("c.jsonl");
    write_lines(&corpus, &lines);
    ok(&["add", s(&index), s(&corpus)]);
    let server = Server::start(&index, &[]);
    let found = server
        .query(&json!({ "words": "zebra alert onerror", "snippet": ["text", "color"], "facet": "color" }));
    assert_eq!(found["hits"].as_array().unwrap().len(), 3);
    for hit in found["hits"].as_array().unwrap() {
        for snippet in hit["snippets"].as_object().unwrap().values() {
            let text = snippet.as_str().unwrap().replace("<b>", "").replace("</b>", "");
            assert!(!text.contains(['<', '>', '"', '\'']), "{snippet}");
        }
    }
    // Each is found by its id, however that is written in an address.
    for line in &lines {
        let id = line["id"].as_str().unwrap();
        let path: String = id.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let reply = server.get(&format!("/api/document/{path}"));
        assert_eq!((reply.status, reply.json()["id"].as_str()), (200, Some(id)));
        assert_eq!(server.get(&format!("/media/{path}/0")).status, 404);
    }
    // Scripts in every key of a query: an answer or an error, as JSON that nobody takes for a page.
    let (mut answered, mut refused) = (0, 0);
    for key in [
        "text",
        "words",
        "keywords",
        "filter",
        "like",
        "not_like",
        "exclude",
        "in",
        "media",
        "facet",
        "snippet",
        "fields",
        "sort",
        "collapse",
        "boost",
        "weight",
        "fusion",
        "similarity",
        "target",
        "operator",
        "normalise",
        "aggregations",
        "facets_over",
        "k",
        "image",
    ] {
        let mut asked = json!({ "filter": "*" });
        asked[key] = Value::from(evil);
        let reply = server.post("/api/query", asked.to_string().as_bytes());
        assert_eq!(reply.header("content-type"), "application/json", "{key}");
        match reply.status {
            200 => answered += 1,
            400 | 404 => refused += 1,
            other => panic!("{key}: {other} {}", reply.text()),
        }
        reply.json();
    }
    assert!(answered >= 4 && refused >= 15, "{answered} {refused}");
}
