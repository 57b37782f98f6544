//! Dot products of many rows with many rows, each with the bits of [`dot`].
//!
//! A product of matrices is cut into tiles of rows and columns, never along a row: every element is one dot product in the
//! one order of reduction, whatever the batch, the tile, the thread and the machine. No fused multiply-add.

use super::dispatch::{Kernel, Lanes, PANEL, Plain, with_vectors};

/// Bytes of rows that are kept in the nearest cache while the other side passes.
const NEAR: usize = 24 << 10;
/// Bytes of rows of the other side that stay in the next cache while all rows of the first pass.
const NEXT: usize = 128 << 10;

/// The dot product in the one fixed order of reduction that all scores use.
///
/// Element `i` goes to lane `i mod 16`, the lanes are summed in a tree; elements past the shorter slice are ignored.
/// No fused multiply-add, so every machine gives the same bits.
#[inline]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let n = a.len().min(b.len());
    let (a, b) = (a[..n].as_chunks::<PANEL>(), b[..n].as_chunks::<PANEL>());
    let mut lanes = [0.0f32; PANEL];
    for (x, y) in a.0.iter().zip(b.0) {
        for i in 0..PANEL {
            lanes[i] += x[i] * y[i];
        }
    }
    for (lane, (x, y)) in lanes.iter_mut().zip(a.1.iter().zip(b.1)) {
        *lane += x * y;
    }
    Plain.total(lanes)
}

/// `w . relu(q + p)` in the order of [`dot`].
#[inline]
pub(crate) fn hidden(q: &[f32], p: &[f32], w: &[f32]) -> f32 {
    let n = q.len().min(p.len()).min(w.len());
    let [q, p, w] = [q, p, w].map(|x| x[..n].as_chunks::<PANEL>());
    let mut lanes = [0.0f32; PANEL];
    for ((q, p), w) in q.0.iter().zip(p.0).zip(w.0) {
        for i in 0..PANEL {
            lanes[i] += w[i] * (q[i] + p[i]).max(0.0);
        }
    }
    for (lane, ((q, p), w)) in lanes.iter_mut().zip(q.1.iter().zip(p.1).zip(w.1)) {
        *lane += w * (q + p).max(0.0);
    }
    Plain.total(lanes)
}

/// Rows of equal width inside of a matrix.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    values: &'a [f32],
    stride: usize,
    start: usize,
    width: usize,
}

impl<'a> Rows<'a> {
    /// The rows of `values [n, width]`.
    pub(crate) fn new(values: &'a [f32], width: usize) -> Self {
        Self { values, stride: width, start: 0, width }
    }

    /// The columns `part` of `values [n, stride]`.
    ///
    /// # Panics
    /// When `part` does not lie inside a row.
    pub(crate) fn part(values: &'a [f32], stride: usize, part: std::ops::Range<usize>) -> Self {
        assert!(part.start <= part.end && part.end <= stride, "columns of the matrix");
        Self { values, stride, start: part.start, width: part.len() }
    }

    /// Number of rows; none where they have no width.
    pub(crate) fn len(&self) -> usize {
        self.values.len().checked_div(self.stride).unwrap_or(0)
    }

    #[inline(always)]
    fn row(&self, at: usize) -> &'a [f32] {
        &self.values[at * self.stride + self.start..][..self.width]
    }
}

/// `out [a.len(), b.len()]`: the dot product of each row of `a` with each of `b`. Cost: `a.len() * b.len() * width` on the
/// calling thread.
///
/// # Panics
/// When the widths differ, or `out` has another length.
pub(crate) fn products(a: Rows<'_>, b: Rows<'_>, out: &mut [f32]) {
    assert_eq!(a.width, b.width, "rows of one width");
    assert_eq!(out.len(), a.len() * b.len(), "a product of each two rows");
    with_vectors(Tiles { a, b, term: Dot, out });
}

/// `out [a.len(), b.len()]`: `w . relu(q + p)` of each row `q` of `a` and `p` of `b`, with the bits of [`hidden`]. Cost: as
/// [`products`].
///
/// # Panics
/// When the widths differ, or `out` has another length.
pub(crate) fn hidden_products(a: Rows<'_>, b: Rows<'_>, w: &[f32], out: &mut [f32]) {
    assert_eq!((a.width, a.width), (b.width, w.len()), "rows of one width");
    assert_eq!(out.len(), a.len() * b.len(), "a product of each two rows");
    with_vectors(Tiles { a, b, term: Hidden(w), out });
}

/// What two elements add to a sum; `at` is where they stand in their rows.
trait Term: Copy {
    fn add<L: Lanes>(self, lanes: L, at: usize, x: L::Sums, y: L::Sums, sums: L::Sums) -> L::Sums;

    /// The same of single elements.
    fn one(self, at: usize, x: f32, y: f32) -> f32;

    /// The whole sum of two rows.
    fn pair(self, x: &[f32], y: &[f32]) -> f32;
}

#[derive(Clone, Copy)]
struct Dot;

impl Term for Dot {
    #[inline(always)]
    fn add<L: Lanes>(self, lanes: L, _: usize, x: L::Sums, y: L::Sums, sums: L::Sums) -> L::Sums {
        lanes.add_product(x, y, sums)
    }

    #[inline(always)]
    fn one(self, _: usize, x: f32, y: f32) -> f32 {
        x * y
    }

    fn pair(self, x: &[f32], y: &[f32]) -> f32 {
        dot(x, y)
    }
}

#[derive(Clone, Copy)]
struct Hidden<'a>(&'a [f32]);

impl Term for Hidden<'_> {
    #[inline(always)]
    fn add<L: Lanes>(self, lanes: L, at: usize, x: L::Sums, y: L::Sums, sums: L::Sums) -> L::Sums {
        lanes.add_hidden(x, y, lanes.read(&self.0.as_chunks::<PANEL>().0[at]), sums)
    }

    #[inline(always)]
    fn one(self, at: usize, x: f32, y: f32) -> f32 {
        self.0[at] * (x + y).max(0.0)
    }

    fn pair(self, x: &[f32], y: &[f32]) -> f32 {
        hidden(x, y, self.0)
    }
}

struct Tiles<'a, T> {
    a: Rows<'a>,
    b: Rows<'a>,
    term: T,
    out: &'a mut [f32],
}

impl<T: Term> Kernel for Tiles<'_, T> {
    #[inline(always)]
    fn run<L: Lanes>(mut self, lanes: L) {
        if L::WIDE {
            // As many sums as fit the registers, and what is added to them.
            return self.blocks::<L, 2, 2>(lanes);
        }
        // In narrow registers the sums of one pair of rows are all that fits.
        for row in 0..self.a.len() {
            for column in 0..self.b.len() {
                self.out[row * self.b.len() + column] = self.term.pair(self.a.row(row), self.b.row(column));
            }
        }
    }
}

impl<T: Term> Tiles<'_, T> {
    #[inline(always)]
    fn blocks<L: Lanes, const R: usize, const C: usize>(&mut self, lanes: L) {
        let (rows, columns) = (self.a.len(), self.b.len());
        let fit = |bytes: usize, tile: usize| (bytes / (4 * self.a.width.max(1)) / tile).max(1) * tile;
        let (block, panel) = (fit(NEAR, R), fit(NEXT, C));
        let mut left = 0;
        while left < columns {
            let right = columns.min(left + panel);
            let mut first = 0;
            while first < rows {
                let last = rows.min(first + block);
                let mut column = left;
                while column < right {
                    if column + C <= right {
                        self.column::<L, R, C>(lanes, first, last, column);
                        column += C;
                    } else {
                        self.column::<L, R, 1>(lanes, first, last, column);
                        column += 1;
                    }
                }
                first = last;
            }
            left = right;
        }
    }

    #[inline(always)]
    fn column<L: Lanes, const R: usize, const C: usize>(
        &mut self,
        lanes: L,
        first: usize,
        last: usize,
        column: usize,
    ) {
        let mut row = first;
        while row < last {
            if row + R <= last {
                self.tile::<L, R, C>(lanes, row, column);
                row += R;
            } else {
                self.tile::<L, 1, C>(lanes, row, column);
                row += 1;
            }
        }
    }

    /// The products of `R` rows with `C` others.
    #[inline(always)]
    fn tile<L: Lanes, const R: usize, const C: usize>(&mut self, lanes: L, row: usize, column: usize) {
        let whole = self.a.width / PANEL;
        let none: &[[f32; PANEL]] = &[];
        let (mut x, mut y) = ([none; R], [none; C]);
        let mut r = 0;
        while r < R {
            x[r] = &self.a.row(row + r).as_chunks::<PANEL>().0[..whole];
            r += 1;
        }
        let mut c = 0;
        while c < C {
            y[c] = &self.b.row(column + c).as_chunks::<PANEL>().0[..whole];
            c += 1;
        }
        let zeros = [lanes.read(&[0.0; PANEL]); C];
        let mut sums = [zeros; R];
        let mut p = 0;
        while p < whole {
            let mut columns = zeros;
            let mut c = 0;
            while c < C {
                columns[c] = lanes.read(&y[c][p]);
                c += 1;
            }
            let mut r = 0;
            while r < R {
                let x = lanes.read(&x[r][p]);
                let mut c = 0;
                while c < C {
                    sums[r][c] = self.term.add(lanes, p, x, columns[c], sums[r][c]);
                    c += 1;
                }
                r += 1;
            }
            p += 1;
        }
        let mut r = 0;
        while r < R {
            let mut c = 0;
            while c < C {
                let at = (row + r) * self.b.len() + column + c;
                self.out[at] = match whole * PANEL == self.a.width {
                    true => lanes.total(sums[r][c]),
                    false => self.with_rest(lanes.samples(sums[r][c]), row + r, column + c),
                };
                c += 1;
            }
            r += 1;
        }
    }

    /// The sum of lanes and of what the rows have beyond whole ones.
    fn with_rest(&self, mut samples: [f32; PANEL], row: usize, column: usize) -> f32 {
        let from = self.a.width / PANEL * PANEL;
        let (x, y) = (&self.a.row(row)[from..], &self.b.row(column)[from..]);
        for (i, (x, y)) in x.iter().zip(y).enumerate() {
            samples[i] += self.term.one(from + i, *x, *y);
        }
        Plain.total(samples)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of both signs and many sizes.
    fn noise(n: usize, seed: usize) -> Vec<f32> {
        let at = |i: usize| ((i * 7919 + seed * 104_729 + 13) % 2003) as f32 / 1001.0 - 1.0;
        (0..n).map(|i| at(i) * 10f32.powi((i % 7) as i32 - 3)).collect()
    }

    fn bits(x: &[f32]) -> Vec<u32> {
        x.iter().map(|x| x.to_bits()).collect()
    }

    #[test]
    fn dot_is_right_and_lane_wise() {
        for n in [0usize, 1, 15, 16, 17, 40, 144] {
            let a: Vec<f32> = (0..n).map(|i| (i as f32 * 0.37).sin()).collect();
            let b: Vec<f32> = (0..n).map(|i| (i as f32 * 0.11).cos()).collect();
            let exact: f64 = a.iter().zip(&b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum();
            assert!((f64::from(dot(&a, &b)) - exact).abs() < 1e-5, "{n}");
        }
        // 2^24 + 1 + 1 in one lane would lose both ones; in lanes of their own they survive as 2.
        let mut a = vec![0.0f32; 16];
        (a[0], a[1], a[9]) = (16_777_216.0, 1.0, 1.0);
        assert_eq!(dot(&a, &[1.0; 16]), 16_777_218.0);
        assert_eq!(dot(&[2.0, 3.0], &[1.0]), 2.0);
    }

    #[test]
    fn products_have_the_bits_of_one_dot_product_each() {
        for (rows, columns, width) in [
            (1, 1, 1),
            (1, 7, 16),
            (3, 2, 17),
            (4, 3, 40),
            (7, 5, 31),
            (70, 9, 100),
            (2, 3, 0),
            (0, 3, 5),
            (5, 7, 48),
            (20, 41, 1696),
            (20, 41, 1700),
        ] {
            let (a, b, w) = (noise(rows * width, 1), noise(columns * width, 2), noise(width, 3));
            let (x, y) = (Rows::new(&a, width), Rows::new(&b, width));
            let each = |f: &dyn Fn(&[f32], &[f32]) -> f32| -> Vec<f32> {
                (0..x.len())
                    .flat_map(|r| (0..y.len()).map(move |c| (r, c)))
                    .map(|(r, c)| f(x.row(r), y.row(c)))
                    .collect()
            };
            let expected = each(&dot);
            let mut out = vec![f32::NAN; expected.len()];
            products(x, y, &mut out);
            assert_eq!(bits(&out), bits(&expected), "{rows} {columns} {width}");
            Tiles { a: x, b: y, term: Dot, out: &mut out }.run(Plain);
            assert_eq!(bits(&out), bits(&expected), "without vectors: {rows} {columns} {width}");
            let expected = each(&|q, p| hidden(q, p, &w));
            hidden_products(x, y, &w, &mut out);
            assert_eq!(bits(&out), bits(&expected), "hidden: {rows} {columns} {width}");
            Tiles { a: x, b: y, term: Hidden(&w), out: &mut out }.run(Plain);
            assert_eq!(bits(&out), bits(&expected), "hidden, without vectors: {rows} {columns} {width}");
        }
    }

    #[test]
    fn columns_of_a_matrix_are_rows_too() {
        let (a, b) = (noise(5 * 20, 1), noise(3 * 20, 2));
        let mut out = vec![0.0; 15];
        products(Rows::part(&a, 20, 2..19), Rows::part(&b, 20, 2..19), &mut out);
        let expected: Vec<f32> =
            (0..15).map(|i| dot(&a[i / 3 * 20..][2..19], &b[i % 3 * 20..][2..19])).collect();
        assert_eq!(bits(&out), bits(&expected));
    }
}
