//! What a scene shows: one or two coloured shapes before a background, as words; `raster` draws it, `caption` says it.

use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

/// Declares an enum of words: every variant, its name in the corpus, and how a caption may call it.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $word:literal [$($other:literal),*]),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($variant),* }

        impl $name {
            /// All of them, in the order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The name in the corpus' field.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word),* }
            }

            /// The words of captions: the name and its synonyms.
            pub fn words(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$word, $($other),*]),* }
            }
        }
    };
}

words! {
    /// The kind of a shape.
    Kind {
        Circle = "circle" ["disc", "dot"],
        Square = "square" ["box"],
        Triangle = "triangle" ["wedge"],
        Star = "star" ["five-pointed star"],
        Cross = "cross" ["plus sign"],
        Ring = "ring" ["hoop", "doughnut"],
        Crescent = "crescent" ["moon", "crescent moon"],
        Heart = "heart" ["love heart"],
        Diamond = "diamond" ["rhombus", "lozenge"],
        Hexagon = "hexagon" ["six-sided tile"],
    }
}

words! {
    /// The colour of a shape.
    Color {
        Red = "red" ["crimson", "scarlet"],
        Orange = "orange" ["tangerine"],
        Yellow = "yellow" ["golden", "lemon"],
        Green = "green" ["emerald"],
        Teal = "teal" ["turquoise"],
        Blue = "blue" ["azure", "cobalt"],
        Purple = "purple" ["violet"],
        Pink = "pink" ["rose"],
        Brown = "brown" ["chocolate"],
    }
}

words! {
    /// The size of a shape.
    Size {
        Small = "small" ["tiny", "little"],
        Medium = "medium" ["medium-sized", "mid-sized"],
        Large = "large" ["big", "huge"],
    }
}

/// Where the main shape is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Left,
    Right,
    Top,
    Bottom,
    Centre,
}

impl Place {
    /// All of them.
    pub const ALL: &'static [Self] = &[Self::Left, Self::Right, Self::Top, Self::Bottom, Self::Centre];
}

words! {
    /// How a background is filled.
    Pattern {
        Plain = "plain" ["solid", "even"],
        Gradient = "gradient" ["fading", "shaded"],
        Striped = "striped" ["stripy", "lined"],
    }
}

words! {
    /// The main tone of a background.
    Tone {
        White = "white" ["snowy"],
        Black = "black" ["pitch-dark"],
        Grey = "grey" ["ash-coloured"],
        Cream = "cream" ["beige"],
        Navy = "navy" ["midnight"],
        Mint = "mint" ["pastel"],
    }
}

impl Color {
    /// Red, green, blue; before a picture's jitter.
    pub fn rgb(self) -> [u8; 3] {
        match self {
            Self::Red => [214, 40, 45],
            Self::Orange => [245, 133, 28],
            Self::Yellow => [246, 208, 40],
            Self::Green => [52, 160, 68],
            Self::Teal => [20, 168, 170],
            Self::Blue => [38, 98, 222],
            Self::Purple => [128, 58, 178],
            Self::Pink => [242, 122, 178],
            Self::Brown => [130, 82, 46],
        }
    }
}

impl Tone {
    /// Red, green, blue; before a picture's jitter.
    pub fn rgb(self) -> [u8; 3] {
        match self {
            Self::White => [248, 248, 246],
            Self::Black => [22, 22, 24],
            Self::Grey => [150, 152, 156],
            Self::Cream => [244, 230, 200],
            Self::Navy => [24, 34, 84],
            Self::Mint => [196, 234, 210],
        }
    }
}

impl Size {
    /// Radius of the shape, as a part of the picture's side.
    pub fn radius(self) -> f32 {
        match self {
            Self::Small => 0.095,
            Self::Medium => 0.155,
            Self::Large => 0.24,
        }
    }
}

impl Place {
    /// The centre of the shape, from the picture's centre, as a part of its side; y points down.
    pub fn offset(self) -> [f32; 2] {
        match self {
            Self::Left => [-0.25, 0.0],
            Self::Right => [0.25, 0.0],
            Self::Top => [0.0, -0.25],
            Self::Bottom => [0.0, 0.25],
            Self::Centre => [0.0, 0.0],
        }
    }

    /// The place on the other side of the picture.
    pub fn opposite(self) -> Self {
        match self {
            Self::Left => Self::Right,
            Self::Right => Self::Left,
            Self::Top => Self::Bottom,
            Self::Bottom => Self::Top,
            Self::Centre => Self::Centre,
        }
    }
}

/// One shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    pub kind: Kind,
    pub color: Color,
    pub size: Size,
}

/// One scene: what all its pictures and its caption have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    pub main: Shape,
    pub place: Place,
    /// A smaller shape of another kind and colour, at the opposite place.
    pub second: Option<Shape>,
    pub pattern: Pattern,
    pub tone: Tone,
}

/// How many scenes in a hundred have two shapes.
const PAIRS_PERCENT: u32 = 22;

impl Scene {
    /// A scene with a main shape of `kind`, the rest drawn from `rng`.
    pub fn random(kind: Kind, rng: &mut ChaCha8Rng) -> Self {
        let color = any(Color::ALL, rng);
        let pattern = any(Pattern::ALL, rng);
        let tone = any(Tone::ALL, rng);
        if rng.random_range(0..100) >= PAIRS_PERCENT {
            let main = Shape { kind, color, size: any(Size::ALL, rng) };
            return Self { main, place: any(Place::ALL, rng), second: None, pattern, tone };
        }
        // Invariant: the second shape is smaller, so that a picture has one main shape.
        let (size, second_size) =
            any(&[(Size::Medium, Size::Small), (Size::Large, Size::Small), (Size::Large, Size::Medium)], rng);
        let kinds: Vec<Kind> = Kind::ALL.iter().copied().filter(|&k| k != kind).collect();
        let colors: Vec<Color> = Color::ALL.iter().copied().filter(|&c| c != color).collect();
        let second = Shape { kind: any(&kinds, rng), color: any(&colors, rng), size: second_size };
        let place = any(&[Place::Left, Place::Right, Place::Top, Place::Bottom], rng);
        Self { main: Shape { kind, color, size }, place, second: Some(second), pattern, tone }
    }

    /// The `shape` field, the class of a document: "red circle".
    pub fn shape(&self) -> String {
        format!("{} {}", self.main.color.name(), self.main.kind.name())
    }

    /// The `background` field: "striped grey".
    pub fn background(&self) -> String {
        format!("{} {}", self.pattern.name(), self.tone.name())
    }
}

/// One of `all`, each as likely as the others.
///
/// # Panics
/// When `all` is empty; the callers' lists are constants.
pub(super) fn any<T: Copy>(all: &[T], rng: &mut ChaCha8Rng) -> T {
    *all.choose(rng).expect("a list of choices is not empty")
}
