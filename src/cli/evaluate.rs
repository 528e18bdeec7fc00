//! `hornpipe evaluate`

use super::device::Device;
use super::output::tell;
use super::progress::Bar;
use super::{interrupt, load, output};
use crate::corpus::{Corpus, CorpusError, Tune, split_by};
use crate::judge::ngram::{ORDERS, fit};
use crate::train::{Evaluation, Quality, Snapshot};
use anyhow::{Context, Result, bail};
use serde::Serialize;
use std::ops::ControlFlow;
use std::path::PathBuf;

/// Measure a model's loss and accuracy on tunes.
///
/// On the tunes of the corpus that the model's own rule holds out (so never saw, if it was trained on this corpus);
/// with --all, or where the model held nothing out, on all of them. Every character is predicted once, with the objective that
/// the model was trained for.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    /// A checkpoint, or a run's folder.
    checkpoint: PathBuf,
    /// ABC files, folders of them, or - for standard input; none for the built-in tunes.
    corpus: Vec<PathBuf>,
    /// Evaluate on all tunes, not only on the held-out ones.
    #[arg(long)]
    all: bool,
    /// Also fit an interpolated Kneser-Ney character model to the tunes that are not held out, and compare. Its order, 3 to 30, is the one
    /// that predicts a tenth of those tunes best when the others are counted; the held-out tunes have no say in it.
    #[arg(long, conflicts_with = "all")]
    ngram: bool,
    /// Where the network runs: cpu, gpu, gpu:NUMBER or gpu:NAME (see `hornpipe bench devices`).
    #[arg(long, value_name = "DEVICE", default_value = "cpu", value_parser = super::device::parse)]
    device: Device,
    /// Threads to work on; 0 for all cores.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = super::train::threads)]
    threads: usize,
    /// One line of JSON instead of text.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    nats_per_char: f64,
    bits_per_char: f64,
    perplexity: f64,
    accuracy: f64,
    characters: usize,
    tunes: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    ngram: Option<Ngram>,
}

#[derive(Debug, Serialize)]
struct Ngram {
    /// Chosen on a tenth of the training tunes.
    order: usize,
    /// On the held-out tunes.
    nats_per_char: f64,
    /// On that tenth, for each order.
    tried: Vec<(usize, f64)>,
}

pub fn run(args: Args) -> Result<()> {
    let snapshot = load::snapshot(&args.checkpoint)?;
    let corpus = load::corpus(&args.corpus)?;
    let (tunes, others) = choose(&args, &snapshot, corpus)?;
    let encoded = snapshot.vocabulary.encode_tunes(&tunes).with_context(|| {
        format!("the corpus has characters that {} was not trained on", args.checkpoint.display())
    })?;
    let evaluation = Evaluation::new(&encoded, &snapshot.vocabulary, &snapshot.settings)?;
    let shape = (snapshot.settings.seq_len, snapshot.settings.batch_size);
    let (mut engine, _) = load::engine_on(&args.device, &snapshot, args.threads, shape)?;
    interrupt::catch("stopping")?;
    let bar = Bar::percent("evaluating");
    let quality = evaluation.run(engine.as_mut(), &mut |done| {
        bar.set(done);
        if interrupt::requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    bar.clear();
    if let Some(cause) = engine.failure() {
        bail!("{cause}; nothing was measured");
    }
    let Some(quality) = quality else { bail!("interrupted; nothing was measured") };
    let ngram = if args.ngram { Some(ngram(&snapshot, &encoded, &others)?) } else { None };
    report(&args, quality, evaluation.characters(), tunes.len(), ngram)
}

/// The tunes to evaluate on, and those that an n-gram model may be fitted to.
fn choose(args: &Args, snapshot: &Snapshot, corpus: Corpus) -> Result<(Vec<Tune>, Vec<Tune>)> {
    let settings = &snapshot.settings;
    let fraction = settings.validation_fraction;
    if args.all || fraction == 0.0 {
        if args.ngram {
            bail!("--ngram needs held-out tunes, and this model was trained with --validation-fraction 0");
        }
        if !args.all {
            tell!("the model was trained with --validation-fraction 0: evaluating on all tunes");
        }
        return Ok((corpus.tunes, Vec::new()));
    }
    let parts = split_by(settings.split_version, &corpus, settings.seed, fraction);
    match parts.check(fraction) {
        Ok(()) => Ok((parts.held_out, parts.train)),
        Err(CorpusError::EmptySplit { .. }) if !args.ngram && !parts.held_out.is_empty() => {
            Ok((parts.held_out, parts.train))
        }
        Err(error) => Err(error).context("use --all to evaluate on every tune"),
    }
}

fn ngram(snapshot: &Snapshot, held_out: &[Vec<u32>], others: &[Tune]) -> Result<Ngram> {
    let fitted = fit(&snapshot.vocabulary, others, None, snapshot.settings.seed)?;
    Ok(Ngram {
        order: fitted.model.order(),
        nats_per_char: fitted.model.score(held_out)?.per_character(),
        tried: fitted.tried.iter().map(|(order, score)| (*order, score.per_character())).collect(),
    })
}

fn report(
    args: &Args,
    quality: Quality,
    characters: usize,
    tunes: usize,
    ngram: Option<Ngram>,
) -> Result<()> {
    let report = Report {
        nats_per_char: quality.nats_per_char,
        bits_per_char: quality.bits_per_char(),
        perplexity: quality.perplexity(),
        accuracy: quality.accuracy,
        characters,
        tunes,
        ngram,
    };
    if args.json {
        return output::print_json(&report);
    }
    let mut text = format!(
        "{} characters of {tunes} tunes: {:.4} nats per character ({:.4} bits), perplexity {:.3}, accuracy {:.1} %\n",
        output::thousands(characters),
        report.nats_per_char,
        report.bits_per_char,
        report.perplexity,
        100.0 * report.accuracy,
    );
    if let Some(Ngram { order, nats_per_char, .. }) = &report.ngram {
        let (least, most) = (ORDERS.start(), ORDERS.end());
        let margin = nats_per_char - report.nats_per_char;
        let word = if margin >= 0.0 { "better" } else { "worse" };
        text += &format!(
            "Kneser-Ney of order {order} (of {least} to {most}, chosen on a tenth of the training tunes): {nats_per_char:.4} nats per character\n\
             the model is {:.4} nats {word}\n",
            margin.abs()
        );
    }
    output::print(&text)
}
