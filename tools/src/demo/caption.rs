//! Says what a scene shows, in one of many ways: templates, synonyms, and now and then an attribute left out.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::scene::{Pattern, Place, Scene, Shape, Size, Tone, any};

/// The words chosen for one scene; `None` is left out.
struct Parts {
    /// "large red circle"
    main: String,
    /// The main shape's noun alone.
    noun: String,
    /// "small blue box"
    second: Option<String>,
    /// "on the left"
    place: Option<&'static str>,
    /// "on a striped grey background"
    ground: Option<String>,
}

/// A caption of `scene`: it always names the kind of each shape, and mostly colour, size, place and background.
pub fn caption(scene: &Scene, rng: &mut ChaCha8Rng) -> String {
    let parts = parts(scene, rng);
    let text = match &parts.second {
        Some(second) => pair(&parts, second, scene.place, rng),
        None => single(&parts, rng),
    };
    capital(&text)
}

fn parts(scene: &Scene, rng: &mut ChaCha8Rng) -> Parts {
    // Scenes have more to say than captions do, so that some captions fit several pictures.
    let missing = rng.random_range(0..100);
    let no_color = missing < 5;
    let no_ground = (5..45).contains(&missing);
    let no_place = (25..65).contains(&missing) || (scene.place == Place::Centre && missing > 85);
    let noun = any(scene.main.kind.words(), rng);
    Parts {
        main: shape(&scene.main, noun, no_color, rng),
        noun: noun.to_owned(),
        second: scene.second.as_ref().map(|second| {
            let noun = any(second.kind.words(), rng);
            shape(second, noun, false, rng)
        }),
        place: (!no_place && scene.second.is_none()).then(|| place(scene.place, rng)),
        ground: (!no_ground).then(|| ground(scene.pattern, scene.tone, rng)),
    }
}

fn shape(shape: &Shape, noun: &str, no_color: bool, rng: &mut ChaCha8Rng) -> String {
    let no_size = rng.random_bool(if shape.size == Size::Medium { 0.6 } else { 0.25 });
    let size = any(shape.size.words(), rng);
    let color = any(shape.color.words(), rng);
    match (no_size, no_color) {
        (false, false) => format!("{size} {color} {noun}"),
        (true, false) => format!("{color} {noun}"),
        (false, true) => format!("{size} {noun}"),
        (true, true) => noun.to_owned(),
    }
}

fn place(place: Place, rng: &mut ChaCha8Rng) -> &'static str {
    let ways: &[&'static str] = match place {
        Place::Left => &["on the left", "at the left", "on the left side", "to the left"],
        Place::Right => &["on the right", "at the right", "on the right side", "to the right"],
        Place::Top => &["at the top", "near the top", "in the upper part", "up at the top"],
        Place::Bottom => &["at the bottom", "near the bottom", "in the lower part", "down at the bottom"],
        Place::Centre => &["in the centre", "in the middle", "at the centre", "right in the middle"],
    };
    any(ways, rng)
}

fn ground(pattern: Pattern, tone: Tone, rng: &mut ChaCha8Rng) -> String {
    let tone = any(tone.words(), rng);
    let before = any(&["on", "against", "before", "over"], rng);
    let noun = any(&["background", "backdrop", "ground"], rng);
    let no_pattern = rng.random_bool(if pattern == Pattern::Plain { 0.5 } else { 0.25 });
    if no_pattern {
        return format!("{before} {} {noun}", article(tone));
    }
    match (pattern, rng.random_range(0..4)) {
        (Pattern::Striped, 0) => format!("{before} {tone} stripes"),
        (Pattern::Gradient, 0) => format!("{before} {} gradient", article(tone)),
        (Pattern::Plain, 0) => format!("{before} plain {tone}"),
        _ => format!("{before} {} {tone} {noun}", article(any(pattern.words(), rng))),
    }
}

fn single(parts: &Parts, rng: &mut ChaCha8Rng) -> String {
    let Parts { main, noun, place, ground, .. } = parts;
    let a_main = article(main);
    let after = |word: Option<&str>| word.map(|w| format!(" {w}")).unwrap_or_default();
    let there = after(*place);
    let on = after(ground.as_deref());
    match rng.random_range(0..9) {
        0 => format!("{a_main}{there}{}", on.replacen(' ', ", ", 1)),
        1 => format!("there is {a_main}{there}{on}."),
        2 => format!("{} {a_main}{there}{on}", any(&["a picture of", "a drawing of", "an image with"], rng)),
        3 => match place {
            Some(place) => format!("{a_main} {} {place}{on}.", any(&["sits", "rests", "is seen"], rng)),
            None => format!("{a_main} all alone{on}."),
        },
        4 => match ground {
            Some(ground) => format!("{ground}, {a_main}{there}"),
            None => format!("just {a_main}{there}"),
        },
        5 => match place {
            Some(place) => format!("{place}, {a_main}{on}"),
            None => format!("{a_main}{on}"),
        },
        6 => {
            // A note rather than a sentence.
            let mut words = vec![main.clone()];
            words.extend(place.map(str::to_owned));
            words.extend(ground.clone());
            words.join(", ")
        }
        7 => format!("we see {a_main}{there}, drawn{}", if on.is_empty() { " simply" } else { &on }),
        _ => match main.strip_suffix(noun.as_str()).map(str::trim_end) {
            Some(adjectives) if !adjectives.is_empty() => {
                format!("{}, {}{there}{on}", article(noun), adjectives.replacen(' ', " and ", 1))
            }
            _ => format!("{a_main}{there}{on}"),
        },
    }
}

fn pair(parts: &Parts, second: &str, place: Place, rng: &mut ChaCha8Rng) -> String {
    let (a_main, a_second) = (article(&parts.main), article(second));
    let on = parts.ground.as_ref().map(|g| format!(", {g}")).unwrap_or_default();
    let to_second = relation(place, rng);
    let to_main = relation(place.opposite(), rng);
    match rng.random_range(0..6) {
        0 => format!("{a_main} {to_second} {a_second}{on}"),
        1 => format!("{a_second} {to_main} {a_main}{on}"),
        2 => format!("there is {a_main} {to_second} {a_second}{on}."),
        3 => format!("{a_main} and {a_second}, the {} {to_second} the other{on}", parts.noun),
        4 => match &parts.ground {
            Some(ground) => format!("{ground}, {a_main} {to_second} {a_second}"),
            None => format!("two shapes: {a_main} {to_second} {a_second}"),
        },
        _ => format!("a picture of {a_main} {to_second} {a_second}{on}"),
    }
}

fn relation(place: Place, rng: &mut ChaCha8Rng) -> &'static str {
    let ways: &[&'static str] = match place {
        Place::Left => &["left of", "to the left of"],
        Place::Right => &["right of", "to the right of"],
        Place::Top => &["above", "higher than"],
        Place::Bottom => &["below", "under", "beneath"],
        Place::Centre => &["with"],
    };
    any(ways, rng)
}

/// "an orange disc". No word of the grammar has a silent h or a long u.
fn article(words: &str) -> String {
    let vowel = words.starts_with(['a', 'e', 'i', 'o', 'u']);
    format!("{} {words}", if vowel { "an" } else { "a" })
}

fn capital(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::demo::scene::Kind;

    fn captions(n: u64) -> Vec<(Scene, String)> {
        let one = |seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let scene = Scene::random(Kind::ALL[seed as usize % Kind::ALL.len()], &mut rng);
            let text = caption(&scene, &mut rng);
            (scene, text)
        };
        (0..n).map(one).collect()
    }

    fn names(text: &str, words: &[&str]) -> bool {
        let text = format!(" {} ", text.to_lowercase().replace([',', '.', ':'], " "));
        words.iter().any(|word| text.contains(&format!(" {word} ")))
    }

    #[test]
    fn every_caption_names_each_shape() {
        for (scene, text) in captions(3000) {
            assert!(names(&text, scene.main.kind.words()), "{text}");
            if let Some(second) = scene.second {
                assert!(names(&text, second.kind.words()), "{text}");
                assert!(names(&text, second.color.words()), "{text}");
            }
        }
    }

    #[test]
    fn attributes_are_mostly_but_not_always_named() {
        let all = captions(3000);
        let part = |test: &dyn Fn(&(Scene, String)) -> bool| {
            all.iter().filter(|one| test(one)).count() as f64 / all.len() as f64
        };
        let color = part(&|(scene, text)| names(text, scene.main.color.words()));
        let tone = part(&|(scene, text)| names(text, scene.tone.words()));
        let size = part(&|(scene, text)| names(text, scene.main.size.words()));
        assert!((0.93..0.99).contains(&color), "{color}");
        assert!((0.5..0.7).contains(&tone), "{tone}");
        assert!((0.5..0.75).contains(&size), "{size}");
    }

    #[test]
    fn captions_are_varied_and_tidy() {
        let all = captions(3000);
        let mut texts: Vec<&str> = all.iter().map(|(_, text)| text.as_str()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert!(texts.len() > 2700, "{} of 3000 differ", texts.len());
        for text in texts {
            assert!(!text.contains("  ") && !text.contains(" ,") && text.trim() == text, "{text:?}");
            assert!(
                !names(text, &["a orange", "a emerald", "a azure", "a even", "a ash-coloured"]),
                "{text}"
            );
            assert!(text.starts_with(|c: char| c.is_uppercase()), "{text}");
        }
    }
}
