//! `uncsm-index demo`: pictures are drawn or got, a model trained on a part of them, evaluated on the rest, and searched.

mod diary;
mod drawn;
mod page;
mod real;
mod show;

use std::path::Path;

use uncsm_index::{Error, ErrorCode, Result};

use self::diary::Diary;
use crate::Outcome;
use crate::args::{DemoArgs, Global};
use crate::demo::report::{QueryCard, render};
use crate::demo_args::Pictures;
use crate::output::Output;

const PAGE: &str = "report.html";
/// Says that the folder is a demo's.
const MARK: &str = ".uncsm-demo";

pub fn run(args: &DemoArgs, global: &Global, output: &Output) -> Result<Outcome> {
    check(args)?;
    let dir = &args.dir;
    refuse_foreign(dir)?;
    let mut diary = Diary::new(global);
    let show = match &args.pictures {
        Pictures::Drawn => {
            claim(dir)?;
            drawn::show(dir, &mut diary)?
        }
        Pictures::Openclipart => {
            let needs = real::Needs::of(args, global)?;
            claim(dir)?;
            real::openclipart(args, &needs, &mut diary)?
        }
        Pictures::Folder(folder) => {
            let show = real::of_folder(folder, args)?;
            claim(dir)?;
            show
        }
    };
    let (bundle, curves) = diary.step("train", |global| show.learn(dir, global))?;
    let report = diary.step("evaluate", |_| show.measure(&bundle))?;
    let index = diary.step("build", |global| show.build(&bundle, dir, global))?;
    let queries = diary.step("query", |_| show.query(&index))?;
    let page = dir.join(PAGE);
    let text = text(&diary, &queries, &page);
    let html = render(&page::report(diary.steps, queries, curves, &report, show));
    std::fs::write(&page, html).map_err(|e| Error::io(&page, e))?;
    output.print(&report, || text)?;
    Ok(Outcome::Done)
}

/// Flags that say nothing here are refused.
fn check(args: &DemoArgs) -> Result<()> {
    let foreign = |flag: &str, of: &str| {
        Err(Error::new(ErrorCode::BadArgument, format!("{flag} belongs to {of}"))
            .hint(format!("leave {flag} out, or name {of}")))
    };
    match (&args.pictures, args.limit) {
        (_, Some(0)) => {
            return Err(
                Error::new(ErrorCode::BadArgument, "--limit 0 takes no document").expected("at least 1")
            );
        }
        (Pictures::Drawn | Pictures::Folder(_), Some(_)) => {
            return foreign("--limit", "--pictures openclipart");
        }
        _ => {}
    }
    if args.pictures == Pictures::Drawn && !args.encoder.is_empty() {
        return foreign("--encoder", "--pictures openclipart or --pictures FOLDER");
    }
    Ok(())
}

/// A folder with other things in it is not written to.
fn refuse_foreign(dir: &Path) -> Result<()> {
    if !dir.exists() || dir.join(MARK).exists() {
        return Ok(());
    }
    let mut entries = std::fs::read_dir(dir).map_err(|e| Error::io(dir, e))?;
    if entries.next().is_none() {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Exists, "the folder holds other things than an earlier demo")
        .file(dir)
        .hint("name an empty or new folder with --dir"))
}

/// Makes the folder, and marks it as a demo's.
fn claim(dir: &Path) -> Result<()> {
    std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
    let mark = dir.join(MARK);
    std::fs::write(&mark, "The folder of a demo: the next one replaces what is here.\n")
        .map_err(|e| Error::io(&mark, e))
}

fn text(diary: &Diary<'_>, queries: &[QueryCard], page: &Path) -> String {
    let mut out: String = diary.lines.iter().map(|line| format!("{line}\n")).collect();
    for query in queries {
        let asked: Vec<&str> =
            [&query.text, &query.keywords].into_iter().flatten().map(String::as_str).collect();
        out += &format!("\n{} [{}] {}\n", query.title, query.kind, asked.join(" + "));
        for hit in query.hits.iter().take(3) {
            let p = hit.probability.map(|p| format!("p {p:.2}  ")).unwrap_or_default();
            out += &format!("  {}. {}  {p}{}\n", hit.rank, hit.id, hit.caption);
        }
    }
    out + &format!("\nOpen {} in a browser.\n", page.display())
}
