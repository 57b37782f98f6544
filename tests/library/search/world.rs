//! The same random documents in one index or several, in one segment or many.

use tantivy::{IndexWriter, Term};
use uncsm_index::model::Bundle;
use uncsm_index::search::{Engine, Hit, Response};

use crate::common::{App, Doc};

/// Documents spread over indexes and segments; `deleted` ids are deleted after the last commit but one.
pub(crate) fn spread(
    bundle: &Bundle,
    docs: &[Doc],
    indexes: usize,
    segments: usize,
    deleted: &[String],
) -> Vec<App> {
    let apps: Vec<App> = (0..indexes).map(|_| App::in_ram(bundle.clone())).collect();
    let per_index = docs.len().div_ceil(indexes).max(1);
    for (at, app) in apps.iter().enumerate() {
        let own: Vec<&Doc> = docs.iter().skip(at * per_index).take(per_index).collect();
        let mut writer: IndexWriter = app.index.writer_with_num_threads(1, 15_000_000).unwrap();
        writer.set_merge_policy(Box::new(tantivy::merge_policy::NoMergePolicy));
        for part in own.chunks(own.len().div_ceil(segments).max(1)) {
            for doc in part {
                writer.add_document(app.document(doc)).unwrap();
            }
            writer.commit().unwrap();
        }
        for id in deleted {
            writer.delete_term(Term::from_field_text(app.id, id));
        }
        writer.commit().unwrap();
    }
    apps
}

/// One engine over all of `apps`.
pub(crate) fn engine(apps: &[App]) -> Engine {
    let hosts = apps.iter().map(|app| (&app.index, app.searcher(), app.plugin.cache()));
    Engine::hosts(hosts, apps[0].bundle.clone()).unwrap()
}

pub(crate) fn ids(response: &Response) -> Vec<String> {
    response.hits.iter().map(id).collect()
}

pub(crate) fn id(hit: &Hit) -> String {
    hit.id.clone().unwrap()
}

/// All that an answer says but for addresses, where it lies and what it cost.
pub(crate) fn content(response: &Response) -> serde_json::Value {
    let mut value = serde_json::to_value(response).unwrap();
    for hit in value["hits"].as_array_mut().unwrap() {
        hit.as_object_mut().unwrap().remove("index");
    }
    value
}
