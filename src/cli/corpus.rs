//! `hornpipe corpus`

use super::{corpus_clean, corpus_split, load, output};
use crate::corpus::{composer, stats};
use anyhow::Result;
use std::path::PathBuf;

/// Look at a corpus, clean it, split it, or compose one.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Count tunes, characters, vocabulary, duplicates, keys, meters, rhythms and lengths.
    Stats(StatsArgs),
    Clean(corpus_clean::Args),
    Split(corpus_split::Args),
    Ngram(corpus_split::NgramArgs),
    /// Compose folk-like tunes by rules, as the built-in corpus was.
    ///
    /// The same seed gives the same tunes, and tune n does not depend on how many there are.
    /// The built-in corpus is `--tunes 400 --seed 1`.
    Compose(ComposeArgs),
}

#[derive(Debug, clap::Args)]
pub struct StatsArgs {
    /// ABC files, folders of them, or - for standard input; none for the built-in tunes.
    corpus: Vec<PathBuf>,
    /// One line of JSON instead of the table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct ComposeArgs {
    /// How many tunes.
    #[arg(long, value_name = "N", default_value_t = 400, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    tunes: u32,
    /// Which tunes.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Write here instead of to stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print the licence of composed tunes instead.
    #[arg(long)]
    licence: bool,
}

pub fn run(command: Command) -> Result<()> {
    match command {
        Command::Stats(args) => {
            let corpus = load::corpus(&args.corpus)?;
            let texts: Vec<&str> = corpus.tunes.iter().map(|tune| tune.text.as_str()).collect();
            let stats = stats::stats(&texts);
            if args.json { output::print_json(&stats) } else { output::print(&stats.to_string()) }
        }
        Command::Clean(args) => corpus_clean::run(args),
        Command::Split(args) => corpus_split::run(args),
        Command::Ngram(args) => corpus_split::ngram(args),
        Command::Compose(args) if args.licence => output::print(composer::BUILT_IN_LICENCE),
        Command::Compose(args) => {
            output::print_or_write(args.output.as_deref(), &composer::compose(args.tunes, args.seed))
        }
    }
}
