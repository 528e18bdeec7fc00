//! Optimisers, clipping and learning-rate schedules.
//!
//! [`mod@reference`] has the update rules in plain loops; the kernels do the same work in one pass over memory.

mod moments;
pub mod reference;
mod schedule;

pub use moments::Moments;
pub use schedule::Schedule;

use hornpipe_kernels::optimizer::{Adam, RmsProp};
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

    /// The kernel's constants for this step of Adam.
    pub(crate) fn adam(&self, clip: f64) -> Adam {
        let t = self.step as f64 + 1.0;
        // 1 - β2 in f32 is 1.3e-5 from 0.001. The correction must belong to the β that the kernel uses.
        let (beta1, beta2) = (BETA1 as f32, BETA2 as f32);
        let correction = |beta: f32| 1.0 - f64::from(beta).powf(t);
        Adam {
            step_size: (self.lr / correction(beta1)) as f32,
            beta1,
            beta2,
            root_correction: (1.0 / correction(beta2).sqrt()) as f32,
            epsilon: EPSILON as f32,
            clip: clip as f32,
        }
    }

    /// The kernel's constants for this step of RMSprop.
    pub(crate) fn rmsprop(&self, clip: f64) -> RmsProp {
        RmsProp { lr: self.lr as f32, alpha: ALPHA as f32, epsilon: EPSILON as f32, clip: clip as f32 }
    }
}
