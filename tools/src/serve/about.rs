//! What the page must know of the indexes: fields, facets, media types.

use serde::Serialize;
use uncsm_index::Result;
use uncsm_index::index::Index;
use uncsm_index::schema::FieldKind;
use uncsm_index::search::{Engine, FacetCount};

/// Values of a facet that chips are made of at most.
const CHIPS: usize = 40;
/// Fields that are tried as facets at most: each is counted once for a state of the indexes.
const TRIED: usize = 64;

/// Of one state of the indexes.
#[derive(Serialize)]
pub struct About {
    /// The last parts of their paths.
    names: Vec<String>,
    documents: u64,
    /// Media types of the bundle.
    media: Vec<String>,
    /// By name and type.
    fields: Vec<(String, &'static str)>,
    facets: Vec<Facet>,
    /// Whether documents may have picture files.
    pictures: bool,
    targets: Vec<&'static str>,
    /// What it is asked where a query says nothing.
    target: &'static str,
    learned: bool,
}

#[derive(Serialize)]
struct Facet {
    field: String,
    /// What a filter calls it.
    filter: String,
    values: Vec<FacetCount>,
}

impl About {
    /// # Errors
    /// Those of a query.
    pub fn of(indexes: &[Index], engine: &Engine) -> Result<Self> {
        let all = || engine.request().filter("*").k(0);
        let documents = all().run()?.matched;
        let fields = indexes.iter().flat_map(|index| index.manifest().fields.iter());
        let mut known: Vec<(String, &'static str, bool)> = Vec::new();
        for (name, spec) in fields {
            if !known.iter().any(|(other, ..)| other == name) {
                let counts = match spec.kind {
                    FieldKind::Text => spec.facet,
                    FieldKind::Bool | FieldKind::Integer => spec.fast,
                    FieldKind::Float | FieldKind::Date | FieldKind::Stored | FieldKind::Extra => false,
                };
                known.push((name.to_owned(), spec.kind.as_str(), counts));
            }
        }
        let mut facets = Vec::new();
        for (name, kind, _) in known.iter().filter(|(.., counts)| *counts).take(TRIED) {
            // One with too many values is an error, and no chips.
            let Ok(found) = all().facet(name).run() else { continue };
            let Some(values) = found.facets.into_values().next() else { continue };
            let counted: u64 = values.iter().map(|value| value.count).sum();
            if (2..=CHIPS).contains(&values.len()) && counted >= 2 * values.len() as u64 {
                let filter = if *kind == "text" { format!("{name}_exact") } else { name.clone() };
                facets.push(Facet { field: name.clone(), filter, values });
            }
        }
        let bundle = engine.bundle();
        let dir_name =
            |dir: &std::path::Path| dir.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(Self {
            names: indexes.iter().filter_map(|index| dir_name(index.dir())).collect(),
            documents,
            media: bundle.media().iter().map(|media| media.name.clone()).collect(),
            pictures: known.iter().any(|(_, kind, _)| *kind == "stored"),
            targets: bundle.metric().targets().iter().map(|target| target.as_str()).collect(),
            target: bundle.default_target().as_str(),
            learned: bundle.fusion().is_some(),
            fields: known.into_iter().map(|(name, kind, _)| (name, kind)).collect(),
            facets,
        })
    }
}
