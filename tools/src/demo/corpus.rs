//! Writes the demo's corpus: pictures under `img/`, and `corpus.jsonl`.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use image::RgbImage;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde_json::{Value, json};
use uncsm_index::{Error, ErrorCode, Result};

use super::caption::caption;
use super::raster::draw;
use super::scene::{Kind, Scene};

/// Scenes between two calls of the progress function.
const CHUNK: usize = 64;
/// How many documents in a hundred have two pictures.
const TWO_PICTURES_PERCENT: u32 = 8;
/// One in so many documents outside the held-out ones is for validation.
const VALIDATION_EVERY: usize = 9;

/// What to generate.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// Documents in all, the held-out ones included.
    pub scenes: usize,
    /// Documents of the split `test`: the last ones.
    pub held_out: usize,
    /// The same seed gives the same bytes.
    pub seed: u64,
    /// Side of a picture, in pixels.
    pub size: u32,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self { scenes: 1800, held_out: 450, seed: 42, size: 96 }
    }
}

/// What was generated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DemoCorpus {
    /// The JSON Lines file.
    pub corpus: PathBuf,
    pub documents: usize,
    pub held_out: usize,
    /// Picture files; more than documents, since some documents have two.
    pub pictures: usize,
}

/// Generates a corpus in `dir`, which is created; files of the same names are replaced.
///
/// `progress` is told how many scenes are done. Costs about a millisecond per scene and core.
///
/// # Errors
/// [`ErrorCode::BadArgument`] for no scenes, as many held out as there are, or a picture side outside 16 to 1024; [`ErrorCode::Io`] when
/// a file cannot be written.
pub fn generate(dir: &Path, options: &DemoOptions, progress: &mut dyn FnMut(u64)) -> Result<DemoCorpus> {
    check(options)?;
    let pictures = dir.join("img");
    fs::create_dir_all(&pictures).map_err(|e| Error::io(&pictures, e))?;
    let mut lines = String::new();
    let mut count = 0;
    for start in (0..options.scenes).step_by(CHUNK) {
        let end = options.scenes.min(start + CHUNK);
        let documents: Vec<(Value, usize)> =
            (start..end).into_par_iter().map(|i| document(dir, options, i)).collect::<Result<_>>()?;
        for (line, pictures) in documents {
            lines.push_str(&line.to_string());
            lines.push('\n');
            count += pictures;
        }
        progress(end as u64);
    }
    let corpus = dir.join("corpus.jsonl");
    fs::write(&corpus, lines).map_err(|e| Error::io(&corpus, e))?;
    Ok(DemoCorpus { corpus, documents: options.scenes, held_out: options.held_out, pictures: count })
}

fn check(options: &DemoOptions) -> Result<()> {
    let bad = |message: &str| Error::new(ErrorCode::BadArgument, message);
    if options.scenes == 0 {
        return Err(bad("a corpus of no scenes").expected("at least one scene"));
    }
    if options.held_out >= options.scenes {
        return Err(bad("no scene is left to train on")
            .expected(format!("fewer than {} scenes held out", options.scenes))
            .got(options.held_out));
    }
    if !(16..=1024).contains(&options.size) {
        return Err(bad("a picture's side is out of range").expected("16 to 1024 pixels").got(options.size));
    }
    Ok(())
}

/// Writes the pictures of document `i`; its line, and how many pictures there are.
fn document(dir: &Path, options: &DemoOptions, i: usize) -> Result<(Value, usize)> {
    // A stream of its own for each scene: the bytes do not depend on threads, nor on how many scenes there are.
    let mut rng = ChaCha8Rng::seed_from_u64(options.seed);
    rng.set_stream(i as u64);
    let scene = Scene::random(Kind::ALL[i % Kind::ALL.len()], &mut rng);
    let text = caption(&scene, &mut rng);
    let pictures = if rng.random_range(0..100) < TWO_PICTURES_PERCENT { 2 } else { 1 };
    let id = format!("scene-{i:04}");
    let mut names = Vec::new();
    for number in 1..=pictures {
        let name = match pictures {
            1 => format!("img/{id}.png"),
            _ => format!("img/{id}-{number}.png"),
        };
        let path = dir.join(&name);
        let bytes = png(&draw(&scene, options.size, &mut rng))
            .map_err(|e| Error::new(ErrorCode::Io, "the picture cannot be encoded").file(&path).source(e))?;
        fs::write(&path, bytes).map_err(|e| Error::io(&path, e))?;
        names.push(name);
    }
    let split = match i {
        _ if i >= options.scenes - options.held_out => "test",
        _ if i % VALIDATION_EVERY == VALIDATION_EVERY - 1 => "val",
        _ => "train",
    };
    let mut line = json!({ "id": id, "text": text });
    match <[String; 1]>::try_from(names) {
        Ok([name]) => line["image"] = name.into(),
        Err(names) => line["images"] = names.into(),
    }
    line["category"] = scene.main.kind.name().into();
    line["color"] = scene.main.color.name().into();
    line["shape"] = scene.shape().into();
    line["background"] = scene.background().into();
    line["size"] = scene.main.size.name().into();
    line["split"] = split.into();
    Ok((line, pictures))
}

/// `picture` as a PNG file.
///
/// # Errors
/// What the encoder says; none is known for pictures of these sizes.
pub fn png(picture: &RgbImage) -> image::ImageResult<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_with_encoder(PngEncoder::new_with_quality(
        &mut bytes,
        CompressionType::Default,
        FilterType::Adaptive,
    ))?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::demo::scene::{Color, Tone};

    fn corpus(scenes: usize, held_out: usize, seed: u64) -> (tempfile::TempDir, DemoCorpus, Vec<Value>) {
        let dir = tempfile::tempdir().unwrap();
        let options = DemoOptions { scenes, held_out, seed, ..DemoOptions::default() };
        let made = generate(dir.path(), &options, &mut |_| {}).unwrap();
        let text = fs::read_to_string(&made.corpus).unwrap();
        let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (dir, made, lines)
    }

    fn pictures(line: &Value) -> Vec<&str> {
        match &line["images"] {
            Value::Array(names) => names.iter().map(|name| name.as_str().unwrap()).collect(),
            _ => vec![line["image"].as_str().unwrap()],
        }
    }

    /// All files below `dir`, by name.
    fn bytes(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let images = fs::read_dir(dir.join("img")).unwrap().map(|entry| entry.unwrap().path());
        let paths = images.chain([dir.join("corpus.jsonl")]);
        paths.map(|path| (path.strip_prefix(dir).unwrap().to_path_buf(), fs::read(&path).unwrap())).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let (a, ..) = corpus(150, 30, 7);
        let (b, ..) = corpus(150, 30, 7);
        let (c, ..) = corpus(150, 30, 8);
        assert!(bytes(a.path()) == bytes(b.path()));
        assert!(bytes(a.path()) != bytes(c.path()));
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let (d, ..) = one.install(|| corpus(150, 30, 7));
        assert!(bytes(a.path()) == bytes(d.path()));
    }

    #[test]
    fn counts_are_as_told() {
        let (dir, made, lines) = corpus(900, 225, 42);
        assert_eq!((made.documents, made.held_out, lines.len()), (900, 225, 900));
        let count = |key: &str, value: &str| lines.iter().filter(|line| line[key] == value).count();
        assert_eq!((count("split", "train"), count("split", "val"), count("split", "test")), (600, 75, 225));
        for kind in Kind::ALL {
            assert_eq!(count("category", kind.name()), 90, "{kind:?}");
        }
        let two = lines.iter().filter(|line| pictures(line).len() == 2).count();
        assert!((36..=110).contains(&two), "{two} documents of two pictures");
        assert_eq!(made.pictures, 900 + two);
        assert_eq!(bytes(dir.path()).len(), made.pictures + 1);
        for line in &lines {
            let names = pictures(line);
            let files: Vec<_> = names.iter().map(|name| fs::read(dir.path().join(name)).unwrap()).collect();
            assert!(files.len() == 1 || files[0] != files[1], "{} repeats a picture", line["id"]);
            for key in ["id", "text", "category", "color", "shape", "background", "size", "split"] {
                assert!(line[key].is_string(), "{key} in {line}");
            }
            let named = [&line["color"], &line["category"]].map(|value| value.as_str().unwrap());
            assert_eq!(line["shape"], named.join(" "));
        }
    }

    /// The field's colour is seen, and any other that is seen belongs to a second shape, which the caption names.
    #[test]
    fn pictures_show_the_named_colour_and_background() {
        let (dir, _, lines) = corpus(300, 60, 42);
        let distance = |a: [u8; 3], b: [u8; 3]| -> i32 {
            a.iter().zip(b).map(|(&a, b)| (i32::from(a) - i32::from(b)).pow(2)).sum()
        };
        for line in &lines {
            for name in pictures(line) {
                let picture = image::open(dir.path().join(name)).unwrap().to_rgb8();
                assert_eq!(picture.dimensions(), (96, 96));
                let near = |rgb: [u8; 3]| picture.pixels().filter(|p| distance(p.0, rgb) < 500).count();
                let shown: Vec<&Color> = Color::ALL.iter().filter(|color| near(color.rgb()) > 40).collect();
                assert!(shown.iter().any(|color| line["color"] == color.name()), "{name}: {shown:?}");
                assert!(shown.len() <= 2, "{name}: {shown:?}");
                let text = line["text"].as_str().unwrap().to_lowercase();
                for color in shown.iter().filter(|color| line["color"] != color.name()) {
                    assert!(
                        color.words().iter().any(|word| text.contains(word)),
                        "{name}: {color:?} in {text}"
                    );
                }
                let tone =
                    Tone::ALL.iter().find(|tone| line["background"].as_str().unwrap().ends_with(tone.name()));
                assert!(near(tone.unwrap().rgb()) > 300, "{name}: {}", line["background"]);
            }
        }
    }

    #[test]
    fn the_shape_is_where_the_scene_says() {
        use crate::demo::scene::{Pattern, Place, Shape, Size};
        for &place in Place::ALL {
            for &kind in Kind::ALL {
                let main = Shape { kind, color: Color::Red, size: Size::Medium };
                let scene = Scene { main, place, second: None, pattern: Pattern::Striped, tone: Tone::White };
                let mut rng = ChaCha8Rng::seed_from_u64(3);
                let picture = draw(&scene, 96, &mut rng);
                let red = |p: &image::Rgb<u8>| p.0[0] > 180 && p.0[1] < 80;
                let at: Vec<(u32, u32)> =
                    picture.enumerate_pixels().filter(|(.., p)| red(p)).map(|(x, y, _)| (x, y)).collect();
                assert!(at.len() > 150, "{kind:?} has {} pixels", at.len());
                let mean = |sum: u32| sum as f32 / at.len() as f32 / 96.0 - 0.5;
                let (x, y) = (mean(at.iter().map(|p| p.0).sum()), mean(at.iter().map(|p| p.1).sum()));
                let [dx, dy] = place.offset();
                // The mass of a crescent is beside its centre.
                assert!((x - dx).abs() < 0.15 && (y - dy).abs() < 0.08, "{kind:?} {place:?}: {x} {y}");
            }
        }
    }

    #[test]
    fn progress_rises_to_the_number_of_scenes() {
        let dir = tempfile::tempdir().unwrap();
        let mut seen = Vec::new();
        let options = DemoOptions { scenes: 130, held_out: 10, size: 16, ..DemoOptions::default() };
        generate(dir.path(), &options, &mut |done| seen.push(done)).unwrap();
        assert_eq!(seen, [64, 128, 130]);
    }

    #[test]
    fn bad_options_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let good = DemoOptions { scenes: 10, held_out: 2, ..DemoOptions::default() };
        let bad = [
            DemoOptions { scenes: 0, held_out: 0, ..good.clone() },
            DemoOptions { held_out: 10, ..good.clone() },
            DemoOptions { size: 15, ..good.clone() },
            DemoOptions { size: 1025, ..good.clone() },
        ];
        for options in bad {
            let error = generate(dir.path(), &options, &mut |_| {}).unwrap_err();
            assert_eq!(error.code(), ErrorCode::BadArgument, "{options:?}");
        }
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(generate(&file, &good, &mut |_| {}).is_err());
    }
}
