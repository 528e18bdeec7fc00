//! `--device`: where the network runs.

use crate::nn::{Engine, Parameters};
use crate::train::{Settings, build_engine};
use anyhow::Result;
use hornpipe_kernels::gemm::Gemm;

/// Where the network runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Device {
    /// On the processor.
    Cpu,
    /// On a GPU: its number or a part of its name; empty for the best there is.
    Gpu(String),
}

/// What `--device` takes.
pub fn parse(text: &str) -> Result<Device, String> {
    match text.split_once(':') {
        None if text == "cpu" => Ok(Device::Cpu),
        None if text == "gpu" => Ok(Device::Gpu(String::new())),
        Some(("gpu", choice)) if !choice.is_empty() => Ok(Device::Gpu(choice.to_string())),
        _ => {
            Err("must be cpu, gpu, gpu:NUMBER or gpu:NAME; `hornpipe bench devices` lists the GPUs"
                .to_string())
        }
    }
}

/// A network that is to run.
pub struct Wanted<'a> {
    pub settings: &'a Settings,
    /// `V`
    pub vocabulary: usize,
    pub parameters: Parameters,
    pub gemm: Gemm,
    pub threads: usize,
    /// `T` and `B` of the batches to come, as far as known.
    #[cfg_attr(not(feature = "gpu"), expect(dead_code, reason = "only a GPU makes its room beforehand"))]
    pub shape: (usize, usize),
}

impl Device {
    /// An engine there.
    ///
    /// # Errors
    /// Where there is no such device, or no room on it.
    pub fn engine(&self, wanted: Wanted) -> Result<Box<dyn Engine>> {
        match self {
            Device::Cpu => {
                let Wanted { settings, vocabulary, parameters, gemm, threads, .. } = wanted;
                Ok(build_engine(settings, parameters, vocabulary, gemm, threads)?)
            }
            Device::Gpu(choice) => gpu::engine(choice, wanted),
        }
    }
}

#[cfg(feature = "gpu")]
pub mod gpu {
    //! GPUs, in a build that knows them.

    use super::Wanted;
    use crate::cli::output::tell;
    use crate::nn::{Engine, GpuEngine, ModelConfig, Parameters};
    use crate::optim::Optimizer;
    use crate::train::EngineKind;
    use anyhow::{Result, bail};
    use hornpipe_kernels::gpu::{AdapterInfo, Choice, Gpu};

    pub fn engine(choice: &str, wanted: Wanted) -> Result<Box<dyn Engine>> {
        if wanted.settings.engine == EngineKind::Reference {
            bail!("the engine reference runs on the CPU alone; use --device cpu, or --engine cpu with a GPU");
        }
        let config = wanted.settings.model(wanted.vocabulary);
        Ok(named(choice, &config, wanted.parameters, wanted.settings.optimizer, wanted.shape)?.0)
    }

    /// An engine on that GPU, and its name.
    pub fn named(
        choice: &str,
        config: &ModelConfig,
        parameters: Parameters,
        optimizer: Optimizer,
        shape: (usize, usize),
    ) -> Result<(Box<dyn Engine>, String)> {
        let gpu = open(choice)?;
        let name = gpu.info().name.clone();
        Ok((Box::new(GpuEngine::new(config, parameters, optimizer, gpu, shape)?), name))
    }

    /// Opens a GPU, and says which.
    pub fn open(choice: &str) -> Result<Gpu> {
        let choice: Choice = choice.parse()?;
        let gpu = Gpu::open(&choice)?;
        let AdapterInfo { name, backend, kind, .. } = gpu.info();
        tell!("device: {name} ({backend}, {kind})");
        Ok(gpu)
    }
}

#[cfg(not(feature = "gpu"))]
pub mod gpu {
    //! GPUs, in a build that knows none.

    use super::Wanted;
    use crate::nn::{Engine, ModelConfig, Parameters};
    use crate::optim::Optimizer;
    use anyhow::{Result, bail};

    pub const MISSING: &str =
        "this hornpipe was built without GPU support; build it with: cargo install --path . --features gpu";

    pub fn engine(_: &str, _: Wanted) -> Result<Box<dyn Engine>> {
        bail!(MISSING)
    }

    pub fn named(
        _: &str,
        _: &ModelConfig,
        _: Parameters,
        _: Optimizer,
        _: (usize, usize),
    ) -> Result<(Box<dyn Engine>, String)> {
        bail!(MISSING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_have_names() {
        assert_eq!(parse("cpu"), Ok(Device::Cpu));
        assert_eq!(parse("gpu"), Ok(Device::Gpu(String::new())));
        assert_eq!(parse("gpu:1"), Ok(Device::Gpu("1".into())));
        assert_eq!(parse("gpu:RTX 4090"), Ok(Device::Gpu("RTX 4090".into())));
        for bad in ["", "gpu:", "cuda", "cpu:0", "GPU"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
