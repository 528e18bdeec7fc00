//! A run at one moment, as it stands in a checkpoint.

use super::Data;
use super::settings::Settings;
use crate::checkpoint::{Array, Checkpoint, CheckpointError};
use crate::corpus::{SPLIT_VERSION, Vocabulary};
use crate::nn::{LossSums, ModelConfig, Parameters, State};
use crate::optim::Moments;
use ndarray::Array2;
use serde::{Deserialize, Serialize};

/// How far a run has come. Nothing here knows a clock, a host, a path or a number of threads.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The epoch under way, counted from 0.
    pub epoch: u32,
    /// Its batches that are done.
    pub batch: u64,
    /// Optimiser steps so far.
    pub step: u64,
    /// Steps of the whole run, which the schedule was told.
    pub total_steps: u64,
    /// The sums of the epoch under way: nats, weight, correct.
    pub sums: [f64; 3],
    /// The best loss so far, and the epoch (counted from 1) that reached it.
    pub best: Option<(f64, u32)>,
    /// Which rule decided the held-out tunes.
    pub split_version: u32,
    /// Of the training tunes.
    pub fingerprint: u64,
    /// Of the held-out tunes.
    pub held_out_fingerprint: u64,
}

impl Progress {
    /// The sums of the epoch under way.
    pub fn loss_sums(&self) -> LossSums {
        let [nats, weight, correct] = self.sums;
        LossSums { nats, weight, correct }
    }

    /// Whether a corpus is the one that this run was trained on.
    ///
    /// # Errors
    /// Says what differs.
    pub fn check(&self, data: &Data) -> Result<(), SnapshotError> {
        match (self.fingerprint == data.fingerprint, self.held_out_fingerprint == data.held_out_fingerprint) {
            (true, true) => Ok(()),
            (_, false) => Err(SnapshotError::HeldOut),
            (false, true) => Err(SnapshotError::Training),
        }
    }
}

/// A checkpoint that cannot be used, or that does not belong to this corpus.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// What the container says.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Its description cannot be understood.
    #[error("the checkpoint's description cannot be read ({0}); it was made by another version of hornpipe")]
    Config(String),
    /// Another rule decided the held-out tunes.
    #[error(
        "the checkpoint's held-out tunes were chosen by rule {found}, and this hornpipe knows rules 1 to {SPLIT_VERSION}: upgrade it"
    )]
    SplitVersion {
        /// The rule's version.
        found: u32,
    },
    /// The held-out tunes are others.
    #[error("the held-out tunes of this corpus are not those of the checkpoint; resume with the same corpus")]
    HeldOut,
    /// The training tunes are others.
    #[error("the training tunes of this corpus are not those of the checkpoint; resume with the same corpus")]
    Training,
}

/// What stands in a checkpoint: the settings, the model, and all that a run needs to go on.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The run's settings.
    pub settings: Settings,
    /// The characters.
    pub vocabulary: Vocabulary,
    /// How far it has come.
    pub progress: Progress,
    /// The weights.
    pub parameters: Parameters,
    /// The optimiser's moments.
    pub moments: Moments,
    /// The carried state.
    pub state: State,
    /// `T` characters that a many-to-one model starts from; empty for others.
    pub seed_window: Vec<u32>,
}

/// What stands in a checkpoint as JSON.
#[derive(Serialize, Deserialize)]
struct Description {
    settings: Settings,
    vocabulary: Vocabulary,
    progress: Progress,
    state_rows: usize,
}

impl Snapshot {
    /// The network.
    pub fn model(&self) -> ModelConfig {
        self.settings.model(self.vocabulary.len())
    }

    /// The checkpoint.
    pub fn to_checkpoint(&self) -> Checkpoint {
        let description = Description {
            settings: self.settings.clone(),
            vocabulary: self.vocabulary.clone(),
            progress: self.progress.clone(),
            state_rows: self.state.rows(),
        };
        let json = serde_json::to_string(&description).expect("plain data has a JSON form");
        let mut checkpoint = Checkpoint::new(json);
        let mut push = |name: &str, shape: &[usize], values: &[f32]| {
            let array = Array::from_f32(name, shape, values).expect("name and shape are our own");
            checkpoint.push(array).expect("names differ");
        };
        let mut push_all = |prefix: &str, parameters: &Parameters| {
            for (k, tensor) in parameters.layout().tensors().iter().enumerate() {
                push(&format!("{prefix}{}", tensor.name), &tensor.shape, parameters.slice(k));
            }
        };
        push_all("", &self.parameters);
        for (name, moment) in self.settings.optimizer.moment_names().iter().zip(&self.moments.arrays) {
            push_all(&format!("{name}."), moment);
        }
        for (l, arrays) in self.state.layers.iter().enumerate() {
            for (name, array) in self.settings.cell.states().iter().zip(arrays) {
                let values: Vec<f32> = array.iter().copied().collect();
                push(&format!("state.{name}_l{l}"), array.shape(), &values);
            }
        }
        let window = Array::from_u32("seed_window", &[self.seed_window.len()], &self.seed_window);
        checkpoint.push(window.expect("name and shape are our own")).expect("names differ");
        checkpoint
    }

    /// What stands in a checkpoint, every array's name and shape checked.
    ///
    /// # Errors
    /// Where an array is missing or of another shape, or the description cannot be understood.
    pub fn from_checkpoint(checkpoint: &Checkpoint) -> Result<Self, SnapshotError> {
        let config = |e: &dyn std::fmt::Display| SnapshotError::Config(e.to_string());
        let description: Description = serde_json::from_str(&checkpoint.config).map_err(|e| config(&e))?;
        let Description { settings, vocabulary, progress, state_rows } = description;
        settings.validate().map_err(|e| config(&e))?;
        if !(1..=SPLIT_VERSION).contains(&settings.split_version) {
            return Err(SnapshotError::SplitVersion { found: settings.split_version });
        }
        let model = settings.model(vocabulary.len());
        model.validate().map_err(|e| config(&e))?;
        let read_all = |prefix: &str| {
            let mut parameters = Parameters::zeros(&model);
            for k in 0..parameters.layout().tensors().len() {
                let tensor = &parameters.layout().tensors()[k];
                let values = checkpoint.f32s(&format!("{prefix}{}", tensor.name), &tensor.shape)?;
                parameters.slice_mut(k).copy_from_slice(&values);
            }
            Ok::<_, CheckpointError>(parameters)
        };
        // The first matrix is looked for before room for all of them is made, so that a hostile size costs nothing.
        let at = crate::nn::Layout::new(&model);
        for tensor in at.tensors() {
            checkpoint.array(&tensor.name)?.with_shape(&tensor.shape)?;
        }
        let parameters = read_all("")?;
        let names = settings.optimizer.moment_names();
        let arrays = names.iter().map(|name| read_all(&format!("{name}."))).collect::<Result<_, _>>()?;
        if state_rows != settings.batch_size {
            return Err(config(&"its state has other rows than its batch size says"));
        }
        let mut state = State { layers: Vec::new() };
        for l in 0..model.layers {
            let mut arrays = Vec::new();
            for name in model.cell.states() {
                let values = checkpoint.f32s(&format!("state.{name}_l{l}"), &[state_rows, model.hidden])?;
                let array = Array2::from_shape_vec((state_rows, model.hidden), values);
                arrays.push(array.map_err(|e| config(&e))?);
            }
            state.layers.push(arrays);
        }
        let window = checkpoint.array("seed_window")?.to_u32()?;
        if window.iter().any(|&token| token as usize >= vocabulary.len()) {
            return Err(config(&"its seed window has characters beyond its vocabulary"));
        }
        Ok(Snapshot {
            settings,
            vocabulary,
            progress,
            parameters,
            moments: Moments { arrays },
            state,
            seed_window: window,
        })
    }
}
