//! Sentence encoders of the BERT family, from a folder as sentence-transformers publishes it.
//!
//! Text -> tokens (`tokens`) -> rows of a transformer (`network`) -> one pooled vector. Between the matrix products,
//! which are candle's, the steps are operations of our own over plain slices (`steps`, `attention`; their loops are in `encode::kernel`).

mod attention;
mod config;
mod network;
mod steps;
mod tokens;

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;

use crate::encode::{Encoder, Item};
use crate::error::{Error, ErrorCode, Result};
use crate::media::Fingerprint;
use config::Settings;
use network::Network;
use tokens::{Reader, Tokens};

/// Texts that are tokens at one time.
const TEXTS_AT_ONCE: usize = 8192;
/// Rows of a matrix product: enough to use the weights well, few enough to stay in the cache.
const MOST_ROWS: usize = 384;
/// Fewer rows are not worth a thread.
const LEAST_ROWS: usize = 48;

/// A sentence-transformers model of the BERT family (`bert`, `roberta`, `xlm-roberta`), such as all-MiniLM-L6-v2, or of many languages
/// paraphrase-multilingual-MiniLM-L12-v2 and multilingual-e5-base, whose tokenizers are of XLM-RoBERTa's kind.
///
/// Features are pooled (mean, first token or maximum) and scaled to length 1 where the model says so. A longer text than
/// the model takes is cut, as the model's own library does; [`SentenceEncoder::passages`] cuts it into several. A text
/// without a word is encoded too, as its special tokens alone.
pub struct SentenceEncoder {
    name: String,
    settings: Settings,
    reader: Reader,
    network: Network,
    fingerprint: Fingerprint,
}

impl SentenceEncoder {
    /// Reads the model in `dir`; `name` is what a bundle keeps.
    ///
    /// Files: `modules.json` and the pooling folder that it names (without it: the mean, not scaled), `config.json`,
    /// `sentence_bert_config.json` (or `tokenizer_config.json`) for the longest text, `tokenizer.json`, and
    /// `model.safetensors`, with tensor names with or without `bert.` or `roberta.` in front.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] for a missing file, [`ErrorCode::BadJson`], [`ErrorCode::BadValue`] for a setting that is
    /// not supported, [`ErrorCode::BadDimension`] for files that do not fit each other, [`ErrorCode::UnknownTensor`],
    /// [`ErrorCode::Damaged`], [`ErrorCode::NotFinite`].
    pub fn open(dir: &Path, name: &str) -> Result<Self> {
        let (folder, settings) = config::read(dir)?;
        let reader = Reader::open(&folder, &settings)?;
        let (network, hash) = Network::open(&folder, &settings)?;
        let json = serde_json::to_vec(&settings).map_err(|error| {
            Error::new(ErrorCode::BadJson, format!("the settings do not serialize: {error}")).file(dir)
        })?;
        let fingerprint = Fingerprint::of([&b"bert v1"[..], &json, &hash, &reader.hash()]);
        Ok(Self { name: name.to_owned(), settings, reader, network, fingerprint })
    }

    /// Most tokens of a text that count, special ones included.
    pub fn max_tokens(&self) -> usize {
        self.settings.max_tokens
    }

    /// Cuts `text` into passages that fit, as ranges of its bytes: whole words, each passage as long as fits, beginning
    /// with at most `overlap` tokens of the one before.
    ///
    /// A text without a word has no passage.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] if the tokenizer fails on the text.
    pub fn passages(&self, text: &str, overlap: usize) -> Result<Vec<Range<usize>>> {
        self.reader.passages(text, overlap)
    }

    fn tokens(&self, item: &Item<'_>) -> Result<Tokens> {
        match item {
            Item::Text(text) => self.reader.tokens(text),
            Item::Bytes(_) => {
                Err(Error::new(ErrorCode::BadArgument, "a media file given to the encoder of texts")
                    .expected("a text")
                    .got("the bytes of a file"))
            }
        }
    }

    /// Encodes what is tokens already, into the places that `out` has for them.
    fn encode_tokens(&self, tokens: &[Result<Tokens>], out: &mut [Option<Result<Vec<f32>>>]) {
        let mut order: Vec<(usize, &Tokens)> =
            tokens.iter().enumerate().filter_map(|(i, tokens)| Some((i, tokens.as_ref().ok()?))).collect();
        // The longest first: what is left for the end is small, and threads end together.
        order.sort_by_key(|(_, tokens)| std::cmp::Reverse(tokens.ids.len()));
        let total: usize = order.iter().map(|(_, tokens)| tokens.ids.len()).sum();
        let most = total.div_ceil(rayon::current_num_threads()).clamp(LEAST_ROWS, MOST_ROWS);
        let mut groups: Vec<&[(usize, &Tokens)]> = Vec::new();
        let (mut start, mut rows) = (0, 0);
        for (i, (_, tokens)) in order.iter().enumerate() {
            if rows > 0 && rows + tokens.ids.len() > most {
                groups.push(&order[start..i]);
                (start, rows) = (i, 0);
            }
            rows += tokens.ids.len();
        }
        groups.push(&order[start..]);
        let encoded: Vec<Vec<(usize, Result<Vec<f32>>)>> =
            groups.into_par_iter().with_max_len(1).map(|group| self.encode_group(group)).collect();
        for (i, features) in encoded.into_iter().flatten() {
            out[i] = Some(features);
        }
    }

    fn encode_group(&self, group: &[(usize, &Tokens)]) -> Vec<(usize, Result<Vec<f32>>)> {
        let texts: Vec<&Tokens> = group.iter().map(|(_, tokens)| *tokens).collect();
        if texts.is_empty() {
            return Vec::new();
        }
        match self.network.features(&texts) {
            Ok(features) => {
                group.iter().zip(features).map(|((i, _), features)| (*i, checked(features))).collect()
            }
            Err(error) => {
                let again = || Error::new(error.code(), error.to_string());
                group.iter().map(|(i, _)| (*i, Err(again()))).collect()
            }
        }
    }
}

fn checked(features: Vec<f32>) -> Result<Vec<f32>> {
    if features.iter().all(|x| x.is_finite()) {
        return Ok(features);
    }
    Err(Error::new(ErrorCode::NotFinite, "the encoder gives NaN or infinity for this text")
        .hint("the weights of the encoder are damaged"))
}

impl Encoder for SentenceEncoder {
    fn name(&self) -> &str {
        &self.name
    }

    fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    fn features(&self) -> usize {
        self.settings.hidden
    }

    fn is_empty(&self, item: &Item<'_>) -> bool {
        matches!(item, Item::Text(text) if self.reader.is_empty(text))
    }

    fn encode(&self, items: &[Item<'_>]) -> Vec<Result<Vec<f32>>> {
        let mut all = Vec::with_capacity(items.len());
        for items in items.chunks(TEXTS_AT_ONCE) {
            let tokens: Vec<Result<Tokens>> = items.par_iter().map(|item| self.tokens(item)).collect();
            let mut out: Vec<Option<Result<Vec<f32>>>> = items.iter().map(|_| None).collect();
            self.encode_tokens(&tokens, &mut out);
            all.extend(tokens.into_iter().zip(out).map(|(tokens, out)| match (tokens, out) {
                (Err(error), _) => Err(error),
                (Ok(_), Some(features)) => features,
                (Ok(_), None) => Err(Error::new(ErrorCode::Tensor, "a text got no features")),
            }));
        }
        all
    }
}
