//! `hornpipe inspect trace`

use super::page;
use super::text::TextArgs;
use crate::checkpoint::write_atomically;
use crate::cli::output::{self, tell, thousands};
use crate::cli::progress::Bar;
use crate::cli::{interrupt, load};
use crate::inspect::trace::Trace;
use crate::inspect::{Reading, Recorder};
use anyhow::{Context, Result};
use hornpipe_kernels::gemm::Gemm;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Write a page that shows what every unit does as the model reads a text.
///
/// One HTML file that opens in any browser and needs no network: the text coloured by any unit's state or gate, by surprise or by
/// confidence; the five likeliest characters at each place; heat maps over time. Without a text, the model writes one.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    #[command(flatten)]
    text: TextArgs,
    /// Read at most so many characters.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    length: u32,
    /// The page.
    #[arg(short, long, value_name = "FILE", default_value = "trace.html")]
    output: PathBuf,
}

pub fn run(args: Args) -> Result<()> {
    let snapshot = load::snapshot(&args.text.checkpoint)?;
    let gemm = Gemm::detect()?;
    interrupt::catch("stopping; nothing is written")?;
    let mut text = args.text.text(&snapshot)?;
    let length = args.length as usize;
    if text.len() > length {
        let (whole, part) = (thousands(text.len()), thousands(length));
        tell!("the text has {whole} characters, of which the first {part} are traced; --length N for more");
        text.truncate(length);
    }
    let reading = args.text.reading(&snapshot);
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
    let title = format!("Hornpipe trace of {}", args.text.checkpoint.display());
    let page = page::html(&title, &note, &trace?, &snapshot.vocabulary);
    write_atomically(&args.output, page.as_bytes())
        .with_context(|| format!("cannot write {}", args.output.display()))?;
    output::print(&format!("{}\n", args.output.display()))
}
