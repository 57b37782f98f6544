//! What stands out: the picture without its background, in connected regions.
//!
//! The background is what is connected to the border through small steps of colour, starting from the colours that make
//! up a good part of the border. So plain, two-coloured and shaded backgrounds are taken away, and a figure that touches
//! little of the border stays.

use super::canvas::{Canvas, SIDE};

/// A step between neighbours that the background runs over.
const STEP: f32 = 0.035;
/// Distance from a colour of the border that counts as that colour.
const ALIKE: f32 = 0.1;
/// Share of the border that makes a colour a background colour.
const SHARE: f32 = 0.2;
/// Regions of fewer pixels are noise.
const LEAST: usize = 10;

/// A connected part of the foreground.
#[derive(Debug, Clone)]
pub(super) struct Region {
    /// Its pixels, as indices into the canvas.
    pub(super) pixels: Vec<usize>,
}

/// The foreground of a picture.
#[derive(Debug, Clone)]
pub(super) struct Foreground {
    /// For each pixel, 0 for background, else 1 + the position in `regions`; `u32::MAX` for noise.
    pub(super) labels: Vec<u32>,
    /// Largest first; equal ones in reading order.
    pub(super) regions: Vec<Region>,
}

/// The largest difference of a channel.
fn distance(a: [f32; 3], b: [f32; 3]) -> f32 {
    (a[0] - b[0]).abs().max((a[1] - b[1]).abs()).max((a[2] - b[2]).abs())
}

fn border() -> impl Iterator<Item = usize> {
    let sides = (1..SIDE - 1).flat_map(|y| [y * SIDE, y * SIDE + SIDE - 1]);
    (0..SIDE).chain(sides).chain((SIDE - 1) * SIDE..SIDE * SIDE)
}

/// The colours of the border that count as background: the most frequent one, and others of at least [`SHARE`].
fn border_colours(canvas: &Canvas) -> Vec<[f32; 3]> {
    let mut left: Vec<[f32; 3]> = border().map(|i| canvas.pixels[i]).collect();
    let total = left.len() as f32;
    let mut colours = Vec::new();
    while !left.is_empty() && colours.len() < 4 {
        // Every fourth pixel as a candidate is enough: a colour below four pixels is no background.
        let alike = |c: [f32; 3]| left.iter().filter(|&&p| distance(p, c) < ALIKE).count();
        let mut best = (0, left[0]);
        for &candidate in left.iter().step_by(4) {
            let count = alike(candidate);
            if count > best.0 {
                best = (count, candidate);
            }
        }
        let (count, colour) = best;
        if !colours.is_empty() && (count as f32) < SHARE * total {
            break;
        }
        colours.push(colour);
        left.retain(|&p| distance(p, colour) >= ALIKE);
    }
    colours
}

fn neighbours(i: usize, diagonal: Diagonal) -> impl Iterator<Item = usize> {
    let (x, y) = ((i % SIDE) as i32, (i / SIDE) as i32);
    let count = if diagonal == Diagonal::Counts { 8 } else { 4 };
    const AROUND: [(i32, i32); 8] = [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (1, -1), (-1, 1), (-1, -1)];
    let side = SIDE as i32;
    AROUND[..count].iter().filter_map(move |(dx, dy)| {
        let (x, y) = (x + dx, y + dy);
        ((0..side).contains(&x) && (0..side).contains(&y)).then_some((y * side + x) as usize)
    })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Diagonal {
    Counts,
    DoesNot,
}

impl Foreground {
    /// Cost: one visit per pixel for the background, one for the regions.
    pub(super) fn of(canvas: &Canvas) -> Self {
        let colours = border_colours(canvas);
        let pixels = &canvas.pixels;
        let known = |p: [f32; 3]| colours.iter().any(|&c| distance(p, c) < ALIKE);
        const UNSEEN: u32 = u32::MAX - 1;
        let mut labels = vec![UNSEEN; SIDE * SIDE];
        let mut stack: Vec<usize> = border().filter(|&i| known(pixels[i])).collect();
        for &i in &stack {
            labels[i] = 0;
        }
        while let Some(i) = stack.pop() {
            for j in neighbours(i, Diagonal::DoesNot) {
                if labels[j] == UNSEEN && (distance(pixels[i], pixels[j]) < STEP || known(pixels[j])) {
                    labels[j] = 0;
                    stack.push(j);
                }
            }
        }
        let mut regions = Vec::new();
        for start in 0..labels.len() {
            if labels[start] != UNSEEN {
                continue;
            }
            let mut region = vec![start];
            labels[start] = u32::MAX;
            let mut next = 0;
            while next < region.len() {
                for j in neighbours(region[next], Diagonal::Counts) {
                    if labels[j] == UNSEEN {
                        labels[j] = u32::MAX;
                        region.push(j);
                    }
                }
                next += 1;
            }
            if region.len() >= LEAST {
                region.sort_unstable();
                regions.push(Region { pixels: region });
            }
        }
        regions.sort_by(|a, b| b.pixels.len().cmp(&a.pixels.len()).then(a.pixels[0].cmp(&b.pixels[0])));
        for (label, region) in regions.iter().enumerate() {
            for &i in &region.pixels {
                labels[i] = label as u32 + 1;
            }
        }
        Self { labels, regions }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canvas(colour: impl Fn(usize, usize) -> [f32; 3]) -> Canvas {
        Canvas { pixels: (0..SIDE * SIDE).map(|i| colour(i % SIDE, i / SIDE)).collect(), aspect: 1.0 }
    }

    fn inside(x: usize, y: usize, left: usize, top: usize, side: usize) -> bool {
        (left..left + side).contains(&x) && (top..top + side).contains(&y)
    }

    #[test]
    fn figures_on_a_shaded_two_part_background() {
        let found = Foreground::of(&canvas(|x, y| {
            if inside(x, y, 10, 10, 20) || inside(x, y, 60, 50, 30) {
                [0.9, 0.1, 0.1]
            } else if y < 60 {
                [0.2, 0.2, 0.5 + y as f32 / 200.0]
            } else {
                [0.1, 0.6, 0.1]
            }
        }));
        let sizes: Vec<usize> = found.regions.iter().map(|region| region.pixels.len()).collect();
        assert_eq!(sizes, [900, 400]);
        assert_eq!(found.labels[0], 0);
        assert_eq!(found.labels[55 * SIDE + 65], 1);
        assert_eq!(found.labels[15 * SIDE + 15], 2);
    }

    #[test]
    fn a_hole_belongs_to_its_figure_and_specks_to_nothing() {
        let found = Foreground::of(&canvas(|x, y| {
            let ring = inside(x, y, 20, 20, 40) && !inside(x, y, 30, 30, 20);
            let touching = inside(x, y, 80, 0, 10);
            if ring || touching || (x, y) == (5, 5) { [0.0; 3] } else { [1.0; 3] }
        }));
        let sizes: Vec<usize> = found.regions.iter().map(|region| region.pixels.len()).collect();
        assert_eq!(sizes, [1600, 100]);
        assert_eq!(found.labels[5 * SIDE + 5], u32::MAX);
    }

    #[test]
    fn a_plain_picture_has_no_foreground() {
        let found = Foreground::of(&canvas(|_, _| [0.3; 3]));
        assert!(found.regions.is_empty() && found.labels.iter().all(|&label| label == 0));
    }
}
