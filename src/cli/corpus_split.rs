//! `hornpipe corpus split` and `hornpipe corpus ngram`

use super::output::{self, tell};
use super::{interrupt, load};
use crate::corpus::benchmark::{self, Benchmark};
use crate::corpus::{Tune, Vocabulary, split};
use crate::judge::ngram::fit;
use crate::random::{Purpose, generator};
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use std::f64::consts::LN_2;
use std::fs;
use std::path::PathBuf;

/// Write the training and the held-out tunes of a corpus as files, as `train` splits them, or as a benchmark does.
///
/// The folder receives train.abc, held-out.abc and split.txt: a line for each tune, its side and the 64-bit FNV-1a hash of its text.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    /// ABC files, folders of them, or - for standard input; none for the built-in tunes.
    corpus: Vec<PathBuf>,
    /// The folder to write to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// The split of this benchmark; the corpus must have all of its tunes.
    #[arg(long, value_enum, value_name = "NAME", conflicts_with_all = ["validation_fraction", "seed"])]
    benchmark: Option<BenchmarkName>,
    /// The share of the tunes that is held out.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    validation_fraction: f64,
    /// Which tunes are held out.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum BenchmarkName {
    /// The Nottingham Music Database in the file that data/README.md names, 1,037 tunes.
    #[value(name = "hornpipe-nottingham-1")]
    Nottingham1,
}

pub fn run(args: Args) -> Result<()> {
    let corpus = load::corpus(&args.corpus)?;
    let (train, held_out) = match args.benchmark {
        Some(BenchmarkName::Nottingham1) => {
            let name = load::corpus_name(&args.corpus);
            let benchmark = Benchmark::nottingham_1();
            benchmark.split(&corpus).with_context(|| format!("{name} is not the benchmark's corpus"))?
        }
        None => {
            let parts = split(&corpus, args.seed, args.validation_fraction);
            parts.check(args.validation_fraction)?;
            (parts.train, parts.held_out)
        }
    };
    fs::create_dir_all(&args.out)
        .with_context(|| format!("cannot make the folder {}", args.out.display()))?;
    let text = |tunes: &[Tune]| tunes.iter().map(|tune| tune.text.as_str()).collect::<String>();
    for (name, text) in [
        ("train.abc", text(&train)),
        ("held-out.abc", text(&held_out)),
        ("split.txt", benchmark::list(&train, &held_out)),
    ] {
        let path = args.out.join(name);
        output::write(&path, text.as_bytes())?;
        tell!("wrote {}", path.display());
    }
    output::print(&format!("{} tunes to train on, {} held out\n", train.len(), held_out.len()))
}

/// Let a Kneser-Ney character model write tunes: what counting alone can do, to be judged beside a network's.
///
/// The model counts the training tunes, as `train` splits the corpus; its loss on the held-out ones is told first.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct NgramArgs {
    /// ABC files, folders of them, or - for standard input; none for the built-in tunes.
    corpus: Vec<PathBuf>,
    /// How many characters the model looks at, the next one counted in [default: from 3 to 30 what predicts a tenth of the training tunes best when the others are counted].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=30))]
    order: Option<u32>,
    /// How many tunes.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    tunes: u32,
    /// The share of the tunes that is held out from the model.
    #[arg(long, value_name = "SHARE", default_value_t = 0.1)]
    validation_fraction: f64,
    /// Which tunes are held out, and which come.
    #[arg(long, value_name = "S", default_value_t = 1)]
    seed: u64,
    /// Write here instead of to stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// The longest tune, in characters; no tune of a collection is half as long.
const LONGEST: usize = 20_000;

pub fn ngram(args: NgramArgs) -> Result<()> {
    let corpus = load::corpus(&args.corpus)?;
    let parts = split(&corpus, args.seed, args.validation_fraction);
    parts.check(args.validation_fraction)?;
    let vocabulary = Vocabulary::from_tunes(&corpus.tunes);
    let held_out = vocabulary.encode_tunes(&parts.held_out)?;
    interrupt::catch("stopping")?;
    let model = fit(&vocabulary, &parts.train, args.order.map(|order| order as usize), args.seed)?.model;
    let (order, nats) = (model.order(), model.score(&held_out)?.per_character());
    tell!(
        "order {order}: {nats:.4} nats ({:.4} bits) per character on {} held-out tunes",
        nats / LN_2,
        held_out.len()
    );
    let mut text = String::new();
    for tune in 0..args.tunes {
        if interrupt::requested() {
            bail!("interrupted; nothing was written");
        }
        let mut rng = generator(args.seed, Purpose::Sampling { tune });
        text += vocabulary.decode(&model.sample(&mut rng, LONGEST)).trim_end();
        text += "\n\n";
    }
    output::print_or_write(args.output.as_deref(), &text)
}
