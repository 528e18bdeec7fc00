//! The tunes that a model is measured on, as flags name them.

use crate::cli::output::tell;
use crate::cli::{generate, load};
use crate::corpus::{Tune, split_by};
use crate::inspect::{Reading, Sequence};
use crate::train::Snapshot;
use anyhow::{Context, Result, bail};
use std::path::PathBuf;

/// Sequences that are read side by side.
pub const ROWS: usize = 16;

/// A checkpoint and what it reads.
#[derive(Debug, clap::Args)]
pub struct CorpusArgs {
    /// A checkpoint, or a run's folder (its best model).
    pub checkpoint: PathBuf,
    /// ABC files, folders of them, or - for standard input; none for the built-in tunes.
    pub corpus: Vec<PathBuf>,
    /// Read whole tunes up to about so many characters [default: all; ablate 10,000].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    length: Option<u64>,
    /// See only the last N characters, anew for each one (the default for many-to-one models, with their own length). 0 carries
    /// the state.
    #[arg(long, value_name = "N")]
    pub window: Option<usize>,
}

/// Whole tunes from the first on, until they have so many characters.
fn up_to(mut tunes: Vec<Tune>, length: Option<u64>) -> Vec<Tune> {
    if let Some(length) = length {
        let mut characters = 0;
        let whole = tunes.iter().take_while(|tune| {
            let before = characters;
            characters += tune.text.chars().count() as u64;
            before < length
        });
        let whole = whole.count();
        tunes.truncate(whole);
    }
    tunes
}

impl CorpusArgs {
    /// How the model sees the tunes.
    pub fn reading(&self, snapshot: &Snapshot) -> Reading {
        generate::window(snapshot, self.window).map_or(Reading::Carried, Reading::Window)
    }

    /// The tunes, at least one.
    pub fn tunes(&self) -> Result<Vec<Tune>> {
        Ok(up_to(load::corpus(&self.corpus)?.tunes, self.length))
    }

    /// Those tunes that the model's own rule holds out, at least one; all of them where it holds none out, or where that is asked
    /// for. Where no length is given, up to `length` characters.
    pub fn held_out(&self, snapshot: &Snapshot, all: bool, length: u64) -> Result<Vec<Tune>> {
        let corpus = load::corpus(&self.corpus)?;
        let fraction = snapshot.settings.validation_fraction;
        let tunes = if all || fraction == 0.0 {
            if !all {
                tell!("the model was trained with --validation-fraction 0: measuring on all tunes");
            }
            corpus.tunes
        } else {
            let settings = &snapshot.settings;
            split_by(settings.split_version, &corpus, settings.seed, fraction).held_out
        };
        if tunes.is_empty() {
            bail!("the model's rule holds none of these tunes out; --all measures on all of them");
        }
        Ok(up_to(tunes, Some(self.length.unwrap_or(length))))
    }

    /// The tunes in the model's characters.
    pub fn encode(&self, snapshot: &Snapshot, tunes: &[Tune]) -> Result<Vec<Vec<u32>>> {
        let checkpoint = self.checkpoint.display();
        let encoded = snapshot.vocabulary.encode_tunes(tunes);
        encoded.with_context(|| format!("the corpus has characters that {checkpoint} was not trained on"))
    }

    /// The tunes as they are read.
    pub fn sequences(&self, snapshot: &Snapshot) -> Result<Vec<Sequence>> {
        let tunes = self.encode(snapshot, &self.tunes()?)?;
        Ok(Sequence::tunes(&tunes, snapshot.vocabulary.newline(), self.reading(snapshot)))
    }
}
