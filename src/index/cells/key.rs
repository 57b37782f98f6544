//! A value and a place in one number, which has their order: what is sorted and selected most.

/// A number by which greater values come after smaller ones, and of equal ones smaller positions after greater.
pub(super) fn key(value: f32, at: u32) -> u64 {
    let bits = value.to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(ordered) << 32 | u64::from(!at)
}

/// The position of a key.
pub(super) fn position(key: u64) -> u32 {
    !(key as u32)
}

/// The value of a key.
pub(super) fn number(key: u64) -> f32 {
    let ordered = (key >> 32) as u32;
    f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_the_order_of_values_and_then_of_places() {
        let values = [f32::NEG_INFINITY, -2.5, -0.0, 0.0, 1e-30, 3.0, f32::INFINITY];
        for pair in values.windows(2) {
            assert!(key(pair[0], 1) < key(pair[1], 7), "{pair:?}");
        }
        assert!(key(3.0, 8) < key(3.0, 7));
        for value in values {
            assert_eq!((number(key(value, 9)).to_bits(), position(key(value, 9))), (value.to_bits(), 9));
        }
    }
}
