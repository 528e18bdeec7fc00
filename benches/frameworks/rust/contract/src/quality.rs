//! Time to quality: training until a held-out loss is reached.

use crate::{Job, Result, words};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// A batch `[T, B]`, row-major.
pub struct Batch {
    pub steps: usize,
    pub rows: usize,
    pub tokens: Vec<u32>,
    pub targets: Vec<u32>,
    /// 0 where a character does not count.
    pub weights: Vec<u32>,
}

/// What an engine has to offer for it.
pub trait Quality {
    /// Back to the zero state.
    fn rest(&mut self) -> Result<()>;

    /// One step at a learning rate. The state is carried on from the last.
    fn train(&mut self, batch: &Batch, rate: f64) -> Result<()>;

    /// The nats of all that counts, from the zero state. The carried state stays as it was.
    fn evaluate(&mut self, batch: &Batch) -> Result<f64>;
}

/// The held-out loss every so many steps, with the time of day and the seconds of training so far.
pub(crate) fn learn(work: &mut dyn Quality, job: &Job) -> Result<Value> {
    let file = std::fs::read(&job.data)?;
    let data = SafeTensors::deserialize(&file)?;
    let bytes = |name: &str| -> Result<Vec<u32>> {
        Ok(data.tensor(name)?.data().iter().map(|&byte| byte.into()).collect())
    };
    let shape = data.tensor("tokens")?.shape().to_vec();
    let &[epochs, rows, length] = &shape[..] else { return Err("tokens must be [E, B, N]".into()) };
    let (tokens, targets) = (bytes("tokens")?, bytes("targets")?);
    let rates: Vec<f64> = words(data.tensor("rates")?.data(), f64::from_le_bytes);
    let mut chunks = Vec::new();
    while let Ok(tensor) = data.tensor(&format!("held_out.{}.tokens", chunks.len())) {
        let of = |name| bytes(&format!("held_out.{}.{name}", chunks.len()));
        chunks.push(Batch {
            steps: tensor.shape()[0],
            rows: tensor.shape()[1],
            tokens: of("tokens")?,
            targets: of("targets")?,
            weights: of("weights")?,
        });
    }
    let characters: u32 = chunks.iter().flat_map(|chunk| &chunk.weights).sum();
    let best = job.quality.iter().copied().fold(f64::INFINITY, f64::min);
    let (mut curve, mut seconds, mut step) = (Vec::new(), 0.0, 0);
    for epoch in 0..epochs {
        work.rest()?;
        for segment in 0..length / job.steps {
            if step % job.every == 0 {
                let mut nats = 0.0;
                for chunk in &chunks {
                    nats += work.evaluate(chunk)?;
                }
                let loss = nats / f64::from(characters);
                let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64();
                curve.push(json!({ "step": step, "loss": loss, "at": at, "training_s": seconds }));
                if loss <= best {
                    return Ok(json!({ "curve": curve }));
                }
            }
            let began = Instant::now();
            let cut = |values: &[u32]| -> Vec<u32> {
                let place = |t, b| (epoch * rows + b) * length + segment * job.steps + t;
                (0..job.steps)
                    .flat_map(|t| (0..rows).map(move |b| place(t, b)))
                    .map(|at| values[at])
                    .collect()
            };
            let weights = vec![1; job.steps * rows];
            let batch =
                Batch { steps: job.steps, rows, tokens: cut(&tokens), targets: cut(&targets), weights };
            work.train(&batch, rates[step])?;
            seconds += began.elapsed().as_secs_f64();
            step += 1;
        }
    }
    Ok(json!({ "curve": curve }))
}
