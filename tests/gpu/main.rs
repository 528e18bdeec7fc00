//! The network on a GPU is the plain loops, over odd shapes; it trains as the CPU does, its runs go on there and back, and what fails
//! is told.
//!
//! Without a GPU these tests are skipped with a message. Where `HORNPIPE_GPU` is set (a number or a name, as in `--device gpu:…`) they
//! run on that one, and fail without it. Mesa's software device will do.
#![cfg(feature = "gpu")]

#[path = "../common/mod.rs"]
mod common;
mod failures;
#[path = "../common/gpu.rs"]
mod gpu;
mod network;
mod runs;

use gpu::gpu;
use hornpipe::nn::{GpuEngine, ModelConfig, Parameters};
use hornpipe::optim::{Hyper, Optimizer};
use hornpipe_kernels::gpu::Gpu;

const HYPER: Hyper = Hyper { optimizer: Optimizer::Adam, lr: 0.003, clip_norm: Some(1.0), step: 0 };

fn engine(gpu: &Gpu, config: &ModelConfig, parameters: &Parameters, optimizer: Optimizer) -> GpuEngine {
    GpuEngine::new(config, parameters.clone(), optimizer, gpu.clone(), (1, 1)).expect("room")
}
