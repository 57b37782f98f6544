//! The first command of a newcomer, whole.

use std::fs;
use std::time::Instant;

use crate::files::s;
use crate::pictures::support::assert_sound;
use crate::run::{command, ids, ok};

#[test]
#[ignore = "takes about a minute: cargo test --test cli pictures::demo -- --ignored"]
fn the_demo_finds_what_it_should() {
    let dir = tempfile::tempdir().unwrap();
    let demo = dir.path().join("demo");
    let started = Instant::now();
    // All cores, as a newcomer has it.
    let out = command().args(["demo", "--dir", s(&demo), "--json", "--quiet"]).output().unwrap();
    let seconds = started.elapsed().as_secs_f64();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    let report: serde_json::Value = serde_json::from_slice(&out.stdout).unwrap();
    assert!(report["pairs"].as_u64().unwrap() >= 400, "{}", report["pairs"]);
    for direction in ["image_to_text", "text_to_image"] {
        let at = |similarity: &str| report["recall"][similarity][direction]["10"].as_f64().unwrap();
        let (metric, cosine) = (at("metric"), at("cosine"));
        eprintln!("{direction}: recall@10 metric {metric:.3}, cosine {cosine:.3}");
        assert!(metric >= 0.5 && metric >= cosine, "{direction}: {metric} {cosine}");
    }
    eprintln!("the demo took {seconds:.1} s");
    let page = fs::read_to_string(demo.join("report.html")).unwrap();
    for loads in [
        "src=\"http",
        "href=\"http",
        "url(http",
        "src='http",
        "href='http",
        "@import",
        "<link",
        "<script src",
    ] {
        assert!(!page.contains(loads), "the page loads something: {loads}");
    }
    assert!(page.len() > 10_000 && page.contains("<svg"));
    let index = demo.join("index");
    assert_sound(&index);
    assert!(!ids(&ok(&["query", s(&index), "--text", "a red circle"])).is_empty());
}
