//! Corpora and checkpoints, as commands ask for them.

use super::device::{Device, Wanted};
use crate::checkpoint::Checkpoint;
use crate::corpus::{self, Corpus, composer};
use crate::nn::Engine;
use crate::train::Snapshot;
use anyhow::{Context, Result, bail};
use hornpipe_kernels::gemm::Gemm;
use std::path::{Path, PathBuf};

/// The tunes of these paths; without any, the built-in ones.
pub fn corpus(paths: &[PathBuf]) -> Result<Corpus> {
    if paths.is_empty() {
        let tunes = corpus::parse("the built-in corpus", composer::BUILT_IN.as_bytes())?;
        return Ok(Corpus { tunes });
    }
    Ok(corpus::read(paths)?)
}

/// What a corpus is called in messages.
pub fn corpus_name(paths: &[PathBuf]) -> String {
    match paths {
        [] => "the built-in tunes".to_string(),
        paths => paths.iter().map(|path| name(path)).collect::<Vec<_>>().join(", "),
    }
}

fn name(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard input".to_string() } else { path.display().to_string() }
}

/// The checkpoint in a file; a run's folder stands for its best one.
pub fn snapshot(path: &Path) -> Result<Snapshot> {
    let file = if path.is_dir() { path.join("best.hornpipe") } else { path.to_path_buf() };
    if !file.exists() {
        bail!("there is no {}; name a checkpoint or a run's folder, such as runs/NAME", file.display());
    }
    let checkpoint = Checkpoint::load(&file)?;
    Snapshot::from_checkpoint(&checkpoint).with_context(|| format!("cannot use {}", file.display()))
}

/// An engine with a snapshot's weights, and who computes.
pub fn engine(snapshot: &Snapshot, threads: usize) -> Result<(Box<dyn Engine>, Gemm)> {
    engine_on(&Device::Cpu, snapshot, threads, (1, 1))
}

/// The same on a device, for batches of this shape `(T, B)`.
pub fn engine_on(
    device: &Device,
    snapshot: &Snapshot,
    threads: usize,
    shape: (usize, usize),
) -> Result<(Box<dyn Engine>, Gemm)> {
    let gemm = Gemm::detect()?;
    let (parameters, vocabulary) = (snapshot.parameters.clone(), snapshot.vocabulary.len());
    let wanted = Wanted { settings: &snapshot.settings, vocabulary, parameters, gemm, threads, shape };
    Ok((device.engine(wanted)?, gemm))
}
