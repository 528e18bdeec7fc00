//! Whether a network fits into this machine's memory: a sentence before it is tried, where the system would end the program.

use crate::nn::{Layout, ModelConfig};
use crate::optim::Optimizer;
use anyhow::{Result, bail};

/// Refuses a network that needs more memory than there is. The count leaves out much (packed weights, what only some threads
/// need), so what it refuses could not have run.
///
/// # Errors
/// Says how much it needs and how much there is. Where the system does not tell, nothing is refused.
pub fn check(
    config: &ModelConfig,
    optimizer: Optimizer,
    (steps, rows): (usize, usize),
    shard_rows: usize,
) -> Result<()> {
    let needed = needed(config, optimizer, (steps, rows), shard_rows);
    match available() {
        Some(available) if needed > available => bail!(
            "this needs at least {:.1} GB of memory and {:.1} GB are free; lower --hidden, --layers, --batch-size or --seq-len",
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

/// Bytes that training needs at least.
fn needed(
    config: &ModelConfig,
    optimizer: Optimizer,
    (steps, rows): (usize, usize),
    shard_rows: usize,
) -> f64 {
    let (t, b, r) = (steps as f64, rows as f64, shard_rows.min(rows) as f64);
    let (h, l, v) = (config.hidden as f64, config.layers as f64, config.vocabulary as f64);
    // Weights, gradients, moments.
    let parameters = Layout::new(config).len() as f64 * (2 + optimizer.moment_names().len()) as f64;
    // Of one worker: the gates and states of each layer (an LSTM's four, h and c), and the logits.
    let workspace = t * r * (kept(config) * h * l + v);
    let state = config.cell.states().len() as f64 * l * b * h;
    let batch = 3.0 * t * b;
    4.0 * (parameters + workspace + state + batch)
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
}
