//! The Rust side of the contract between the driver and a runner; `../../README.md` says it in full.
//!
//! A runner's `main` is `contract::serve(make)`: `make` turns a job into [`Work`].

mod inputs;
mod quality;

use inputs::words;
pub use inputs::{Inputs, Job, Kind, Options, Weight};
pub use quality::{Batch, Quality};

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::time::Instant;

/// Updates between the two losses of a check; `harness/reference.py` has the same.
const UPDATES: usize = 2;

/// What an engine has not, in a sentence; or what went wrong in it.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// The engine cannot do the job.
#[derive(Debug)]
pub struct CannotDo(pub String);

impl std::fmt::Display for CannotDo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CannotDo {}

/// The answer of an engine that has no [`Quality`].
pub fn no_quality<T>() -> Result<T> {
    Err(Box::new(CannotDo("only Hornpipe and PyTorch take part in this".into())))
}

/// What gradients are multiplied with to be clipped, from the sum of all squares; None where they are small enough.
pub fn clipping(squares: f64, clip_norm: f64) -> Option<f64> {
    let scale = clip_norm / squares.sqrt();
    (scale < 1.0).then_some(scale)
}

/// Training on one batch, again and again.
pub trait Training {
    /// The forward pass; returns the nats per character that counts.
    fn forward(&mut self) -> Result<f64>;

    /// Forward and backward pass; returns the loss and keeps the gradients.
    fn gradients(&mut self) -> Result<f64>;

    /// Clips the gradients kept and lets Adam take a step.
    fn update(&mut self) -> Result<()>;

    /// The gradient of each parameter by Hornpipe's names, in PyTorch's layout, row-major.
    fn named_gradients(&mut self) -> Result<BTreeMap<String, Vec<f64>>>;

    /// A whole step.
    fn step(&mut self) -> Result<()> {
        self.gradients()?;
        self.update()
    }
}

/// The network alone.
pub trait Inference {
    /// Takes characters `[T, B]` and returns the logits `[B, V]` after the last. Where the state is carried, `T` is 1 and the
    /// state goes on from call to call; a window starts from the zero state.
    fn logits(&mut self, tokens: &[u32]) -> Result<Vec<f32>>;

    /// Back to the zero state.
    fn rest(&mut self) -> Result<()>;
}

/// What `make` made of a job.
pub enum Work {
    Training(Box<dyn Training>),
    Inference(Box<dyn Inference>),
    Quality(Box<dyn Quality>),
}

/// What an engine says of itself.
pub struct About {
    /// The threads it works on, where it knows.
    pub threads: Option<usize>,
    /// Name and version of what is measured.
    pub versions: Vec<(&'static str, String)>,
}

/// The version of a crate in the lock file of these runners.
pub fn locked(name: &str) -> String {
    let mut lines = include_str!("../../Cargo.lock").lines();
    let wanted = format!("name = \"{name}\"");
    let found = lines.find(|line| *line == wanted).and_then(|_| lines.next());
    found.map_or("?".into(), |line| line.trim_start_matches("version = ").trim_matches('"').into())
}

/// The numbers in f64.
pub fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| value.into()).collect()
}

/// A matrix `[rows, columns]`, row-major, turned.
pub fn turned(values: &[f64], columns: usize) -> Vec<f64> {
    (0..columns).flat_map(|column| values[column..].iter().step_by(columns).copied()).collect()
}

/// The product with a fixed vector, whose number `k` is `hash(k) / 2^31 - 1`: `harness/reference.py` has the same.
fn product(values: &[f64]) -> f64 {
    let hash = |k: u64| k.wrapping_mul(2_654_435_761) as u32;
    values.iter().zip(0..).map(|(value, k)| value * (f64::from(hash(k)) / 2_147_483_648.0 - 1.0)).sum()
}

/// Answers the driver until it closes the pipe.
pub fn serve(make: impl Fn(&Job, &Inputs) -> Result<(Work, About)>) -> ExitCode {
    match answer(make) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let key = if error.is::<CannotDo>() { "cannot" } else { "error" };
            reply(&json!({ key: error.to_string() }));
            ExitCode::FAILURE
        }
    }
}

fn reply(message: &Value) {
    let mut out = std::io::stdout().lock();
    // Where the driver is gone there is nobody to tell.
    let _ = writeln!(out, "{message}").and_then(|()| out.flush());
}

fn answer(make: impl Fn(&Job, &Inputs) -> Result<(Work, About)>) -> Result<()> {
    let mut lines = std::io::stdin().lock().lines();
    let job: Job = serde_json::from_str(&lines.next().ok_or("no job on standard input")??)?;
    let inputs = Inputs::read(&job)?;
    let (mut work, about) = make(&job, &inputs)?;
    let mut at = 0;
    if job.kind != Kind::Quality {
        timed(&mut work, "step", &inputs, &mut at)?;
    }
    let versions: BTreeMap<_, _> = about.versions.into_iter().collect();
    reply(&match about.threads {
        Some(threads) => json!({ "threads": threads, "versions": versions }),
        None => json!({ "versions": versions }),
    });
    let check = Job { dropout: 0.0, ..job.clone() };
    for line in lines {
        let request: Value = serde_json::from_str(&line?)?;
        if let Work::Quality(work) = &mut work {
            reply(&quality::learn(work.as_mut(), &job)?);
            continue;
        }
        if request["do"] == "check" {
            reply(&match make(&check, &inputs)?.0 {
                Work::Training(training) => check_training(training)?,
                Work::Inference(inference) => check_inference(inference, &inputs)?,
                Work::Quality(_) => return Err("time to quality has no check".into()),
            });
            continue;
        }
        let part = request["part"].as_str().ok_or("a request without `part`")?;
        let mut seconds = Vec::new();
        let (count, warm_up) = (request["count"].as_u64(), request["warm_up"].as_u64());
        let warm_up = warm_up.unwrap_or(0);
        for k in 0..warm_up + count.unwrap_or(0) {
            let took = timed(&mut work, part, &inputs, &mut at)?;
            if k >= warm_up {
                seconds.push(took);
            }
        }
        reply(&json!({ "seconds": seconds }));
    }
    Ok(())
}

/// The seconds of one part: a step, or of training `forward`, `gradients` or `update`.
fn timed(work: &mut Work, part: &str, inputs: &Inputs, at: &mut usize) -> Result<f64> {
    let began;
    match work {
        Work::Training(training) => {
            if part == "update" {
                training.gradients()?;
            }
            began = Instant::now();
            match part {
                "forward" => training.forward().map(drop)?,
                "gradients" => training.gradients().map(drop)?,
                "update" => training.update()?,
                _ => training.step()?,
            }
        }
        Work::Inference(inference) => {
            let tokens = inputs.step(*at);
            began = Instant::now();
            inference.logits(tokens)?;
            *at += 1;
        }
        Work::Quality(_) => return Err("time to quality is not timed in steps".into()),
    }
    Ok(began.elapsed().as_secs_f64())
}

/// Loss and gradients of the first batch, and how far the loss falls.
fn check_training(mut training: Box<dyn Training>) -> Result<Value> {
    let loss = training.gradients()?;
    let gradients = training.named_gradients()?;
    let products: BTreeMap<_, _> = gradients.iter().map(|(name, g)| (name, product(g))).collect();
    let norms: BTreeMap<_, _> =
        gradients.iter().map(|(name, g)| (name, g.iter().map(|g| g * g).sum::<f64>().sqrt())).collect();
    let norm = norms.values().map(|norm| norm * norm).sum::<f64>().sqrt();
    for _ in 0..UPDATES {
        training.step()?;
    }
    let fall = loss - training.forward()?;
    Ok(json!({
        "loss": loss, "gradient_norm": norm, "gradients": norms, "products": products, "fall": fall
    }))
}

/// The loss of what follows each character, or of what follows the window; and the root mean square of the logits.
fn check_inference(mut inference: Box<dyn Inference>, inputs: &Inputs) -> Result<Value> {
    inference.rest()?;
    let (mut nats, mut squares, mut count) = (0.0, 0.0, 0);
    for step in 0..inputs.calls() {
        let logits = inference.logits(inputs.step(step))?;
        for (row, &target) in logits.chunks_exact(logits.len() / inputs.rows).zip(inputs.targets_of(step)) {
            let of = |logit: &f32| f64::from(*logit) - f64::from(row[target as usize]);
            nats += row.iter().map(|logit| of(logit).exp()).sum::<f64>().ln();
            squares += row.iter().map(|&logit| f64::from(logit).powi(2)).sum::<f64>();
            count += 1;
        }
    }
    let size = (squares / (count * inputs.vocabulary) as f64).sqrt();
    Ok(json!({ "loss": nats / count as f64, "logits": size }))
}
