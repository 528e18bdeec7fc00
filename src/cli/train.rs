//! `hornpipe train`

#[cfg(all(test, feature = "gpu"))]
mod tests;

use super::device::{Device, Wanted};
use super::host::Host;
use super::output::{self, duration, tell, thousands};
use super::progress::{Bar, Pace};
use super::run_folder::{BEST, LAST, RunFile, RunFolder};
use super::train_flags::{Flags, PresetName};
use super::train_watch::{GradientWatch, WatchName};
use super::{generate, interrupt, load, memory, summary};
use crate::checkpoint::Checkpoint;
use crate::corpus::Corpus;
use crate::nn::{Engine, Parameters};
use crate::train::{
    Augment, Control, Data, EpochMetrics, Observer, Outcome, Quality, Settings, Snapshot, StepInfo,
    TrainError, Trainer,
};
use anyhow::{Context, Result, anyhow, bail};
use hornpipe_kernels::gemm::Gemm;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Train a model on ABC tunes, and let it write one.
///
/// Without a corpus it trains on 400 built-in tunes. The run's folder receives last.hornpipe and best.hornpipe (checkpoints),
/// metrics.csv, loss.svg and run.json. Ctrl-C saves and ends; --resume goes on, bit for bit.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    /// ABC files, folders of them, or - for standard input; none for the built-in tunes.
    corpus: Vec<PathBuf>,
    /// The defaults of all settings [default: folk].
    #[arg(long, value_enum)]
    preset: Option<PresetName>,
    #[command(flatten)]
    flags: Flags,
    /// Stop at a step after so many minutes; a checkpoint is saved and --resume goes on. Does not change the schedule.
    #[arg(long, value_name = "MINUTES", value_parser = minutes)]
    max_minutes: Option<f64>,
    /// Where the network runs: cpu, gpu, gpu:NUMBER or gpu:NAME (see `hornpipe bench devices`). The checkpoints are
    /// the same files: --resume may go on elsewhere. The tune at the end, and what --watch measures, come from the CPU.
    #[arg(long, value_name = "DEVICE", default_value = "cpu", value_parser = super::device::parse)]
    device: Device,
    /// Threads to work on; 0 for all cores. Changes the time, never the result.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = threads)]
    threads: usize,
    /// Seconds from one save of last.hornpipe to the next.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    save_every: u64,
    /// Measure something more at each epoch's end: further columns of metrics.csv, and a picture. Changes no result.
    #[arg(long, value_enum, value_name = "WHAT")]
    watch: Option<WatchName>,
    /// The run's folder [default: a dated name under runs/].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with the run in this folder. Only --device, --threads, --max-minutes, --save-every, --watch and --out may be given with it; the
    /// corpus is the run's own, unless it has moved and is named again.
    #[arg(long, value_name = "DIR", conflicts_with = "init_from")]
    resume: Option<PathBuf>,
    /// Begin with the weights and the vocabulary of this checkpoint and a fresh optimiser (fine-tuning).
    #[arg(long, value_name = "CHECKPOINT")]
    init_from: Option<PathBuf>,
    /// Print one line of JSON at the end instead of the tune alone.
    #[arg(long)]
    json: bool,
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "not a number".to_string())?;
    // Twenty years; clocks do not count much further.
    let allowed = minutes > 0.0 && minutes <= 1e7;
    if allowed { Ok(minutes) } else { Err("must be above 0 and at most 10000000".to_string()) }
}

pub fn threads(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n @ 0..=1024) => Ok(n),
        _ => Err("must be from 0 (all cores) to 1024".to_string()),
    }
}

/// What `--json` prints.
#[derive(Serialize)]
struct Report {
    folder: PathBuf,
    outcome: &'static str,
    epochs: u32,
    steps: u64,
    best_epoch: Option<u32>,
    best_nats_per_char: Option<f64>,
    seconds: f64,
    tune: Option<String>,
}

pub fn run(args: Args) -> Result<()> {
    interrupt::catch("stopping after this step and saving")?;
    let gemm = Gemm::detect()?;
    let (mut trainer, mut folder, corpus) = match &args.resume {
        Some(from) => resume(&args, from, gemm)?,
        None => begin(&args, gemm)?,
    };
    announce(&trainer, &folder, &corpus, gemm);
    folder.describe(&RunFile {
        version: env!("CARGO_PKG_VERSION").to_string(),
        corpus,
        settings: trainer.settings().clone(),
        threads: args.threads,
        started: chrono::Local::now().format("%Y-%m-%d %H:%M:%S").to_string(),
        host: Some(Host::of(gemm)),
    })?;
    let gradients = args.watch.map(|WatchName::Gradients| GradientWatch::new(&trainer, gemm, args.threads));
    let outcome = train(&args, &mut trainer, &mut folder, gradients.transpose()?)?;
    folder.save(LAST, &checkpoint(&trainer, &folder)?)?;
    if trainer.progress().best.is_none() || !folder.path().join(BEST).exists() {
        // No epoch is over yet, so what there is is the best there is.
        folder.save(BEST, &checkpoint(&trainer, &folder)?)?;
    }
    finish(&args, &trainer, &folder, outcome)
}

/// Trains until something ends it. What went wrong is told with the checkpoint that is left.
fn train(
    args: &Args,
    trainer: &mut Trainer,
    folder: &mut RunFolder,
    gradients: Option<GradientWatch>,
) -> Result<Outcome> {
    let mut watch = Watch::new(args, folder, gradients);
    let result = trainer.run(&mut watch);
    watch.bar.clear();
    result.map_err(|error| match error {
        TrainError::Observer(error) => error,
        // The loss on held-out tunes tells late: last.hornpipe may have been saved since.
        TrainError::HeldOutNotFinite { .. } => anyhow!("{error}; {}", kept(folder, BEST)),
        _ => anyhow!("{error}; {}", kept(folder, LAST)),
    })
}

/// A run from its beginning.
fn begin(args: &Args, gemm: Gemm) -> Result<(Trainer, RunFolder, Vec<PathBuf>)> {
    let base = args.init_from.as_deref().map(load::snapshot).transpose()?;
    let preset = args.preset.unwrap_or(PresetName::Folk).preset();
    let mut settings = args.flags.settings(preset, base.as_ref())?;
    let corpus = load::corpus(&args.corpus)?;
    let data = Data::new(&corpus, &settings, base.as_ref().map(|base| base.vocabulary.clone()))?;
    if args.flags.leaves_length_open() {
        settings.epochs = preset.epochs(data.source.batches(settings.seed, 0));
    }
    settings.shard_rows = args.flags.usual_shard_rows(&settings, data.vocabulary.len());
    let model = settings.model(data.vocabulary.len());
    fits(args, &settings, data.vocabulary.len(), memory::SMALLER)?;
    let parameters = match base {
        Some(base) => base.parameters,
        None => settings.init.parameters(&model, settings.seed),
    };
    let engine = engine(args, &settings, parameters, data.vocabulary.len(), gemm)?;
    let folder = RunFolder::create(args.out.as_deref())?;
    // `--resume` finds the corpus from any folder.
    let absolute = |path: &PathBuf| match path.as_os_str() == "-" {
        true => path.clone(),
        false => std::path::absolute(path).unwrap_or_else(|_| path.clone()),
    };
    let corpus = args.corpus.iter().map(absolute).collect();
    Ok((Trainer::new(settings, data, engine), folder, corpus))
}

/// A run that goes on.
fn resume(args: &Args, from: &Path, gemm: Gemm) -> Result<(Trainer, RunFolder, Vec<PathBuf>)> {
    if !args.flags.is_empty() || args.preset.is_some() {
        bail!(
            "--resume goes on with the run's own settings; only --device, --threads, --max-minutes, --save-every, --watch and --out may be given with it"
        );
    }
    let paths =
        if args.corpus.is_empty() { RunFolder::description(from)?.corpus } else { args.corpus.clone() };
    if args.corpus.is_empty() && paths.iter().any(|path| path.as_os_str() == "-") {
        bail!(
            "the run in {} read its corpus from standard input; give that corpus again, as a file or as -",
            from.display()
        );
    }
    let path = from.join(LAST);
    let snapshot = Snapshot::from_checkpoint(&Checkpoint::load(&path)?)
        .with_context(|| format!("cannot resume from {}", path.display()))?;
    let advice = "a run keeps its sizes: resume it on a machine with more";
    fits(args, &snapshot.settings, snapshot.vocabulary.len(), advice)?;
    let corpus: Corpus = load::corpus(&paths)?;
    let data = Data::new(&corpus, &snapshot.settings, Some(snapshot.vocabulary.clone()))
        .with_context(|| format!("cannot resume {} with {}", from.display(), load::corpus_name(&paths)))?;
    snapshot
        .progress
        .check(&data)
        .with_context(|| format!("cannot resume {} with {}", from.display(), load::corpus_name(&paths)))?;
    let folder = RunFolder::resume(from, args.out.as_deref(), &snapshot)?;
    folder.write_metrics()?;
    let parameters = snapshot.parameters.zeros_like();
    let engine = engine(args, &snapshot.settings, parameters, data.vocabulary.len(), gemm)?;
    let trainer = Trainer::resume(snapshot, data, engine, folder.seconds())?;
    Ok((trainer, folder, paths))
}

/// # Errors
/// Where this machine has no memory for such a run.
fn fits(args: &Args, settings: &Settings, vocabulary: usize, advice: &str) -> Result<()> {
    let (model, batch) = (settings.model(vocabulary), (settings.seq_len, settings.batch_size));
    memory::check(&args.device, &model, settings.optimizer, batch, settings.shard_rows, advice)
}

/// The engine that trains.
fn engine(
    args: &Args,
    settings: &Settings,
    parameters: Parameters,
    vocabulary: usize,
    gemm: Gemm,
) -> Result<Box<dyn Engine>> {
    let shape = (settings.seq_len, settings.batch_size);
    args.device.engine(Wanted { settings, vocabulary, parameters, gemm, threads: args.threads, shape })
}

/// This moment of a run, to be saved; what an engine that has failed meanwhile says is not.
fn checkpoint(trainer: &Trainer, folder: &RunFolder) -> Result<Checkpoint> {
    let checkpoint = trainer.snapshot().to_checkpoint();
    match trainer.engine().failure() {
        Some(cause) => bail!("{cause}; {}", kept(folder, LAST)),
        None => Ok(checkpoint),
    }
}

/// Where a run that failed can go on.
fn kept(folder: &RunFolder, name: &str) -> String {
    let path = folder.path().join(name);
    if path.exists() {
        format!("the last good checkpoint is {}", path.display())
    } else {
        "no checkpoint was saved yet".to_string()
    }
}

/// Says what is about to happen.
fn announce(trainer: &Trainer, folder: &RunFolder, corpus: &[PathBuf], gemm: Gemm) {
    let (settings, data) = (trainer.settings(), trainer.data());
    tell!("{}", summary::table(settings, data.vocabulary.len()).trim_end());
    let ((train, held_out), (characters, held_out_characters)) = (data.tunes, data.characters);
    let mut line = format!(
        "{}: {train} tunes to train on ({} predictions an epoch)",
        load::corpus_name(corpus),
        thousands(characters)
    );
    if held_out > 0 {
        line += &format!(", {held_out} held out ({} characters)", thousands(held_out_characters));
    }
    tell!("{line}");
    if settings.augment == Augment::Transpose {
        tell!("each epoch has each tune in one of its keys: {} in all", thousands(data.versions));
    }
    if data.duplicates > 0 {
        tell!("{} duplicate tunes were removed", data.duplicates);
    }
    let progress = trainer.progress();
    if progress.step > 0 {
        tell!("resuming after step {} of {}", progress.step, progress.total_steps);
    }
    tell!("kernels: {}; seed {}; writing to {}", gemm.isa(), settings.seed, folder.path().display());
}

/// Prints, saves, and decides when to stop.
struct Watch<'a> {
    folder: &'a mut RunFolder,
    bar: Bar,
    pace: Pace,
    last_save: Instant,
    save_every: Duration,
    deadline: Option<Instant>,
    evaluation_began: Option<Instant>,
    estimated: bool,
    gradients: Option<GradientWatch>,
}

impl<'a> Watch<'a> {
    fn new(args: &Args, folder: &'a mut RunFolder, gradients: Option<GradientWatch>) -> Self {
        let mut pace = Pace::default();
        pace.start();
        Watch {
            folder,
            bar: Bar::told("training"),
            pace,
            last_save: Instant::now(),
            save_every: Duration::from_secs(args.save_every),
            deadline: args.max_minutes.map(|m| Instant::now() + Duration::from_secs_f64(60.0 * m)),
            evaluation_began: None,
            estimated: false,
            gradients,
        }
    }

    /// Evaluations that are still to come, where an epoch has so many batches.
    fn evaluations(trainer: &Trainer, batches: u64) -> u32 {
        let (settings, progress) = (trainer.settings(), trainer.progress());
        match (&trainer.data().held_out, settings.steps) {
            (None, _) => 0,
            (Some(_), None) => settings.epochs.saturating_sub(progress.epoch),
            (Some(_), Some(_)) => {
                let left = progress.total_steps.saturating_sub(progress.step);
                u32::try_from(left.div_ceil(batches.max(1))).unwrap_or(u32::MAX)
            }
        }
    }

    /// Once a few steps are done: how long an epoch and the run will take.
    fn estimate(&mut self, trainer: &Trainer, batches: u64) {
        if self.estimated || self.pace.steps() < 5 {
            return;
        }
        self.estimated = true;
        let left = trainer.progress().total_steps.saturating_sub(trainer.progress().step);
        if let (Some(epoch), Some(run)) = (self.pace.estimate(batches, 0), self.pace.estimate(left, 0)) {
            self.bar.line(&format!("about {} an epoch, {} to go", duration(epoch), duration(run)));
        }
    }
}

impl Observer for Watch<'_> {
    type Error = anyhow::Error;

    fn step(&mut self, trainer: &Trainer, info: StepInfo) -> Result<Control> {
        self.pace.step();
        self.evaluation_began = None;
        let (done, batches) = info.batch;
        self.estimate(trainer, batches);
        let progress = trainer.progress();
        let share = progress.step as f64 / progress.total_steps.max(1) as f64;
        let quality = Quality::from(progress.loss_sums());
        self.bar.say(share, || {
            let characters = trainer.data().characters.0 as f64 / batches as f64;
            let left = progress.total_steps.saturating_sub(progress.step);
            format!(
                "epoch {} step {done}/{batches}, loss {:.3}, accuracy {:.1} %, {}, {}",
                progress.epoch + 1,
                quality.nats_per_char,
                100.0 * quality.accuracy,
                self.pace.rate(characters),
                self.pace.to_go(left, Self::evaluations(trainer, batches)),
            )
        });
        if self.last_save.elapsed() >= self.save_every && trainer.is_sound() {
            self.folder.save(LAST, &checkpoint(trainer, self.folder)?)?;
            self.last_save = Instant::now();
            self.pace.start();
        }
        let late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        Ok(if late || interrupt::requested() { Control::Stop } else { Control::Continue })
    }

    fn evaluating(&mut self, _: f64) -> Control {
        self.evaluation_began.get_or_insert_with(Instant::now);
        if interrupt::requested() { Control::Stop } else { Control::Continue }
    }

    fn epoch(&mut self, trainer: &Trainer, metrics: EpochMetrics, best: bool) -> Result<Control> {
        if let Some(began) = self.evaluation_began.take() {
            self.pace.evaluation(began.elapsed().as_secs_f64());
        }
        if let Some(gradients) = &mut self.gradients {
            gradients.measure(trainer, metrics.epoch, self.folder)?;
        }
        let checkpoint = checkpoint(trainer, self.folder)?;
        // last.hornpipe comes last: killed between two of these, a run that goes on does this epoch's end again.
        if best {
            self.folder.save(BEST, &checkpoint)?;
        }
        self.folder.add(metrics)?;
        self.folder.save(LAST, &checkpoint)?;
        self.last_save = Instant::now();
        let describe = |q: Quality| {
            format!(
                "{:.4} nats, {:.4} bits, perplexity {:.3}, accuracy {:.1} %",
                q.nats_per_char,
                q.bits_per_char(),
                q.perplexity(),
                100.0 * q.accuracy
            )
        };
        let mut line = format!("epoch {:>2}  training {}", metrics.epoch, describe(metrics.training));
        if let Some(quality) = metrics.held_out {
            line += &format!("  held out {}", describe(quality));
        }
        line += &format!("  {}{}", duration(metrics.seconds), if best { "  best" } else { "" });
        self.bar.line(&line);
        self.pace.start();
        let late = self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        Ok(if late || interrupt::requested() { Control::Stop } else { Control::Continue })
    }
}

/// Says how the run ended and lets the best model write a tune.
fn finish(args: &Args, trainer: &Trainer, folder: &RunFolder, outcome: Outcome) -> Result<()> {
    let progress = trainer.progress();
    let name = folder.path().display();
    let outcome = match outcome {
        Outcome::Finished => "finished",
        Outcome::OutOfPatience => {
            tell!("the loss has not improved for {} epochs", trainer.settings().patience.unwrap_or(0));
            "out-of-patience"
        }
        Outcome::Stopped => {
            tell!("stopped after step {} of {}; go on with", progress.step, progress.total_steps);
            tell!("    hornpipe train --resume {name}");
            tell!("or hear it as it is: hornpipe generate {name}");
            "stopped"
        }
    };
    if let Some((loss, epoch)) = progress.best {
        let seconds = duration(trainer.seconds());
        tell!("best: epoch {epoch} with {loss:.4} nats per character; trained for {seconds}");
    }
    if !interrupt::requested() {
        interrupt::now("the training is saved; cutting the tune short");
        tell!("the best model writes a tune");
    }
    let tune = if interrupt::requested() { None } else { Some(tune(args, folder, trainer.settings())?) };
    if let Some(tune) = &tune {
        let path = folder.path().join("tune.abc");
        output::print_or_write(Some(&path), tune)?;
        tell!("more of them: hornpipe generate {}\n", folder.path().join(BEST).display());
    }
    if args.json {
        return output::print_json(&Report {
            folder: folder.path().to_path_buf(),
            outcome,
            epochs: progress.epoch,
            steps: progress.step,
            best_epoch: progress.best.map(|b| b.1),
            best_nats_per_char: progress.best.map(|b| b.0),
            seconds: trainer.seconds(),
            tune,
        });
    }
    tune.map_or(Ok(()), |tune| output::print(&tune))
}

/// A tune from the best model so far.
fn tune(args: &Args, folder: &RunFolder, settings: &Settings) -> Result<String> {
    let snapshot = load::snapshot(&folder.path().join(BEST))?;
    let (mut engine, _) = load::engine(&snapshot, args.threads)?;
    generate::sample(engine.as_mut(), &snapshot, settings.seed)
}
