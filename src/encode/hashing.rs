//! Words, n-grams and their hashes: fixed for ever, since trained bundles depend on them.

/// Mark of the beginning and end of a word, for n-grams of characters.
const EDGE: char = '\u{1}';
/// Between the two words of a bigram.
const JOIN: &[u8] = b" ";

/// What a hash stands for; kinds never share one by spelling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Word = 1,
    Bigram = 2,
    Characters = 3,
}

/// FNV-1a of 64 bits (Fowler, Noll, Vo) over the kind and `parts`, then the finaliser of MurmurHash3 (Appleby), whose low
/// bits are good enough for a bucket.
pub(super) fn hash<'a>(kind: Kind, parts: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    let step = |h: u64, byte: u8| (h ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    let mut h = step(0xcbf2_9ce4_8422_2325, kind as u8);
    for part in parts {
        h = part.iter().fold(h, |h, &byte| step(h, byte));
    }
    h ^= h >> 33;
    h = h.wrapping_mul(0xff51_afd7_ed55_8ccd);
    h ^= h >> 33;
    h = h.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    h ^ (h >> 33)
}

/// Whether [`words`] has any. Cost: reads up to the first letter or digit.
pub(super) fn has_word(text: &str) -> bool {
    text.chars().any(|c| c.is_alphanumeric() && !('\u{300}'..='\u{36f}').contains(&c))
}

/// The words of `text`: runs of letters and digits, lower-case, without the accents of Western European letters.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    for c in text.chars() {
        // Combining accents belong to the letter before them, and go.
        if ('\u{300}'..='\u{36f}').contains(&c) {
            continue;
        }
        if c.is_alphanumeric() {
            for c in c.to_lowercase().filter(|c| !('\u{300}'..='\u{36f}').contains(c)) {
                fold(c, &mut word);
            }
        } else if !word.is_empty() {
            words.push(std::mem::take(&mut word));
        }
    }
    if !word.is_empty() {
        words.push(word);
    }
    words
}

fn fold(c: char, word: &mut String) {
    let plain = match c {
        'à'..='å' | 'ā' | 'ă' | 'ą' => 'a',
        'ç' | 'ć' | 'č' => 'c',
        'ď' => 'd',
        'è'..='ë' | 'ē' | 'ė' | 'ę' | 'ě' => 'e',
        'ğ' => 'g',
        'ì'..='ï' | 'ī' | 'ı' => 'i',
        'ł' => 'l',
        'ñ' | 'ń' | 'ň' => 'n',
        'ò'..='ö' | 'ø' | 'ō' | 'ő' => 'o',
        'ř' => 'r',
        'ś' | 'ş' | 'š' | 'ș' => 's',
        'ť' | 'ț' => 't',
        'ù'..='ü' | 'ū' | 'ů' | 'ű' => 'u',
        'ý' | 'ÿ' => 'y',
        'ź' | 'ż' | 'ž' => 'z',
        'ß' => return word.push_str("ss"),
        'æ' => return word.push_str("ae"),
        'œ' => return word.push_str("oe"),
        other => other,
    };
    word.push(plain);
}

/// Appends the hashes of words and of pairs of neighbours.
pub(super) fn word_terms(words: &[String], out: &mut Vec<u64>) {
    out.extend(words.iter().map(|word| hash(Kind::Word, [word.as_bytes()])));
    out.extend(
        words.windows(2).map(|pair| hash(Kind::Bigram, [pair[0].as_bytes(), JOIN, pair[1].as_bytes()])),
    );
}

/// Appends the hashes of the n-grams of 3 to 5 characters of each word between its edges.
pub(super) fn character_terms(words: &[String], out: &mut Vec<u64>) {
    let mut marked = String::new();
    let mut starts = Vec::new();
    for word in words {
        marked.clear();
        marked.push(EDGE);
        marked.push_str(word);
        marked.push(EDGE);
        starts.clear();
        starts.extend(marked.char_indices().map(|(at, _)| at));
        starts.push(marked.len());
        for n in 3..=5 {
            let grams = starts.windows(n + 1).map(|window| &marked.as_bytes()[window[0]..window[n]]);
            out.extend(grams.map(|gram| hash(Kind::Characters, [gram])));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_lower_case_and_plain() {
        assert_eq!(
            words("  The Café's ÉCLAIR,\n42 Straße-e\u{301}te"),
            ["the", "cafe", "s", "eclair", "42", "strasse", "ete"]
        );
        assert_eq!(words("İstanbul Привет 日本語"), ["istanbul", "привет", "日本語"]);
        assert!(words(" \u{301} --- ").is_empty());
    }

    #[test]
    fn hashes_never_change() {
        assert_eq!(hash(Kind::Word, [b"red".as_slice()]), 14_739_087_865_588_086_445);
        assert_ne!(hash(Kind::Word, [b"red".as_slice()]), hash(Kind::Characters, [b"red".as_slice()]));
    }

    #[test]
    fn grams_have_edges() {
        let mut out = Vec::new();
        character_terms(&["ab".into()], &mut out);
        let gram = |text: &str| hash(Kind::Characters, [text.as_bytes()]);
        assert_eq!(out, [gram("\u{1}ab"), gram("ab\u{1}"), gram("\u{1}ab\u{1}")]);
        out.clear();
        word_terms(&["a".into(), "b".into()], &mut out);
        assert_eq!(out.len(), 3);
        assert_eq!(out[2], hash(Kind::Bigram, [b"a b".as_slice()]));
    }
}
