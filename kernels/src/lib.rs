//! The kernels of Hornpipe: every `unsafe` line of the library and every intrinsic.
//!
//! A kernel is an operation on slices. It knows no stack of layers and no files; its public functions are
//! safe and check lengths in release builds too. It is written once, over the small vector language of [`simd`], and
//! runs on the instruction set of the [`Isa`] that it is given.
//!
//! | where | what |
//! |---|---|
//! | [`isa`] | which instruction set runs, and the one place that dispatches |
//! | [`simd`] | the vector language, and its implementations |
//! | [`vecmath`] | exp, sigmoid, tanh |
//! | [`lstm`] | one time step, forward and backward |
//! | [`Packed`] | weights laid out for these steps and for products with many rows |
//! | [`gemm`] | large products |
//! | [`embedding`], [`dropout`], [`softmax`], [`optimizer`], [`elementwise`] | what their names say |
//! | [`Team`] | threads that share one kernel's outputs |
//! | `gpu` | the same on GPUs, with the feature `gpu` |
//! | [`peak`] | what the machine can do at most |

mod buffer;
pub mod dropout;
pub mod elementwise;
pub mod embedding;
pub mod gemm;
#[cfg(feature = "gpu")]
pub mod gpu;
pub mod isa;
pub mod lstm;
pub mod optimizer;
mod packed;
mod panels;
pub mod peak;
pub mod simd;
pub mod softmax;
mod team;
mod tile;
pub mod vecmath;

pub use buffer::Buffer;
pub use isa::{Isa, IsaError};
pub use packed::Packed;
pub use panels::PanelsMut;
pub use team::Team;

#[cfg(test)]
mod testing;
