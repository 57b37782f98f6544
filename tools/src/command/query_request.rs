//! From the arguments of a query to a request of the library.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use uncsm_index::encode::EncoderPaths;
use uncsm_index::index::Index;
use uncsm_index::model::{Bundle, Target};
use uncsm_index::search::{Engine, FacetsOver, Fusion, ListItems, Normalise, Request, Similarity, Wanted};
use uncsm_index::{Error, ErrorCode, Result};

use crate::args::{FacetsOverArg, FusionArg, NormaliseArg, QueryArgs, SimilarityArg, TargetArg};
use crate::source;

/// The indexes of a query and, where it is none of theirs, the bundle that scores.
pub struct Opened {
    pub indexes: Vec<Index>,
    bundle: Option<Bundle>,
}

impl Opened {
    /// # Errors
    /// Those of opening; [`ErrorCode::SpaceMismatch`] where the indexes hold different models and `bundle` is none.
    pub fn new(dirs: &[PathBuf], bundle: Option<&Path>) -> Result<Self> {
        let indexes: Vec<Index> = dirs.iter().map(|dir| Index::open(dir)).collect::<Result<_>>()?;
        let bundle = bundle.map(Bundle::load).transpose()?;
        if let (None, [first, rest @ ..]) = (&bundle, indexes.as_slice())
            && let Some(other) = rest.iter().find(|index| index.bundle().model() != first.bundle().model())
        {
            return Err(Error::new(ErrorCode::SpaceMismatch, "the indexes hold different models")
                .file(other.dir())
                .expected(format!("model {}, as in {}", first.bundle().model(), first.dir().display()))
                .got(format!("model {}", other.bundle().model()))
                .hint("give the one that scores with --bundle, or bring it to all with `attach`"));
        }
        Ok(Self { indexes, bundle })
    }

    pub fn engine(&self, paths: EncoderPaths) -> Result<Engine<'_>> {
        let bundle = self.bundle.as_ref().or_else(|| self.indexes.first().map(Index::bundle));
        let bundle =
            bundle.ok_or_else(|| Error::new(ErrorCode::BadArgument, "there is no index to search"))?;
        Ok(Engine::over(&self.indexes, bundle)?.with_encoders(paths))
    }
}

/// The request of `args`, with `raw` features beside theirs.
pub fn request<'a>(
    args: &QueryArgs,
    raw: &[(String, Vec<f32>)],
    engine: &'a Engine<'a>,
) -> Result<Request<'a>> {
    let mut request = engine.request();
    for (media, features) in raw {
        request = request.features(media, features)?;
    }
    if let Some(path) = &args.features {
        let rows = args.rows.as_deref().map(rows).transpose()?;
        for (media, row) in source::query_rows(path, &args.pathway, rows)? {
            request = request.features(&media, &row)?;
        }
    }
    for text in &args.text {
        request = request.text(text)?;
    }
    for picture in &args.image {
        request = request.file("image", picture)?;
    }
    if let Some(id) = &args.like {
        request = request.like(id)?;
    }
    for text in &args.not_text {
        request = request.not_text(text)?;
    }
    for picture in &args.not_image {
        request = request.not_file("image", picture)?;
    }
    for id in &args.exclude {
        request = request.exclude(id);
    }
    restrict(ranked(request, args, engine)?, args)
}

/// What ranks, and how.
fn ranked<'a>(mut request: Request<'a>, args: &QueryArgs, engine: &Engine<'_>) -> Result<Request<'a>> {
    if let Some(similarity) = similarity(args, engine.bundle()) {
        request = request.similarity(similarity);
    }
    if let Some(target) = target(args) {
        request = request.probability_of(target);
    }
    if let Some(fusion) = args.fusion {
        request = request.fusion(match fusion {
            FusionArg::Rrf => Fusion::Rrf,
            FusionArg::Linear => Fusion::Linear,
            FusionArg::Product => Fusion::Product,
            FusionArg::Metric => Fusion::Metric,
            FusionArg::Learned => Fusion::Learned,
        });
    }
    if let Some(normalise) = args.normalise {
        request = request.normalise(match normalise {
            NormaliseArg::MinMax => Normalise::MinMax,
            NormaliseArg::ZScore => Normalise::ZScore,
            NormaliseArg::Probability => Normalise::Probability,
        });
    }
    if let Some(k) = args.rrf_k {
        request = request.rrf_k(k);
    }
    for (flag, list) in [("--weight", &args.weight), ("--boost", &args.boost)] {
        for text in list {
            let bad = || {
                Error::new(ErrorCode::BadArgument, format!("{flag} does not parse"))
                    .expected("NAME=NUMBER")
                    .got(format!("{text:?}"))
            };
            let (name, number) = text.rsplit_once('=').ok_or_else(bad)?;
            let number: f32 = number.trim().parse().map_err(|_| bad())?;
            request = match flag {
                "--weight" => request.weight(name.trim(), number),
                _ => request.boost(name.trim(), number),
            };
        }
    }
    Ok(request)
}

/// What is let through, and what stands beside the hits.
fn restrict<'a>(mut request: Request<'a>, args: &QueryArgs) -> Result<Request<'a>> {
    if let Some(keywords) = &args.keywords {
        request = request.keywords(keywords);
    }
    for filter in &args.filter {
        request = request.filter(filter);
    }
    request = match args.media.as_deref() {
        None => request,
        Some("any") => request.media(Wanted::Any),
        Some(name) => request.media(Wanted::Named(name.into())),
    };
    if let Some(recall) = args.recall
        && !(recall > 0.0 && recall <= 1.0)
    {
        return Err(Error::new(ErrorCode::BadArgument, "--recall is out of range")
            .expected("above 0 and at most 1")
            .got(recall));
    }
    request = args.k.into_iter().fold(request, Request::k);
    request = args.offset.into_iter().fold(request, Request::offset);
    request = args.window.into_iter().fold(request, Request::window);
    request = args.min_probability.into_iter().fold(request, Request::min_probability);
    request = args.prior.into_iter().fold(request, Request::prior);
    request = args.facet.iter().fold(request, |request, field| request.facet(field));
    request = match args.facets_over {
        None => request,
        Some(FacetsOverArg::Matches) => request.facets_over(FacetsOver::Matches),
        Some(FacetsOverArg::Hits) => request.facets_over(FacetsOver::Hits),
    };
    request = args.snippet.iter().fold(request, |request, field| request.snippet(field));
    request = args.time_budget.map(Duration::from_millis).into_iter().fold(request, Request::time_budget);
    if args.items {
        request = request.items(ListItems::All);
    }
    if args.explain {
        request = request.explain();
    }
    if let Some(text) = &args.aggregations {
        let asked = serde_json::from_str(text).map_err(|e| {
            Error::new(ErrorCode::BadArgument, format!("--aggregations is no JSON: {e}"))
                .offset(e.column() as u64)
                .hint(r#"for example {"sizes":{"range":{"field":"size","ranges":[{"to":10},{"from":10}]}}}"#)
                .source(e)
        })?;
        request = request.aggregations(asked);
    }
    Ok(request)
}

/// `None` leaves the choice to the library.
fn similarity(args: &QueryArgs, bundle: &Bundle) -> Option<Similarity> {
    let target = target(args);
    match args.similarity {
        Some(SimilarityArg::Cosine) => Some(Similarity::Cosine),
        Some(SimilarityArg::Posterior) => Some(Similarity::Posterior),
        Some(SimilarityArg::Metric) if args.fusion != Some(FusionArg::Learned) => {
            target.or(Some(Similarity::Metric(bundle.default_target())))
        }
        Some(SimilarityArg::Metric) | None => target,
    }
}

fn target(args: &QueryArgs) -> Option<Similarity> {
    args.target.map(|target| match target {
        TargetArg::Class => Similarity::Metric(Target::Class),
        TargetArg::Pair => Similarity::Metric(Target::Pair),
        TargetArg::Both => Similarity::Both,
    })
}

fn rows(text: &str) -> Result<Range<usize>> {
    let bad = || {
        Error::new(ErrorCode::BadArgument, "--rows does not parse")
            .expected("A..B with A below B, both counted from 0")
            .got(format!("{text:?}"))
    };
    let (start, end) = text.split_once("..").ok_or_else(bad)?;
    let range = start.trim().parse().map_err(|_| bad())?..end.trim().parse().map_err(|_| bad())?;
    if range.is_empty() { Err(bad()) } else { Ok(range) }
}
