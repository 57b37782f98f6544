//! Queries: every kind, and what comes back.

use serde_json::Value;

use crate::data::{self, row_of};
use crate::run::{ids, json, keys, run};
use crate::world::world;

/// A query of the shared index; `%` stands for the features file.
fn query(code: i32, line: &str) -> Value {
    let world = world();
    let features = world.features.as_path();
    let paths = [&[world.index.as_path()][..], &vec![features; line.matches('%').count()]].concat();
    json(code, &format!("query % {line}"), &paths)
}

/// A test row of each class.
fn test_rows() -> Vec<usize> {
    let rows: Vec<usize> = (16..20).collect();
    assert!(rows.iter().all(|&row| data::is_test(row)));
    rows
}

fn of_class(response: &Value, class: usize) -> usize {
    ids(response).iter().filter(|id| row_of(id) % 4 == class).count()
}

#[test]
fn pictures_find_texts_and_texts_find_pictures() {
    for (from, to) in [("image", "text"), ("text", "image")] {
        let mut right = 0;
        for row in test_rows() {
            let rows = format!("{row}..{}", row + 1);
            let found = query(0, &format!("--features % --pathway {from}={from} --rows {rows}"));
            right += of_class(&found, row % 4);
            assert_eq!(
                keys(&found),
                ["candidates", "complete", "exact", "hits", "matched", "partial", "scored", "took_ms"]
            );
            assert_eq!(
                (&found["exact"], &found["candidates"], &found["scored"]),
                (&true.into(), &240.into(), &240.into())
            );
            let hits = found["hits"].as_array().unwrap();
            assert_eq!(hits.len(), 10);
            let scores: Vec<f64> = hits.iter().map(|hit| hit["score"].as_f64().unwrap()).collect();
            assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
            for (at, hit) in hits.iter().enumerate() {
                assert_eq!(keys(hit), ["fields", "id", "items", "legs", "probability", "rank", "score"]);
                assert_eq!(hit["rank"], at + 1);
                assert_eq!(keys(&hit["legs"]), ["metric"]);
                assert_eq!(hit["legs"]["metric"]["score"], hit["score"]);
                assert_eq!(hit["legs"]["metric"]["rank"], hit["rank"]);
                let score = hit["score"].as_f64().unwrap();
                let probability = hit["probability"].as_f64().unwrap();
                // A score is at even odds, a probability at the rate of the four classes.
                let log_odds = hit["items"][0]["calibrated_logit"].as_f64().unwrap();
                assert!((log_odds - score - f64::ln(1.0 / 3.0)).abs() < 0.2, "{hit}");
                assert!((probability - 1.0 / (1.0 + (-log_odds).exp())).abs() < 1e-5, "{hit}");
                let items = hit["items"].as_array().unwrap();
                assert_eq!(items.len(), 1);
                assert_eq!(
                    keys(&items[0]),
                    ["calibrated_logit", "index", "logit", "media", "part", "part_media", "probability"]
                );
                assert_eq!((&items[0]["part"], &items[0]["index"]), (&0.into(), &0.into()));
                assert_eq!((&items[0]["media"], &items[0]["part_media"]), (&to.into(), &from.into()));
                let row = row_of(hit["id"].as_str().unwrap());
                let line: Value = serde_json::from_str(&data::line(row)).unwrap();
                for field in ["title", "text", "category", "size", "tags"] {
                    assert_eq!(hit["fields"][field], line[field], "{field}");
                }
            }
        }
        assert!(right >= 32, "{from} to {to}: {right} of 40 hits have the right class");
    }
}

#[test]
fn keywords_rank_by_bm25() {
    let found = query(0, "--keywords number77");
    assert_eq!(ids(&found), [data::id(77)]);
    let hit = &found["hits"][0];
    assert_eq!(hit["probability"], Value::Null);
    assert_eq!(hit["items"].as_array().unwrap().len(), 0);
    assert_eq!(keys(&hit["legs"]), ["keyword"]);
    assert_eq!(hit["legs"]["keyword"]["score"], hit["score"]);
    assert_eq!((&found["candidates"], &found["scored"]), (&1.into(), &0.into()));
    let nothing = query(1, "--keywords nosuchword");
    assert_eq!(nothing["hits"], Value::Array(vec![]));
}

#[test]
fn a_filter_of_numbers_and_lists() {
    let range = query(0, "--filter size:[10~TO~13]");
    assert_eq!(ids(&range), [10, 11, 12, 13].map(data::id));
    let tags = query(0, "--filter tags_exact:even~AND~tags_exact:blue~AND~size:<12");
    assert_eq!(ids(&tags), [2, 8].map(data::id));
}

#[test]
fn equal_scores_are_ordered_by_id() {
    let found = query(0, "--filter category_exact:boat -k 100");
    let expected: Vec<String> = (0..240).filter(|row| row % 4 == 1).map(data::id).collect();
    assert_eq!(ids(&found), expected);
    for hit in found["hits"].as_array().unwrap() {
        assert_eq!(hit["legs"], serde_json::json!({}), "the query has no leg");
        assert_eq!(hit["score"], 0.0);
    }
}

#[test]
fn a_filter_restricts_the_media_leg() {
    let found =
        query(0, "--features % --pathway image=image --rows 16..17 --filter category_exact:star -k 1000");
    let mut rows: Vec<usize> = ids(&found).iter().map(|id| row_of(id)).collect();
    rows.sort_unstable();
    assert_eq!(rows, (0..240).filter(|row| row % 4 == 3).collect::<Vec<_>>());
    assert_eq!((&found["candidates"], &found["scored"]), (&60.into(), &60.into()));
}

#[test]
fn reciprocal_ranks_are_what_the_legs_say() {
    let found = query(0, "--features % --pathway image=image --rows 17..18 --keywords red -k 300");
    // Keywords add their documents to those of the media leg, which matches all.
    assert_eq!(found["hits"].as_array().unwrap().len(), 240);
    let mut in_both = 0;
    for hit in found["hits"].as_array().unwrap() {
        assert_eq!(keys(&hit["legs"]), ["keyword", "metric"]);
        let share = |leg: &str| hit["legs"][leg]["rank"].as_f64().map_or(0.0, |rank| 1.0 / (60.0 + rank));
        let score = hit["score"].as_f64().unwrap();
        assert!((score - share("keyword") - share("metric")).abs() < 1e-6, "{hit}");
        let red = row_of(hit["id"].as_str().unwrap()).is_multiple_of(3);
        assert_eq!(hit["legs"]["keyword"]["rank"].is_null(), !red, "{hit}");
        assert_eq!(hit["legs"]["keyword"]["score"].is_null(), !red, "{hit}");
        in_both += usize::from(red);
    }
    assert_eq!(in_both, 80);
    let best = row_of(&ids(&found)[0]);
    assert_eq!((best % 3, best % 4), (0, 1), "a red boat");
    let heavy =
        query(0, "--features % --pathway image=image --rows 17..18 --keywords number3 --weight keyword=50");
    assert_eq!(ids(&heavy)[0], data::id(3));
    let light =
        query(0, "--features % --pathway image=image --rows 17..18 --keywords number3 --weight keyword=0");
    let alone = query(0, "--features % --pathway image=image --rows 17..18");
    assert_eq!(ids(&light), ids(&alone));
}

#[test]
fn outside_the_window_a_leg_gives_nothing() {
    let line = "--features % --pathway image=image --rows 17..18 --keywords red -k 5 --window 8";
    let found = query(0, line);
    for hit in found["hits"].as_array().unwrap() {
        for leg in ["keyword", "metric"] {
            assert!(hit["legs"][leg]["rank"].as_u64().is_none_or(|rank| rank <= 8), "{hit}");
        }
    }
}

#[test]
fn fused_by_metric_keywords_only_restrict() {
    let found =
        query(0, "--features % --pathway image=image --rows 17..18 --keywords red --fusion metric -k 300");
    let hits = found["hits"].as_array().unwrap();
    assert_eq!(hits.len(), 80);
    assert_eq!((&found["candidates"], &found["scored"]), (&80.into(), &80.into()));
    for hit in hits {
        assert!(row_of(hit["id"].as_str().unwrap()).is_multiple_of(3));
        assert_eq!(hit["score"], hit["legs"]["metric"]["score"]);
        assert!(hit["legs"]["keyword"]["score"].is_f64(), "{hit}");
    }
    // The order is that of the media leg alone.
    let all = query(0, "--features % --pathway image=image --rows 17..18 -k 300");
    let red: Vec<String> = ids(&all).into_iter().filter(|id| row_of(id).is_multiple_of(3)).collect();
    assert_eq!(ids(&found), red);
}

#[test]
fn like_takes_all_items_of_a_document_and_leaves_it_out() {
    let like = data::id(18);
    let found = query(0, &format!("--like {like} -k 300"));
    assert_eq!(found["hits"].as_array().unwrap().len(), 239);
    assert!(!ids(&found).contains(&like));
    let top = query(0, &format!("--like {like}"));
    assert!(of_class(&top, 2) >= 8, "{}", top["hits"]);
    let parts: Vec<&Value> =
        top["hits"][0]["items"].as_array().unwrap().iter().map(|item| &item["part_media"]).collect();
    assert_eq!(parts, ["image", "text"]);
}

#[test]
fn media_names_what_is_searched() {
    for name in ["image", "text"] {
        let found = query(0, &format!("--features % --pathway image=image --rows 17..18 --media {name}"));
        for hit in found["hits"].as_array().unwrap() {
            assert_eq!(hit["items"][0]["media"], name);
        }
        let line =
            format!("--features % --pathway {name}={name} --rows 17..18 --media {name} --similarity cosine");
        assert_eq!(ids(&query(0, &line))[0], data::id(17), "by cosine an item is most like itself");
    }
    let any = query(0, "--features % --pathway image=image --rows 17..18 --media any -k 300");
    let media: std::collections::BTreeSet<&str> = any["hits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|hit| hit["items"][0]["media"].as_str().unwrap())
        .collect();
    assert_eq!(media.into_iter().collect::<Vec<_>>(), ["image", "text"]);
}

#[test]
fn several_rows_and_pathways_are_parts_of_one_query() {
    let found = query(0, "--features % --pathway image=image --pathway text=text --rows 17..19 -k 3");
    let items = found["hits"][0]["items"].as_array().unwrap();
    let parts: Vec<&Value> = items.iter().map(|item| &item["part_media"]).collect();
    assert_eq!(parts, ["image", "text", "image", "text"]);
}

#[test]
fn every_similarity_ranks_by_its_own_leg() {
    for similarity in ["metric", "cosine", "posterior"] {
        let line = format!("--features % --pathway text=text --rows 16..17 --similarity {similarity}");
        let found = query(0, &line);
        let hit = &found["hits"][0];
        assert_eq!(keys(&hit["legs"]), [similarity]);
        assert!(hit["probability"].is_f64(), "probability is the network's, whatever ranks");
        assert!(of_class(&found, 0) >= 7, "{similarity}: {}", found["hits"]);
    }
    let pair = query(0, "--features % --pathway text=text --rows 16..17 --target pair -k 240");
    let class = query(0, "--features % --pathway text=text --rows 16..17 --target class -k 240");
    assert_ne!(ids(&pair), ids(&class));
    let default = query(0, "--features % --pathway text=text --rows 16..17 -k 240");
    assert_eq!(ids(&default), ids(&class));
}

#[test]
fn pages_join_without_gap_or_repeat() {
    for part in [
        "--features % --pathway image=image --rows 17..18",
        "--keywords red",
        "--filter category_exact:boat",
        "--features % --pathway image=image --rows 17..18 --keywords red",
        "--features % --pathway image=image --rows 17..18 --keywords red --fusion metric",
        "--like d00018",
    ] {
        let whole = query(0, &format!("{part} -k 21"));
        let mut pages = Vec::new();
        let mut ranks = Vec::new();
        for offset in [0, 7, 14] {
            let page = query(0, &format!("{part} -k 7 --offset {offset}"));
            pages.extend(ids(&page));
            ranks.extend(page["hits"].as_array().unwrap().iter().map(|hit| hit["rank"].as_u64().unwrap()));
        }
        assert_eq!(pages, ids(&whole), "{part}");
        assert_eq!(ranks, (1..=21).collect::<Vec<u64>>(), "{part}");
    }
    assert_eq!(query(1, "--keywords red --offset 80")["hits"], Value::Array(vec![]));
}

#[test]
fn a_minimum_probability_cuts_where_the_ranking_passes_it() {
    let all = query(0, "--features % --pathway image=image --rows 17..18 -k 300");
    let probabilities: Vec<f64> =
        all["hits"].as_array().unwrap().iter().map(|hit| hit["probability"].as_f64().unwrap()).collect();
    let cut = query(0, "--features % --pathway image=image --rows 17..18 -k 300 --min-probability 0.5");
    let kept = probabilities.iter().filter(|&&p| p >= 0.5).count();
    assert!(kept > 0 && kept < 240, "{kept}");
    assert_eq!(ids(&cut), ids(&all)[..kept]);
    query(1, "--features % --pathway image=image --rows 17..18 --min-probability 1");
    // Documents below it are no hits of the keyword leg either.
    let hybrid = query(
        0,
        "--features % --pathway image=image --rows 17..18 --keywords red -k 300 --min-probability 0.5",
    );
    assert!(hybrid["hits"].as_array().unwrap().iter().all(|hit| hit["probability"].as_f64().unwrap() >= 0.5));
}

#[test]
fn the_text_form_shows_each_hit() {
    let world = world();
    let args = ["query".as_ref(), world.index.as_os_str(), "--keywords".as_ref(), "number77".as_ref()];
    let found = run(&args);
    assert_eq!((found.code, found.stderr.as_str()), (0, ""));
    assert!(
        found.stdout.contains("d00077") && found.stdout.contains("title: blue boat number77"),
        "{}",
        found.stdout
    );
    assert!(found.stdout.contains("1 hits of 1 candidates"), "{}", found.stdout);
}
