//! `uncsm-index inspect`: what an index, a bundle or a `.uvec` file is made of.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use serde_json::json;
use uncsm_index::index::{self, HostReport, Index, IndexReport, MANIFEST, Manifest, SegmentReport};
use uncsm_index::model::{Bundle, FusionFeatures};
use uncsm_index::{Error, ErrorCode, Result};

use crate::Outcome;
use crate::args::InspectArgs;
use crate::output::Output;

pub fn run(args: &InspectArgs, output: &Output) -> Result<Outcome> {
    let path = &args.path;
    if !path.exists() {
        let error = Error::new(ErrorCode::NotFound, "no such file or directory").file(path);
        // Of an index that was set aside, the manifest's error says where it is.
        return Err(index::set_aside(path).and_then(|_| Manifest::load(path).err()).unwrap_or(error));
    }
    if path.is_file() {
        let report = index::inspect_uvec(path)?;
        output.print(&report, || pretty(&report))?;
    } else if path.join(MANIFEST).symlink_metadata().is_ok() {
        let opened = Index::open(path)?;
        let report = index::inspect(&opened)?;
        let mut json = serde_json::to_value(&report)
            .map_err(|error| Error::new(ErrorCode::Io, error.to_string()).file(path).source(error))?;
        if let serde_json::Value::Object(json) = &mut json {
            json.extend(model(opened.bundle()));
        }
        output.print(&json, || index_text(path, &report) + &model_text(opened.bundle()))?;
    } else if index::is_host(path) {
        let report = index::inspect_host_at(path)?;
        output.print(&report, || host_text(path, &report))?;
    } else {
        let loaded = Bundle::load(path)?;
        let report = bundle(&loaded);
        output.print(&report, || pretty(&report) + &model_text(&loaded))?;
    }
    Ok(Outcome::Done)
}

fn bundle(bundle: &Bundle) -> serde_json::Value {
    let media = bundle.media().iter().map(|media| {
        let mut about = json!({ "encoder": media.encoder, "dim": media.features });
        if let Some(fingerprint) = media.fingerprint {
            about["fingerprint"] = json!(fingerprint);
        }
        (media.name.clone(), about)
    });
    let fusion = bundle.fusion().map(|layer| {
        let weights = FusionFeatures::NAMES.iter().zip(layer.weights());
        json!({
            "target": layer.target(),
            "weights": weights.map(|(name, weight)| ((*name).to_owned(), json!(weight))).collect::<serde_json::Map<_, _>>(),
            "bias": layer.bias(),
            "lines": layer.lines(),
        })
    });
    let mut out = json!({
        "fingerprint": { "space": bundle.space(), "model": bundle.model() },
        "fusion": fusion,
        "media": media.collect::<serde_json::Map<_, _>>(),
        "shared_dim": bundle.dim(),
        "half": bundle.metric().half(),
        "targets": bundle.metric().targets(),
        "default_target": bundle.default_target(),
        "classes": bundle.classes().map(|classes| classes.count),
    });
    if let Some(temperature) = bundle.metric().hub_temperature() {
        let anchors = bundle
            .media()
            .iter()
            .enumerate()
            .map(|(m, media)| (media.name.clone(), json!(bundle.metric().hub_anchors(m))));
        let anchors = anchors.collect::<serde_json::Map<_, _>>();
        out["hubs"] =
            json!({ "temperature": temperature, "anchors": anchors, "weights": hub_weights(bundle) });
    }
    if let serde_json::Value::Object(out) = &mut out {
        out.extend(model(bundle));
    }
    out
}

/// What the hub terms are taken by, per target and two media types: `{"pair": {"image_text": 8.0}}`.
fn hub_weights(bundle: &Bundle) -> serde_json::Value {
    let (metric, media) = (bundle.metric(), bundle.media());
    let mut out = serde_json::Map::new();
    for &target in metric.targets() {
        let mut of_target = serde_json::Map::new();
        for (a, b) in (0..media.len()).flat_map(|a| (a + 1..media.len()).map(move |b| (a, b))) {
            let weight = metric.hub_weight(target, a, b);
            of_target.insert(format!("{}_{}", media[a].name, media[b].name), json!(weight));
        }
        out.insert(target.as_str().to_owned(), of_target.into());
    }
    out.into()
}

/// What the pathways are made of: members by media type, and what kernel members have of the output.
fn model(bundle: &Bundle) -> serde_json::Map<String, serde_json::Value> {
    let all = bundle.media().iter().enumerate();
    let members: serde_json::Map<_, _> =
        all.map(|(m, media)| (media.name.clone(), json!(bundle.members(m)))).collect();
    let mut out = serde_json::Map::new();
    out.insert("members".to_owned(), members.into());
    let samples: serde_json::Map<_, _> = (bundle.media().iter().enumerate())
        .map(|(m, media)| (media.name.clone(), json!(sample_count(bundle, m))))
        .collect();
    out.insert("samples".to_owned(), samples.into());
    // Members of all media types are mixed alike.
    out.insert(
        "shares".to_owned(),
        if bundle.media().is_empty() { json!(null) } else { json!(bundle.shares(0)) },
    );
    out
}

/// The same in sentences, with what a reader should know of it.
fn model_text(bundle: &Bundle) -> String {
    let (metric, media) = (bundle.metric(), bundle.media());
    let mut out = String::new();
    let mut landmarks = 0;
    for (m, media) in media.iter().enumerate() {
        let members = bundle.members(m);
        // Landmarks of several media types are items of the same rows.
        landmarks = landmarks.max(members.landmarks);
        let mut parts = Vec::new();
        if members.hidden > 0 {
            let skip = if members.skip { " with a linear skip" } else { "" };
            parts.push(format!("{} hidden units{skip}", members.hidden));
        }
        if members.landmarks > 0 {
            parts.push(format!("a kernel member of {} landmarks", members.landmarks));
        }
        let _ = writeln!(out, "pathway {}: {}", media.name, parts.join(", "));
    }
    if landmarks > 0 {
        let shares = bundle.shares(0);
        let of_posteriors =
            bundle.posterior().map(|_| format!("{:.2} of the posteriors and ", shares.posterior));
        let of_posteriors = of_posteriors.unwrap_or_default();
        let _ = writeln!(out, "kernel members give {of_posteriors}{:.2} of the unit part", shares.unit);
        let _ = writeln!(
            out,
            "landmarks are features of {} train rows; whoever has the bundle has them",
            thousands(landmarks)
        );
    }
    let samples = media.iter().enumerate().map(|(m, media)| (sample_count(bundle, m), &media.name));
    let samples: Vec<String> =
        samples.filter(|(count, _)| *count > 0).map(|(count, name)| format!("{count} {name}")).collect();
    let _ = match samples.is_empty() {
        true => writeln!(out, "no sample queries"),
        false => writeln!(
            out,
            "sample queries, shared vectors of train rows and of means of some: {}",
            samples.join(", ")
        ),
    };
    for &target in metric.targets() {
        for (a, b) in (0..media.len()).flat_map(|a| (a + 1..media.len()).map(move |b| (a, b))) {
            let weight = metric.hub_weight(target, a, b);
            if weight != 0.0 {
                let (target, a, b) = (target.as_str(), &media[a].name, &media[b].name);
                let _ = writeln!(out, "hub term of `{target}` between {a} and {b}: weight {weight:.2}");
            }
        }
    }
    let _ = match metric.half() {
        0 => writeln!(
            out,
            "metric network: no hidden layer: it added nothing on validation, or was not asked for"
        ),
        half => writeln!(out, "metric network: a hidden layer of {half} units"),
    };
    out
}

/// Sample queries of a media type.
fn sample_count(bundle: &Bundle, media: usize) -> usize {
    bundle.samples(media).len() / bundle.dim()
}

/// With a comma between groups of three digits.
fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn pretty(value: &impl serde::Serialize) -> String {
    // Reports hold strings, numbers and maps with string keys, which always serialise.
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}

fn index_text(path: &Path, report: &IndexReport) -> String {
    let mut out = String::new();
    let state = if report.complete { "complete" } else { "incomplete: its build did not come to an end" };
    let _ = writeln!(out, "{}: format version {}, {state}", path.display(), report.format_version);
    for (name, fingerprint) in &report.fingerprint {
        let _ = writeln!(out, "{name:6} {fingerprint}");
    }
    let counts = (report.documents, report.deleted, report.rejected);
    contents_text(&mut out, counts, report.rejected_reason.as_deref(), &report.damaged);
    for (name, media) in &report.media {
        let anchors = media.get("anchors").map(|count| format!(", {count} anchors of hub terms"));
        let (encoder, dim) = (&media["encoder"], &media["dim"]);
        let _ = writeln!(
            out,
            "media type {name}: encoder {encoder}, {dim} features{}",
            anchors.unwrap_or_default()
        );
    }
    if let Some(why) = &report.sources.damaged {
        let _ = writeln!(out, "{why}");
    }
    for root in &report.sources.roots {
        let lost = if root.found { "" } else { ", which is not there any more" };
        // It stays listed, since `serve` gives pictures from there, and it counts among the most that an index lists.
        let count = match (root.documents, report.sources.unread) {
            (0, 0) => "none of its documents is in the index now".to_owned(),
            (count, _) => format!("{count} documents"),
        };
        let _ = writeln!(out, "source {}{lost}: {count}", root.root.path);
    }
    if report.sources.without > 0 {
        let _ = writeln!(out, "{} documents do not say where they came from", report.sources.without);
    }
    if report.sources.unread > 0 {
        let _ = writeln!(out, "{} stored documents do not read", report.sources.unread);
    }
    for encoder in &report.embedded {
        let bytes: u64 = encoder.files.values().map(|file| file.bytes).sum();
        let _ =
            writeln!(out, "embedded encoder {}: {} files, {bytes} bytes", encoder.name, encoder.files.len());
    }
    segments_text(&mut out, &report.segments);
    out
}

/// Of an app's own index, which has neither manifest nor bundle.
fn host_text(path: &Path, report: &HostReport) -> String {
    let mut out = String::new();
    let version = report.format_version;
    let _ = writeln!(out, "{}: format version {version}, in an index of another program", path.display());
    for (name, fingerprint) in &report.fingerprint {
        let _ = writeln!(out, "{name:6} {fingerprint}");
    }
    let contents = &report.contents;
    let counts = (contents.documents, contents.deleted, contents.rejected);
    contents_text(&mut out, counts, contents.rejected_reason.as_deref(), &contents.damaged);
    for (name, media) in &report.media {
        let _ = writeln!(out, "media type {name}: vectors of {} values", media["shared_dim"]);
    }
    segments_text(&mut out, &contents.segments);
    out
}

fn contents_text(
    out: &mut String,
    (documents, deleted, rejected): (u64, u64, u64),
    reason: Option<&str>,
    damaged: &BTreeMap<String, String>,
) {
    let _ = writeln!(out, "{documents} documents, {deleted} deleted, {rejected} values refused");
    if let Some(reason) = reason {
        let _ = writeln!(out, "first refused because: {reason}");
    }
    for (segment, reason) in damaged {
        let _ = writeln!(out, "damaged: {segment}: {reason}");
    }
}

fn segments_text(out: &mut String, segments: &[SegmentReport]) {
    for segment in segments {
        let items: Vec<String> = segment.items.iter().map(|(media, n)| format!("{n} {media}")).collect();
        let bytes: Vec<String> = segment.bytes.iter().map(|(part, n)| format!("{n} bytes {part}")).collect();
        let (items, bytes) = (items.join(", "), bytes.join(", "));
        let _ = writeln!(out, "segment {}: {} documents, {items}; {bytes}", segment.id, segment.documents);
        for (media, cells) in &segment.cells {
            let whole =
                cells.whole.map(|why| format!("; {why}, so every row is looked at")).unwrap_or_default();
            let _ = writeln!(out, "  {} cells of {media}: {} bytes{whole}", cells.cells, cells.bytes);
            for curve in cells.curves.iter().filter(|curve| curve.k == 10) {
                let (ranking, query) = (curve.ranking, &curve.query);
                let each = if curve.by_reach { "for the hardest query, others end sooner: " } else { "" };
                let _ = writeln!(
                    out,
                    "    99 of 100 of the best 10 by {ranking} for queries of {query}: {each}{} rows visited, {} by both codes, {} scored",
                    curve.visited, curve.refined, curve.scored
                );
            }
        }
    }
}
