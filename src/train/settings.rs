//! All that decides the result of a run.

use crate::corpus::SPLIT_VERSION;
use crate::nn::config::is_zero;
use crate::nn::init::Initializer;
use crate::nn::{Cell, ConfigError, Input, ModelConfig, default_shard_rows};
use crate::optim::{Optimizer, Schedule};
use serde::{Deserialize, Serialize};

/// Which predictions the loss counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// The character after a window, from the zero state: the article's.
    ManyToOne,
    /// The next character at every step, with the state carried from segment to segment.
    ManyToMany,
}

/// Which engine does the arithmetic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EngineKind {
    /// Fused kernels on all threads.
    Cpu,
    /// Plain loops on one thread: slow; for reading and for tests.
    Reference,
}

/// What is made of the training tunes before they are trained on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Augment {
    /// Nothing.
    #[default]
    None,
    /// Each epoch has each tune in one of the keys that suit it; see [`crate::corpus::augment`].
    Transpose,
}

/// A set of defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preset {
    /// The article's model and training.
    Article,
    /// What trains best in a few minutes.
    Folk,
}

/// A run's settings, every one resolved. The same settings, seed, corpus, machine and instruction set give the same bits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// Which predictions the loss counts.
    pub objective: Objective,
    /// Passes over the training tunes; a run of [`Settings::steps`] may need more or fewer.
    pub epochs: u32,
    /// Optimiser steps in all, where the run is measured in steps.
    pub steps: Option<u64>,
    /// `B`, the sequences in a minibatch.
    pub batch_size: usize,
    /// `T`, the time steps of a minibatch.
    pub seq_len: usize,
    /// What the layers are made of. A description that says nothing means the LSTM, as all did before there were others.
    #[serde(default, skip_serializing_if = "Cell::is_default")]
    pub cell: Cell,
    /// How a character enters.
    pub input: Input,
    /// `H`
    pub hidden: usize,
    /// `L`
    pub layers: usize,
    /// The probability that a unit of a layer's output is dropped.
    pub dropout: f32,
    /// The probability that a recurrent weight is dropped.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub weight_drop: f32,
    /// The update rule.
    pub optimizer: Optimizer,
    /// The greatest learning rate of the schedule.
    pub lr: f64,
    /// How the learning rate goes.
    pub schedule: Schedule,
    /// The greatest norm of all gradients together; none does not clip.
    pub clip_norm: Option<f64>,
    /// The initial weights.
    pub init: Initializer,
    /// Characters from the start of one window to the next (many-to-one).
    pub stride: usize,
    /// The share of tunes that is held out.
    pub validation_fraction: f64,
    /// The version of the rule that says which; runs from before it was written down had the first.
    #[serde(default = "first_split", skip_serializing_if = "is_first_split")]
    pub split_version: u32,
    /// What is made of the training tunes.
    #[serde(default, skip_serializing_if = "Augment::is_none")]
    pub augment: Augment,
    /// Epochs without a better loss after which the run ends.
    pub patience: Option<u32>,
    /// Decides initial weights, order of the data, dropout and split.
    pub seed: u64,
    /// Rows of the minibatch that are summed up in one piece; part of what decides the bits.
    pub shard_rows: usize,
    /// Which engine.
    pub engine: EngineKind,
}

impl Augment {
    fn is_none(&self) -> bool {
        *self == Augment::None
    }
}

// What old checkpoints do not have is not written where it says the same, so that they survive being read and written again.
fn first_split() -> u32 {
    1
}

fn is_first_split(version: &u32) -> bool {
    *version == first_split()
}

/// A setting that cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// A size or rate of the network.
    #[error(transparent)]
    Model(#[from] ConfigError),
    /// Any other setting.
    #[error("{flag} must be {allowed}, and not {found}")]
    Range {
        /// Its flag.
        flag: &'static str,
        /// What would do.
        allowed: &'static str,
        /// What was asked for.
        found: String,
    },
}

impl Preset {
    /// Its epochs, for a corpus of so many steps an epoch. The article's are always 12; folk trains for about 4,500 steps,
    /// a few minutes, since a small corpus needs more passes than a large one.
    pub fn epochs(self, steps_per_epoch: usize) -> u32 {
        match self {
            Preset::Article => 12,
            Preset::Folk => 4500usize.div_ceil(steps_per_epoch.max(1)).clamp(4, 24) as u32,
        }
    }

    /// Its settings. The epochs stand for a corpus of middling size; [`Preset::epochs`] knows better.
    pub fn settings(self) -> Settings {
        let article = Settings {
            objective: Objective::ManyToOne,
            epochs: 12,
            steps: None,
            batch_size: 128,
            seq_len: 100,
            cell: Cell::Lstm,
            input: Input::Embedding(32),
            hidden: 256,
            layers: 3,
            dropout: 0.2,
            weight_drop: 0.0,
            optimizer: Optimizer::Adam,
            lr: 1e-3,
            schedule: Schedule::Constant,
            clip_norm: None,
            init: Initializer::Keras,
            stride: 1,
            validation_fraction: 0.0,
            split_version: SPLIT_VERSION,
            augment: Augment::None,
            patience: None,
            seed: 1,
            shard_rows: default_shard_rows(128, 256, 0),
            engine: EngineKind::Cpu,
        };
        match self {
            Preset::Article => article,
            Preset::Folk => Settings {
                objective: Objective::ManyToMany,
                epochs: 12,
                batch_size: 16,
                seq_len: 64,
                dropout: 0.3,
                lr: 4e-3,
                schedule: Schedule::OneCycle,
                clip_norm: Some(1.0),
                // The wider embedding learns in half as many epochs as Keras' ±0.05.
                init: Initializer::Pytorch,
                validation_fraction: 0.1,
                shard_rows: default_shard_rows(16, 256, 0),
                ..article
            },
        }
    }
}

impl Settings {
    /// The network for a vocabulary of this size.
    pub fn model(&self, vocabulary: usize) -> ModelConfig {
        ModelConfig {
            cell: self.cell,
            vocabulary,
            input: self.input,
            hidden: self.hidden,
            layers: self.layers,
            dropout: self.dropout,
            weight_drop: self.weight_drop,
        }
    }

    /// Whether a run with these can be.
    ///
    /// # Errors
    /// Names the first setting that is out of range, and what would do.
    pub fn validate(&self) -> Result<(), SettingsError> {
        let check = |within: bool, flag, allowed, found: String| {
            if within { Ok(()) } else { Err(SettingsError::Range { flag, allowed, found }) }
        };
        self.model(1).validate()?;
        let size = |n: usize| (1..=1 << 16).contains(&n);
        // All epochs are laid out once, to count their steps.
        let epochs = (1..=100_000).contains(&self.epochs);
        check(epochs, "--epochs", "from 1 to 100000", self.epochs.to_string())?;
        let steps = self.steps.unwrap_or(1);
        check(steps >= 1, "--steps", "at least 1", steps.to_string())?;
        check(size(self.batch_size), "--batch-size", "from 1 to 65536", self.batch_size.to_string())?;
        check(size(self.seq_len), "--seq-len", "from 1 to 65536", self.seq_len.to_string())?;
        check(size(self.stride), "--stride", "from 1 to 65536", self.stride.to_string())?;
        check(
            (1..=self.batch_size).contains(&self.shard_rows),
            "--shard-rows",
            "from 1 to the batch size",
            self.shard_rows.to_string(),
        )?;
        check(
            self.lr > 0.0 && (self.lr as f32).is_finite(),
            "--lr",
            "a number above 0 that 32 bits can hold, such as 0.001",
            self.lr.to_string(),
        )?;
        let clip = self.clip_norm.unwrap_or(1.0);
        check(
            clip > 0.0 && clip.is_finite(),
            "--clip-norm",
            "above 0, or 0 for no clipping",
            clip.to_string(),
        )?;
        check(
            (0.0..1.0).contains(&self.validation_fraction),
            "--validation-fraction",
            "at least 0 and below 1",
            self.validation_fraction.to_string(),
        )?;
        check(
            self.augment == Augment::None || self.objective == Objective::ManyToMany,
            "--augment",
            "none with --objective many-to-one",
            "transpose".to_string(),
        )?;
        let patience = self.patience.unwrap_or(1);
        check(patience >= 1, "--patience", "at least 1", patience.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_valid_and_the_article_is_the_article() {
        Preset::Folk.settings().validate().unwrap();
        let article = Preset::Article.settings();
        article.validate().unwrap();
        assert_eq!(crate::nn::Layout::new(&article.model(93)).len(), 1_373_437);
    }

    #[test]
    fn each_bad_value_names_its_flag() {
        let bad = |edit: &dyn Fn(&mut Settings)| {
            let mut settings = Preset::Folk.settings();
            edit(&mut settings);
            settings.validate().unwrap_err().to_string()
        };
        assert_eq!(
            bad(&|s| s.lr = f64::NAN),
            "--lr must be a number above 0 that 32 bits can hold, such as 0.001, and not NaN"
        );
        assert!(bad(&|s| s.epochs = 0).starts_with("--epochs"));
        assert!(bad(&|s| s.batch_size = 0).starts_with("--batch-size"));
        assert!(bad(&|s| s.shard_rows = 17).starts_with("--shard-rows"));
        assert!(bad(&|s| s.validation_fraction = 1.0).starts_with("--validation-fraction"));
        assert!(
            bad(&|s| (s.objective, s.augment) = (Objective::ManyToOne, Augment::Transpose))
                .contains("--augment")
        );
        assert!(bad(&|s| s.dropout = 1.0).contains("dropout"));
        assert!(bad(&|s| s.weight_drop = -0.1).contains("weight drop"));
        assert!(bad(&|s| s.hidden = 0).contains("hidden"));
    }
}
