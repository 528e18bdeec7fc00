//! A corpus, made ready for training.

use super::Evaluation;
use super::settings::{Augment, Objective, Settings};
use crate::corpus::augment::{Version, transpositions};
use crate::corpus::{
    Corpus, CorpusError, Source, Split, Streams, Tune, Vocabulary, Windows, fingerprint, split_by,
};
use crate::random::{Purpose, below, generator};
use std::sync::Arc;

/// The training tunes as a source of batches, and the held-out tunes.
#[derive(Clone, Debug)]
pub struct Data {
    /// All characters.
    pub vocabulary: Vocabulary,
    /// The training tunes.
    pub source: Arc<Source>,
    /// The held-out tunes, where any are held out.
    pub held_out: Option<Evaluation>,
    /// Tunes, after duplicates were removed: training and held-out.
    pub tunes: (usize, usize),
    /// Keys that the training tunes have, one tune after the other; without augmentation as many as tunes.
    pub versions: usize,
    /// Characters that an epoch and an evaluation predict.
    pub characters: (usize, usize),
    /// Tunes that were removed because another is the same to the rule that splits.
    pub duplicates: usize,
    /// The version of the rule that decided which tunes are held out.
    pub split_version: u32,
    /// A hash of the training tunes in all their versions, for resuming.
    pub fingerprint: u64,
    /// A hash of the held-out tunes, for resuming.
    pub held_out_fingerprint: u64,
    /// `T` characters from the training text, which a many-to-one model starts from.
    pub seed_window: Vec<u32>,
}

/// A corpus that cannot be trained on.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// What the corpus says.
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    /// Characters that the model does not know.
    #[error("{0}; the model knows only the {1} characters that it was trained on")]
    Vocabulary(CorpusError, usize),
}

impl Data {
    /// Splits and encodes a corpus. `vocabulary` is a model's own, where one is to be trained further; else it is made from the
    /// whole text.
    ///
    /// # Errors
    /// Where the corpus has characters beyond that vocabulary, is too small for the split or for one window.
    pub fn new(
        corpus: &Corpus,
        settings: &Settings,
        vocabulary: Option<Vocabulary>,
    ) -> Result<Self, DataError> {
        let own = vocabulary.is_some();
        let vocabulary = vocabulary.unwrap_or_else(|| Vocabulary::from_tunes(&corpus.tunes));
        if own {
            vocabulary.encode_tunes(&corpus.tunes).map_err(|e| DataError::Vocabulary(e, vocabulary.len()))?;
        }
        let parts = split_by(settings.split_version, corpus, settings.seed, settings.validation_fraction);
        parts.check(settings.validation_fraction)?;
        let Split { train, held_out, duplicates } = parts;
        // Only here, behind the split: no copy of a held-out tune can come among them.
        let versions: Vec<Vec<Version<Tune>>> = match settings.augment {
            Augment::None => Vec::new(),
            Augment::Transpose => transpositions(&train, &vocabulary),
        };
        let encoded = vocabulary.encode_tunes(&train)?;
        let (t, b) = (settings.seq_len, settings.batch_size);
        let mut seed_window = Vec::new();
        let source = match settings.objective {
            Objective::ManyToOne => {
                let text = encoded.concat();
                let windows = Windows::new(text.clone(), t, settings.stride, b)?;
                // Longer than T, or there would be no window; and its positions fit u32.
                let places = (text.len() - t) as u32;
                let at = below(&mut generator(settings.seed, Purpose::SeedWindow), places) as usize;
                seed_window.extend_from_slice(&text[at..at + t]);
                Source::Windows(windows)
            }
            Objective::ManyToMany => Source::Streams(if versions.is_empty() {
                Streams::new(encoded, vocabulary.newline(), t, b)?
            } else {
                let encode = |Version { weight, tune }: &Version<Tune>| {
                    Ok(Version { weight: *weight, tune: vocabulary.encode(&tune.text)? })
                };
                let encoded = versions.iter().map(|v| v.iter().map(encode).collect());
                let encoded = encoded.collect::<Result<Vec<Vec<_>>, CorpusError>>()?;
                Streams::of_versions(encoded, vocabulary.newline(), t, b)?
            }),
        };
        let evaluation = if held_out.is_empty() {
            None
        } else {
            Some(Evaluation::new(&vocabulary.encode_tunes(&held_out)?, &vocabulary, settings)?)
        };
        Ok(Data {
            characters: (source.predictions(), evaluation.as_ref().map_or(0, Evaluation::characters)),
            source: Arc::new(source),
            held_out: evaluation,
            tunes: (train.len(), held_out.len()),
            duplicates,
            fingerprint: match versions.is_empty() {
                true => fingerprint(train.iter()),
                false => fingerprint(versions.iter().flatten().map(|version| &version.tune)),
            },
            versions: if versions.is_empty() { train.len() } else { versions.iter().map(Vec::len).sum() },
            split_version: settings.split_version,
            held_out_fingerprint: fingerprint(held_out.iter()),
            seed_window,
            vocabulary,
        })
    }

    /// The optimiser steps of a whole run.
    pub fn total_steps(&self, settings: &Settings) -> u64 {
        settings.steps.unwrap_or_else(|| {
            (0..settings.epochs).map(|e| self.source.batches(settings.seed, e) as u64).sum()
        })
    }
}
