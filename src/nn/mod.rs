//! The network: what it is made of, and the engines that run it. It knows no files, no terminal and no clock.
//!
//! | where | what |
//! |---|---|
//! | [`ModelConfig`], [`Parameters`], [`State`], [`Batch`] | shapes and data |
//! | [`lstm`] | the LSTM layer: equations, plain loops, kernels |
//! | [`cell`] | its variants, GRU and RNN |
//! | [`mod@reference`] | the whole network in plain loops |
//! | [`Engine`] | the seam that training and generation see |
//! | [`CpuEngine`], [`ReferenceEngine`] | what stands behind it; with the feature `gpu` also `GpuEngine` |
//! | [`init`] | initial weights |

mod batch;
pub mod cell;
pub(crate) mod config;
mod cpu;
mod engine;
#[cfg(feature = "gpu")]
mod gpu;
pub mod init;
pub mod lstm;
mod parameters;
pub mod reference;
mod reference_engine;
mod state;
mod weight_drop;

pub use crate::threads::ThreadError;
pub use batch::Batch;
pub use cell::Cell;
pub use config::{ConfigError, Input, ModelConfig};
pub(crate) use cpu::Weights;
pub use cpu::{CpuEngine, default_shard_rows};
pub use engine::{Engine, LossSums, Masking, NotFinite, StepReport};
#[cfg(feature = "gpu")]
pub use gpu::{GpuEngine, GpuEngineError};
pub use parameters::{LayerIndex, LayerMut, Layout, Parameters, Tensor};
pub use reference_engine::{ReferenceEngine, dropout_masks};
pub use state::State;
pub use weight_drop::WeightDrop;
