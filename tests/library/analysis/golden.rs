//! The terms of every analysis string, as they were written down when it was new: an index that names it has these terms.

use serde_json::{Value, json};
use uncsm_index::schema::Analysis;

/// One line for each analysis: its string, and the terms of [`TEXT`] with position and offsets. Lines are added, never changed.
/// `icu` and `jieba` are not in it, since their dictionaries are those of other crates.
const GOLDEN: &str = include_str!("../../fixtures/analysis-terms.jsonl");

/// Letters in both forms, full and half width, ligatures, digits, long words, marks of their own, scripts without spaces.
const TEXT: &str = "The Re\u{301}sume\u{301} and RÉSUMÉ o\u{308}ffnen Öffnung; ﬁn x² ½ ① ｶﾞﾗｽ ガラス Ａｂｃ ΣΊΣΥΦΟΣ ёлка \
    İstanbul Ångström Å 서울 서울 東京都の猫 हिन्दी ภาษาไทย l'été can't AB-1234_z 3.14 e\u{301}\u{323} \
    xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx żżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżżż running";

fn terms(tokenizer: &str) -> Value {
    let mut analyzer = Analysis::parse(tokenizer).unwrap().analyzer().unwrap();
    let mut terms = Vec::new();
    analyzer.token_stream(TEXT).process(&mut |token| {
        terms.push(json!([token.text, token.position, token.offset_from, token.offset_to]));
    });
    json!({ "tokenizer": tokenizer, "terms": terms })
}

#[test]
fn every_analysis_keeps_its_terms() {
    let mut seen = 0;
    for line in GOLDEN.lines() {
        let golden: Value = serde_json::from_str(line).unwrap();
        let tokenizer = golden["tokenizer"].as_str().unwrap();
        assert_eq!(terms(tokenizer), golden, "{tokenizer}");
        seen += 1;
    }
    assert!(seen >= 40, "{seen} analyses");
    // Every part of the grammar that this build has stands in one of them.
    for part in
        ["words", "default", "whitespace", "raw", "cjk_bigram", "en_stem", "nfc", "lower", "cased", "fold"]
    {
        let named = |line: &str| line.contains(&format!("\"{part}")) || line.contains(&format!("+{part}"));
        assert!(GOLDEN.lines().any(named), "{part}");
    }
}
