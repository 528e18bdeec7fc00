//! The text that a model reads, as flags name it.

use crate::cli::output::tell;
use crate::cli::{generate, load};
use crate::corpus::{READ_LIMIT, decode, parse, read_file};
use crate::inspect::Reading;
use crate::train::Snapshot;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// A checkpoint and what it reads.
#[derive(Debug, clap::Args)]
pub struct TextArgs {
    /// A checkpoint, or a run's folder (its best model).
    pub checkpoint: PathBuf,
    /// The text that is read; \n is a line end.
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["file", "generate"])]
    text: Option<String>,
    /// A file with the text, or - for standard input. Tunes are read as train reads them: blank lines only between them.
    #[arg(long, value_name = "FILE", conflicts_with = "generate")]
    file: Option<PathBuf>,
    /// Read a tune that the model writes first (the default).
    #[arg(long)]
    generate: bool,
    /// Which tune it writes.
    #[arg(long, value_name = "S", default_value_t = 1, conflicts_with_all = ["text", "file"])]
    seed: u64,
    /// See only the last N characters, anew for each one (the default for many-to-one models, with their own length). 0 carries
    /// the state.
    #[arg(long, value_name = "N")]
    window: Option<usize>,
}

impl TextArgs {
    /// How the model sees the text.
    pub fn reading(&self, snapshot: &Snapshot) -> Reading {
        generate::window(snapshot, self.window).map_or(Reading::Carried, Reading::Window)
    }

    /// The text in the model's characters; at least one.
    pub fn text(&self, snapshot: &Snapshot) -> Result<Vec<u32>> {
        let text = match (&self.text, &self.file) {
            (Some(text), _) => line_ends(text),
            (None, Some(path)) => read(path)?,
            (None, None) => {
                tell!("the model writes a tune (seed {})", self.seed);
                let (mut engine, _) = load::engine(snapshot, 1)?;
                generate::one(engine.as_mut(), snapshot, self.seed)?
            }
        };
        if text.is_empty() {
            bail!("the text is empty: there is nothing to read");
        }
        let checkpoint = self.checkpoint.display();
        snapshot.vocabulary.encode(&text).with_context(|| format!("{checkpoint} cannot read the text"))
    }
}

/// A text as flags have it, in which \n is a line end.
pub fn line_ends(text: &str) -> String {
    text.replace("\\n", "\n")
}

/// The text of a file: of tunes, what a corpus keeps of them.
fn read(path: &Path) -> Result<String> {
    let (name, bytes) = read_file(path, READ_LIMIT)?;
    let tunes = bytes.starts_with(b"X:") || bytes.windows(3).any(|w| w == b"\nX:" || w == b"\rX:");
    if tunes {
        return Ok(parse(&name, &bytes)?.into_iter().map(|tune| tune.text).collect());
    }
    Ok(decode(&name, &bytes)?.replace("\r\n", "\n").replace('\r', "\n"))
}
