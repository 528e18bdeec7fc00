//! The network.
mod batch;
pub use batch::Batch;
