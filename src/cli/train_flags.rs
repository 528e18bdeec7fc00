//! The flags of `train` that are settings, and how they change a preset.

use crate::nn::default_shard_rows;
use crate::nn::init::Initializer;
use crate::nn::{Cell, Input};
use crate::optim::{Optimizer, Schedule};
use crate::train::{Augment, EngineKind, Objective, Preset, Settings, Snapshot};
use anyhow::{Result, bail};
use clap::ValueEnum;

/// A preset's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PresetName {
    /// The article's: many-to-one windows of 100 at stride 1, batch 128, Adam at a constant 1e-3, dropout 0.2, nothing held out.
    Article,
    /// Many-to-many over whole tunes, batch 16 × 64, one-cycle Adam with clipping, dropout 0.3, a tenth held out.
    Folk,
}

impl PresetName {
    pub fn preset(self) -> Preset {
        match self {
            PresetName::Article => Preset::Article,
            PresetName::Folk => Preset::Folk,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum InputName {
    /// A learned vector for each character.
    Embedding,
    /// One number, the character's index over V, as in the article's "Reshaping data".
    Scalar,
}

/// Flags that are settings; one that is not given leaves the preset's value.
#[derive(Clone, Debug, Default, PartialEq, clap::Args)]
#[command(next_help_heading = "Settings (each overrides the preset)")]
pub struct Flags {
    /// Which predictions count: the one after a window, or the one after every character [default: article many-to-one; folk many-to-many].
    #[arg(long, value_enum)]
    objective: Option<Objective>,
    /// Passes over the training tunes [default: article 12; folk as many as make about 4,500 steps, from 4 to 24].
    #[arg(long, value_name = "N", conflicts_with = "steps")]
    epochs: Option<u32>,
    /// Length of the run in optimiser steps, instead of epochs.
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// Sequences in a minibatch (B) [default: article 128; folk 16].
    #[arg(long, value_name = "B")]
    batch_size: Option<usize>,
    /// Time steps of a minibatch (T); for windows, their length [default: article 100; folk 64].
    #[arg(long, value_name = "T")]
    seq_len: Option<usize>,
    /// How characters enter the network [default: embedding].
    #[arg(long, value_enum)]
    input: Option<InputName>,
    /// Size of a character's vector (E) [default: 32].
    #[arg(long, value_name = "E")]
    embedding: Option<usize>,
    /// What the layers are made of: an LSTM, a variant that lacks a part of it or has one more, a GRU or an RNN [default: lstm].
    #[arg(long, value_enum)]
    cell: Option<Cell>,
    /// Hidden units of a layer (H) [default: 256].
    #[arg(long, value_name = "H")]
    hidden: Option<usize>,
    /// Recurrent layers (L) [default: 3].
    #[arg(long, value_name = "L")]
    layers: Option<usize>,
    /// Share of a layer's outputs that is dropped in training, at least 0 and below 1 [default: article 0.2; folk 0.3].
    #[arg(long, value_name = "RATE")]
    dropout: Option<f32>,
    /// Share of the recurrent weights that is dropped in each training step, at least 0 and below 1 [default: 0].
    #[arg(long, value_name = "RATE")]
    weight_drop: Option<f32>,
    /// The update rule [default: adam].
    #[arg(long, value_enum)]
    optimizer: Option<Optimizer>,
    /// The learning rate; of a schedule, its peak [default: article 0.001; folk 0.004].
    #[arg(long, value_name = "RATE")]
    lr: Option<f64>,
    /// How the learning rate goes over the run [default: article constant; folk one-cycle].
    #[arg(long, value_enum)]
    schedule: Option<Schedule>,
    /// Greatest norm of all gradients together; 0 does not clip [default: article 0; folk 1].
    #[arg(long, value_name = "NORM")]
    clip_norm: Option<f64>,
    /// The initial weights [default: article keras; folk pytorch].
    #[arg(long, value_enum)]
    init: Option<Initializer>,
    /// Characters from one window to the next (many-to-one) [default: 1].
    #[arg(long, value_name = "N")]
    stride: Option<usize>,
    /// Share of the tunes that is held out to measure on; 0 holds nothing out [default: article 0; folk 0.1].
    #[arg(long, value_name = "SHARE")]
    validation_fraction: Option<f64>,
    /// What is made of the training tunes; the held-out ones stay as they are [default: none].
    #[arg(long, value_enum)]
    augment: Option<Augment>,
    /// Stop after so many epochs without a better loss [default: never].
    #[arg(long, value_name = "EPOCHS")]
    patience: Option<u32>,
    /// Decides initial weights, order, dropout and which tunes are held out. Same seed, same bits [default: 1].
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Rows of the minibatch that one thread works on at a time; part of what decides the bits [default: follows from B].
    #[arg(long, value_name = "R")]
    shard_rows: Option<usize>,
    /// Who does the arithmetic [default: cpu].
    #[arg(long, value_enum)]
    engine: Option<EngineKind>,
}

impl Flags {
    /// Whether none was given.
    pub fn is_empty(&self) -> bool {
        *self == Flags::default()
    }

    /// Whether the length of the run is left to the preset.
    pub fn leaves_length_open(&self) -> bool {
        self.epochs.is_none() && self.steps.is_none()
    }

    /// The rows of a shard, with so many characters: not known before the corpus is read.
    pub fn usual_shard_rows(&self, settings: &Settings, vocabulary: usize) -> usize {
        self.shard_rows
            .unwrap_or_else(|| default_shard_rows(settings.batch_size, settings.hidden, vocabulary))
    }

    /// The settings of a preset with these flags over it, checked. `base` is a model to be trained further, whose network stays.
    pub fn settings(&self, preset: Preset, base: Option<&Snapshot>) -> Result<Settings> {
        let mut s = preset.settings();
        fn set<T: Copy>(to: &mut T, from: Option<T>) {
            if let Some(value) = from {
                *to = value;
            }
        }
        if let Some(base) = base {
            let (flags, theirs) = ([self.hidden, self.layers, self.embedding], &base.settings);
            if flags.iter().any(Option::is_some)
                || self.cell.is_some()
                || self.input.is_some()
                || self.init.is_some()
            {
                bail!(
                    "--init-from takes the network of that checkpoint; leave out --cell, --hidden, --layers, --embedding, --input and --init"
                );
            }
            (s.input, s.hidden, s.layers, s.init) = (theirs.input, theirs.hidden, theirs.layers, theirs.init);
            s.cell = theirs.cell;
        }
        set(&mut s.objective, self.objective);
        if s.objective == Objective::ManyToMany && self.stride.is_some() {
            bail!("--stride belongs to windows; it needs --objective many-to-one");
        }
        match (self.input, self.embedding) {
            (Some(InputName::Scalar), Some(_)) => {
                bail!("--input scalar has no embedding; leave out --embedding")
            }
            (Some(InputName::Scalar), None) => s.input = Input::Scalar,
            (_, Some(size)) => s.input = Input::Embedding(size),
            (Some(InputName::Embedding), None) | (None, None) => {}
        }
        set(&mut s.epochs, self.epochs);
        s.steps = self.steps;
        set(&mut s.batch_size, self.batch_size);
        set(&mut s.seq_len, self.seq_len);
        set(&mut s.cell, self.cell);
        set(&mut s.hidden, self.hidden);
        set(&mut s.layers, self.layers);
        set(&mut s.dropout, self.dropout);
        set(&mut s.weight_drop, self.weight_drop);
        set(&mut s.optimizer, self.optimizer);
        set(&mut s.lr, self.lr);
        set(&mut s.schedule, self.schedule);
        set(&mut s.init, self.init);
        set(&mut s.stride, self.stride);
        set(&mut s.validation_fraction, self.validation_fraction);
        set(&mut s.augment, self.augment);
        set(&mut s.seed, self.seed);
        set(&mut s.engine, self.engine);
        s.shard_rows = self.usual_shard_rows(&s, 0);
        s.patience = self.patience;
        if let Some(norm) = self.clip_norm {
            s.clip_norm = (norm != 0.0).then_some(norm);
        }
        s.validate()?;
        Ok(s)
    }
}

/// Names on the command line are those in a checkpoint's JSON.
macro_rules! value_enum {
    ($name:ty { $($variant:ident => $value:literal, $help:literal;)+ }) => {
        impl ValueEnum for $name {
            fn value_variants<'a>() -> &'a [Self] {
                &[$(<$name>::$variant),+]
            }

            fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
                Some(match self {
                    $(<$name>::$variant => clap::builder::PossibleValue::new($value).help($help),)+
                })
            }
        }
    };
}

value_enum!(Objective {
    ManyToOne => "many-to-one", "The character after each window, from the zero state (the article's)";
    ManyToMany => "many-to-many", "The next character at every step, the state carried along";
});
value_enum!(Augment {
    None => "none", "Nothing";
    Transpose => "transpose", "In each epoch each tune stands in one of the keys of its mode that the training tunes have, as often as they have it, within the instrument's range";
});
value_enum!(Cell {
    Lstm => "lstm", "The LSTM: input, forget and output gate";
    NoInputGate => "no-input-gate", "LSTM with i = 1: all of the candidate comes in";
    NoForgetGate => "no-forget-gate", "LSTM with f = 1: all of the memory stays";
    NoOutputGate => "no-output-gate", "LSTM with o = 1: all of the memory shows";
    Coupled => "coupled", "LSTM with f = 1 - i: what comes in takes the place of what goes";
    Peepholes => "peepholes", "LSTM whose gates see the memory";
    NoInputActivation => "no-input-activation", "LSTM whose candidate is not squashed by tanh";
    NoOutputActivation => "no-output-activation", "LSTM whose memory is not squashed where it shows";
    Gru => "gru", "Gated recurrent unit, as PyTorch defines it";
    Rnn => "rnn", "Plain recurrent network with tanh, without gates";
});
value_enum!(EngineKind {
    Cpu => "cpu", "SIMD kernels on all threads";
    Reference => "reference", "Plain loops on one thread: slow, for reading and for tests";
});
value_enum!(Optimizer {
    Adam => "adam", "Adam as PyTorch defines it";
    Rmsprop => "rmsprop", "RMSprop as PyTorch defines it";
});
value_enum!(Schedule {
    Constant => "constant", "Always the same";
    WarmupCosine => "warmup-cosine", "Up over 5 % of the run, then down along a cosine to 0";
    OneCycle => "one-cycle", "Up over 10 % of the run, then down along a cosine (PyTorch's OneCycleLR)";
});
value_enum!(Initializer {
    Keras => "keras", "Glorot uniform, orthogonal recurrent weights, forget bias 1";
    Pytorch => "pytorch", "Uniform in ±1/√H, normal embedding";
});
