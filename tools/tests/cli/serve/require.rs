//! `--require` binds every answer.

use serde_json::{Value, json};

use super::client::Server;
use crate::pictures::support::{DOCUMENTS, id, kind, world};
use crate::run::ids;

#[test]
fn what_is_not_let_through_is_not_there() {
    let server =
        Server::start(&world().index, &["--require", "color:red", "--require", "NOT category:stripes AND *"]);
    let is_open = |i: usize| kind(i).1 == 0 && kind(i).0 != "stripes";
    let (open, hidden): (Vec<usize>, Vec<usize>) = (0..DOCUMENTS).partition(|i| is_open(*i));
    let status = server.get("/api/status").json();
    assert_eq!(status["index"]["documents"], open.len());
    let values = |facet: &Value| {
        facet["values"].as_array().unwrap().iter().map(|v| v["value"].clone()).collect::<Vec<_>>()
    };
    let facets = status["index"]["facets"].as_array().unwrap();
    let category = facets.iter().find(|facet| facet["field"] == "category").unwrap();
    assert_eq!(values(category), ["circle", "square"]);
    assert!(
        !status["index"].to_string().contains("blue") && !status["index"].to_string().contains("stripes")
    );
    for asked in [
        json!({ "filter": "*" }),
        json!({ "text": "a blue circle" }),
        json!({ "words": "blue green circle" }),
        json!({ "keywords": "blue OR stripes OR red" }),
        json!({ "like": id(open[0]), "media": "any" }),
        json!({ "text": "a blue circle", "words": "blue", "fusion": "linear" }),
        json!({ "text": "stripes", "exact": true }),
        json!({ "filter": "color:blue OR color:red" }),
        json!({ "filter": "NOT color:red AND *" }),
        json!({ "filter": "*", "sort": "tag_exact", "collapse": "category_exact" }),
        json!({ "not_text": "a red circle", "filter": "*" }),
        json!({ "not_like": id(open[1]), "filter": "*" }),
    ] {
        let mut all = asked.clone();
        all["k"] = 200.into();
        all["facet"] = json!(["color", "category", "tag"]);
        let found = server.query(&all);
        for found in ids(&found) {
            assert!(open.iter().any(|i| id(*i) == found), "{asked}: {found}");
        }
        for (facet, values) in found["facets"].as_object().unwrap() {
            for value in values.as_array().unwrap() {
                let value = value["value"].as_str().unwrap();
                let seen = match facet.as_str() {
                    "color" => value == "red",
                    "category" => value != "stripes",
                    _ => open.iter().any(|i| format!("tag{i:03}") == value),
                };
                assert!(seen, "{asked}: {facet} {value}");
            }
        }
        assert!(found["matched"].as_u64().unwrap() <= open.len() as u64, "{asked}");
    }
    for &i in &hidden {
        for path in [format!("/api/document/{}", id(i)), format!("/media/{}/0", id(i))] {
            assert_eq!(
                server.get(&path).text(),
                server.get(&path.replace(&id(i), "nobody")).text().replace("nobody", &id(i)),
                "{path}"
            );
            assert_eq!(server.get(&path).status, 404, "{path}");
        }
    }
    let like = |i: usize| server.post("/api/query", json!({ "like": id(i) }).to_string().as_bytes()).status;
    assert_eq!((like(open[0]), like(hidden[0])), (200, 404));
    assert_eq!(server.get(&format!("/media/{}/0", id(open[0]))).status, 200);
    // The words of hidden documents are in no explanation.
    let found = server.query(&json!({ "words": "bl", "prefix": true, "explain": true, "text": "blue" }));
    assert!(!found.to_string().contains("\"blue\""), "{found}");
    let listed = json!({ "filter": "*", "aggregations": { "a": { "terms": { "field": "tag_exact", "min_doc_count": 0, "size": 500 } } } });
    assert_eq!(server.post("/api/query", listed.to_string().as_bytes()).status, 400);
}
