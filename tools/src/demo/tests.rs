//! The page, made from a small corpus and invented figures.

use std::fs;

use serde_json::Value;

use super::corpus::{DemoOptions, generate};
use super::report::{Curve, DemoReport, HitCard, QueryCard, RecallSeries, Words, render};
use super::svg;

/// Names the first tag that is not closed, or closes nothing; `None` for a page that is balanced.
fn unbalanced(html: &str) -> Option<String> {
    const VOID: [&str; 3] = ["meta", "img", "!DOCTYPE"];
    let mut open: Vec<&str> = Vec::new();
    let mut rest = html;
    while let Some(start) = rest.find('<') {
        let end = start + rest[start..].find('>')?;
        let tag = &rest[start + 1..end];
        if tag.contains('<') || !tag.matches('"').count().is_multiple_of(2) {
            return Some(tag.to_owned());
        }
        rest = &rest[end + 1..];
        match tag.strip_prefix('/') {
            Some(name) if open.pop() != Some(name) => return Some(tag.to_owned()),
            Some(_) => {}
            None => {
                let name = tag.split_whitespace().next().unwrap_or_default();
                if !VOID.contains(&name) {
                    open.push(name);
                }
            }
        }
    }
    open.pop().map(str::to_owned)
}

/// All values of attributes that place something in an SVG.
fn coordinates(html: &str) -> Vec<f64> {
    let names = ["x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "r", "width", "height", "points"];
    let mut all = Vec::new();
    for name in names {
        for part in html.split(&format!(" {name}=\"")).skip(1) {
            let value = part.split('"').next().unwrap_or_default();
            for number in value.split([' ', ',']).filter(|n| !n.is_empty()) {
                all.push(number.parse().unwrap_or_else(|_| panic!("{name}=\"{value}\"")));
            }
        }
    }
    all
}

fn plausible() -> DemoReport {
    let dir = tempfile::tempdir().unwrap();
    let options = DemoOptions { scenes: 120, held_out: 30, ..DemoOptions::default() };
    let made = generate(dir.path(), &options, &mut |_| {}).unwrap();
    let text = fs::read_to_string(&made.corpus).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let files = |line: &Value| -> Vec<Vec<u8>> {
        let names = match &line["images"] {
            Value::Array(names) => names.clone(),
            _ => vec![line["image"].clone()],
        };
        names.iter().map(|name| fs::read(dir.path().join(name.as_str().unwrap())).unwrap()).collect()
    };
    let hits = |start: usize, legs: &[&str], match_: bool| -> Vec<HitCard> {
        let hit = |rank: usize| {
            let line = &lines[start + rank * 7];
            HitCard {
                rank,
                id: line["id"].as_str().unwrap().to_owned(),
                caption: line["text"].as_str().unwrap().to_owned(),
                pictures: files(line),
                score: 5.3 / rank as f32 - 1.0,
                probability: match_.then_some(0.97 / (rank as f32).sqrt()),
                legs: legs
                    .iter()
                    .enumerate()
                    .map(|(i, leg)| {
                        let seen = rank != 4 || i != 0;
                        let score = if *leg == "keyword" { 9.131 } else { 4.2 } / rank as f32;
                        ((*leg).to_owned(), seen.then_some(score), seen.then_some(rank + i))
                    })
                    .collect(),
                category: line["category"].as_str().unwrap().to_owned(),
                mark: (rank == 1 && match_).then(|| "the pair of this query".to_owned()),
                held_out: false,
            }
        };
        (1..=6).map(hit).collect()
    };
    let caption = |i: usize| lines[i]["text"].as_str().unwrap().to_owned();
    let query = |title: &str, kind: &str| QueryCard {
        title: title.into(),
        kind: kind.into(),
        took_ms: 3.4,
        ..QueryCard::default()
    };
    let hybrid = |fusion: &str| QueryCard {
        keywords: Some("background:striped".into()),
        picture: Some(files(&lines[41])[0].clone()),
        fusion: Some(fusion.into()),
        hits: hits(20, &["keyword", "metric"], true),
        ..query("Words and a picture together", "hybrid")
    };
    let curve = |stage: &str, epochs: usize, start: f64, score: bool| Curve {
        stage: stage.into(),
        points: (1..=epochs)
            .map(|e| {
                (e, start / (e as f64).sqrt() + 0.01 * (e % 3) as f64, score.then(|| 0.78 - 0.5 / e as f64))
            })
            .collect(),
    };
    let recall = |similarity: &str, direction: &str, at| RecallSeries {
        similarity: similarity.into(),
        direction: direction.into(),
        at,
    };
    DemoReport {
        steps: [
            ("draw", 1.21),
            ("encode", 3.4),
            ("train", 48.2),
            ("evaluate", 2.6),
            ("build", 4.1),
            ("query", 0.034),
        ]
        .map(|(name, took)| (name.to_owned(), took))
        .to_vec(),
        figures: [
            ("documents", "1,800"),
            ("pictures", "1,947"),
            ("held out", "450"),
            ("seconds in all", "60"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec(),
        queries: vec![
            QueryCard {
                keywords: Some("crimson AND category:star".into()),
                hits: hits(3, &["keyword"], false),
                ..query("Words that stand in a caption", "keyword")
            },
            QueryCard {
                text: Some(caption(17)),
                hits: hits(10, &["metric"], true),
                ..query("A sentence finds pictures", "text → image")
            },
            QueryCard {
                picture: Some(files(&lines[33])[0].clone()),
                hits: hits(26, &["metric"], true),
                ..query("A picture finds sentences", "image → text")
            },
            hybrid("metric"),
            hybrid("rrf"),
        ],
        curves: vec![
            curve("contrastive", 12, 0.8, true),
            curve("double_triplet", 40, 0.3, true),
            curve("metric", 18, 0.69, true),
        ],
        recall: vec![
            recall("cosine", "image to text", [0.24, 0.58, 0.74]),
            recall("posterior", "image to text", [0.03, 0.12, 0.22]),
            recall("metric", "image to text", [0.33, 0.69, 0.83]),
            recall("cosine", "text to image", [0.26, 0.6, 0.75]),
            recall("posterior", "text to image", [0.02, f64::NAN, 0.21]),
            recall("metric", "text to image", [0.35, 0.7, 1.0]),
        ],
        map: vec![
            ("cosine".into(), 0.512, 0.498, 0.505),
            ("posterior".into(), 0.701, 0.713, 0.707),
            ("metric".into(), 0.738, 0.729, 0.7335),
        ],
        version: "0.1.0".into(),
        words: Words::default(),
    }
}

#[test]
fn the_page_is_balanced_and_whole() {
    let report = plausible();
    let page = render(&report);
    assert_eq!(unbalanced(&page), None);
    assert_eq!(page.matches("<article").count(), report.queries.len());
    let pictures: usize = report.queries.iter().flat_map(|q| &q.hits).map(|hit| hit.pictures.len()).sum();
    let asked = report.queries.iter().filter(|q| q.picture.is_some()).count();
    assert_eq!(page.matches("<img ").count(), pictures + asked);
    assert_eq!(page.matches("<img ").count(), page.matches(" alt=\"").count());
    assert_eq!(page.matches("<svg class=\"plot\"").count(), 5);
    assert_eq!(page.matches("role=\"img\"><title>").count(), 5);
    for word in ["97 % match", "double triplet", "the pair of this query", "0.738", "background:striped"] {
        assert!(page.contains(word), "{word}");
    }
    // For looking at it in a browser.
    if let Some(dir) = std::env::var_os("UNCSM_DEMO_PAGE_DIR") {
        fs::write(std::path::Path::new(&dir).join("report.html"), page).unwrap();
    }
}

#[test]
fn the_page_loads_nothing_and_runs_nothing() {
    let page = render(&plausible());
    for word in ["http://", "https://", "<script", "<link", "@import", "javascript:", "src=\"/", "src=\"img"]
    {
        assert!(!page.contains(word), "{word}");
    }
    assert_eq!(page.matches("src=").count(), page.matches("src=\"data:image/png;base64,").count());
    // The one use of url() points into the page.
    assert_eq!(page.matches("url(").count(), page.matches("url(#").count());
}

#[test]
fn text_is_escaped_everywhere() {
    let bad = || "</p><script>alert('1')</script>\" onload=\"x".to_owned();
    let report = DemoReport {
        steps: vec![(bad(), 1.0)],
        figures: vec![(bad(), bad())],
        queries: vec![QueryCard {
            title: bad(),
            kind: bad(),
            text: Some(bad()),
            picture: Some(vec![1]),
            keywords: Some(bad()),
            fusion: Some(bad()),
            took_ms: f64::NAN,
            hits: vec![HitCard {
                rank: 1,
                id: bad(),
                caption: bad(),
                pictures: vec![vec![1], vec![2]],
                score: f32::NAN,
                probability: Some(f32::INFINITY),
                legs: vec![(bad(), None, None)],
                category: bad(),
                mark: Some(bad()),
                held_out: true,
            }],
            filter: Some(bad()),
            wants_pictures: false,
            facets: vec![(bad(), 3)],
        }],
        curves: vec![Curve { stage: bad(), points: vec![(1, 0.5, Some(0.5))] }],
        recall: vec![RecallSeries { similarity: bad(), direction: bad(), at: [0.5; 3] }],
        map: vec![(bad(), 0.1, 0.2, 0.3)],
        version: bad(),
        words: Words::default(),
    };
    let page = render(&report);
    assert!(!page.contains("<script") && !page.contains("\" onload"), "not escaped");
    assert!(page.matches("&lt;script&gt;").count() >= 19, "{}", page.matches("&lt;script&gt;").count());
    assert_eq!(unbalanced(&page), None);
    assert!(!page.contains("NaN") && !page.contains("inf<"));
}

#[test]
fn words_filters_facets_and_what_was_held_out_are_shown() {
    let mut report = plausible();
    report.words = Words {
        lead: "Of <code>a folder</code>.".into(),
        of_queries: "Sentences are fixed.".into(),
        unseen: "documents",
        right: "the same class",
    };
    let asked = &mut report.queries[2];
    assert!(asked.picture.is_some() && asked.text.is_none() && asked.keywords.is_none());
    let sentences = |report: &DemoReport| render(report).matches("class=\"hits sentences\"").count();
    assert_eq!(sentences(&report), 1);
    let asked = &mut report.queries[2];
    asked.wants_pictures = true;
    asked.filter = Some("class_exact:\"birds\"".into());
    asked.facets = vec![("birds".into(), 12), ("bees & co".into(), 3)];
    asked.hits[1].held_out = true;
    assert_eq!(sentences(&report), 0);
    let page = render(&report);
    for word in [
        "<p class=\"lead\">Of <code>a folder</code>.</p>",
        "<p class=\"note\">Sentences are fixed.</p>",
        "Over documents that",
        "shows the same class.",
        "<dt>filter</dt><dd><code>class_exact:&quot;birds&quot;</code></dd>",
        "<dt>facet</dt><dd>birds 12 · bees &amp; co 3</dd>",
    ] {
        assert!(page.contains(word), "{word}");
    }
    assert_eq!(page.matches(" · held out</p>").count(), 1);
    assert_eq!(unbalanced(&page), None);
    assert!(!page.contains("scenes") && !page.contains("kind and colour"));
}

#[test]
fn plots_have_finite_coordinates() {
    let bad = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    let points = [
        vec![],
        vec![(1, 0.5, None)],
        vec![(1, 0.5, Some(0.5)), (2, 0.5, Some(0.5))],
        vec![(0, 0.0, Some(0.0))],
        vec![(1, 1e-300, Some(1e300)), (2, f64::MAX, Some(f64::MIN))],
        bad.iter().enumerate().map(|(i, &b)| (i, b, Some(b))).collect(),
        (0..500).map(|e| (e, (e as f64).sin(), (e % 5 == 0).then_some(0.3))).collect(),
    ];
    for points in points {
        let curve = Curve { stage: "metric".into(), points };
        let plot = svg::curve(&curve);
        assert!(coordinates(&plot).iter().all(|c| c.is_finite() && (-1.0..=400.0).contains(c)), "{plot}");
        assert!(!plot.contains("NaN") && unbalanced(&plot).is_none(), "{plot}");
    }
    let one = |at| RecallSeries { similarity: "metric".into(), direction: "d".into(), at };
    for series in
        [vec![], vec![one([f64::NAN; 3])], vec![one([0.0, 1.0, 7.0]), one([-1.0, f64::INFINITY, 0.2])]]
    {
        let plot = svg::recall("d", &series.iter().collect::<Vec<_>>());
        assert!(coordinates(&plot).iter().all(|c| c.is_finite() && (-1.0..=400.0).contains(c)), "{plot}");
    }
    assert_eq!(unbalanced(&render(&DemoReport::default())), None);
}

#[test]
fn the_checker_of_these_tests_finds_faults() {
    for html in ["<p>", "<p></b>", "</p>", "<p title=\"x></p>", "<p><b></p></b>"] {
        assert!(unbalanced(html).is_some(), "{html}");
    }
    assert_eq!(unbalanced("<p>a<img src=\"x\"></p>"), None);
}
