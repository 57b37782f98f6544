//! From plain data to a request of an engine.

use std::time::Duration;

use super::RequestSpec;
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};
use crate::model::Bundle;
use crate::search::engine::Engine;
use crate::search::fusion::Fusion;
use crate::search::plan::asked::{ListItems, MediaChoice};
use crate::search::request::Request;
use crate::search::show::response::Response;
use crate::search::similarity::{Similarity, SimilarityName, TargetName};
use crate::search::words::Words;

impl Engine {
    /// Runs a query that is plain data.
    ///
    /// # Errors
    /// Those of [`RequestSpec::request`] and [`Request::run`].
    pub fn run(&self, spec: &RequestSpec) -> Result<Response> {
        spec.request(self)?.run()
    }
}

impl RequestSpec {
    /// A request of `engine`, whose items are encoded.
    ///
    /// # Errors
    /// Those of [`Request::features`], [`Request::text`], [`Request::image`], [`Request::like`]; of reading features.
    pub fn request(&self, engine: &Engine) -> Result<Request> {
        let mut request = engine.request();
        for (media, features) in &self.features {
            request = request.features(media, features)?;
        }
        if let Some(from) = &self.features_from {
            for (media, features) in from.read()? {
                request = request.features(&media, &features)?;
            }
        }
        for text in &self.text {
            request = request.text(text)?;
        }
        for image in &self.image {
            request = request.image(image.clone())?;
        }
        if let Some(id) = &self.like {
            request = request.like(id)?;
        }
        for id in &self.not_like {
            request = request.not_like(id)?;
        }
        for text in &self.not_text {
            request = request.not_text(text)?;
        }
        for image in &self.not_image {
            request = request.not_image(image.clone())?;
        }
        for id in &self.exclude {
            request = request.exclude(id);
        }
        let request = self.restrict(self.rank(request, &engine.bundle()))?;
        Ok(self.show(request))
    }

    /// What ranks, and how.
    fn rank(&self, mut request: Request, bundle: &Bundle) -> Request {
        let target = self.target.map(TargetName::similarity);
        // What is left open here is chosen by the plan, by what a learned fusion was trained with too.
        let similarity = match self.similarity.map(SimilarityName::similarity) {
            Some(Some(without_target)) => Some(without_target),
            Some(None) if self.fusion != Some(Fusion::Learned) => {
                target.or(Some(Similarity::Metric(bundle.default_target())))
            }
            Some(None) | None => target,
        };
        request = similarity.into_iter().fold(request, Request::similarity);
        request = target.into_iter().fold(request, Request::probability_of);
        request = self.fusion.into_iter().fold(request, Request::fusion);
        request = self.normalise.into_iter().fold(request, Request::normalise);
        request = self.rrf_k.into_iter().fold(request, Request::rrf_k);
        request = self.weight.iter().fold(request, |request, (name, weight)| request.weight(name, *weight));
        self.boost.iter().fold(request, |request, (field, boost)| request.boost(field, *boost))
    }

    /// What is let through.
    fn restrict(&self, mut request: Request) -> Result<Request> {
        request = self.keywords.iter().fold(request, |request, keywords| request.keywords(keywords));
        request = self.plain_words()?.into_iter().fold(request, Request::words);
        request = self.filter.iter().fold(request, |request, filter| request.filter(filter));
        request = match self.media.as_deref() {
            None => request,
            Some("any") => request.media(MediaChoice::Any),
            Some(name) => request.media(MediaChoice::Named(name.into())),
        };
        request = self.recall.into_iter().fold(request, Request::recall);
        request = if self.exact { request.exact() } else { request };
        request = self.min_probability.into_iter().fold(request, Request::min_probability);
        Ok(self.prior.into_iter().fold(request, Request::prior))
    }

    fn plain_words(&self) -> Result<Option<Words>> {
        let Some(text) = &self.words else {
            let settings =
                self.operator.is_some() || !self.words_in.is_empty() || self.prefix || self.typos.is_some();
            return if settings {
                let what = "`operator`, `in`, `prefix` and `typos` say how plain words are looked for, and there are none";
                Err(Error::new(ErrorCode::BadArgument, what)
                    .hint(Hint::new("give them with").setting(Setting::Words)))
            } else {
                Ok(None)
            };
        };
        let mut words = Words::from(text.as_str());
        words.operator = self.operator.unwrap_or_default();
        words.fields.clone_from(&self.words_in);
        words.prefix = self.prefix;
        words.typos = self.typos.unwrap_or_default();
        Ok(Some(words))
    }

    /// What is shown, and what stands beside it.
    fn show(&self, mut request: Request) -> Request {
        request = self.k.into_iter().fold(request, Request::k);
        request = self.offset.into_iter().fold(request, Request::offset);
        request = self.window.into_iter().fold(request, Request::window);
        request = self.facet.iter().fold(request, |request, field| request.facet(field));
        request = self.aggregations.iter().cloned().fold(request, Request::aggregations);
        request = self.facets_over.into_iter().fold(request, Request::facets_over);
        request = self.sort.iter().fold(request, |request, by| request.sort(by));
        request = self.collapse.iter().fold(request, |request, field| request.collapse(field));
        request = self.snippet.iter().fold(request, |request, field| request.snippet(field));
        request = self.time_budget.map(Duration::from_millis).into_iter().fold(request, Request::time_budget);
        request = self.fields.iter().fold(request, |request, fields| request.fields(fields));
        if self.items {
            request = request.items(ListItems::All);
        }
        if self.explain { request.explain() } else { request }
    }
}
