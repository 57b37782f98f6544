//! Pictures are those of documents, in the folders of the sources, and rasters.

use std::fs;

use serde_json::json;

use super::client::Server;
use crate::files::{s, write_lines};
use crate::pictures::support::{copy_of_index, draw, id, world};
use crate::run::ok;

#[test]
fn a_picture_is_served_as_it_is() {
    let server = Server::start(&world().index, &[]);
    let folder = world().corpus.parent().unwrap();
    // Documents with one picture, with two, with three.
    for (document, count) in [(4, 1), (3, 2), (7, 3)] {
        let told = server.get(&format!("/api/document/{}", id(document))).json();
        assert_eq!(told["media"].as_array().unwrap().len(), count);
        assert_eq!((&told["items"]["image"], &told["items"]["text"]), (&json!(count), &json!(1)));
        for n in 0..count {
            let reply = server.get(told["media"][n]["url"].as_str().unwrap());
            assert_eq!(reply.body, fs::read(folder.join(format!("img/{document:03}-{n}.png"))).unwrap());
            assert_eq!(reply.header("content-type"), "image/png");
            assert!(reply.header("content-security-policy").contains("sandbox"));
        }
        assert_eq!(server.get(&format!("/media/{}/{count}", id(document))).status, 404);
    }
}

#[test]
fn nothing_else_of_the_disk_is() {
    let dir = tempfile::tempdir().unwrap();
    let index = copy_of_index(dir.path());
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("corpus/sub")).unwrap();
    let png = |name: &str| draw("circle", [9, 9, 9], 1).save(at(name)).unwrap();
    for name in ["corpus/in.png", "corpus/sub/deep.png", "corpus/a b#?%2f.png", "outside.png"] {
        png(name);
    }
    fs::write(at("corpus/page.png"), "<html><script>alert(1)</script>").unwrap();
    fs::write(
        at("corpus/drawing.png"),
        "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
    )
    .unwrap();
    fs::write(at("corpus/key.png"), "-----BEGIN PRIVATE KEY-----").unwrap();
    let outside = at("outside.png");
    let mut names = vec![
        ("in", "in.png".to_owned(), 200),
        ("deep", "sub/../sub/deep.png".into(), 200),
        ("odd", "a b#?%2f.png".into(), 200),
        ("whole", s(&at("corpus/in.png")).into(), 200),
        ("up", "../outside.png".into(), 404),
        ("away", s(&outside).into(), 404),
        ("passwd", "/etc/passwd".into(), 404),
        ("page", "page.png".into(), 404),
        ("drawing", "drawing.png".into(), 404),
        ("key", "key.png".into(), 404),
        ("none", "none.png".into(), 404),
        ("folder", "sub".into(), 404),
        ("itself", ".".into(), 404),
    ];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&outside, at("corpus/link.png")).unwrap();
        std::os::unix::fs::symlink(dir.path(), at("corpus/way")).unwrap();
        std::os::unix::fs::symlink(at("corpus/in.png"), at("corpus/inner.png")).unwrap();
        names.extend([
            ("link", "link.png".into(), 404),
            ("way", "way/outside.png".into(), 404),
            ("inner", "inner.png".into(), 200),
        ]);
        assert!(std::process::Command::new("mkfifo").arg(at("corpus/pipe.png")).status().unwrap().success());
    }
    let lines: Vec<_> =
        names.iter().map(|(id, image, _)| json!({ "id": id, "text": "a circle", "image": image })).collect();
    let corpus = at("corpus/c.jsonl");
    write_lines(&corpus, &lines);
    ok(&["add", s(&index), s(&corpus)]);
    let server = Server::start(&index, &[]);
    for (id, name, status) in &names {
        let reply = server.get(&format!("/media/{id}/0"));
        assert_eq!(reply.status, *status, "{id} {name}: {}", reply.text());
        let said = reply.text();
        assert!(*status == 200 || !said.contains("BEGIN") && !said.contains(s(dir.path())), "{id}: {said}");
    }
    // What is not there and what may not be shown are told alike.
    let said = |id: &str| server.get(&format!("/media/{id}/0")).text();
    assert_eq!(said("none"), said("passwd"));
    assert_eq!(said("none"), said("up"));
    // A file that becomes a pipe, which would never end.
    #[cfg(unix)]
    {
        fs::rename(at("corpus/pipe.png"), at("corpus/in.png")).unwrap();
        assert_eq!(server.get("/media/in/0").status, 404);
    }
    let narrow = Server::start(&index, &["--media-root", s(&at("corpus/sub"))]);
    assert_eq!(narrow.get("/media/deep/0").status, 200);
    assert_eq!(narrow.get("/media/odd/0").status, 404);
    assert_eq!(narrow.get(&format!("/media/{}/0", id(3))).status, 404);
    let wide = Server::start(&index, &["--media-root", s(dir.path())]);
    assert_eq!(wide.get("/media/up/0").status, 200);
    assert_eq!(wide.get("/media/passwd/0").status, 404);
    // Pictures that were moved are found in the folder that is named.
    fs::create_dir(at("moved")).unwrap();
    fs::rename(at("corpus/sub"), at("moved/sub")).unwrap();
    let moved = Server::start(&index, &["--media-root", s(&at("moved"))]);
    assert_eq!(moved.get("/media/deep/0").status, 200);
}
