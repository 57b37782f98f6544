//! The grammar, and what each part makes of a text.

use proptest::prelude::*;
use tantivy::tokenizer::{Token, TokenizerManager};

use super::*;

fn tokens(tokenizer: &str, text: &str) -> Vec<Token> {
    let mut analyzer = Analysis::parse(tokenizer).unwrap().analyzer().unwrap();
    let mut tokens = Vec::new();
    analyzer.token_stream(text).process(&mut |token| tokens.push(token.clone()));
    tokens
}

fn terms(tokenizer: &str, text: &str) -> Vec<String> {
    tokens(tokenizer, text).into_iter().map(|token| token.text).collect()
}

/// Terms with their positions.
fn placed(tokenizer: &str, text: &str) -> Vec<(String, usize)> {
    tokens(tokenizer, text).into_iter().map(|token| (token.text, token.position)).collect()
}

fn one(tokenizer: &str, text: &str) -> String {
    let terms = terms(tokenizer, text);
    assert_eq!(terms.len(), 1, "{tokenizer}: {text} -> {terms:?}");
    terms[0].clone()
}

#[test]
fn old_names_mean_what_tantivy_means() {
    let long = "x".repeat(39);
    let text = format!("The Häuser, e\u{301}t-é {long} {long}x running; 東京都 I'm {}", "ж".repeat(20));
    for name in ["default", "en_stem", "whitespace", "raw"] {
        let mut tantivy = TokenizerManager::default().get(name).unwrap();
        let mut expected = Vec::new();
        tantivy.token_stream(&text).process(&mut |token| expected.push(token.clone()));
        assert!(!expected.is_empty());
        assert_eq!(tokens(name, &text), expected, "{name}");
    }
    assert_eq!(Analysis::parse("en_stem").unwrap(), Analysis::parse("default+stem:english").unwrap());
}

#[test]
fn parts_stand_in_any_order() {
    let parts = ["cjk_bigram", "limit:99", "stop:german", "stop:english", "stem:german", "fold", "ngram:2:3"];
    let all = Analysis::parse(&parts.join("+")).unwrap();
    assert_eq!(all.limit, Some(99));
    for turn in 0..parts.len() {
        let mut turned = parts;
        turned.rotate_left(turn);
        // The order of stop words is kept, and means nothing.
        let mut turned = Analysis::parse(&turned.join("+")).unwrap();
        turned.stop.sort_by_key(|&language| language != Language::German);
        assert_eq!(turned, all);
    }
    assert_eq!("fold".parse::<Analysis>().unwrap(), Analysis::parse("words+fold").unwrap());
    assert_eq!(Analysis::parse("words+lower").unwrap(), Analysis::parse("words").unwrap());
    assert_eq!(Analysis::parse("raw+cased").unwrap(), Analysis::parse("raw").unwrap());
}

#[test]
fn refuses_with_what_there_is_and_what_was_meant() {
    let refused = |text: &str| {
        let error = Analysis::parse(text).unwrap_err();
        assert_eq!(error.code(), ErrorCode::BadValue, "{error}");
        error.to_string()
    };
    for (bad, hint) in [
        ("defualt", "did you mean `default`?"),
        ("fold+whitespaces", "did you mean `whitespace`?"),
        ("foldd", "did you mean `fold`?"),
        ("stemm:german", "did you mean `stem:LANGUAGE`?"),
        ("stem:germann", "did you mean `german`?"),
        ("stem:German", "did you mean `german`?"),
        ("stem:de", "did you mean `german`?"),
        ("stop:fr", "did you mean `french`?"),
        ("german", "did you mean `stem:german`?"),
        ("de_stem", "did you mean `stem:german`?"),
        ("standard", "did you mean `words`?"),
        ("keyword", "did you mean `raw+nfc`?"),
        ("japanese", "did you mean `icu` or `cjk_bigram`?"),
        ("cjk_bigrams", "did you mean `cjk_bigram`?"),
        ("n-gram:2:3", "did you mean `ngram:MIN:MAX`?"),
        ("limit:1", "expected limit:N with 2 to"),
        ("limit:many", "expected limit:N"),
        ("ngram:3:2", "1 <= MIN <= MAX <= 20"),
        ("ngram:0:2", "1 <= MIN"),
        ("prefix:2:21", "expected prefix:MIN:MAX"),
        ("ngram:2", "expected ngram:MIN:MAX"),
        ("raw+whitespace", "`whitespace` says again"),
        ("en_stem+stem:german", "`stem:german` says again"),
        ("fold+fold", "`fold` says again"),
        ("lower+cased", "`cased` says again"),
        ("stop:german+stop:german", "`stop:german` says again"),
        ("whitespace+stem:german", "add `lower`"),
        ("stop:german+cased", "leave `cased` out"),
        ("nfc", "`nfc` goes with `raw` and `whitespace`"),
        ("default+nfc", "the terms of `words` are equal without it"),
        ("raw+nfc+nfc", "`nfc` says again"),
        ("raw+nfkc", "or `nfc` for whole values"),
        ("stem", "did you mean `stem:LANGUAGE`?"),
        ("fold:german", "did you mean `fold`?"),
    ] {
        let said = refused(bad);
        assert!(said.contains(hint), "{bad}: {said}");
    }
    let said = refused("klingon");
    for part in ["words", "en_stem", "cjk_bigram", "stem:LANGUAGE", "prefix:MIN:MAX"] {
        assert!(said.contains(part), "{said}");
    }
    assert!(!said.contains("did you mean"), "{said}");
    // Languages that have a stemmer and no stop words.
    let said = refused("stop:greek");
    assert!(said.contains("danish, dutch") && !said.contains("one of arabic"), "{said}");
    for bad in ["", "+", "fold+", " fold", "fold ", "Fold", "stem:", "words:1", "日本語"] {
        refused(bad);
    }
}

#[test]
fn accents_are_folded_however_they_are_written() {
    for text in ["Café", "CAFE\u{301}", "cafe", "ｃａｆé"] {
        assert_eq!(one("fold", text), "cafe", "{text:?}");
    }
    assert_eq!(
        terms("fold", "Ærø Straße İstanbul Łódź œuvre"),
        ["aero", "strasse", "istanbul", "lodz", "oeuvre"]
    );
    assert_eq!(terms("fold", "Καλημέρα ёлка Tiếng Việt"), ["καλημερα", "елка", "tieng", "viet"]);
    // Marks that make another letter in Japanese stay.
    assert_eq!(terms("fold", "ガラス"), ["ガラス"]);
    // As it is without: equal in both forms, other than the word without.
    assert_eq!(one("words", "e\u{301}cole"), one("words", "ÉCOLE"));
    assert_ne!(one("words", "école"), one("words", "ecole"));
    // Offsets are those of the text, for snippets.
    let token = &tokens("fold", "le (E\u{301}COLE)")[1];
    assert_eq!(
        (token.text.as_str(), token.offset_from, token.offset_to, token.position),
        ("ecole", 4, 11, 1)
    );
    assert_eq!(one("raw+lower+fold", "Café Noir"), "cafe noir");
    assert_eq!(terms("whitespace+fold", "Café-Noir X"), ["Cafe-Noir", "X"]);
}

#[test]
fn whole_values_are_composed_and_nothing_else_is_joined() {
    for (one_form, other) in [
        ("Café", "Cafe\u{301}"),
        ("Å", "A\u{30a}"),
        ("서울", "\u{1109}\u{1165}\u{110b}\u{116e}\u{11af}"),
        ("ệ", "e\u{302}\u{323}"),
        ("か\u{3099}", "が"),
        ("\u{212b}", "\u{c5}"),
    ] {
        assert_eq!(one("raw+nfc", one_form), one("raw+nfc", other), "{one_form}");
        assert_ne!(one("raw", one_form), one("raw", other), "{one_form}");
        assert_eq!(composed_len(one_form), composed_len(other));
        assert_eq!(composed_len(one_form), one("raw+nfc", one_form).len());
    }
    // What only looks alike stays two values, and so do cases and spaces.
    for (one_form, other) in
        [("x²", "x2"), ("ﬁn", "fin"), ("ｶ", "カ"), ("①", "1"), ("é", "e"), ("É", "é"), ("é ", "é")]
    {
        assert_ne!(one("raw+nfc", one_form), one("raw+nfc", other));
    }
    assert_eq!(one("raw+nfc", ""), "");
    assert_eq!(one("raw+nfc+lower", "E\u{301}COLE 1"), "école 1");
    assert_eq!(terms("whitespace+nfc", "e\u{301}-x É"), ["é-x", "É"]);
    // A limit counts what is written down.
    assert_eq!(terms("raw+nfc+limit:3", "e\u{301}"), ["é"]);
    // Offsets are those of the text.
    let token = &tokens("raw+nfc", "Cafe\u{301}")[0];
    assert_eq!((token.offset_from, token.offset_to), (0, 6));
    let whole = |text: &str| Analysis::parse(text).unwrap().is_whole();
    assert!(whole("raw") && whole("raw+nfc") && whole("raw+lower+fold"));
    for other in ["words", "whitespace+nfc", "raw+ngram:1:2", "raw+limit:40", "raw+lower+stop:english"] {
        assert!(!whole(other), "{other}");
    }
}

#[test]
fn every_language_stems() {
    for (language, one_form, other) in [
        ("arabic", "الكتاب", "كتاب"),
        ("danish", "huset", "huse"),
        ("dutch", "lopen", "loop"),
        ("english", "running", "runs"),
        ("finnish", "talossa", "talon"),
        ("french", "continuellement", "continuelle"),
        ("german", "Häuser", "Hauses"),
        ("greek", "γάτες", "γάτα"),
        ("hungarian", "házban", "házak"),
        ("italian", "gatti", "gatto"),
        ("norwegian", "husene", "huset"),
        ("portuguese", "gatos", "gato"),
        ("romanian", "copiilor", "copii"),
        ("russian", "книгами", "книга"),
        ("spanish", "canciones", "canción"),
        ("swedish", "husen", "huset"),
        ("tamil", "மரங்கள்", "மரங்களை"),
        ("turkish", "KIZLAR", "kızlar"),
    ] {
        let stem = format!("stem:{language}");
        assert_eq!(one(&stem, one_form), one(&stem, other), "{language}");
        if language != "turkish" {
            assert_ne!(one("words", one_form), one("words", other), "{language}");
        }
    }
    assert_eq!(language::with_stemmer().len(), 18);
    for word in ["Haus", "haus", "Häuser", "Hausern"] {
        assert_eq!(one("stem:german+fold", word), "haus");
    }
    assert_eq!(terms("stem:french+fold", "l'été économiques"), ["l", "ete", "econom"]);
}

#[test]
fn stop_words_leave_their_places_empty() {
    assert_eq!(placed("stop:english", "The house of cards"), [("house".into(), 1), ("cards".into(), 3)]);
    assert_eq!(terms("stop:german+stop:english+stem:german", "Die Häuser and the Garten"), ["haus", "gart"]);
    for (language, word) in [
        ("danish", "og"),
        ("dutch", "het"),
        ("english", "and"),
        ("finnish", "ja"),
        ("french", "même"),
        ("german", "über"),
        ("hungarian", "és"),
        ("italian", "perché"),
        ("norwegian", "og"),
        ("portuguese", "não"),
        ("russian", "что"),
        ("spanish", "también"),
        ("swedish", "och"),
    ] {
        assert_eq!(terms(&format!("stop:{language}+fold"), &format!("{word} x")), ["x"], "{language}");
        assert_eq!(terms("words", word).len(), 1);
    }
    assert_eq!(language::with_stop_words().len(), 13);
}

#[test]
fn limits_count_bytes() {
    let (short, long) = ("a".repeat(119), "a".repeat(120));
    assert_eq!(terms("words", &format!("{long} {short}")), [short.as_str()]);
    assert_eq!(terms("words+limit:4", "abc abcd äb äbc"), ["abc", "äb"]);
    assert_eq!(terms("raw", &long), [long.as_str()]);
    assert_eq!(terms("whitespace+limit:120", &long), [""; 0]);
    assert_eq!(terms("default+fold", &"ж".repeat(20)), [""; 0]);
    assert_eq!(terms("fold", &"ж".repeat(59)).len(), 1);
}

#[test]
fn words_that_are_too_long_are_counted() {
    let (long, short) = ("a".repeat(120), "a".repeat(119));
    let too_long = |tokenizer: &str, text: &str| Analysis::parse(tokenizer).unwrap().too_long(text);
    let text = format!("{long} b {short} {long}{long}; c/{long}");
    for tokenizer in
        ["words", "fold", "stop:english+stem:english+fold", "ngram:2:3", "cjk_bigram", "words+cased"]
    {
        assert_eq!(too_long(tokenizer, &text), 3, "{tokenizer}");
    }
    assert_eq!(too_long("default", &"x".repeat(40)), 1);
    assert_eq!(too_long("whitespace+limit:122", &text), 2, "a sign belongs to a word there");
    assert_eq!(too_long("words+limit:200", &text), 1);
    assert_eq!((too_long("whitespace", &text), too_long("raw+nfc", &text)), (0, 0));
    // As the words are written down: composed.
    assert_eq!(
        (too_long("words", &"e\u{301}".repeat(59)), too_long("words", &"e\u{301}".repeat(60))),
        (0, 1)
    );
    // What has no limit has the host's.
    let huge = "a".repeat(MAX_TOKEN_LEN);
    assert_eq!((too_long("raw", &huge), too_long("raw", &format!("{huge}a"))), (0, 1));
    // Each of them is what the analysis leaves out.
    for tokenizer in ["words", "default", "words+limit:200"] {
        let all = tokens(&format!("{tokenizer}+limit:9999").replace("limit:200+", ""), &text).len();
        assert_eq!(all - terms(tokenizer, &text).len(), too_long(tokenizer, &text), "{tokenizer}");
    }
}

#[test]
fn grams_stand_at_the_place_of_their_word() {
    let expected = [("ho", 0), ("hou", 0), ("ou", 0), ("ous", 0), ("us", 0), ("a", 1), ("äé", 2)];
    let expected = expected.map(|(term, at)| (term.to_owned(), at));
    assert_eq!(placed("ngram:2:3", "Hous a äé"), expected);
    assert_eq!(terms("prefix:2:4", "house a ab"), ["ho", "hou", "hous", "a", "ab"]);
    assert_eq!(terms("raw+ngram:3:3", "a-b c"), ["a-b", "-b ", "b c"]);
    assert_eq!(terms("ngram:1:1+fold", "é日"), ["e", "日"]);
}

#[test]
fn characters_and_their_pairs() {
    let expected = [("黒", 0), ("黒い", 0), ("い", 1), ("い猫", 1), ("猫", 2)];
    assert_eq!(placed("cjk_bigram", "黒い猫"), expected.map(|(term, at)| (term.to_owned(), at)));
    // Words of other scripts stay whole, and no pair reaches over a border.
    let expected = [("東", 0), ("東京", 0), ("京", 1), ("tokyo", 2), ("2020", 3), ("年", 4), ("夏", 5)];
    assert_eq!(
        placed("cjk_bigram", "東京Tokyo 2020年、夏"),
        expected.map(|(term, at)| (term.to_owned(), at))
    );
    assert_eq!(terms("cjk_bigram", "서울에"), ["서", "서울", "울", "울에", "에"]);
    // Hangul in its letters and kana of half width are the same characters.
    let letters: String = unicode_normalization::UnicodeNormalization::nfd("서울에").collect();
    assert_eq!(terms("cjk_bigram", &letters), terms("cjk_bigram", "서울에"));
    assert_eq!(terms("cjk_bigram", "ｶﾞﾗｽ"), terms("cjk_bigram", "ガラス"));
    assert_eq!(terms("cjk_bigram", "か\u{3099}す"), terms("cjk_bigram", "がす"));
    assert_eq!(terms("cjk_bigram+stem:german+fold", "Häuser 家"), ["haus", "家"]);
}

#[test]
fn what_this_build_does_not_have_is_read_and_refused_by_name() {
    for (name, there) in [("icu", cfg!(feature = "icu")), ("jieba", cfg!(feature = "jieba"))] {
        let analysis = Analysis::parse(&format!("{name}+fold")).unwrap();
        assert_eq!((analysis.check_features().is_ok(), analysis.analyzer().is_ok()), (there, there));
        if let Err(error) = analysis.check_features() {
            assert_eq!(error.code(), ErrorCode::UnsupportedVersion);
            assert!(error.to_string().contains(&format!("the feature `{name}`")), "{error}");
        }
    }
}

#[cfg(feature = "icu")]
#[test]
fn icu_cuts_words() {
    let words = terms("icu", "東京に住む子供たち。コンピュータを使う");
    for word in ["東京", "に", "住む", "子供", "コンピュータ", "使う"] {
        assert!(words.iter().any(|w| w == word), "{word}: {words:?}");
    }
    assert_eq!(terms("icu", "ภาษาไทยสวยงาม"), ["ภาษา", "ไทย", "สวยงาม"]);
    assert_eq!(terms("icu", "中华人民共和国"), ["中华", "人民", "共和国"]);
    // As `words` where there are spaces.
    let text = "l'école 3.14 can't हिन्दी किताब மரங்கள் Ünder";
    assert_eq!(terms("icu", text), terms("words", text));
    assert_eq!(placed("icu+fold", "Café 東京に"), [("cafe".into(), 0), ("東京".into(), 1), ("に".into(), 2)]);
}

#[cfg(feature = "jieba")]
#[test]
fn jieba_cuts_words_and_the_words_in_them() {
    let expected =
        [("我", 0), ("考上", 1), ("北京", 3), ("北京大学", 3), ("大学", 5), ("hello", 7), ("了", 8)];
    assert_eq!(placed("jieba", "我考上北京大学，Hello 了"), expected.map(|(term, at)| (term.to_owned(), at)));
    assert_eq!(terms("jieba+fold", "école 3.14"), ["ecole", "3", "14"]);
    // The last term says where the text ends, so that no phrase reaches into the next value.
    let last = tokens("jieba", "我考上北京大学").pop().unwrap();
    assert_eq!((last.position, last.position_length), (5, 2));
}

/// All tokenizers of this build, each with all that may follow.
fn any_tokenizer() -> impl Strategy<Value = String> {
    let bases: Vec<&str> = Base::ALL.into_iter().filter(|base| base.is_there()).map(Base::name).collect();
    let filters = ["", "+fold", "+ngram:2:4", "+prefix:1:3+fold", "+lower+stem:german+stop:french+limit:30"];
    (prop::sample::select(bases), prop::sample::select(filters.to_vec())).prop_map(|(b, f)| format!("{b}{f}"))
}

proptest! {
    #[test]
    fn tokens_are_sound_for_any_text(
        tokenizer in any_tokenizer(),
        text in r"[\PCäÄßéİIıa-z東京都かガｶﾞ서울\u{1100}-\u{11ff}\u{300}-\u{303}ไทย่หิन्दी公司北京大学 ]{0,40}",
    ) {
        let found = tokens(&tokenizer, &text);
        for pair in found.windows(2) {
            prop_assert!(pair[0].position <= pair[1].position, "{tokenizer}: {pair:?}");
            prop_assert!(pair[0].offset_from <= pair[1].offset_from, "{tokenizer}: {pair:?}");
        }
        for token in &found {
            prop_assert!(text.get(token.offset_from..token.offset_to).is_some(), "{tokenizer}: {token:?}");
        }
        // Nothing is kept between two texts.
        let mut analyzer = Analysis::parse(&tokenizer).unwrap().analyzer().unwrap();
        for _ in 0..2 {
            let mut again = Vec::new();
            analyzer.token_stream(&text).process(&mut |token| again.push(token.clone()));
            prop_assert_eq!(&again, &found);
        }
    }
}
