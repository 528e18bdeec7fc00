//! A tune's melody as the scores see it: the notes and rests of its leading voice in the order of the text, ties joined.

use crate::abc::{Bar, EventKind, Fraction, Style, Tune};
use std::collections::HashMap;
use std::ops::Range;

/// A note or a rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Event {
    /// The MIDI key, of a chord the highest; none for a rest.
    pub pitch: Option<i32>,
    /// Of a whole note.
    pub length: Fraction,
}

/// Longer rests than so many measures are as good as these.
const MOST_RESTS: u32 = 64;

/// The leading voice: the first that has a note.
#[derive(Clone, Debug, Default)]
pub(super) struct Line<'a> {
    pub events: Vec<Event>,
    /// The tonic where each event begins, in semitones above C; none where the key has none.
    pub tonics: Vec<Option<i32>>,
    /// Its bars.
    pub bars: &'a [Bar],
    /// The events that begin in each bar.
    pub ranges: Vec<Range<usize>>,
}

impl<'a> Line<'a> {
    pub fn of(tune: &'a Tune) -> Line<'a> {
        let sounds = |bar: &Bar| bar.events.iter().any(|e| matches!(e.kind, EventKind::Note(_)));
        let voice = tune.voices.iter().find(|voice| voice.bars.iter().any(sounds));
        let mut line = Line { bars: voice.map_or(&[], |voice| &voice.bars), ..Line::default() };
        let mut tied = None;
        for bar in line.bars {
            let start = line.events.len();
            let mut key = bar.key;
            for event in &bar.events {
                match &event.kind {
                    EventKind::Note(note) => {
                        let pitch = note.top().midi();
                        match line.events.last_mut().filter(|_| tied == Some(pitch)) {
                            Some(last) => last.length += note.length,
                            None => line.events.push(Event { pitch: Some(pitch), length: note.length }),
                        }
                        let ties = note.heads.iter().any(|head| head.tied && head.pitch.midi() == pitch);
                        tied = ties.then_some(pitch);
                    }
                    EventKind::Rest(rest) => {
                        line.events.push(Event { pitch: None, length: rest.length });
                        tied = None;
                    }
                    EventKind::Key(new) => key = *new,
                    _ => {}
                }
                line.tonics.resize(line.events.len(), key.tonic.map(|tonic| tonic.semitone()));
            }
            line.ranges.push(start..line.events.len());
        }
        line
    }

    /// The events that begin in each measure of some bars. A measure that an ending or a part cuts in two is one; `Z4` is four, and the
    /// last three of them have no event.
    pub fn measures(&self, bars: Range<usize>) -> Vec<Range<usize>> {
        let mut measures: Vec<Range<usize>> = Vec::new();
        let mut goes_on = false;
        for (bar, range) in self.bars[bars.clone()].iter().zip(&self.ranges[bars]) {
            match measures.last_mut().filter(|_| goes_on) {
                Some(last) => last.end = range.end,
                None => measures.push(range.clone()),
            }
            goes_on = bar.line.style == Style::None;
            let rests = bar.events.iter().map(|event| match &event.kind {
                EventKind::Rest(rest) => rest.measures.unwrap_or(1),
                _ => 1,
            });
            let more = rests.max().unwrap_or(1).clamp(1, MOST_RESTS) - 1;
            measures.extend((0..more).map(|_| range.end..range.end));
        }
        measures
    }

    /// Whether a note begins among these events.
    pub fn sounds(&self, range: &Range<usize>) -> bool {
        self.events[range.clone()].iter().any(|event| event.pitch.is_some())
    }

    /// What the notes are but for their key: for each two neighbours, both lengths and the step between them.
    pub fn pairs(&self) -> Vec<Pair> {
        let mut pitch = None;
        let mut steps = self.events.iter().map(|event| {
            let step = event.pitch.map(|p| p - pitch.unwrap_or(p));
            pitch = event.pitch.or(pitch);
            (step, event)
        });
        let mut pairs = Vec::with_capacity(self.events.len());
        let Some((_, mut last)) = steps.next() else { return pairs };
        for (step, event) in steps {
            pairs.push(Pair { lengths: [last.length, event.length], rest: last.pitch.is_none(), step });
            last = event;
        }
        pairs
    }
}

/// Two neighbours in a melody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Pair {
    lengths: [Fraction; 2],
    /// Whether the first is a rest.
    rest: bool,
    /// Semitones up to the second from the last note before it; none where it is a rest.
    step: Option<i32>,
}

/// An integer for each pair.
#[derive(Clone, Debug, Default)]
pub(super) struct Symbols(HashMap<Pair, u32>);

impl Symbols {
    /// Their integers, new ones for new pairs.
    pub fn learn(&mut self, pairs: &[Pair]) -> Vec<u32> {
        let symbols = &mut self.0;
        let mut symbol = |pair: &Pair| {
            let next = symbols.len() as u32;
            *symbols.entry(*pair).or_insert(next)
        };
        pairs.iter().map(&mut symbol).collect()
    }

    /// Their integers; [`u32::MAX`] for those that were never learnt.
    pub fn look_up(&self, pairs: &[Pair]) -> Vec<u32> {
        pairs.iter().map(|pair| self.0.get(pair).copied().unwrap_or(u32::MAX)).collect()
    }
}
