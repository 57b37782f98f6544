//! Dropout, drawn from a fast generator that the generator of the run seeds.

/// Numbers without order, fast and not secret: SplitMix64 of Steele, Lea, Flood, "Fast splittable pseudorandom number
/// generators", 2014.
struct SplitMix64(u64);

impl SplitMix64 {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }
}

/// `p` in steps of `1 / 65536`.
fn limit(p: f64) -> u16 {
    (p * 65536.0) as u16
}

/// What is kept is multiplied by this, so that the mean stays.
pub(crate) fn kept(p: f64) -> f32 {
    (1.0 / (1.0 - f64::from(limit(p)) / 65536.0)) as f32
}

/// Sets each of `values` to 0 with probability `p`, else multiplies it by [`kept`]; 16 bits are drawn for each.
pub(crate) fn drop_out(values: &mut [f32], p: f64, seed: u64) {
    let (limit, keep) = (limit(p), kept(p));
    if limit == 0 {
        return;
    }
    let mut numbers = SplitMix64(seed);
    for values in values.chunks_mut(4) {
        let mut bits = numbers.next();
        for x in values {
            *x *= if (bits as u16) < limit { 0.0 } else { keep };
            bits >>= 16;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_is_kept_and_the_seed_followed() {
        let draw = |seed| {
            let mut values = vec![1.0; 10_001];
            drop_out(&mut values, 0.3, seed);
            values
        };
        let one = draw(1);
        let dropped = one.iter().filter(|x| **x == 0.0).count();
        assert!((2850..3150).contains(&dropped), "{dropped}");
        assert!((one.iter().sum::<f32>() / 10_001.0 - 1.0).abs() < 0.025);
        assert!(one.iter().all(|x| *x == 0.0 || *x == kept(0.3)));
        // Each of the four numbers of a draw has its own bits.
        for lane in 0..4 {
            let dropped = one.iter().skip(lane).step_by(4).filter(|x| **x == 0.0).count();
            assert!((650..850).contains(&dropped), "{lane}: {dropped}");
        }
        assert_eq!(one, draw(1));
        assert_ne!(one, draw(2));
        let mut whole = [2.0, 3.0];
        drop_out(&mut whole, 0.0, 1);
        assert_eq!((whole, kept(0.0)), ([2.0, 3.0], 1.0));
    }
}
