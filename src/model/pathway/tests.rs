use super::*;

/// As it was computed row by row, element by element.
fn one_by_one(pathway: &Deep, x: &[f32], out: &mut [f32]) {
    let mut z = vec![0.0; x.len()];
    standardise(x, pathway.roots, &pathway.mean, &pathway.scale, &mut z);
    let layer = |weights: &[f32], bias: &[f32], input: &[f32], out: &mut [f32]| {
        for ((out, row), bias) in out.iter_mut().zip(weights.chunks_exact(input.len())).zip(bias) {
            *out = dot(row, input) + bias;
        }
    };
    let mut r = vec![0.0; pathway.hidden_bias.len()];
    layer(&pathway.hidden, &pathway.hidden_bias, &z, &mut r);
    r.iter_mut().for_each(|x| *x = x.max(0.0));
    let (posteriors, unit) = out.split_at_mut(pathway.class_bias.len());
    layer(&pathway.class, &pathway.class_bias, &r, posteriors);
    softmax(posteriors, 0.7);
    layer(&pathway.unit, &pathway.unit_bias, &r, unit);
    if !pathway.skip.is_empty() {
        for (unit, row) in unit.iter_mut().zip(pathway.skip.chunks_exact(z.len())) {
            *unit += dot(row, &z);
        }
    }
    let norm = dot(unit, unit).sqrt();
    unit.iter_mut().for_each(|x| *x *= 1.0 / norm);
}

#[test]
fn a_row_has_the_same_bits_alone_in_a_batch_and_element_by_element() {
    let wave = |n: usize, f: f32| -> Vec<f32> { (0..n).map(|i| (i as f32 * f).sin()).collect() };
    for (classes, roots, skip) in [(0, false, false), (5, true, false), (0, false, true), (5, true, true)] {
        let (d_in, k, e) = (37, 53, 11);
        let deep = Deep {
            roots,
            mean: wave(d_in, 0.7),
            scale: wave(d_in, 1.3),
            hidden: wave(k * d_in, 0.37).into(),
            hidden_bias: wave(k, 2.1),
            unit: wave(e * k, 0.91).into(),
            unit_bias: wave(e, 0.2),
            skip: wave(if skip { e * d_in } else { 0 }, 0.77).into(),
            class: wave(classes * k, 0.53).into(),
            class_bias: wave(classes, 1.1),
        };
        let pathway = Pathway::from(deep);
        let d = classes + e;
        let x = wave(29 * d_in, 0.117);
        let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let mut all = vec![0.0; 29 * d];
        pathway.project(29, &x, 0.7, &mut all);
        for (x, together) in x.chunks_exact(d_in).zip(all.chunks_exact(d)) {
            let (mut alone, mut plain) = (vec![0.0; d], vec![0.0; d]);
            pathway.project(1, x, 0.7, &mut alone);
            one_by_one(pathway.deep.as_ref().unwrap(), x, &mut plain);
            assert_eq!(bits(&alone), bits(together));
            assert_eq!(bits(&plain), bits(together));
        }
    }
}

#[test]
fn parts_are_a_distribution_and_a_unit_vector() {
    let mut deep = Deep {
        roots: false,
        mean: vec![1.0, 0.0],
        scale: vec![2.0, 0.0],
        hidden: vec![1.0, 0.5, -1.0, 0.0, 0.25, 1.0].into(),
        hidden_bias: vec![0.0, 3.0, 0.1],
        unit: vec![1.0, 2.0, 0.0, 0.0, 1.0, -1.0].into(),
        unit_bias: vec![0.0, 0.5],
        skip: Vec::new().into(),
        class: vec![200.0, 0.0, 0.0, 0.0, 200.0, 0.0].into(),
        class_bias: vec![0.0, 0.0],
    };
    let mut pathway = Pathway::from(deep.clone());
    let mut out = vec![0.0; 4];
    pathway.project(1, &[2.0, 9.0], 1.0, &mut out);
    // z = (2, 0), r = (2, 1, 0.6), logits = (400, 200), unit = (4, 0.9).
    assert_eq!(&out[..2], &[1.0, 0.0]);
    let norm = (16.0f32 + 0.81).sqrt();
    // 1 + 0.5 - 0.6 = 0.9
    assert!((out[2] - 4.0 / norm).abs() < 1e-6 && (out[3] - 0.9 / norm).abs() < 1e-6, "{out:?}");
    let mut other = vec![0.0; 4];
    pathway.project(1, &[2.0, -7.0], 1.0, &mut other);
    assert_eq!(out, other, "a constant feature does not count");
    deep.roots = true;
    pathway = Pathway::from(deep.clone());
    pathway.project(1, &[4.0, -7.0], 1.0, &mut other);
    assert_eq!(out, other, "the root of 4 is 2");
    // z = (2, 0): unit = (4, 0.9) + (1, 2).
    deep.skip = vec![0.5, 3.0, 1.0, -1.0].into();
    Pathway::from(deep).project(1, &[4.0, -7.0], 1.0, &mut other);
    let norm = (25.0f32 + 2.9 * 2.9).sqrt();
    assert!((other[2] - 5.0 / norm).abs() < 1e-6 && (other[3] - 2.9 / norm).abs() < 1e-6, "{other:?}");
    assert_eq!(out[..2], other[..2], "posteriors have no skip");
}
