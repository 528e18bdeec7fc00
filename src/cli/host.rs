//! What machine this is.

use hornpipe_kernels::gemm::Gemm;
use serde::Serialize;

/// The machine and the arithmetic that ran on it.
#[derive(Clone, Debug, Serialize)]
pub struct Host {
    /// The processor's name.
    pub cpu: String,
    /// The instruction set of the kernels.
    pub isa: &'static str,
    /// Who does the products of the weight gradients.
    pub gemm: &'static str,
    /// Processors that the system offers.
    pub cores: usize,
}

impl Host {
    pub fn of(gemm: Gemm) -> Self {
        Host {
            cpu: cpu_name(),
            isa: gemm.isa().name(),
            gemm: gemm.name(),
            cores: std::thread::available_parallelism().map_or(1, |n| n.get()),
        }
    }
}

/// The processor's name as Linux tells it; elsewhere the architecture.
pub fn cpu_name() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name =
        text.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
    name.unwrap_or(std::env::consts::ARCH).trim().to_string()
}

/// The most memory that this process ever had resident, in megabytes (10^6); none where the system does not tell.
pub fn peak_rss_mb() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}
