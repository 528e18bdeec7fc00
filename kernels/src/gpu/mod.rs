//! Kernels on GPUs: what the CPU's kernels do, on arrays that stay on the device. By wgpu, so on Vulkan, Metal and DirectX 12.
//!
//! ```text
//! adapters() ──► Gpu::open ──► Array (numbers on the device)
//!                    │             │
//!                    └─► Recorder: gemm, lstm_forward, … ──► Program ──► Gpu::run: one command buffer
//! ```
//!
//! A [`Program`] is a fixed list of dispatches, recorded once for its shapes and run as often as wanted: a run makes no buffers and
//! compiles nothing. The shaders are in `kernels/wgsl`, one file each, with their equations, shapes and bindings. Sums are added in an
//! order that the shapes decide, and no atomics are used, so one device always computes the same bits.
//!
//! | where | what |
//! |---|---|
//! | [`adapters`], [`Choice`] | which GPUs there are, and how one is named |
//! | [`Gpu`] | an open device, its limits and its compiled shaders |
//! | [`Array`], [`Download`] | numbers on it, and their way back |
//! | [`Recorder`], [`Program`] | operations |
//! | [`Gpu::run_timed`], [`parts`] | how long each shader takes |

mod adapter;
mod array;
mod device;
mod error;
mod ops;
mod program;
mod shader;
mod timing;

pub use adapter::{AdapterInfo, Choice, adapters};
pub use array::{Array, Download, Values};
pub use device::Gpu;
pub use error::GpuError;
pub use ops::{CHAINS, CrossEntropy, Gemm, LstmSequence, Matrix, SUMS, Settings, sort_places};
pub use program::{Part, Program, Recorder, Work, parts};
pub use timing::Time;

#[cfg(test)]
mod tests;
