//! A job, and the weights and characters that its files hold.

use crate::{CannotDo, Result};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;
use std::collections::HashMap;

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Train,
    Carried,
    Window,
    Quality,
}

/// What the driver asks for.
#[derive(Clone, Debug, Deserialize)]
pub struct Job {
    pub kind: Kind,
    pub vocabulary: usize,
    pub embedding: usize,
    pub hidden: usize,
    pub layers: usize,
    pub steps: usize,
    pub batch: usize,
    pub objective: String,
    pub dropout: f32,
    pub learning_rate: f64,
    pub clip_norm: f64,
    pub threads: usize,
    pub weights: String,
    pub data: String,
    /// Of time to quality: the held-out losses to be reached, the steps between two looks at it, and the seed of dropout.
    #[serde(default)]
    pub quality: Vec<f64>,
    #[serde(default)]
    pub every: usize,
    #[serde(default)]
    pub seed: u64,
    #[serde(default)]
    pub options: Options,
}

/// What `jobs.json` says to an engine of its own.
pub type Options = HashMap<String, serde_json::Value>;

impl Job {
    /// The first step that counts: of many-to-one the last, else step 0.
    pub fn first(&self) -> usize {
        if self.objective == "many-to-one" { self.steps - 1 } else { 0 }
    }
}

/// One parameter, row-major.
#[derive(Clone, Debug)]
pub struct Weight {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

/// Weights by PyTorch's names, and characters `[T, B]`, row-major.
pub struct Inputs {
    pub weights: HashMap<String, Weight>,
    pub tokens: Vec<u32>,
    pub targets: Vec<u32>,
    /// `B`
    pub rows: usize,
    pub vocabulary: usize,
    window: bool,
}

impl Inputs {
    /// Time to quality reads its own characters.
    pub(crate) fn read(job: &Job) -> Result<Self> {
        let file = std::fs::read(&job.weights)?;
        let mut weights = HashMap::new();
        for (name, tensor) in SafeTensors::deserialize(&file)?.tensors() {
            if tensor.dtype() != Dtype::F32 {
                return Err(Box::new(CannotDo(format!("{name} is {:?} and not F32", tensor.dtype()))));
            }
            let values = words(tensor.data(), f32::from_le_bytes);
            weights.insert(name, Weight { shape: tensor.shape().to_vec(), values });
        }
        let (mut tokens, mut targets) = (Vec::new(), Vec::new());
        if job.kind != Kind::Quality {
            let data = std::fs::read(&job.data)?;
            let data = SafeTensors::deserialize(&data)?;
            tokens = words(data.tensor("tokens")?.data(), u32::from_le_bytes);
            targets = words(data.tensor("targets")?.data(), u32::from_le_bytes);
        }
        let (rows, vocabulary, window) = (job.batch, job.vocabulary, job.kind == Kind::Window);
        Ok(Inputs { weights, tokens, targets, rows, vocabulary, window })
    }

    /// A weight by its name.
    pub fn weight(&self, name: &str) -> Result<&Weight> {
        Ok(self.weights.get(name).ok_or_else(|| format!("the weights have no {name}"))?)
    }

    /// The targets of the steps that count.
    pub fn counted(&self, job: &Job) -> &[u32] {
        &self.targets[job.first() * job.batch..]
    }

    /// Calls of inference that the characters are enough for.
    pub(crate) fn calls(&self) -> usize {
        if self.window { 1 } else { self.tokens.len() / self.rows }
    }

    /// The characters of call `k`, from the first again after the last.
    pub(crate) fn step(&self, k: usize) -> &[u32] {
        let size = self.tokens.len() / self.calls();
        let first = k % self.calls() * size;
        &self.tokens[first..first + size]
    }

    /// What should follow after call `k`.
    pub(crate) fn targets_of(&self, k: usize) -> &[u32] {
        let first = if self.window { self.targets.len() - self.rows } else { k * self.rows };
        &self.targets[first..first + self.rows]
    }
}

/// Little-endian numbers of `N` bytes each.
pub(crate) fn words<const N: usize, T>(bytes: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    bytes.chunks_exact(N).map(|word| number(word.try_into().expect("N bytes"))).collect()
}
