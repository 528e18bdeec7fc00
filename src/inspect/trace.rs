//! A reading of one text, kept: what a trace page shows.
//!
//! Gates and states are kept in a byte each, so that a page of ten thousand characters can be sent to a friend. What the network
//! expected is kept in f32.

use super::{Reading, Recorder, Sequence, Signal, Span, Step, read};
use std::ops::{ControlFlow, Range};

/// How many predictions are kept of each step.
pub const TOP: usize = 5;

/// One signal of one layer: `H` units over the `n` characters of the text.
///
/// The value of a byte `q` is `q / 255` for a [`Span::Share`], else `(q - 128) / 127` times the unit's scale, so 0 is exact. It is off by at
/// most half a step, 1/510 or `scale / 254`.
#[derive(Clone, Debug, PartialEq)]
pub struct Block {
    span: Span,
    /// `[H]`: the greatest magnitude of each unit; 1 for a [`Span::Share`].
    pub scale: Vec<f32>,
    /// `[H, n]`
    pub bytes: Vec<u8>,
}

impl Block {
    fn new(span: Span, hidden: usize, characters: usize) -> Self {
        let scale = if span == Span::Share { 1.0 } else { 0.0 };
        Block { span, scale: vec![scale; hidden], bytes: vec![0; hidden * characters] }
    }

    fn keep(&mut self, unit: usize, at: usize, value: f32) {
        let characters = self.bytes.len() / self.scale.len();
        let scale = self.scale[unit];
        self.bytes[unit * characters + at] = match self.span {
            Span::Share => (value * 255.0).round() as u8,
            _ if scale > 0.0 => (128.0 + (value / scale * 127.0).round()) as u8,
            _ => 128,
        };
    }

    /// The value of a unit at a character.
    ///
    /// # Panics
    /// Where there is none.
    pub fn value(&self, unit: usize, at: usize) -> f32 {
        let characters = self.bytes.len() / self.scale.len();
        assert!(at < characters, "character {at} of {characters}");
        let q = f32::from(self.bytes[unit * characters + at]);
        match self.span {
            Span::Share => q / 255.0,
            _ => (q - 128.0) / 127.0 * self.scale[unit],
        }
    }
}

/// What the network expected of one character.
#[derive(Clone, Debug, PartialEq)]
pub struct Expected {
    /// The most probable characters, the most probable first; fewer than [`TOP`] where the vocabulary is smaller.
    pub top: Vec<(u32, f32)>,
    /// How the character that came was judged; none after the end of the text.
    pub came: Option<Came>,
}

/// How a character was judged before it came.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Came {
    /// `-ln p`, its surprise.
    pub nats: f32,
    /// 1 where no other was more probable.
    pub rank: u32,
}

/// A reading of a text.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The text, `n` characters.
    pub text: Vec<u32>,
    /// What was recorded.
    pub signals: &'static [Signal],
    /// Hidden units of a layer.
    pub hidden: usize,
    /// `[L][signals]`: the state and gates at each character, which is after it was read.
    pub layers: Vec<Vec<Block>>,
    /// `[n + 1]`: what was expected of each character, and of one more after the last.
    pub expected: Vec<Expected>,
}

/// Why there is no trace.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum TraceError {
    /// The text has no character.
    #[error("the text is empty: there is nothing to trace")]
    Empty,
    /// The network computed what is no number.
    #[error(
        "the network's output is not finite at character {0}: its weights are damaged, so use another checkpoint"
    )]
    NotFinite(usize),
    /// It was broken off.
    #[error("interrupted: nothing was written")]
    Interrupted,
}

impl Trace {
    /// The bytes that the gates and states of so many characters take.
    pub fn size(recorder: &Recorder, characters: usize) -> usize {
        recorder.config().layers * recorder.config().hidden * recorder.signals().len() * characters
    }

    /// Reads a text. `newline` is the line feed's integer; `progress` hears the share that is done and may break it off.
    ///
    /// # Errors
    /// Where the text is empty, the network's output not finite, or `progress` broke it off.
    ///
    /// # Panics
    /// Where characters are beyond the vocabulary.
    pub fn new(
        recorder: &mut Recorder,
        text: &[u32],
        newline: u32,
        reading: Reading,
        progress: &mut dyn FnMut(f64) -> ControlFlow<()>,
    ) -> Result<Self, TraceError> {
        if text.is_empty() {
            return Err(TraceError::Empty);
        }
        let (layers, hidden, signals) =
            (recorder.config().layers, recorder.config().hidden, recorder.signals());
        let block = |signal: &Signal| Block::new(signal.span, hidden, text.len());
        let mut trace = Trace {
            text: text.to_vec(),
            signals,
            hidden,
            layers: (0..layers).map(|_| signals.iter().map(block).collect()).collect(),
            expected: Vec::with_capacity(text.len() + 1),
        };
        // Twice: first for the scales, then for what is measured with them.
        let mut pass = |share: Range<f64>, visit: &mut dyn FnMut(Step)| {
            let mut wrong = None;
            let steps = text.len() as f64 + 1.0;
            let sequence = [Sequence::text(text, newline)];
            let flow = read(recorder, &sequence, reading, 1, &mut |step| {
                if !step.logits().iter().all(|z| z.is_finite()) {
                    wrong = Some(TraceError::NotFinite(step.step));
                    return ControlFlow::Break(());
                }
                visit(step);
                progress(share.start + (share.end - share.start) * (step.step + 1) as f64 / steps)
            });
            match (flow, wrong) {
                (_, Some(error)) => Err(error),
                (ControlFlow::Break(()), None) => Err(TraceError::Interrupted),
                (ControlFlow::Continue(()), None) => Ok(()),
            }
        };
        pass(0.0..0.5, &mut |step| trace.widen(step))?;
        let mut probabilities = Vec::new();
        pass(0.5..1.0, &mut |step| trace.keep(step, &mut probabilities))?;
        Ok(trace)
    }

    /// The blocks of a step's character, with their values; none for the line feed before the text.
    fn each(&mut self, step: Step, mut body: impl FnMut(&mut Block, usize, &[f32])) {
        let Some(at) = step.step.checked_sub(1) else { return };
        for (l, blocks) in self.layers.iter_mut().enumerate() {
            for (k, block) in blocks.iter_mut().enumerate() {
                body(block, at, step.signal(l, k));
            }
        }
    }

    fn widen(&mut self, step: Step) {
        self.each(step, |block, _, values| {
            if block.span != Span::Share {
                block.scale.iter_mut().zip(values).for_each(|(scale, value)| *scale = scale.max(value.abs()));
            }
        });
    }

    fn keep(&mut self, step: Step, probabilities: &mut Vec<f64>) {
        self.each(step, |block, at, values| {
            values.iter().enumerate().for_each(|(unit, &value)| block.keep(unit, at, value));
        });
        step.probabilities(probabilities);
        let mut order: Vec<u32> = (0..probabilities.len() as u32).collect();
        let p = |token: u32| probabilities[token as usize];
        order.sort_by(|&a, &b| p(b).total_cmp(&p(a)));
        let came = self.text.get(step.step).map(|&token| Came {
            nats: nats(step.logits(), token) as f32,
            rank: 1 + probabilities.iter().filter(|&&other| other > p(token)).count() as u32,
        });
        let top = order.iter().take(TOP).map(|&token| (token, p(token) as f32)).collect();
        self.expected.push(Expected { top, came });
    }
}

/// `-ln p` of a character: exact where p itself is too small for a number.
pub fn nats(logits: &[f32], token: u32) -> f64 {
    let greatest = f64::from(logits.iter().fold(f32::NEG_INFINITY, |a, &b| a.max(b)));
    let sum: f64 = logits.iter().map(|&z| (f64::from(z) - greatest).exp()).sum();
    sum.ln() + greatest - f64::from(logits[token as usize])
}
