//! One tune while it is written: one row of the batch.

use super::sampling::Scratch;
use super::{GenerateError, Generated, Prime, Request};
use crate::corpus::Vocabulary;
use crate::random::{Purpose, generator};
use rand_chacha::ChaCha8Rng;

/// One tune while it is written.
pub(super) struct Row {
    tune: u32,
    /// The running text: all that the network is fed, and the character that it will be fed next.
    ///
    /// ```text
    /// Start, Text   \n | prime … generated …
    /// Context          | context … generated …
    /// ```
    text: Vec<u32>,
    /// Where in `text` the bar stands: the line feed before it is no part of a blank line.
    body: usize,
    /// Where in `text` the tune's own text begins.
    output: usize,
    /// Where in `text` the generated characters begin.
    primed: usize,
    rng: ChaCha8Rng,
    ended: bool,
    finished: bool,
}

impl Row {
    pub fn new(tune: u32, prime: &Prime, newline: u32, seed: u64) -> Self {
        let mut text = vec![newline];
        match prime {
            Prime::Start => {}
            Prime::Text(prime) => text.extend(prime),
            Prime::Context(context) => text.clone_from(context),
        }
        let primed = text.len();
        let (body, output) = if matches!(prime, Prime::Context(_)) { (0, primed) } else { (1, 1) };
        let rng = generator(seed, Purpose::Sampling { tune });
        Row { tune, text, body, output, primed, rng, ended: false, finished: false }
    }

    /// Characters of the running text.
    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Character `place` of the running text, where it is known.
    pub fn at(&self, place: usize) -> Option<u32> {
        self.text.get(place).copied()
    }

    /// Whether the tune has ended or reached its length.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Whether character `place` is to be chosen next.
    pub fn awaits(&self, place: usize) -> bool {
        !self.finished && place == self.text.len()
    }

    /// Whether character `place` is to be fed, completes a blank line and so begins the next tune.
    pub fn begins_tune(&self, place: usize, newline: u32) -> bool {
        !self.finished && place > self.body && self.text.get(place - 1..=place) == Some(&[newline, newline])
    }

    /// Chooses the next character by its logits `[V]`.
    pub fn write(
        &mut self,
        logits: &[f32],
        request: &Request,
        newline: u32,
        scratch: &mut Scratch,
    ) -> Result<(), GenerateError> {
        let generated = self.text.len() - self.primed + 1;
        if !logits.iter().all(|logit| logit.is_finite()) {
            return Err(GenerateError::NotFinite { tune: self.tune as usize + 1, character: generated });
        }
        self.text.push(request.sampling.sample(logits, &mut self.rng, scratch));
        self.ended = request.until_end && self.text[self.output..].ends_with(&[newline, newline]);
        self.finished = self.ended || generated >= request.length;
        Ok(())
    }

    /// The tune as far as it has come.
    pub fn finish(self, vocabulary: &Vocabulary) -> Generated {
        Generated {
            text: vocabulary.decode(&self.text[self.output..]),
            prime_characters: self.primed - self.output,
            generated: self.text.len() - self.primed,
            ended: self.ended,
        }
    }
}
