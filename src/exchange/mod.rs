//! Models for other programs, and models from them.
//!
//! | where | what |
//! |---|---|
//! | [`Model`] | what travels: weights, characters, settings, seed window |
//! | [`mod@safetensors`] | to and from safetensors, with PyTorch's names and layouts |
//! | [`onnx`] | to ONNX |
//!
//! **What does not travel** is what only a run needs to go on: the optimiser's moments, the carried state, how far the training has
//! come. A model that comes back can generate, be evaluated and be trained further (`train --init-from`), but not resumed.
//!
//! Foreign layouts begin and end here. PyTorch has two biases for each layer, of which only the sum matters: `bias_ih` is
//! written with this engine's one bias and `bias_hh` with zeros, and reading adds the two. The same model gives the same bytes.
//!
//! Nothing here opens a file.

mod error;
mod model;
pub mod onnx;
mod protobuf;
pub mod safetensors;

pub use error::ExchangeError;
pub use model::{Given, Model};
