//! Data that the tests make themselves: features of pictures and texts of four classes, and the corpus of the same rows.

use std::collections::BTreeMap;
use std::path::Path;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;

pub(crate) const CLASSES: [&str; 4] = ["bird", "boat", "tree", "star"];
pub(crate) const IMAGE: usize = 24;
pub(crate) const TEXT: usize = 16;
/// Elements of the latent vector that the two features of a row share.
const LATENT: usize = 8;

/// Rows of features; the class of row i is `i % 4`.
#[derive(Clone)]
pub(crate) struct Rows {
    pub(crate) n: usize,
    pub(crate) image: Vec<f32>,
    pub(crate) text: Vec<f32>,
}

/// `n` rows: a class centre and a deviation of the row, seen through two random matrices, with noise of each medium.
pub(crate) fn rows(n: usize, seed: u64) -> Rows {
    // The matrices and centres are those of the world, whatever the seed of the rows.
    let mut world = ChaCha8Rng::seed_from_u64(1);
    let mut fixed = |count: usize| (0..count).map(|_| normal(&mut world)).collect::<Vec<f32>>();
    let (centres, to_image, to_text) = (fixed(4 * LATENT), fixed(LATENT * IMAGE), fixed(LATENT * TEXT));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut image, mut text) = (Vec::new(), Vec::new());
    for row in 0..n {
        let centre = &centres[row % 4 * LATENT..][..LATENT];
        let latent: Vec<f32> = centre.iter().map(|c| 1.5 * c + normal(&mut rng)).collect();
        for (out, matrix, width) in [(&mut image, &to_image, IMAGE), (&mut text, &to_text, TEXT)] {
            for column in 0..width {
                let seen: f32 = (0..LATENT).map(|i| latent[i] * matrix[i * width + column]).sum();
                out.push(seen + 0.5 * normal(&mut rng));
            }
        }
    }
    Rows { n, image, text }
}

/// Roughly normal: a sum of twelve uniform numbers.
fn normal(rng: &mut ChaCha8Rng) -> f32 {
    (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0
}

impl Rows {
    /// Replaces one number of the picture and of the text of `row`.
    pub(crate) fn with_nan(mut self, row: usize, media: &[&str]) -> Self {
        for &name in media {
            match name {
                "image" => self.image[row * IMAGE + 3] = f32::NAN,
                _ => self.text[row * TEXT + 1] = f32::NAN,
            }
        }
        self
    }

    /// Writes tensors `image` and `text`, `label` (classes), `test` (one row of each class in four is 1) and `group`.
    pub(crate) fn save(&self, path: &Path) {
        let floats = |values: &[f32]| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
        let integers = |value: &dyn Fn(usize) -> i64| {
            (0..self.n).flat_map(|row| value(row).to_le_bytes()).collect::<Vec<u8>>()
        };
        let bytes = [
            ("image", Dtype::F32, vec![self.n, IMAGE], floats(&self.image)),
            ("text", Dtype::F32, vec![self.n, TEXT], floats(&self.text)),
            ("label", Dtype::I64, vec![self.n], integers(&|row| (row % 4) as i64)),
            ("group", Dtype::I64, vec![self.n], integers(&|row| (row / 2) as i64)),
            ("test", Dtype::U8, vec![self.n], (0..self.n).map(|row| u8::from(is_test(row))).collect()),
        ];
        let views = bytes.iter().map(|(name, dtype, shape, bytes)| {
            (name.to_string(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
        });
        let names = serde_json::to_string(&CLASSES).unwrap();
        let metadata = [("classes".to_owned(), names)].into_iter().collect();
        let views: BTreeMap<String, TensorView<'_>> = views.collect();
        std::fs::write(path, safetensors::serialize(views, Some(metadata)).unwrap()).unwrap();
    }
}

pub(crate) fn is_test(row: usize) -> bool {
    (row / 4).is_multiple_of(4)
}

pub(crate) fn class(row: usize) -> &'static str {
    CLASSES[row % 4]
}

pub(crate) fn id(row: usize) -> String {
    format!("d{row:05}")
}

/// The row that an id belongs to.
pub(crate) fn row_of(id: &str) -> usize {
    id.trim_start_matches('d').parse().unwrap()
}

/// Line `row` of the corpus.
pub(crate) fn line(row: usize) -> String {
    let colour = ["red", "green", "blue"][row % 3];
    let tags = [colour, if row.is_multiple_of(2) { "even" } else { "odd" }];
    json!({
        "id": id(row), "title": format!("{colour} {} number{row}", class(row)),
        "text": format!("A picture of a {colour} {}.", class(row)),
        "category": class(row), "size": row, "tags": tags,
    })
    .to_string()
}

/// The corpus of `n` rows as lines.
pub(crate) fn lines(n: usize) -> Vec<String> {
    (0..n).map(line).collect()
}

/// Few epochs of a small model: it learns these data in about a second.
pub(crate) const CONFIG: &str = "dim = 24\nhidden = 32\nhalf = 8\nbatch = 32\nepochs_contrastive = 12\n\
    epochs_double_triplet = 6\nepochs_metric = 12\nlearning_rate = 0.004\nlearning_rate_double_triplet = 0.002\n\
    learning_rate_metric = 0.004\ndropout_input = 0.0\ndropout_hidden = 0.1\nvalidation = 0.25\nfolds = 1\nlandmarks = 12\n";
