//! Whether a network fits into this machine's memory: a sentence before it is tried, where the system would end the program.

use super::device::Device;
use crate::nn::{Layout, ModelConfig};
use crate::optim::Optimizer;
use anyhow::{Result, bail};

/// What to do about a new network that is too large.
pub const SMALLER: &str = "lower --hidden, --layers, --batch-size or --seq-len";

/// Refuses a network that needs more memory than this machine has. The count leaves out much (packed weights, what only some threads
/// need), so what it refuses could not have run. On a GPU the activations are the device's affair: it refuses by itself what it has no
/// room for.
///
/// # Errors
/// Says how much it needs, how much there is, and what to do: `advice`. Where the system does not tell, nothing is refused.
pub fn check(
    device: &Device,
    config: &ModelConfig,
    optimizer: Optimizer,
    (steps, rows): (usize, usize),
    shard_rows: usize,
    advice: &str,
) -> Result<()> {
    let needed = match device {
        Device::Cpu => needed(config, optimizer, (steps, rows), shard_rows),
        Device::Gpu(_) => held(config, optimizer, (steps, rows)),
    };
    match available() {
        Some(available) if needed > available => bail!(
            "this needs at least {:.1} GB of memory and {:.1} GB are free; {advice}",
            needed / 1e9,
            available / 1e9
        ),
        _ => Ok(()),
    }
}

/// Bytes that training on the CPU engine needs, packed weights and what each thread has counted in, to leave a margin; and the
/// bytes that are free, where the system tells.
pub fn estimate(
    config: &ModelConfig,
    optimizer: Optimizer,
    (steps, rows): (usize, usize),
    shard_rows: usize,
    threads: usize,
) -> (f64, Option<f64>) {
    let shards = rows.div_ceil(shard_rows);
    let (workers, levels) = (threads.min(shards) as f64, f64::from(shards.max(1).ilog2()));
    // Four packed copies at most, and a gradient buffer for each worker and each level of the tree over shards.
    let more = Layout::new(config).len() as f64 * (4.0 + 2.0 * workers + levels);
    // A worker also keeps its inputs, dropped outputs and gradients: twice what `needed` counts of it.
    let workspace = (steps * shard_rows.min(rows)) as f64
        * (kept(config) * (config.hidden * config.layers) as f64 + config.vocabulary as f64);
    let needed = needed(config, optimizer, (steps, rows), shard_rows);
    (needed + 4.0 * (more + (2.0 * workers - 1.0) * workspace), available())
}

/// The numbers of each unit and step that are kept for the backward pass.
fn kept(config: &ModelConfig) -> f64 {
    (config.cell.gates() + config.cell.states().len()) as f64
}

/// Bytes that training on the CPU needs at least.
fn needed(
    config: &ModelConfig,
    optimizer: Optimizer,
    (steps, rows): (usize, usize),
    shard_rows: usize,
) -> f64 {
    // Weights of which some are dropped are a copy.
    let dropped = if config.weight_drop > 0.0 { Layout::new(config).len() as f64 } else { 0.0 };
    // Of one worker: the gates and states of each layer (an LSTM's four, h and c), and the logits.
    let numbers = kept(config) * (config.hidden * config.layers) as f64 + config.vocabulary as f64;
    let worker = steps as f64 * shard_rows.min(rows) as f64 * numbers;
    held(config, optimizer, (steps, rows)) + 4.0 * (dropped + worker)
}

/// Bytes that this machine holds wherever the network runs: weights, gradients, moments, a state and a batch.
fn held(config: &ModelConfig, optimizer: Optimizer, (steps, rows): (usize, usize)) -> f64 {
    let parameters = Layout::new(config).len() as f64 * (2 + optimizer.moment_names().len()) as f64;
    let state = (config.cell.states().len() * config.layers) as f64 * rows as f64 * config.hidden as f64;
    let batch = 3.0 * steps as f64 * rows as f64;
    4.0 * (parameters + state + batch)
}

/// Bytes that the system would still give, swap counted in.
pub fn available() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kib = |name: &str| -> Option<f64> {
        let line = text.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse().ok()
    };
    let system = 1024.0 * (kib("MemAvailable:")? + kib("SwapFree:").unwrap_or(0.0));
    // A container may be given less.
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let limit = limit.and_then(|text| text.trim().parse().ok()).unwrap_or(f64::INFINITY);
    Some(system.min(limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Preset;

    #[test]
    fn the_article_fits_and_a_slip_of_the_hand_does_not() {
        let mut settings = Preset::Article.settings();
        let shape = (settings.seq_len, settings.batch_size);
        let bytes = |s: &crate::train::Settings| needed(&s.model(93), s.optimizer, shape, s.shard_rows);
        assert!((4.0 * 4.0 * 1_373_437.0..100e6).contains(&bytes(&settings)));
        let (estimated, _) = estimate(&settings.model(93), settings.optimizer, shape, settings.shard_rows, 2);
        assert!((bytes(&settings)..300e6).contains(&estimated), "{estimated}");
        (settings.hidden, settings.layers) = (30_000, 64);
        assert!(bytes(&settings) > 1e12);
    }

    #[test]
    fn a_gpu_has_the_activations_and_this_machine_the_rest() {
        let settings = Preset::Article.settings();
        let (model, optimizer) = (settings.model(93), settings.optimizer);
        // A shard of all rows: 10^9 steps of gates that no machine has room for, and that a GPU is not asked for here.
        let (shape, rows) = ((1_000_000, 1_000), 1_000);
        let check = |device: &Device, shape| check(device, &model, optimizer, shape, rows, SMALLER);
        if available().is_some_and(|free| free < 1e12) {
            check(&Device::Cpu, shape).expect_err("too much");
        }
        let (cpu, gpu) = (needed(&model, optimizer, shape, rows), held(&model, optimizer, shape));
        assert!(gpu < 12e9 + 100e6 && cpu > 4.0 * 1e9 * 6.0 * 768.0, "{cpu} {gpu}");
        assert!(check(&Device::Gpu(String::new()), (100, 1_000)).is_ok());
        // Weights alone that no machine has room for.
        let large = ModelConfig { hidden: 30_000, layers: 64, ..model };
        assert!(held(&large, optimizer, (1, 1)) > 1e12);
    }
}
