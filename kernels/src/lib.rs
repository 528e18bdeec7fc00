//! The kernels of Hornpipe: every `unsafe` line of the project, every intrinsic.
mod buffer;
pub mod elementwise;
pub mod gemm;
pub mod isa;
pub mod lstm;
mod packed;
pub mod simd;
mod tile;
pub mod vecmath;
pub use buffer::Buffer;
pub use isa::{Isa, IsaError};
pub use packed::Packed;
#[cfg(test)]
mod testing;
