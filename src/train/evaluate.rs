//! Loss and accuracy on tunes, with the objective that a model was trained for.

use super::metrics::Quality;
use super::settings::{Objective, Settings};
use crate::corpus::{CorpusError, Epoch, EvaluationWindows, Streams, Vocabulary};
use crate::nn::{Batch, Engine, LossSums, State};
use std::ops::ControlFlow;

/// Tunes to be evaluated on: every character of every tune is predicted once.
///
/// A many-to-many model reads each tune from its beginning with the state carried; a many-to-one model sees the `T` characters
/// before each one, from the zero state.
#[derive(Clone, Debug)]
pub enum Evaluation {
    /// For many-to-many models.
    Streams(Streams),
    /// For many-to-one models.
    Windows(EvaluationWindows),
}

impl Evaluation {
    /// These tunes, in batches of the settings' shape.
    ///
    /// # Errors
    /// Where there is no character.
    pub fn new(
        tunes: &[Vec<u32>],
        vocabulary: &Vocabulary,
        settings: &Settings,
    ) -> Result<Self, CorpusError> {
        let (t, b) = (settings.seq_len, settings.batch_size);
        Ok(match settings.objective {
            Objective::ManyToMany => {
                Evaluation::Streams(Streams::new(tunes.to_vec(), vocabulary.newline(), t, b)?)
            }
            Objective::ManyToOne => {
                Evaluation::Windows(EvaluationWindows::new(tunes, vocabulary.newline(), t, b)?)
            }
        })
    }

    /// The characters that are predicted.
    pub fn characters(&self) -> usize {
        match self {
            Evaluation::Streams(streams) => streams.characters(),
            Evaluation::Windows(windows) => windows.characters(),
        }
    }

    /// Evaluates. The engine's carried state is lost. `progress` hears the share that is done and may stop it, and then there
    /// is no result.
    pub fn run(
        &self,
        engine: &mut dyn Engine,
        progress: &mut dyn FnMut(f64) -> ControlFlow<()>,
    ) -> Option<Quality> {
        let streams;
        let epoch: &dyn Epoch = match self {
            Evaluation::Streams(source) => {
                streams = source.in_order();
                &streams
            }
            Evaluation::Windows(windows) => windows,
        };
        let config = engine.config().clone();
        let mut sums = LossSums::default();
        let (steps, rows) = epoch.shape();
        let mut batch = Batch::zeros(steps, rows);
        engine.set_state(&State::zeros(&config, rows));
        for index in 0..epoch.len() {
            epoch.fill(index, &mut batch);
            sums = sums.plus(engine.evaluate(&batch));
            if progress((index + 1) as f64 / epoch.len() as f64).is_break() {
                return None;
            }
        }
        Some(Quality::from(sums))
    }
}
