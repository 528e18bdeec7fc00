//! The folder of a run: what stands in it and how it is kept whole.

use super::host::Host;
use super::plot::{EpochPoint, loss_svg};
use crate::checkpoint::{Checkpoint, write_atomically};
use crate::train::{EpochMetrics, Settings, Snapshot, Watched, read_metrics, write_metrics};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};

/// The checkpoint of the latest moment.
pub const LAST: &str = "last.hornpipe";
/// The checkpoint of the best epoch.
pub const BEST: &str = "best.hornpipe";
const METRICS: &str = "metrics.csv";
const PLOT: &str = "loss.svg";
const RUN: &str = "run.json";

/// What `run.json` holds for people and for `--resume`.
#[derive(Serialize, Deserialize)]
pub struct RunFile {
    /// The program's version.
    pub version: String,
    /// The corpus as given; empty for the built-in tunes.
    pub corpus: Vec<PathBuf>,
    /// The settings.
    pub settings: Settings,
    /// Threads of the latest start.
    pub threads: usize,
    /// When the latest start was, local time.
    pub started: String,
    /// The machine of the latest start.
    #[serde(skip_deserializing, default)]
    pub host: Option<Host>,
}

/// A run's folder.
#[derive(Clone, Debug)]
pub struct RunFolder {
    path: PathBuf,
    metrics: Vec<EpochMetrics>,
    watched: Watched,
}

impl RunFolder {
    /// A new folder for a new run: the one asked for, or one with a dated name under `runs/`.
    pub fn create(out: Option<&Path>) -> Result<Self> {
        let path = match out {
            Some(path) => {
                if path.join(LAST).exists() {
                    bail!(
                        "{} already holds a run; continue it with --resume {} or choose another --out",
                        path.display(),
                        path.display()
                    );
                }
                path.to_path_buf()
            }
            None => {
                let name = chrono::Local::now().format("%Y-%m-%d_%H-%M-%S").to_string();
                let free = |n: u32| {
                    let name = if n == 1 { name.clone() } else { format!("{name}_{n}") };
                    Path::new("runs").join(name)
                };
                (1..).map(free).find(|path| !path.exists()).context("no free name under runs/")?
            }
        };
        fs::create_dir_all(&path).with_context(|| format!("cannot make the folder {}", path.display()))?;
        Ok(RunFolder { path, metrics: Vec::new(), watched: Watched::default() })
    }

    /// The folder of a run that goes on, its metrics cut back to the checkpoint's epoch. With `out`, what the run has so far is
    /// copied to that folder first.
    pub fn resume(from: &Path, out: Option<&Path>, snapshot: &Snapshot) -> Result<Self> {
        let text = fs::read_to_string(from.join(METRICS)).unwrap_or_default();
        let (mut metrics, mut watched) = read_metrics(&text);
        metrics.retain(|row| row.epoch <= snapshot.progress.epoch);
        watched.epochs.retain(|&epoch, _| epoch <= snapshot.progress.epoch);
        let same = |out: &Path| out == from || fs::canonicalize(out).ok() == fs::canonicalize(from).ok();
        let Some(out) = out.filter(|out| !same(out)) else {
            return Ok(RunFolder { path: from.to_path_buf(), metrics, watched });
        };
        let mut folder = RunFolder::create(Some(out))?;
        (folder.metrics, folder.watched) = (metrics, watched);
        for name in [BEST, LAST] {
            let path = from.join(name);
            if path.exists() {
                let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
                folder.write(name, &bytes)?;
            }
        }
        Ok(folder)
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The seconds that the run has taken so far, as its metrics say.
    pub fn seconds(&self) -> f64 {
        self.metrics.last().map_or(0.0, |row| row.seconds)
    }

    /// Writes `run.json`.
    pub fn describe(&self, run: &RunFile) -> Result<()> {
        self.write(RUN, serde_json::to_string_pretty(run)?.as_bytes())
    }

    /// Reads a folder's `run.json`.
    pub fn description(path: &Path) -> Result<RunFile> {
        let file = path.join(RUN);
        let text = fs::read_to_string(&file).with_context(|| {
            format!("cannot read {}; the folder of a run, such as runs/NAME, has that file", file.display())
        })?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", file.display()))
    }

    /// Saves a checkpoint under one of the two names.
    pub fn save(&self, name: &str, checkpoint: &Checkpoint) -> Result<()> {
        Ok(checkpoint.save(&self.path.join(name))?)
    }

    /// Writes the metrics and their picture anew.
    pub fn write_metrics(&self) -> Result<()> {
        self.write(METRICS, write_metrics(&self.metrics, &self.watched).as_bytes())?;
        let points: Vec<EpochPoint> = self
            .metrics
            .iter()
            .map(|row| EpochPoint {
                epoch: f64::from(row.epoch),
                training: row.training.nats_per_char,
                held_out: row.held_out.map(|q| q.nats_per_char),
            })
            .collect();
        let title = self.path.file_name().map_or("run".into(), |name| name.to_string_lossy());
        Ok(loss_svg(&self.path.join(PLOT), &title, &points)?)
    }

    /// Adds a row to the metrics, and writes them.
    pub fn add(&mut self, row: EpochMetrics) -> Result<()> {
        self.metrics.push(row);
        self.write_metrics()
    }

    /// What is watched at the end of an epoch, whose row in the metrics is still to come.
    pub fn watch(&mut self, epoch: u32, numbers: Vec<(String, f64)>) {
        let (names, numbers) = numbers.into_iter().unzip();
        if self.watched.names != names {
            // The numbers of another version of this program, perhaps.
            self.watched = Watched { names, ..Watched::default() };
        }
        self.watched.epochs.insert(epoch, numbers);
    }

    /// What was watched so far.
    pub fn watched(&self) -> &Watched {
        &self.watched
    }

    /// Writes a file of the folder.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.path.join(name);
        write_atomically(&path, bytes).with_context(|| format!("cannot write {}", path.display()))
    }
}
