//! Dropout masks, drawn from the generator of the run.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// A dropout mask of `n` numbers: 0 with probability `p`, else `1 / (1 - p)`; empty where nothing is dropped.
pub(crate) fn dropout_mask(n: usize, p: f64, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let limit = (p * 65536.0) as u32;
    if limit == 0 {
        return Vec::new();
    }
    let keep = (1.0 / (1.0 - f64::from(limit) / 65536.0)) as f32;
    let mut bytes = vec![0u8; n * 2];
    rng.fill(&mut bytes[..]);
    bytes
        .chunks_exact(2)
        .map(|pair| if u32::from(u16::from_le_bytes([pair[0], pair[1]])) < limit { 0.0 } else { keep })
        .collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn masks_keep_the_mean_and_follow_the_seed() {
        let draw = |seed| dropout_mask(10_000, 0.3, &mut ChaCha8Rng::seed_from_u64(seed));
        let mask = draw(1);
        let dropped = mask.iter().filter(|x| **x == 0.0).count();
        assert!((2700..3300).contains(&dropped), "{dropped}");
        assert!((mask.iter().sum::<f32>() / 1e4 - 1.0).abs() < 0.03);
        assert_eq!(mask, draw(1));
        assert_ne!(mask, draw(2));
        assert!(dropout_mask(7, 0.0, &mut ChaCha8Rng::seed_from_u64(1)).is_empty());
    }
}
