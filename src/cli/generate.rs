//! `hornpipe generate`

use super::device::Device;
use super::generate_format::Format;
use super::output::{self, tell, thousands};
use super::progress::Bar;
use super::{interrupt, load};
use crate::abc::{Constraints, Key, Meter, fields};
use crate::corpus::{READ_LIMIT, decode, read_file};
use crate::generate::{Generated, Prime, Request, Sampling, best_of, generate, number_tunes};
use crate::judge::{Rating, Training, rate};
use crate::nn::Engine;
use crate::random::{Purpose, below, generator};
use crate::train::{Objective, Snapshot};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::hash::{BuildHasher, RandomState};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

/// Let a model write tunes.
///
/// A model trained many-to-many carries its state from character to character. One trained many-to-one, as in the
/// article, sees a window of its own length instead, recomputed for every character.
///
/// With --valid every tune passes `hornpipe abc check`: what would not lead to a readable tune with full bars and closed repeats
/// is never chosen, and the tune ends within --length. The model decides everything else.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    /// A checkpoint, or a run's folder (its best model).
    checkpoint: PathBuf,
    /// How many tunes, written side by side as one batch.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    tunes: u32,
    /// The most characters of one tune [default: 2000; more where --bars needs them].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    length: Option<u32>,
    /// How each tune begins; \n is a line end. One character is enough.
    #[arg(long, value_name = "TEXT")]
    prime: Option<String>,
    /// A file with the beginning of each tune.
    #[arg(long, value_name = "FILE", conflicts_with = "prime")]
    prime_file: Option<PathBuf>,
    /// Begin after a random window of this corpus, as the article does; the window itself is not printed.
    #[arg(long, value_name = "CORPUS", conflicts_with_all = ["prime", "prime_file"])]
    random_window: Option<PathBuf>,
    #[command(flatten)]
    valid: Valid,
    /// Write N tunes for each one asked for, and keep the best.
    ///
    /// A tune that ended comes before one that did not. Then one that is readable, with full bars and balanced repeats, comes before one with faults, and fewer
    /// faults before more. Of tunes without faults the best is judged by its likeness to the training tunes (pitch classes, intervals,
    /// durations), its form (bars that come again), its end (on the tonic) and how little of it is copied, in equal parts: see
    /// `hornpipe::judge::rate`; --json gives the numbers. Between equals the model's own probability decides. The training tunes are those that the run's folder names; without them
    /// likeness and copying are left out.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    best_of: u32,
    /// Always take the most probable character.
    #[arg(long, conflicts_with_all = ["temperature", "top_k", "top_p"])]
    greedy: bool,
    /// Below 1 safer, above 1 bolder.
    #[arg(long, value_name = "X", default_value_t = 0.7)]
    temperature: f32,
    /// Draw from the K most probable characters only.
    #[arg(long, value_name = "K")]
    top_k: Option<usize>,
    /// Draw from the most probable characters that together reach probability P.
    #[arg(long, value_name = "P")]
    top_p: Option<f32>,
    /// Which tunes: the same seed writes the same ones [default: another one each time; it is printed].
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// End each tune at its blank line (the default).
    #[arg(long, overrides_with = "no_until_end")]
    until_end: bool,
    /// Go on to --length, over the ends of tunes.
    #[arg(long)]
    no_until_end: bool,
    /// See only the last N characters, recomputed for each new one (the default for many-to-one models, with their own
    /// length). 0 carries the state.
    #[arg(long, value_name = "N")]
    window: Option<usize>,
    /// Write here instead of to stdout. Formats with a file for each tune take a folder (NAME/) for several, - for stdout.
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// What to make of the tunes.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Format::Abc, conflicts_with = "json")]
    format: Format,
    /// One line of JSON for all tunes instead of ABC.
    #[arg(long)]
    json: bool,
    /// Where the network runs: cpu, gpu, gpu:NUMBER or gpu:NAME (see `hornpipe bench devices`).
    #[arg(long, value_name = "DEVICE", default_value = "cpu", value_parser = super::device::parse)]
    device: Device,
    /// Threads to work on; 0 for all cores.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = super::train::threads)]
    threads: usize,
}

/// Tunes that are right by construction.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Valid tunes")]
struct Valid {
    /// Write only tunes that pass `hornpipe abc check`: readable, full bars, closed repeats, an end.
    #[arg(long, conflicts_with = "no_until_end")]
    valid: bool,
    /// The key: G, F#m, Ador, …
    #[arg(long, value_name = "KEY", requires = "valid")]
    key: Option<String>,
    /// The meter: 6/8, C, C|, …
    #[arg(long, value_name = "METER", requires = "valid")]
    meter: Option<String>,
    /// The rhythm: reel, jig, …
    #[arg(long, value_name = "RHYTHM", requires = "valid")]
    rhythm: Option<String>,
    /// The title.
    #[arg(long, value_name = "TITLE", requires = "valid")]
    title: Option<String>,
    /// So many bars, as they are played without repeats: pick-ups and second endings do not count.
    #[arg(long, value_name = "N", requires = "valid", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    bars: Option<u32>,
}

impl Valid {
    fn constraints(&self) -> Option<Constraints> {
        let Valid { valid, key, meter, rhythm, title, bars } = self;
        let constraints = Constraints {
            key: key.clone(),
            meter: meter.clone(),
            rhythm: rhythm.clone(),
            title: title.clone(),
            bars: *bars,
        };
        valid.then_some(constraints)
    }

    /// What is asked for must be what a given text says already.
    fn agree(&self, given: &str) -> Result<()> {
        let keys = |a: &str, b: &str| Key::parse(a) == Key::parse(b);
        let meters = |a: &str, b: &str| Meter::parse(a) == Meter::parse(b);
        let same = |a: &str, b: &str| a.trim() == b;
        type Same<'a> = &'a dyn Fn(&str, &str) -> bool;
        let asked: [(&str, char, &Option<String>, Same<'_>); 4] = [
            ("key", 'K', &self.key, &keys),
            ("meter", 'M', &self.meter, &meters),
            ("rhythm", 'R', &self.rhythm, &same),
            ("title", 'T', &self.title, &same),
        ];
        for (flag, name, asked, same) in asked {
            let other =
                fields(given, name).find(|text| asked.as_ref().is_some_and(|asked| !same(asked, text)));
            if let (Some(asked), Some(other)) = (asked, other) {
                bail!("--{flag} {asked}, but the given text says {name}:{other}; leave one of them out");
            }
        }
        Ok(())
    }
}

/// Characters that the models of this program take for a bar of music at most, chord symbols included.
const BAR: u32 = 64;

impl Args {
    fn length(&self) -> u32 {
        let bars = self.valid.bars.unwrap_or(0);
        self.length.unwrap_or_else(|| 2000.max(400 + BAR * bars))
    }

    /// The beginning of a valid tune must agree with the flags, and goes on behind its last line, whatever blank lines follow.
    fn given(&self, text: String) -> Result<String> {
        if !self.valid.valid {
            return Ok(text);
        }
        let text = text.replace("\r\n", "\n");
        self.valid.agree(&text)?;
        let line = if text.ends_with('\n') { "\n" } else { "" };
        Ok(format!("{}{line}", text.trim_matches('\n')))
    }
}

#[derive(Serialize)]
struct Report {
    seed: u64,
    characters_per_second: f64,
    tunes: Vec<Tune>,
}

#[derive(Serialize)]
struct Tune {
    text: String,
    prime_characters: usize,
    generated_characters: usize,
    ended: bool,
    /// The mean of ln p over the generated characters, where there were several tries.
    #[serde(skip_serializing_if = "Option::is_none")]
    log_probability: Option<f64>,
    /// What it was ranked by, where there were several tries.
    #[serde(skip_serializing_if = "Option::is_none")]
    rating: Option<Rating>,
}

/// A try, and what it is ranked by.
type Try = (Generated, Option<Rating>);

pub fn run(args: Args) -> Result<()> {
    args.format.check_output(args.output.as_deref(), args.tunes)?;
    let snapshot = load::snapshot(&args.checkpoint)?;
    // Randomness that only picks the seed; the seed is printed and decides everything else.
    let seed = args.seed.unwrap_or_else(|| RandomState::new().hash_one(0u8) % 1_000_000);
    let tries = args.best_of as usize;
    if args.tunes as usize * tries > 100_000 {
        bail!(
            "{} tunes, {tries} tries for each, are more than 100,000 together",
            thousands(args.tunes as usize)
        );
    }
    let request = Request {
        tunes: args.tunes as usize * tries,
        primes: vec![prime(&args, &snapshot, seed)?],
        length: args.length() as usize,
        until_end: !args.no_until_end,
        window: window(&snapshot, args.window),
        sampling: Sampling {
            greedy: args.greedy,
            temperature: args.temperature,
            top_k: args.top_k,
            top_p: args.top_p,
        },
        valid: args.valid.constraints(),
        scored: tries > 1,
        seed,
    };
    // A wrong flag is told before threads are started.
    request.validate(snapshot.vocabulary.len())?;
    let training = if tries > 1 { training_tunes(&args, &snapshot) } else { None };
    let shape = (request.window.unwrap_or(1), request.tunes);
    let (mut engine, _) = load::engine_on(&args.device, &snapshot, args.threads, shape)?;
    interrupt::catch("stopping; what there is so far is written")?;
    let began = Instant::now();
    let most = request.tunes * request.length;
    let bar = Bar::told("generating");
    let tunes = generate(engine.as_mut(), &snapshot.vocabulary, &request, &mut |characters| {
        if began.elapsed().as_secs_f64() > 2.0 {
            bar.say(characters as f64 / most as f64, || {
                let rate = characters as f64 / began.elapsed().as_secs_f64();
                format!("{} characters, {} characters/s", thousands(characters), thousands(rate as usize))
            });
        }
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.clear();
    if let Some(cause) = engine.failure() {
        bail!("{cause}; nothing was written");
    }
    let tunes = tunes?;
    let seconds = began.elapsed().as_secs_f64();
    let characters: usize = tunes.iter().map(|tune| tune.generated).sum();
    let speed = characters as f64 / seconds;
    let rated = |tune: Generated| {
        let rating = if tries > 1 { rate(&tune.text, training.as_ref()) } else { None };
        (tune, rating)
    };
    // As `--best-of` says in its help.
    let rank = |(tune, rating): &Try| {
        let total = rating.as_ref().map_or(0.0, |rating| rating.total);
        (tune.ended, total, tune.log_probability)
    };
    let tunes: Vec<Try> = best_of(tunes.into_iter().map(rated), tries, rank);
    // What was written is not lost: the seed brings it back.
    write(&args, seed, speed, tunes).with_context(|| format!("with --seed {seed}"))?;
    tell!(
        "seed {seed}: {} characters in {seconds:.2} s, {} characters/s",
        thousands(characters),
        thousands(speed as usize)
    );
    Ok(())
}

/// What tries are compared with, where the run's folder leads to it.
fn training_tunes(args: &Args, snapshot: &Snapshot) -> Option<Training> {
    match load::tunes_of_run(&args.checkpoint, snapshot, &[]) {
        Ok((parts, _)) => Some(Training::new(&parts.train)),
        Err(error) => {
            tell!("--best-of ranks without the training tunes: {error:#}");
            None
        }
    }
}

fn write(args: &Args, seed: u64, characters_per_second: f64, tunes: Vec<Try>) -> Result<()> {
    if !args.json {
        let text = number_tunes(tunes.iter().map(|(tune, _)| &tune.text));
        return args.format.write(args.output.as_deref(), &text);
    }
    let tunes = tunes
        .into_iter()
        .map(|(tune, rating)| Tune {
            text: tune.text,
            prime_characters: tune.prime_characters,
            generated_characters: tune.generated,
            ended: tune.ended,
            log_probability: tune.log_probability,
            rating,
        })
        .collect();
    let report = serde_json::to_string(&Report { seed, characters_per_second, tunes })?;
    output::print_or_write(args.output.as_deref(), &format!("{report}\n"))
}

/// What stands before the first generated character.
fn prime(args: &Args, snapshot: &Snapshot, seed: u64) -> Result<Prime> {
    let vocabulary = &snapshot.vocabulary;
    let encode = |text: &str| {
        let text = text.replace("\r\n", "\n");
        vocabulary.encode(&text).context("cannot begin with the prime")
    };
    if let Some(text) = &args.prime {
        return Ok(Prime::Text(encode(&args.given(text.replace("\\n", "\n"))?)?));
    }
    if let Some(path) = &args.prime_file {
        let (name, bytes) = read_file(path, READ_LIMIT)?;
        return Ok(Prime::Text(encode(&args.given(decode(&name, &bytes)?.to_string())?)?));
    }
    if let Some(path) = &args.random_window {
        let corpus = load::corpus(std::slice::from_ref(path))?;
        let text: Vec<u32> = vocabulary.encode_tunes(&corpus.tunes)?.concat();
        let length = window(snapshot, args.window).unwrap_or(snapshot.settings.seq_len);
        let Some(places) = text.len().checked_sub(length).filter(|&places| places > 0) else {
            bail!("{} has {} characters and the window needs more than {length}", path.display(), text.len());
        };
        let bound = u32::try_from(places).context("the corpus is too large for a random window")?;
        let at = below(&mut generator(seed, Purpose::SeedWindow), bound) as usize;
        return Ok(Prime::Context(text[at..at + length].to_vec()));
    }
    Ok(default_prime(snapshot))
}

/// The model's own seed window, or a fresh tune.
fn default_prime(snapshot: &Snapshot) -> Prime {
    if snapshot.seed_window.is_empty() { Prime::Start } else { Prime::Context(snapshot.seed_window.clone()) }
}

/// The window that is asked for, else the one that the model was trained with; 0 means none.
pub fn window(snapshot: &Snapshot, asked: Option<usize>) -> Option<usize> {
    let own = match snapshot.settings.objective {
        Objective::ManyToOne => snapshot.settings.seq_len,
        Objective::ManyToMany => 0,
    };
    Some(asked.unwrap_or(own)).filter(|&n| n > 0)
}

/// One tune with the defaults, as `train` prints at its end.
pub fn sample(engine: &mut dyn Engine, snapshot: &Snapshot, seed: u64) -> Result<String> {
    Ok(number_tunes([&one(engine, snapshot, seed)?]))
}

/// The text of one tune with the defaults.
pub fn one(engine: &mut dyn Engine, snapshot: &Snapshot, seed: u64) -> Result<String> {
    let request = Request {
        tunes: 1,
        primes: vec![default_prime(snapshot)],
        length: 2000,
        until_end: true,
        window: window(snapshot, None),
        sampling: Sampling { greedy: false, temperature: 0.7, top_k: None, top_p: None },
        valid: None,
        scored: false,
        seed,
    };
    let heard =
        &mut |_| if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let tunes = generate(engine, &snapshot.vocabulary, &request, heard)?;
    Ok(tunes.into_iter().map(|tune| tune.text).collect())
}
