//! `hornpipe inspect trace`

use super::page;
use crate::checkpoint::write_atomically;
use crate::cli::output::{self, tell, thousands};
use crate::cli::progress::Bar;
use crate::cli::{generate, interrupt, load};
use crate::corpus::parse;
use crate::inspect::trace::Trace;
use crate::inspect::{Reading, Recorder};
use crate::train::Snapshot;
use anyhow::{Context, Result, bail};
use hornpipe_kernels::gemm::Gemm;
use std::fs;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// Write a page that shows what every unit does as the model reads a text.
///
/// One HTML file that opens in any browser and needs no network: the text coloured by any unit's state or gate, by surprise or by
/// confidence; the five likeliest characters at each place; heat maps over time. Without a text, the model writes one.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    /// A checkpoint, or a run's folder (its best model).
    checkpoint: PathBuf,
    /// The text that is read; \n is a line end.
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["file", "generate"])]
    text: Option<String>,
    /// A file with the text, or - for standard input. Tunes are read as train reads them: blank lines only between them.
    #[arg(long, value_name = "FILE", conflicts_with = "generate")]
    file: Option<PathBuf>,
    /// Read a tune that the model writes first (the default).
    #[arg(long)]
    generate: bool,
    /// Which tune it writes.
    #[arg(long, value_name = "S", default_value_t = 1, conflicts_with_all = ["text", "file"])]
    seed: u64,
    /// Read at most so many characters.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    length: u32,
    /// See only the last N characters, anew for each one (the default for many-to-one models, with their own length). 0 carries
    /// the state.
    #[arg(long, value_name = "N")]
    window: Option<usize>,
    /// The page.
    #[arg(short, long, value_name = "FILE", default_value = "trace.html")]
    output: PathBuf,
}

pub fn run(args: Args) -> Result<()> {
    let snapshot = load::snapshot(&args.checkpoint)?;
    let gemm = Gemm::detect()?;
    interrupt::catch("stopping; nothing is written")?;
    let mut text = text(&args, &snapshot)?;
    let length = args.length as usize;
    if text.len() > length {
        let (whole, part) = (thousands(text.len()), thousands(length));
        tell!("the text has {whole} characters, of which the first {part} are traced; --length N for more");
        text.truncate(length);
    }
    let reading = match generate::window(&snapshot, args.window) {
        Some(window) => Reading::Window(window),
        None => Reading::Carried,
    };
    let mut recorder = Recorder::new(gemm.isa(), &snapshot.model(), &snapshot.parameters);
    let size = page::size(Trace::size(&recorder, text.len()));
    if size > 50_000_000 {
        tell!("the page will have about {} MB; --length N makes it smaller", thousands(size / 1_000_000));
    }
    let bar = Bar::percent("reading");
    let trace = Trace::new(&mut recorder, &text, snapshot.vocabulary.newline(), reading, &mut |done| {
        bar.set(done);
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.clear();
    let note = match reading {
        Reading::Carried => String::new(),
        Reading::Window(window) => format!("; each character seen through a window of {window}"),
    };
    let title = format!("Hornpipe trace of {}", args.checkpoint.display());
    let page = page::html(&title, &note, &trace?, &snapshot.vocabulary);
    write_atomically(&args.output, page.as_bytes())
        .with_context(|| format!("cannot write {}", args.output.display()))?;
    output::print(&format!("{}\n", args.output.display()))
}

/// The text in the model's characters.
fn text(args: &Args, snapshot: &Snapshot) -> Result<Vec<u32>> {
    let text = match (&args.text, &args.file) {
        (Some(text), _) => text.replace("\\n", "\n"),
        (None, Some(path)) => read(path)?,
        (None, None) => {
            tell!("the model writes a tune (seed {})", args.seed);
            let (mut engine, _) = load::engine(snapshot, 1)?;
            generate::one(engine.as_mut(), snapshot, args.seed)?
        }
    };
    if text.is_empty() {
        bail!("the text is empty: there is nothing to trace");
    }
    snapshot
        .vocabulary
        .encode(&text)
        .with_context(|| format!("the text has characters that {} has never seen", args.checkpoint.display()))
}

/// The text of a file: of tunes, what a corpus keeps of them.
fn read(path: &Path) -> Result<String> {
    let stdin = path.as_os_str() == "-";
    let name = if stdin { "standard input".to_string() } else { path.display().to_string() };
    let mut bytes = Vec::new();
    if stdin {
        std::io::stdin().lock().read_to_end(&mut bytes).map(|_| ())
    } else {
        fs::read(path).map(|read| bytes = read)
    }
    .with_context(|| format!("cannot read {name}"))?;
    let tunes = bytes.starts_with(b"X:") || bytes.windows(3).any(|w| w == b"\nX:" || w == b"\rX:");
    if tunes {
        return Ok(parse(&name, &bytes)?.into_iter().map(|tune| tune.text).collect());
    }
    let text = String::from_utf8(bytes).with_context(|| format!("{name} is not UTF-8"))?;
    Ok(text.replace("\r\n", "\n").replace('\r', "\n"))
}
