//! Integer dot products of one query with many rows of codes of 4 and 2 bits.
//!
//! Short codes stand in groups of 16 rows, long ones row after row, see "Cells and codes" in `format/SPEC.md`. A block of a group
//! has 64 bytes, 4r to 4r + 3 of row r: 8 elements of 4 bits, or 16 of 2. Sums are integers, so every path gives the same numbers.

pub(crate) use uncsm_format::cells::GROUP;

/// Elements of a block, per row.
const FINE: usize = 8;
const COARSE: usize = 16;
/// Bytes of a block of a group.
const BYTES: usize = 64;
/// Bytes and elements of a block of a long code: the low halves are the first elements.
const LONG_BYTES: usize = 32;
const LONG: usize = 64;

/// A query of small integers for short codes, as the loops read it: four numbers for each part of a byte.
#[derive(Debug, Clone, Default)]
pub(crate) struct ShortQuery {
    fine: Vec<[[i8; 4]; 2]>,
    coarse: Vec<[[i8; 4]; 4]>,
}

/// The numbers of a block, 0 beyond the last.
fn block<const N: usize>(part: &[i8]) -> [[i8; 4]; N] {
    std::array::from_fn(|i| std::array::from_fn(|t| part.get(4 * i + t).copied().unwrap_or(0).max(-127)))
}

impl ShortQuery {
    /// Of numbers within -127..=127, for elements of 4 and of 2 bits.
    pub(crate) fn new(fine: &[i8], coarse: &[i8]) -> Self {
        Self {
            fine: fine.chunks(FINE).map(block).collect(),
            coarse: coarse.chunks(COARSE).map(block).collect(),
        }
    }

    /// Bytes of a group of codes that it fits.
    pub(crate) fn group_bytes(&self) -> usize {
        (self.fine.len() + self.coarse.len()) * BYTES
    }
}

/// A query of small integers for long codes: by block, the numbers of the low and of the high halves of its bytes.
#[derive(Debug, Clone, Default)]
pub(crate) struct LongQuery(Vec<[[i8; LONG_BYTES]; 2]>);

impl LongQuery {
    /// Of numbers within -127..=127.
    pub(crate) fn new(numbers: &[i8]) -> Self {
        let at = |part: &[i8], i: usize| part.get(i).copied().unwrap_or(0).max(-127);
        let block = |part: &[i8]| [0, LONG_BYTES].map(|start| std::array::from_fn(|i| at(part, start + i)));
        Self(numbers.chunks(LONG).map(block).collect())
    }

    /// Bytes of a code that it fits.
    pub(crate) fn code_bytes(&self) -> usize {
        self.0.len() * LONG_BYTES
    }
}

/// `out [groups, 16]`: the sum over elements of query times code, for the rows of `codes [groups, group_bytes]`.
///
/// Cost: 5 to 20 instructions per row and 100 elements, by processor.
///
/// # Panics
/// When the lengths do not fit.
pub(crate) fn short_products(codes: &[u8], query: &ShortQuery, out: &mut [[i32; GROUP]]) {
    assert_eq!(codes.len(), out.len() * query.group_bytes(), "whole groups of codes");
    if query.group_bytes() == 0 {
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
                x86::vnni(codes, query, out);
            }
            return;
        }
        if is_x86_feature_detected!("avx2") {
            #[allow(unsafe_code, reason = "listed in ARCHITECTURE.md")]
            // SAFETY: as above.
            unsafe {
                x86::avx2(codes, query, out);
            }
            return;
        }
    }
    plain(codes, query, out);
}

/// `out [rows]`: the sum over elements of query times code, for these rows of `codes [n, code_bytes]`; 0 for one that is not there.
///
/// # Panics
/// When the lengths do not fit.
pub(crate) fn long_products(codes: &[u8], query: &LongQuery, rows: &[u32], out: &mut [i32]) {
    assert_eq!(rows.len(), out.len(), "a sum for each row");
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        #[allow(unsafe_code, reason = "listed in ARCHITECTURE.md")]
        // SAFETY: the processor has AVX2.
        unsafe {
            x86::long(codes, query, rows, out);
        }
        return;
    }
    long_plain(codes, query, rows, out);
}

/// The code of a row, whole blocks.
#[inline(always)]
fn long_code<'a>(codes: &'a [u8], query: &LongQuery, row: u32) -> Option<&'a [[u8; LONG_BYTES]]> {
    let width = query.code_bytes();
    Some(codes.get(row as usize * width..)?.get(..width)?.as_chunks().0)
}

fn long_plain(codes: &[u8], query: &LongQuery, rows: &[u32], out: &mut [i32]) {
    for (row, out) in rows.iter().zip(out) {
        let blocks = long_code(codes, query, *row).unwrap_or_default();
        let mut sum = 0;
        for (block, [low, high]) in blocks.iter().zip(&query.0) {
            for ((byte, low), high) in block.iter().zip(low).zip(high) {
                sum += i32::from(*low) * i32::from(byte & 15) + i32::from(*high) * i32::from(byte >> 4);
            }
        }
        *out = sum;
    }
}

/// Whatever the compiler makes of it.
fn plain(codes: &[u8], query: &ShortQuery, out: &mut [[i32; GROUP]]) {
    for (codes, out) in codes.chunks_exact(query.group_bytes()).zip(out) {
        let mut sums = [0i32; GROUP];
        let (fine, coarse) = codes.as_chunks::<BYTES>().0.split_at(query.fine.len());
        for (block, numbers) in fine.iter().zip(&query.fine) {
            add_plain::<4, 2>(block, numbers, &mut sums);
        }
        for (block, numbers) in coarse.iter().zip(&query.coarse) {
            add_plain::<2, 4>(block, numbers, &mut sums);
        }
        *out = sums;
    }
}

fn add_plain<const BITS: usize, const PARTS: usize>(
    block: &[u8; BYTES],
    numbers: &[[i8; 4]; PARTS],
    sums: &mut [i32; GROUP],
) {
    let mask = (1u8 << BITS) - 1;
    for (sum, bytes) in sums.iter_mut().zip(block.as_chunks::<4>().0) {
        for (part, numbers) in numbers.iter().enumerate() {
            for (number, byte) in numbers.iter().zip(bytes) {
                *sum += i32::from(*number) * i32::from(byte >> (BITS * part) & mask);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{BYTES, GROUP, LongQuery, ShortQuery, long_code};

    /// The four numbers in every lane of 32 bits. Spelt out, here and below: closures of `map` of arrays are calls in a development build.
    #[inline(always)]
    fn lane([p, q, r, s]: [i8; 4]) -> i32 {
        i32::from_le_bytes([p as u8, q as u8, r as u8, s as u8])
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn all(numbers: [i8; 4]) -> __m256i {
        _mm256_set1_epi32(lane(numbers))
    }

    #[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
    pub(super) fn vnni(codes: &[u8], query: &ShortQuery, out: &mut [[i32; GROUP]]) {
        // A code in higher bits counts 4, 16 or 64 times: it is not moved, but its sum is, which loses no bit.
        let masks = [3, 12, 48, 192, 15, 240].map(|mask: u8| _mm512_set1_epi8(mask as i8));
        let load = |block: &[u8; BYTES]| {
            #[allow(unsafe_code, reason = "listed in ARCHITECTURE.md")]
            // SAFETY: both types are 64 bytes. A load through a pointer is checked in a debugging build.
            unsafe {
                std::mem::transmute::<[u8; BYTES], __m512i>(*block)
            }
        };
        let add = |sums: __m512i, bytes: __m512i, mask: __m512i, numbers: [i8; 4]| {
            _mm512_dpbusd_epi32(sums, _mm512_and_si512(bytes, mask), _mm512_set1_epi32(lane(numbers)))
        };
        for (codes, out) in codes.chunks_exact(query.group_bytes()).zip(out) {
            let [mut one, mut four, mut sixteen, mut last] = [_mm512_setzero_si512(); 4];
            let (fine, coarse) = codes.as_chunks::<BYTES>().0.split_at(query.fine.len());
            for (block, [p, q]) in fine.iter().zip(&query.fine) {
                let bytes = load(block);
                one = add(one, bytes, masks[4], *p);
                sixteen = add(sixteen, bytes, masks[5], *q);
            }
            for (block, [p, q, r, s]) in coarse.iter().zip(&query.coarse) {
                let bytes = load(block);
                one = add(one, bytes, masks[0], *p);
                four = add(four, bytes, masks[1], *q);
                sixteen = add(sixteen, bytes, masks[2], *r);
                last = add(last, bytes, masks[3], *s);
            }
            let sums = _mm512_add_epi32(
                _mm512_add_epi32(one, _mm512_srai_epi32::<2>(four)),
                _mm512_add_epi32(_mm512_srai_epi32::<4>(sixteen), _mm512_srai_epi32::<6>(last)),
            );
            #[allow(unsafe_code, reason = "listed in ARCHITECTURE.md")]
            // SAFETY: both types are 64 bytes of plain integers.
            let sums = unsafe { std::mem::transmute::<__m512i, [i32; GROUP]>(sums) };
            *out = sums;
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn avx2(codes: &[u8], query: &ShortQuery, out: &mut [[i32; GROUP]]) {
        let (four, two, ones) = (_mm256_set1_epi8(15), _mm256_set1_epi8(3), _mm256_set1_epi16(1));
        let load = |half: &[u8; 32]| {
            #[allow(unsafe_code, reason = "listed in ARCHITECTURE.md")]
            // SAFETY: both types are 32 bytes.
            unsafe {
                std::mem::transmute::<[u8; 32], __m256i>(*half)
            }
        };
        for (codes, out) in codes.chunks_exact(query.group_bytes()).zip(out) {
            let mut sums = [_mm256_setzero_si256(); 2];
            let (fine, coarse) = codes.as_chunks::<BYTES>().0.split_at(query.fine.len());
            for (block, [p, q]) in fine.iter().zip(&query.fine) {
                let (p, q) = (all(*p), all(*q));
                for (half, sum) in block.as_chunks::<32>().0.iter().zip(&mut sums) {
                    let bytes = load(half);
                    let high = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), four);
                    // At most 4 x 15 x 127 in 16 bits: no sum saturates.
                    let pairs = _mm256_add_epi16(
                        _mm256_maddubs_epi16(_mm256_and_si256(bytes, four), p),
                        _mm256_maddubs_epi16(high, q),
                    );
                    *sum = _mm256_add_epi32(*sum, _mm256_madd_epi16(pairs, ones));
                }
            }
            for (block, [p, q, r, s]) in coarse.iter().zip(&query.coarse) {
                let (p, q, r, s) = (all(*p), all(*q), all(*r), all(*s));
                for (half, sum) in block.as_chunks::<32>().0.iter().zip(&mut sums) {
                    let bytes = load(half);
                    let second = _mm256_and_si256(_mm256_srli_epi16::<2>(bytes), two);
                    let third = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), two);
                    let fourth = _mm256_and_si256(_mm256_srli_epi16::<6>(bytes), two);
                    // At most 8 x 3 x 127.
                    let pairs = _mm256_add_epi16(
                        _mm256_add_epi16(
                            _mm256_maddubs_epi16(_mm256_and_si256(bytes, two), p),
                            _mm256_maddubs_epi16(second, q),
                        ),
                        _mm256_add_epi16(_mm256_maddubs_epi16(third, r), _mm256_maddubs_epi16(fourth, s)),
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

    #[target_feature(enable = "avx2")]
    pub(super) fn long(codes: &[u8], query: &LongQuery, rows: &[u32], out: &mut [i32]) {
        let (four, ones) = (_mm256_set1_epi8(15), _mm256_set1_epi16(1));
        #[allow(unsafe_code, reason = "listed in ARCHITECTURE.md")]
        // SAFETY: both types are 32 bytes.
        let of_bytes = |bytes: &[u8; 32]| unsafe { std::mem::transmute::<[u8; 32], __m256i>(*bytes) };
        #[allow(unsafe_code, reason = "listed in ARCHITECTURE.md")]
        // SAFETY: as above.
        let of_numbers = |numbers: &[i8; 32]| unsafe { std::mem::transmute::<[i8; 32], __m256i>(*numbers) };
        for (row, out) in rows.iter().zip(out) {
            let mut sums = _mm256_setzero_si256();
            let blocks = long_code(codes, query, *row).unwrap_or_default();
            for (block, [low, high]) in blocks.iter().zip(&query.0) {
                let bytes = of_bytes(block);
                let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), four);
                // At most 4 x 15 x 127 in 16 bits.
                let pairs = _mm256_add_epi16(
                    _mm256_maddubs_epi16(_mm256_and_si256(bytes, four), of_numbers(low)),
                    _mm256_maddubs_epi16(upper, of_numbers(high)),
                );
                sums = _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, ones));
            }
            let four = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
            let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b01_00_11_10>(four));
            *out = _mm_extract_epi32::<0>(two) + _mm_extract_epi32::<1>(two);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(i: usize) -> u8 {
        (i.wrapping_mul(2_654_435_761) >> 7) as u8
    }

    fn numbers(count: usize, seed: usize) -> Vec<i8> {
        (0..count).map(|i| (noise(i + seed) as i8).max(-127)).collect()
    }

    #[test]
    fn every_path_gives_the_same_sums_of_short_codes() {
        for (fine, coarse, groups) in [(1, 0, 1), (0, 3, 2), (32, 96, 5), (13, 17, 3), (8, 0, 2), (3, 3, 0)] {
            let query = ShortQuery::new(&numbers(fine, 99), &numbers(coarse, 7));
            for fill in [None, Some(255u8)] {
                let codes: Vec<u8> =
                    (0..groups * query.group_bytes()).map(|i| fill.unwrap_or_else(|| noise(i))).collect();
                let mut right = vec![[0; GROUP]; groups];
                plain(&codes, &query, &mut right);
                let mut got = right.clone();
                short_products(&codes, &query, &mut got);
                assert_eq!(got, right);
                #[cfg(target_arch = "x86_64")]
                if is_x86_feature_detected!("avx2") {
                    #[allow(unsafe_code, reason = "listed in ARCHITECTURE.md")]
                    // SAFETY: the processor has AVX2.
                    unsafe {
                        x86::avx2(&codes, &query, &mut got);
                    }
                    assert_eq!(got, right);
                }
            }
        }
        let all = ShortQuery::new(&[127; 8], &[127; 16]);
        let mut out = [[0; GROUP]];
        short_products(&[255; 128], &all, &mut out);
        assert_eq!(out, [[127 * (8 * 15 + 16 * 3); GROUP]]);
        // One element alone, of one row.
        for element in 0..8 {
            let mut codes = [0; BYTES];
            codes[4 * 5 + element % 4] = 3 << (4 * (element / 4));
            let mut one = [0; 8];
            one[element] = -2;
            short_products(&codes, &ShortQuery::new(&one, &[]), &mut out);
            assert_eq!((out[0][5], out[0].iter().sum::<i32>()), (-6, -6), "{element}");
        }
        for element in 0..16 {
            let mut codes = [0; BYTES];
            codes[4 * 3 + element % 4] = 2 << (2 * (element / 4));
            let mut one = [0; 16];
            one[element] = -3;
            short_products(&codes, &ShortQuery::new(&[], &one), &mut out);
            assert_eq!((out[0][3], out[0].iter().sum::<i32>()), (-6, -6), "{element}");
        }
    }

    #[test]
    fn every_path_gives_the_same_sums_of_long_codes() {
        for elements in [1, 32, 33, 64, 65, 192] {
            let query = LongQuery::new(&numbers(elements, 5));
            let codes: Vec<u8> = (0..7 * query.code_bytes()).map(noise).collect();
            let rows = [6, 0, 3, 3, 7, u32::MAX];
            let (mut right, mut got) = ([1; 6], [2; 6]);
            long_plain(&codes, &query, &rows, &mut right);
            long_products(&codes, &query, &rows, &mut got);
            assert_eq!(got, right);
            // Rows that are not there.
            assert_eq!(got[4..], [0, 0]);
        }
        let query = LongQuery::new(&[127; 64]);
        let mut out = [0];
        long_products(&[255; 32], &query, &[0], &mut out);
        assert_eq!(out, [127 * 64 * 15]);
        for element in [0, 31, 32, 63] {
            let mut one = [0; 64];
            one[element] = 5;
            let mut code = [0; 32];
            code[element % 32] = if element < 32 { 3 } else { 3 << 4 };
            long_products(&code, &LongQuery::new(&one), &[0], &mut out);
            assert_eq!(out, [15]);
        }
    }
}
