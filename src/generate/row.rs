//! One tune while it is written: one row of the batch.

use super::sampling::Scratch;
use super::{GenerateError, Generated, Prime, Request};
use crate::abc::Grammar;
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
    /// What may come next, where the tune has to be valid.
    grammar: Option<Grammar>,
    /// The sum of ln p over the generated characters, where it is asked for.
    log_probability: f64,
    ended: bool,
    finished: bool,
}

impl Row {
    pub fn new(tune: u32, prime: &Prime, newline: u32, seed: u64, grammar: Option<Grammar>) -> Self {
        let mut text = vec![newline];
        match prime {
            Prime::Start => {}
            Prime::Text(prime) => text.extend(prime),
            Prime::Context(context) => text.clone_from(context),
        }
        let primed = text.len();
        let (body, output) = if matches!(prime, Prime::Context(_)) { (0, primed) } else { (1, 1) };
        let rng = generator(seed, Purpose::Sampling { tune });
        let log_probability = 0.0;
        Row { tune, text, body, output, primed, rng, grammar, log_probability, ended: false, finished: false }
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
        vocabulary: &Vocabulary,
        scratch: &mut Scratch,
    ) -> Result<(), GenerateError> {
        let newline = vocabulary.newline();
        let generated = self.text.len() - self.primed + 1;
        let tune = self.tune as usize + 1;
        if !logits.iter().all(|logit| logit.is_finite()) {
            return Err(GenerateError::NotFinite { tune, character: generated });
        }
        let chosen = match &mut self.grammar {
            None => request.sampling.sample(logits, &mut self.rng, scratch),
            Some(grammar) => {
                let room = request.length - generated;
                let after = |token| grammar.after(vocabulary.char_at(token), room);
                let chosen = request.sampling.sample_allowed(logits, &mut self.rng, scratch, after);
                let (token, after) =
                    chosen.ok_or(GenerateError::NothingAllowed { tune, character: generated })?;
                *grammar = after;
                token
            }
        };
        if request.scored {
            self.log_probability += log_softmax(logits, chosen as usize);
        }
        self.text.push(chosen);
        self.ended = match &self.grammar {
            Some(grammar) => grammar.is_finished(),
            None => request.until_end && self.text[self.output..].ends_with(&[newline, newline]),
        };
        self.finished = self.ended || generated >= request.length;
        Ok(())
    }

    /// The tune as far as it has come.
    pub fn finish(self, vocabulary: &Vocabulary, scored: bool) -> Generated {
        let generated = self.text.len() - self.primed;
        Generated {
            text: vocabulary.decode(&self.text[self.output..]),
            prime_characters: self.primed - self.output,
            generated,
            ended: self.ended,
            log_probability: (scored && generated > 0).then(|| self.log_probability / generated as f64),
        }
    }
}

/// ln of the softmax at one place.
fn log_softmax(logits: &[f32], place: usize) -> f64 {
    let largest = logits.iter().fold(f32::MIN, |a, &b| a.max(b));
    let total: f64 = logits.iter().map(|&logit| f64::from(logit - largest).exp()).sum();
    f64::from(logits[place] - largest) - total.ln()
}
