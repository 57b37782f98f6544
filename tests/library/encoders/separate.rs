//! Drawings: shape and colour are found again by the nearest neighbour, wherever the shape stands.

use image::ImageFormat;
use rand::{Rng, SeedableRng};
use uncsm_index::encode::{BuiltinImage, Item};

use crate::common::cosine;
use crate::encoders::draw::{COLOURS, SHAPES, draw, file};
use crate::encoders::encode;

const GROUNDS: [[u8; 3]; 3] = [[245, 245, 245], [170, 200, 230], [40, 40, 60]];

#[test]
fn nearest_neighbours_share_shape_and_colour() {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(7);
    let encoder = BuiltinImage::default();
    let mut drawings = Vec::new();
    for i in 0..240 {
        let (shape, colour) = (i % SHAPES.len(), i / SHAPES.len() % COLOURS.len());
        let ground = GROUNDS[random.random_range(0..GROUNDS.len())];
        let at = (random.random_range(0.3..0.7), random.random_range(0.3..0.7));
        let picture = draw(128, SHAPES[shape], COLOURS[colour], ground, at, random.random_range(0.1..0.25));
        let bytes = file(picture, ImageFormat::Png);
        drawings.push((shape, colour, encode(&encoder, Item::Bytes(&bytes)).unwrap()));
    }
    let (mut shapes, mut colours) = (0, 0);
    for (i, query) in drawings.iter().enumerate() {
        let others = drawings.iter().enumerate().filter(|(j, _)| *j != i).map(|(_, other)| other);
        let nearest =
            others.max_by(|a, b| cosine(&a.2, &query.2).total_cmp(&cosine(&b.2, &query.2))).unwrap();
        shapes += usize::from(nearest.0 == query.0);
        colours += usize::from(nearest.1 == query.1);
    }
    // By chance: a quarter of the shapes and a fifth of the colours.
    assert!(shapes >= 216 && colours >= 204, "{shapes} shapes and {colours} colours of 240");
}

#[test]
fn a_moved_shape_is_nearer_than_another_one() {
    let encoder = BuiltinImage::default();
    let features = |shape: usize, x: f32| {
        let bytes = file(draw(128, SHAPES[shape], COLOURS[2], GROUNDS[0], (x, 0.5), 0.22), ImageFormat::Png);
        encode(&encoder, Item::Bytes(&bytes)).unwrap()
    };
    for shape in 0..SHAPES.len() {
        let (here, moved) = (features(shape, 0.5), features(shape, 0.53));
        for other in (0..SHAPES.len()).filter(|other| *other != shape) {
            assert!(cosine(&here, &moved) > cosine(&here, &features(other, 0.5)), "{shape} {other}");
        }
    }
}
