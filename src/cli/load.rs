//! Corpora and checkpoints, as commands ask for them.

use super::device::{Device, Wanted};
use super::run_folder::RunFolder;
use crate::checkpoint::Checkpoint;
use crate::corpus::{self, Corpus, Split, composer, fingerprint, split_by};
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

/// The training and the held-out tunes of a run, by the settings of its checkpoint, and the paths that they were read from: those given, or
/// without any those that the run's folder names.
pub fn tunes_of_run(run: &Path, snapshot: &Snapshot, paths: &[PathBuf]) -> Result<(Split, Vec<PathBuf>)> {
    let folder = if run.is_dir() { run } else { run.parent().unwrap_or(run) };
    let paths = match paths {
        [] => RunFolder::description(folder)?.corpus,
        paths => paths.to_vec(),
    };
    if paths.iter().any(|path| path.as_os_str() == "-") {
        bail!("the run in {} read its corpus from standard input", folder.display());
    }
    let corpus = corpus(&paths)?;
    let settings = &snapshot.settings;
    let parts = split_by(settings.split_version, &corpus, settings.seed, settings.validation_fraction);
    let known = snapshot.progress.held_out_fingerprint;
    // A converted model belongs to no corpus: it has 0.
    if known != 0 && known != fingerprint(parts.held_out.iter()) {
        bail!(
            "{} does not hold the tunes out that {} held out: it is another corpus, or was changed",
            corpus_name(&paths),
            run.display()
        );
    }
    Ok((parts, paths))
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
