//! The shape of a network.

use super::Cell;
use serde::{Deserialize, Serialize};

/// How a character enters the first layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Input {
    /// A learned vector of this size for each character.
    Embedding(usize),
    /// One number: the character's index divided by `V`.
    Scalar,
}

impl Input {
    /// `I`, the numbers that enter the first layer at each step.
    pub fn size(self) -> usize {
        match self {
            Input::Embedding(size) => size,
            Input::Scalar => 1,
        }
    }
}

/// The shape of a network: all that decides which parameters it has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelConfig {
    /// What its layers are made of.
    #[serde(default, skip_serializing_if = "Cell::is_default")]
    pub cell: Cell,
    /// `V`, the number of characters.
    pub vocabulary: usize,
    /// What enters the first layer.
    pub input: Input,
    /// `H`, the hidden units of each layer.
    pub hidden: usize,
    /// `L`, the number of recurrent layers.
    pub layers: usize,
    /// The probability that a unit of a layer's output is dropped in training, in `0.0..1.0`.
    pub dropout: f32,
    /// The probability that a recurrent weight is dropped in a training step, in `0.0..1.0`; see [`WeightDrop`](super::WeightDrop).
    #[serde(default, skip_serializing_if = "is_zero")]
    pub weight_drop: f32,
}

/// A rate of which nothing is written, so that what was saved before there was such a rate stays the same.
pub(crate) fn is_zero(rate: &f32) -> bool {
    *rate == 0.0
}

/// A network that cannot be.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{what} must be {allowed}, and not {found}")]
pub struct ConfigError {
    /// The setting.
    pub what: &'static str,
    /// What would do.
    pub allowed: &'static str,
    /// What was asked for.
    pub found: String,
}

/// More would need over 16 GB for one layer's weights, so it is taken for a slip of the hand.
const LARGEST: usize = 1 << 15;

impl ModelConfig {
    /// Whether such a network can be built.
    ///
    /// # Errors
    /// Names the first setting that is out of range.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let size = |what, n: usize| {
            if (1..=LARGEST).contains(&n) {
                Ok(())
            } else {
                Err(ConfigError { what, allowed: "from 1 to 32768", found: n.to_string() })
            }
        };
        size("the vocabulary", self.vocabulary)?;
        size("the embedding size", self.input.size())?;
        size("the hidden size", self.hidden)?;
        if !(1..=64).contains(&self.layers) {
            let found = self.layers.to_string();
            return Err(ConfigError { what: "the number of layers", allowed: "from 1 to 64", found });
        }
        let rate = |what, rate: f32| {
            if (0.0..1.0).contains(&rate) {
                return Ok(());
            }
            Err(ConfigError { what, allowed: "at least 0 and below 1", found: rate.to_string() })
        };
        rate("the dropout rate", self.dropout)?;
        rate("the weight drop rate", self.weight_drop)
    }

    /// The numbers that enter layer `layer` at each step: `I` for the first, `H` for the others.
    pub fn layer_input(&self, layer: usize) -> usize {
        if layer == 0 { self.input.size() } else { self.hidden }
    }

    /// The floating-point operations of one token in a training step: `2·G·H·(I + H)` for each layer of `G` gates (an
    /// LSTM has 4), times three (forward, gradients of the inputs, gradients of the weights). Embedding and linear layer are not counted.
    pub fn training_flops_per_token(&self) -> f64 {
        3.0 * self.forward_flops_per_token()
    }

    /// The floating-point operations of one token forward: `2·G·H·(I + H)` for each layer.
    pub fn forward_flops_per_token(&self) -> f64 {
        let outputs = self.cell.gates() * self.hidden;
        (0..self.layers).map(|l| 2.0 * (outputs * (self.layer_input(l) + self.hidden)) as f64).sum()
    }
}
