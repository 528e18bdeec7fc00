//! Optimisers, clipping and learning-rate schedules.
//!
//! [`mod@reference`] has the update rules in plain loops; the kernels do the same work in one pass over memory.

mod moments;
pub mod reference;
mod schedule;

pub use moments::Moments;
pub use schedule::Schedule;

use serde::{Deserialize, Serialize};

/// An update rule with its constants. Both are PyTorch's definitions and defaults; Keras puts ε elsewhere and, for
/// RMSprop, uses ρ = 0.9 and ε = 1e-7 (see [`hornpipe_kernels::optimizer`]).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Optimizer {
    /// Kingma and Ba, 2015: β1 0.9, β2 0.999, ε 1e-8.
    Adam,
    /// Tieleman and Hinton, 2012: α 0.99, ε 1e-8, no momentum, not centred.
    Rmsprop,
}

/// Adam's β1.
pub const BETA1: f64 = 0.9;
/// Adam's β2.
pub const BETA2: f64 = 0.999;
/// RMSprop's α.
pub const ALPHA: f64 = 0.99;
/// ε of both.
pub const EPSILON: f64 = 1e-8;

impl Optimizer {
    /// How many moments it keeps for each parameter.
    pub fn moments(self) -> usize {
        match self {
            Optimizer::Adam => 2,
            Optimizer::Rmsprop => 1,
        }
    }

    /// Their names in a checkpoint.
    pub fn moment_names(self) -> &'static [&'static str] {
        match self {
            Optimizer::Adam => &["m", "v"],
            Optimizer::Rmsprop => &["v"],
        }
    }
}

/// What one update needs to know.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hyper {
    /// The update rule.
    pub optimizer: Optimizer,
    /// The learning rate of this step.
    pub lr: f64,
    /// The greatest norm of all gradients together; none does not clip.
    pub clip_norm: Option<f64>,
    /// The update, counted from 0.
    pub step: u64,
}

impl Hyper {
    /// The factor on all gradients whose norm is `norm`: PyTorch's `clip_grad_norm_`, its 1e-6 included.
    pub fn clip_factor(&self, norm: f64) -> f64 {
        self.clip_norm.map_or(1.0, |most| (most / (norm + 1e-6)).min(1.0))
    }
}
