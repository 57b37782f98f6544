//! Cells of rows in memory: what is written is sound, always the same, and leads to the best rows.

use uncsm_format::cells::Cells;
use uncsm_format::{Dtype, ItemRow, MediaInfo, Rows, Uvec, Writer};

use super::{
    Effort, Estimate, Form, LEAST_ROWS, Ranking, RowSource, best_rows, effort, margins, reach, write,
};
use crate::encode::kernel::dot;
use crate::model::{Bundle, Target};

const DIM: usize = 40;

/// Rows around a few hundred places, as real ones are.
struct Clustered {
    rows: Rows,
    vectors: Vec<f32>,
}

fn noise(i: usize) -> f32 {
    let x = (i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    ((x ^ (x >> 29)) % 20_011) as f32 / 10_005.5 - 1.0
}

impl Clustered {
    fn new(n: usize) -> Self {
        let info = MediaInfo { name: "text".into(), dim: DIM as u32, dtype: Dtype::F16, half: 0, hubs: 0 };
        let mut rows = Rows::new(&info);
        let mut vectors = Vec::new();
        for i in 0..n {
            let place = (i * 7919) % 300;
            let vector: Vec<f32> =
                (0..DIM).map(|j| noise(place * DIM + j) + 0.3 * noise((i + 1000) * DIM + j)).collect();
            let row = ItemRow {
                doc: i as u32,
                ordinal: 0,
                span: None,
                hash: [0; 16],
                vector: &vector,
                half: &[],
                hubs: &[],
            };
            rows.push(&row).unwrap();
            vectors.extend(vector);
        }
        let stored: Vec<f32> = rows
            .column(uncsm_format::Column::Vectors)
            .chunks(2)
            .map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32())
            .collect();
        vectors = stored;
        Self { rows, vectors }
    }

    fn bundle() -> Bundle {
        let samples: Vec<f32> = (0..40 * DIM).map(|i| noise(i + 77_777)).collect();
        Bundle::random(&[("text", 3)], DIM, 0, 0, 5).with_samples(vec![samples]).unwrap()
    }

    fn file(&self, bundle: Option<&Bundle>) -> Vec<u8> {
        let mut writer = Writer::new(Vec::new(), &[0; 32], std::slice::from_ref(self.rows.info())).unwrap();
        self.rows.write_to(0, &mut writer).unwrap();
        write((0, DIM), self, bundle, &mut writer).unwrap();
        writer.finish(self.rows.len() as u32, 0, None).unwrap()
    }

    /// The best `k` rows by dot product.
    fn best(&self, g: &[f32], k: usize) -> Vec<u32> {
        let scores: Vec<f32> = self.vectors.chunks(DIM).map(|v| dot(g, v)).collect();
        let mut order: Vec<u32> = (0..scores.len() as u32).collect();
        order.sort_by(|a, b| scores[*b as usize].total_cmp(&scores[*a as usize]).then(a.cmp(b)));
        order.truncate(k);
        order
    }
}

impl RowSource for Clustered {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn vector(&self, row: usize, vector: &mut [f32]) {
        vector.copy_from_slice(&self.vectors[row * DIM..][..DIM]);
    }

    fn rest(&self, _: usize, _: &mut [f32], _: &mut [f32]) {}

    fn inverse_norm(&self, row: usize) -> f32 {
        let bytes = self.rows.column(uncsm_format::Column::InverseNorms).as_chunks::<4>().0[row];
        f32::from_le_bytes(bytes)
    }
}

fn best(cells: &Cells<'_>, g: &[f32], effort: Effort, passes: &dyn Fn(u32) -> bool) -> Vec<u32> {
    best_rows(cells, Form { weights: g, by_norm: false }, effort, None, Some(passes)).0
}

#[test]
fn what_is_written_is_sound_and_always_the_same() {
    let rows = Clustered::new(LEAST_ROWS + 5);
    let bundle = Clustered::bundle();
    let file = rows.file(Some(&bundle));
    let pool = |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    for threads in [1, 3] {
        assert!(pool(threads).install(|| rows.file(Some(&bundle))) == file);
    }
    let uvec = Uvec::open(&file[..]).unwrap();
    assert_eq!(uvec.verify(), []);
    let cells = uvec.cells(0).unwrap().unwrap();
    let curves = cells.curves.unwrap();
    assert_eq!(*curves.model, bundle.score().0);
    // Three depths of each ranking, of which each has its margins and its reach, margins of any row, and a distance.
    assert_eq!(curves.rows.len(), 11 * (bundle.metric().targets().len() + 1));
    // Without a bundle there is no curve, and nobody guesses one.
    let file = rows.file(None);
    let uvec = Uvec::open(&file[..]).unwrap();
    let cells = uvec.cells(0).unwrap().unwrap();
    assert!(cells.curves.is_none());
    assert_eq!(effort(&cells, bundle.score(), (Ranking::Cosine, 0), 10, 0.5), None);
}

#[test]
fn few_rows_get_no_cells() {
    let rows = Clustered::new(LEAST_ROWS - 1);
    let file = rows.file(Some(&Clustered::bundle()));
    assert!(Uvec::open(&file[..]).unwrap().cells(0).unwrap().is_none());
}

#[test]
fn the_curve_leads_to_the_share_that_is_asked_for() {
    let rows = Clustered::new(6000);
    let bundle = Clustered::bundle();
    let file = rows.file(Some(&bundle));
    let uvec = Uvec::open(&file[..]).unwrap();
    let cells = uvec.cells(0).unwrap().unwrap();
    let all = |_: u32| true;
    for (k, recall) in [(10, 0.9), (10, 0.99), (100, 0.95), (40, 0.98)] {
        let ranking = (Ranking::Metric(Target::Pair), 0);
        let effort = effort(&cells, bundle.score(), ranking, k, recall).unwrap();
        assert!(effort.keep >= k && effort.refine >= effort.keep && effort.visit <= 6000);
        let (mut hits, mut asked) = (0, 0);
        for q in 0..60 {
            // Not those of the curve.
            let u: Vec<f32> = (0..DIM).map(|j| noise(999_999 + q * DIM + j)).collect();
            let g = bundle.metric().query_half(Target::Pair, 0, 0, &u).unwrap().bilinear;
            let found = best(&cells, &g, effort, &all);
            assert!(found.len() <= effort.keep);
            let truth = rows.best(&g, k);
            hits += truth.iter().filter(|row| found.contains(row)).count();
            asked += k;
        }
        assert!(hits as f32 >= (recall - 0.03) * asked as f32, "{k} {recall}: {hits} of {asked}");
    }
    // A model that was not measured.
    let other = Bundle::random(&[("text", 3)], DIM, 0, 0, 6);
    assert_eq!(effort(&cells, other.score(), (Ranking::Cosine, 0), 10, 0.9), None);
    assert_eq!(effort(&cells, bundle.score(), (Ranking::Cosine, 1), 10, 0.9), None);
    // Beyond what was measured: in proportion, and never more than there is.
    let of = |k| effort(&cells, bundle.score(), (Ranking::Cosine, 0), k, 0.9).unwrap();
    assert!(of(2000).keep >= 2000 && of(2000).visit >= of(1000).visit && of(50_000).keep == 6000);
    let mut last = of(1);
    for k in [9, 10, 11, 50, 100, 101, 999, 1000, 1001] {
        let next = of(k);
        assert!(next.visit >= last.visit && next.refine >= last.refine, "{k}");
        assert!(next.keep >= last.keep && next.keep >= k, "{k}");
        last = next;
    }
}

#[test]
fn margins_hold_for_the_share_that_is_asked_for() {
    let rows = Clustered::new(6000);
    let bundle = Clustered::bundle();
    let file = rows.file(Some(&bundle));
    let uvec = Uvec::open(&file[..]).unwrap();
    let cells = uvec.cells(0).unwrap().unwrap();
    let kind = (Ranking::Metric(Target::Pair), 0);
    for (depths, recall) in [(10..=10, 0.99), (10..=10, 0.9), (100..=700, 0.95), (1..=usize::MAX, 0.99)] {
        let of = margins(&cells, bundle.score(), kind, depths.clone(), recall).unwrap();
        assert!(of.best >= of.any && of.any > of.both && of.both > 0.0 && of.rank < 6000, "{of:?}");
        let depth = *depths.start().max(&10);
        let (mut lost, mut lost_by_both, mut off, mut ranked) = (0, 0, 0, 0);
        for q in 0..60 {
            let u: Vec<f32> = (0..DIM).map(|j| noise(999_999 + q * DIM + j)).collect();
            let head = bundle.metric().query_half(Target::Pair, 0, 0, &u).unwrap();
            let form = Form { weights: &head.bilinear, by_norm: false };
            let estimate = Estimate::new(cells, form);
            let (mut short, all) = (vec![0.0; 6000], (0..6000).collect::<Vec<u32>>());
            let mut both = short.clone();
            estimate.short(0, &mut short);
            estimate.both(&all, &mut both);
            let score = |at: usize| dot(form.weights, &rows.vectors[cells.rows[at] as usize * DIM..][..DIM]);
            let best = rows.best(form.weights, depth);
            let position = |row: &u32| cells.rows.iter().position(|other| other == row).unwrap();
            let last = score(position(&best[depth - 1]));
            for at in best.iter().map(position) {
                lost += usize::from(short[at] + of.best < last);
                lost_by_both += usize::from(both[at] + of.both < last);
                ranked += usize::from(short.iter().filter(|value| **value > short[at]).count() < of.rank);
            }
            off += (0..6000).step_by(10).filter(|&at| (short[at] - score(at)).abs() > of.any).count();
        }
        let (miss, found) = (1.0 - recall, (60 * depth) as f32);
        assert!(lost as f32 <= miss * found && lost_by_both as f32 <= miss * found, "{lost} {lost_by_both}");
        // Forty samples in as many elements say less of others than those of a bundle do.
        assert!(off as f32 <= 2.0 * miss * 36_000.0 && ranked as f32 >= recall * found, "{off} {ranked}");
    }
    // What was not measured: another model, a ranking that the bundle has not, a file from before there were margins.
    let of = |cells: &Cells<'_>, model, kind| margins(cells, model, kind, 10..=10, 0.9);
    assert!(of(&cells, bundle.score(), (Ranking::Cosine, 0)).is_some());
    let other = Bundle::random(&[("text", 3)], DIM, 0, 0, 6);
    assert_eq!(of(&cells, other.score(), kind), None);
    assert_eq!(of(&cells, bundle.score(), (Ranking::Posterior, 0)), None);
    let mut old = cells;
    let kept: Vec<_> = cells.curves.unwrap().rows.iter().copied().filter(|row| row[0] < 8.0).collect();
    old.curves.as_mut().unwrap().rows = &kept;
    assert_eq!(of(&old, bundle.score(), kind), None);
    assert!(effort(&old, bundle.score(), kind, 10, 0.99).is_some());
}

#[test]
fn the_reach_ends_a_search_and_leaves_the_share_that_is_asked_for() {
    let rows = Clustered::new(6000);
    let bundle = Clustered::bundle();
    let file = rows.file(Some(&bundle));
    let uvec = Uvec::open(&file[..]).unwrap();
    let cells = uvec.cells(0).unwrap().unwrap();
    // Ranks that ask for everything: what is left out is left out by the reach.
    let all = Effort { visit: 6000, least: 6000, refine: 6000, keep: 6000 };
    let kind = (Ranking::Metric(Target::Pair), 0);
    let mut ended = 0;
    for (k, recall, share) in
        [(1, 0.9, 1), (3, 0.95, 1), (10, 0.9, 1), (10, 0.99, 1), (100, 0.95, 1), (10, 0.9, 4)]
    {
        let reach = super::reach(&cells, bundle.score(), kind, k..=k * share, recall).unwrap();
        ended += usize::from(reach.ends());
        let passes = |row: u32| (row as usize).is_multiple_of(share);
        let passes: Option<&dyn Fn(u32) -> bool> = if share == 1 { None } else { Some(&passes) };
        let (mut hits, mut kept, mut visited) = (0, 0, 0);
        for q in 0..60 {
            let u: Vec<f32> = (0..DIM).map(|j| noise(999_999 + q * DIM + j)).collect();
            let g = bundle.metric().query_half(Target::Pair, 0, 0, &u).unwrap().bilinear;
            let form = Form { weights: &g, by_norm: false };
            let (found, visit) = best_rows(&cells, form, all, Some(reach), passes);
            let mut truth = rows.best(&g, 6000);
            truth.retain(|&row| passes.is_none_or(|passes| passes(row)));
            hits += truth[..k].iter().filter(|row| found.contains(row)).count();
            assert!(found.len() >= k && found.iter().all(|row| row % share as u32 == 0));
            kept += found.len();
            visited += visit.rows;
        }
        assert!(hits as f32 >= (recall - 0.02) * (60 * k) as f32, "{k} {recall} {share}: {hits}");
        assert!(kept < 60 * (2 * k + 60), "{k} {recall} {share}: {kept}");
        assert!(visited < 60 * 6000 * 9 / 10 || !reach.ends(), "{visited}");
    }
    assert!(ended > 0);
    // What was not measured: another model, another query, more rows than any depth.
    let of = |model, kind, k: usize| reach(&cells, model, kind, k..=k, 0.9);
    let other = Bundle::random(&[("text", 3)], DIM, 0, 0, 6);
    assert_eq!(of(other.score(), kind, 10), None);
    assert_eq!(of(bundle.score(), (Ranking::Cosine, 1), 10), None);
    assert_eq!(of(bundle.score(), kind, 1001), None);
}

/// Rows of numbers so great that scores of them are none.
struct Huge(Clustered);

impl RowSource for Huge {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn vector(&self, row: usize, vector: &mut [f32]) {
        self.0.vector(row, vector);
        vector.iter_mut().for_each(|x| *x *= 3e38);
    }

    fn rest(&self, row: usize, half: &mut [f32], hubs: &mut [f32]) {
        self.0.rest(row, half, hubs);
    }

    fn inverse_norm(&self, row: usize) -> f32 {
        self.0.inverse_norm(row)
    }
}

#[test]
fn rows_whose_scores_are_no_numbers_have_cells_too() {
    let rows = Huge(Clustered::new(LEAST_ROWS));
    let mut writer = Writer::new(Vec::new(), &[0; 32], std::slice::from_ref(rows.0.rows.info())).unwrap();
    rows.0.rows.write_to(0, &mut writer).unwrap();
    // Whether they are refused or written, nothing panics.
    let _ = write((0, DIM), &rows, Some(&Clustered::bundle()), &mut writer);
}

#[test]
fn looking_at_all_rows_finds_all_that_pass() {
    let rows = Clustered::new(5000);
    let file = rows.file(None);
    let uvec = Uvec::open(&file[..]).unwrap();
    let cells = uvec.cells(0).unwrap().unwrap();
    let g: Vec<f32> = (0..DIM).map(|j| noise(4242 + j)).collect();
    let all = Effort { visit: 5000, least: 0, refine: 5000, keep: 5000 };
    let mut found = best(&cells, &g, all, &|row| row % 7 == 3);
    found.sort_unstable();
    assert_eq!(found, (0..5000).filter(|row| row % 7 == 3).collect::<Vec<_>>());
    // Visiting more never loses a row that fewer visits kept among the best.
    let few = best(&cells, &g, Effort { visit: 300, least: 0, refine: 100, keep: 20 }, &|_| true);
    let many = best(&cells, &g, Effort { visit: 5000, least: 0, refine: 100, keep: 20 }, &|_| true);
    let truth = rows.best(&g, 10);
    let of = |found: &[u32]| truth.iter().filter(|row| found.contains(row)).count();
    assert!(of(&many) >= of(&few) && of(&many) >= 8, "{} {}", of(&many), of(&few));
}

#[test]
fn equal_rows_and_constant_elements_have_cells_too() {
    let mut rows = Clustered::new(LEAST_ROWS);
    rows.vectors.fill(0.25);
    let file = rows.file(None);
    let uvec = Uvec::open(&file[..]).unwrap();
    assert_eq!(uvec.verify(), []);
    let cells = uvec.cells(0).unwrap().unwrap();
    assert_eq!(
        best(&cells, &[1.0; DIM], Effort { visit: LEAST_ROWS, least: 0, refine: 20, keep: 9 }, &|_| true)
            .len(),
        9
    );
}

#[test]
fn damaged_values_give_some_rows_and_no_panic() {
    let rows = Clustered::new(LEAST_ROWS);
    let bundle = Clustered::bundle();
    let file = rows.file(Some(&bundle));
    let at: Vec<(usize, usize)> = {
        let uvec = Uvec::open(&file[..]).unwrap();
        let derived = uvec.sections().iter().filter(|section| section.derived);
        derived.map(|section| (section.offset as usize, section.length as usize)).collect()
    };
    assert!(at.len() >= 9);
    for (offset, length) in at {
        for fill in [0u8, 0x7f, 0xff] {
            let mut damaged = file.clone();
            damaged[offset..offset + length].fill(fill);
            let uvec = Uvec::open(&damaged[..]).unwrap();
            let Ok(Some(cells)) = uvec.cells(0) else { continue };
            let kind = (Ranking::Metric(Target::Pair), 0);
            let known = super::reach(&cells, bundle.score(), kind, 10..=10, 0.9);
            let form = Form { weights: &[0.5; DIM], by_norm: false };
            for visit in [1, 700, LEAST_ROWS] {
                let effort = Effort { visit, least: visit, refine: 60, keep: 30 };
                best(&cells, &[0.5; DIM], effort, &|_| true);
                best_rows(&cells, form, effort, known, None);
                for reach in super::reach::odd() {
                    best_rows(&cells, form, effort, Some(reach), None);
                }
            }
            let estimate = Estimate::new(cells, Form { weights: &[0.5; DIM], by_norm: true });
            let mut values = vec![0.0; LEAST_ROWS + 100];
            estimate.short(0, &mut values);
            estimate.both(&[0, 17, LEAST_ROWS as u32 + 50, u32::MAX], &mut values[..4]);
            for k in [1, 50, 1000] {
                let _ = effort(&cells, bundle.score(), (Ranking::Cosine, 0), k, 0.99);
                let _ = margins(&cells, bundle.score(), (Ranking::Cosine, 0), k..=k, 0.99);
            }
        }
    }
}
