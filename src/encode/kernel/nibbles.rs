//! Integer dot products of one query with many rows of 4-bit codes.
//!
//! Codes stand in groups of 16 rows, see "Cells" in `format/SPEC.md`: a block of 64 bytes holds 8 elements of each row, four
//! in the low halves of bytes 4r to 4r + 3 of row r, four in the high ones. Sums are integers, so every path gives the same
//! numbers.

pub(crate) use uncsm_format::cells::GROUP;

/// Elements of a block, per row.
pub(crate) const BLOCK: usize = 8;
/// Bytes of a block of a group.
const BYTES: usize = GROUP * BLOCK / 2;

/// A query of small integers, as the loops read it: per block four numbers for the low halves and four for the high ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct IntQuery {
    /// By block.
    numbers: Vec<[[i8; 4]; 2]>,
    /// Of all numbers.
    sum: i32,
}

impl IntQuery {
    /// Of numbers within -127..=127; the rest up to a whole block is 0.
    pub(crate) fn new(numbers: &[i8]) -> Self {
        let block = |part: &[i8]| {
            let at = |i: usize| part.get(i).copied().unwrap_or(0).max(-127);
            [[at(0), at(1), at(2), at(3)], [at(4), at(5), at(6), at(7)]]
        };
        Self {
            numbers: numbers.chunks(BLOCK).map(block).collect(),
            sum: numbers.iter().map(|&n| i32::from(n.max(-127))).sum(),
        }
    }

    /// The sum of its numbers.
    pub(crate) fn sum(&self) -> i32 {
        self.sum
    }

    /// Bytes of a group of codes that it fits.
    pub(crate) fn group_bytes(&self) -> usize {
        self.numbers.len() * BYTES
    }
}

/// `out [groups, 16]`: the sum over elements of query times code, for the rows of `codes [groups, group_bytes]`.
///
/// Cost: 5 to 20 instructions per row and 100 elements, by processor.
///
/// # Panics
/// When the lengths do not fit.
pub(crate) fn int_products(codes: &[u8], query: &IntQuery, out: &mut [[i32; GROUP]]) {
    assert_eq!(codes.len(), out.len() * query.group_bytes(), "whole groups of codes");
    if query.numbers.is_empty() {
        out.fill([0; GROUP]);
        return;
    }
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512vnni")
        {
            #[allow(unsafe_code, reason = "listed in ARCHITECTURE.md")]
            // SAFETY: the processor has what the function is compiled for.
            unsafe {
                x86::vnni(codes, &query.numbers, out);
            }
            return;
        }
        if is_x86_feature_detected!("avx2") {
            #[allow(unsafe_code, reason = "listed in ARCHITECTURE.md")]
            // SAFETY: as above.
            unsafe {
                x86::avx2(codes, &query.numbers, out);
            }
            return;
        }
    }
    plain(codes, &query.numbers, out);
}

/// Whatever the compiler makes of it.
fn plain(codes: &[u8], query: &[[[i8; 4]; 2]], out: &mut [[i32; GROUP]]) {
    for (codes, out) in codes.chunks_exact(query.len() * BYTES).zip(out) {
        let mut sums = [0i32; GROUP];
        for (block, [low, high]) in codes.as_chunks::<BYTES>().0.iter().zip(query) {
            for (sum, bytes) in sums.iter_mut().zip(block.as_chunks::<4>().0) {
                for t in 0..4 {
                    *sum += i32::from(low[t]) * i32::from(bytes[t] & 15)
                        + i32::from(high[t]) * i32::from(bytes[t] >> 4);
                }
            }
        }
        *out = sums;
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{BYTES, GROUP};

    /// The four numbers in every lane of 32 bits.
    fn lane(numbers: [i8; 4]) -> i32 {
        i32::from_le_bytes(numbers.map(|n| n as u8))
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) fn vnni(codes: &[u8], query: &[[[i8; 4]; 2]], out: &mut [[i32; GROUP]]) {
        let width = query.len() * BYTES;
        let low = _mm512_set1_epi8(15);
        for (codes, out) in codes.chunks_exact(width).zip(out) {
            let (mut a, mut b) = (_mm512_setzero_si512(), _mm512_setzero_si512());
            for (block, numbers) in codes.as_chunks::<BYTES>().0.iter().zip(query) {
                #[allow(unsafe_code, reason = "listed in ARCHITECTURE.md")]
                // SAFETY: both types are 64 bytes. A load through a pointer is checked in a debugging build.
                let bytes = unsafe { std::mem::transmute::<[u8; BYTES], __m512i>(*block) };
                a = _mm512_dpbusd_epi32(a, _mm512_and_si512(bytes, low), _mm512_set1_epi32(lane(numbers[0])));
                let high = _mm512_and_si512(_mm512_srli_epi16::<4>(bytes), low);
                b = _mm512_dpbusd_epi32(b, high, _mm512_set1_epi32(lane(numbers[1])));
            }
            #[allow(unsafe_code, reason = "listed in ARCHITECTURE.md")]
            // SAFETY: both types are 64 bytes of plain integers.
            let sums = unsafe { std::mem::transmute::<__m512i, [i32; GROUP]>(_mm512_add_epi32(a, b)) };
            *out = sums;
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn avx2(codes: &[u8], query: &[[[i8; 4]; 2]], out: &mut [[i32; GROUP]]) {
        let width = query.len() * BYTES;
        let (low, ones) = (_mm256_set1_epi8(15), _mm256_set1_epi16(1));
        for (codes, out) in codes.chunks_exact(width).zip(out) {
            let mut sums = [_mm256_setzero_si256(); 2];
            for (block, numbers) in codes.as_chunks::<BYTES>().0.iter().zip(query) {
                let [q, p] = numbers.map(|n| _mm256_set1_epi32(lane(n)));
                for (half, sum) in block.as_chunks::<32>().0.iter().zip(&mut sums) {
                    #[allow(unsafe_code, reason = "listed in ARCHITECTURE.md")]
                    // SAFETY: both types are 32 bytes.
                    let bytes = unsafe { std::mem::transmute::<[u8; 32], __m256i>(*half) };
                    let high = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), low);
                    // At most 4 x 15 x 127 in 16 bits: no sum saturates.
                    let pairs = _mm256_add_epi16(
                        _mm256_maddubs_epi16(_mm256_and_si256(bytes, low), q),
                        _mm256_maddubs_epi16(high, p),
                    );
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
                }
            }
            for (sums, out) in sums.iter().zip(out.as_chunks_mut::<8>().0) {
                #[allow(unsafe_code, reason = "listed in ARCHITECTURE.md")]
                // SAFETY: both types are 32 bytes of plain integers.
                let sums = unsafe { std::mem::transmute::<__m256i, [i32; 8]>(*sums) };
                *out = sums;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_gives_the_same_sums() {
        let noise = |i: usize| (i.wrapping_mul(2_654_435_761) >> 7) as u8;
        for (elements, groups) in [(1, 1), (8, 2), (13, 3), (256, 5), (2048, 2), (3, 0)] {
            let numbers: Vec<i8> = (0..elements).map(|i| (noise(i + 99) as i8).max(-127)).collect();
            let query = IntQuery::new(&numbers);
            for fill in [None, Some(255u8)] {
                let codes: Vec<u8> =
                    (0..groups * query.group_bytes()).map(|i| fill.unwrap_or_else(|| noise(i))).collect();
                let mut right = vec![[0; GROUP]; groups];
                plain(&codes, &query.numbers, &mut right);
                let mut got = right.clone();
                int_products(&codes, &query, &mut got);
                assert_eq!(got, right);
                #[cfg(target_arch = "x86_64")]
                if is_x86_feature_detected!("avx2") {
                    #[allow(unsafe_code, reason = "listed in ARCHITECTURE.md")]
                    // SAFETY: the processor has AVX2.
                    unsafe {
                        x86::avx2(&codes, &query.numbers, &mut got);
                    }
                    assert_eq!(got, right);
                }
            }
        }
        let one = IntQuery::new(&[127; 8]);
        let mut out = [[0; GROUP]];
        int_products(&[255; 64], &one, &mut out);
        assert_eq!(out, [[127 * 8 * 15; GROUP]]);
        assert_eq!(one.sum(), 127 * 8);
    }
}
