//! Who is let in.

use serde_json::json;

use super::client::Server;
use crate::pictures::support::world;
use crate::run::{code, err};

#[test]
fn other_hosts_pages_and_kinds_of_bodies_are_refused() {
    let server = Server::start(&world().index, &["--host", "box.test"]);
    let port = server.addr.port();
    let own = format!("http://{}", server.addr);
    let ask = json!({ "filter": "*" }).to_string();
    let post =
        |headers: &[(&str, &str)]| server.send("POST", "/api/query", headers, Some(ask.as_bytes())).status;
    let kind = ("Content-Type", "application/json");
    assert_eq!(post(&[("Origin", &own), kind]), 200);
    assert_eq!(post(&[kind]), 403, "no origin");
    assert_eq!(post(&[("Origin", "null"), kind]), 403);
    assert_eq!(post(&[("Origin", "http://evil.test"), kind]), 403);
    assert_eq!(post(&[("Origin", &format!("https://{}", server.addr)), kind]), 403);
    assert_eq!(post(&[("Origin", &format!("http://127.0.0.1:{}", port ^ 1)), kind]), 403);
    assert_eq!(post(&[("Origin", &own), ("Sec-Fetch-Site", "cross-site"), kind]), 403);
    // What a form of another page can send.
    for form in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        assert_eq!(post(&[("Origin", &own), ("Content-Type", form)]), 415, "{form}");
    }
    let get = |path: &str, headers: &[(&str, &str)]| server.send("GET", path, headers, None).status;
    // A name that was made to lead here.
    for host in ["evil.test", &format!("evil.test:{port}"), "localhost", "127.0.0.1:1", ""] {
        assert_eq!(get("/api/status", &[("Host", host)]), 421, "{host}");
        assert_eq!(get("/", &[("Host", host)]), 421, "{host}");
    }
    for host in
        [format!("localhost:{port}"), format!("[::1]:{port}"), "box.test".into(), format!("BOX.test:{port}")]
    {
        assert_eq!(get("/api/status", &[("Host", &host)]), 200, "{host}");
    }
    // Pictures and scripts of another page.
    for path in ["/media/doc-003/0", "/api/status", "/app.js"] {
        assert_eq!(
            get(path, &[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Dest", "image")]),
            403,
            "{path}"
        );
        assert_eq!(get(path, &[("Sec-Fetch-Site", "same-origin")]), 200, "{path}");
    }
    assert_eq!(get("/", &[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Dest", "document")]), 200);
    assert_eq!(get("/", &[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Dest", "iframe")]), 403);
    assert!(server.get("/api/status").json()["refused"].as_u64().unwrap() > 15);
}

#[test]
fn with_a_token_nothing_is_seen_without_it() {
    let token = "correct-horse-battery";
    let server = Server::start(&world().index, &["--token", token]);
    for path in [
        "/",
        "/app.js",
        "/api/status",
        "/media/doc-003/0",
        "/nothing",
        "/?token=wrong",
        "/api/status?token=correct-horse-battery",
    ] {
        assert_eq!(server.get(path).status, 401, "{path}");
    }
    let with = |header: &str, value: &str| server.send("GET", "/api/status", &[(header, value)], None).status;
    assert_eq!(with("Authorization", "Bearer correct-horse-battery"), 200);
    assert_eq!(with("Authorization", "Bearer correct-horse-batterx"), 401);
    assert_eq!(with("Authorization", "Basic correct-horse-battery"), 401);
    let visit = server.get("/?token=correct-horse-battery");
    assert_eq!((visit.status, visit.header("location")), (303, "/"));
    let cookie = visit.header("set-cookie").to_owned();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains(token),
        "{cookie}"
    );
    let pair = cookie.split(';').next().unwrap();
    assert_eq!(with("Cookie", pair), 200);
    assert_eq!(with("Cookie", "uncsm_index=correct-horse-battery"), 401);
    let evil = server.send("GET", "/?token=correct-horse-battery", &[("Host", "evil.test")], None);
    assert_eq!((evil.status, evil.header("set-cookie")), (421, ""));
}

#[test]
fn what_cannot_be_served_is_said_at_once() {
    let index = world().index.to_str().unwrap();
    let serve = |args: &[&str]| err(&[&["serve", index], args].concat());
    let error = serve(&["--addr", "0.0.0.0:0"]);
    assert_eq!(code(&error), "bad_argument");
    assert!(error["hint"].as_str().unwrap().contains("--token"), "{error}");
    assert_eq!(code(&serve(&["--addr", "127.0.0.1:0", "--token", "short"])), "bad_argument");
    assert_eq!(code(&serve(&["--addr", "127.0.0.1:0", "--require", "nosuch:a"])), "unknown_field");
    assert_eq!(code(&serve(&["--addr", "127.0.0.1:0", "--media-root", "/no/such/folder"])), "not_found");
    assert_eq!(code(&err(&["serve", "/no/such/index", "--addr", "127.0.0.1:0"])), "not_found");
    let server = Server::start(&world().index, &[]);
    let taken = serve(&["--addr", &server.addr.to_string()]);
    assert!(code(&taken) == "io" && taken["hint"].as_str().unwrap().contains("--addr"), "{taken}");
}
