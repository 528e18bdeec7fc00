//! Where things stand: systems of a few bars, and the scale that all of them share.

use crate::abc::Fraction;
use crate::abc::meter::Meter;
use crate::abc::tune::Bar;
use std::ops::Range;

/// The picture's width.
pub(super) const WIDTH: u32 = 1000;
/// Space left of a system, for names of notes, and right of it.
pub(super) const LEFT: f64 = 34.0;
const RIGHT: f64 = 14.0;
/// Height of a semitone.
pub(super) const ROW: f64 = 7.0;
/// Height of the heading.
pub(super) const TITLE: f64 = 58.0;
/// Space above a system's rows for endings and parts, and for chord names below those.
const ENDINGS: f64 = 15.0;
const CHORDS: f64 = 15.0;
/// Space below a system.
const GAP: f64 = 10.0;

/// Full measures in a system.
const MEASURES: i64 = 4;

/// A row of bars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct System {
    pub bars: Range<usize>,
    /// How long they are together.
    pub length: Fraction,
}

/// Cuts bars into systems of four full measures, or as many bars as are no longer; a pick-up before them may come on top. Where a strain
/// ends, so does a system that is at least half full.
pub(super) fn systems(bars: &[Bar], meter: Option<Meter>) -> Vec<System> {
    let mut systems: Vec<System> = Vec::new();
    for (at, bar) in bars.iter().enumerate() {
        let full = bar.meter.or(meter).map_or(Fraction::ONE, Meter::length);
        let most = full * Fraction::from(MEASURES);
        let length = bar.length();
        match systems.last_mut() {
            Some(system) if fits(bars, system, length, full, most) => {
                system.bars.end = at + 1;
                system.length += length;
            }
            _ => systems.push(System { bars: at..at + 1, length }),
        }
    }
    systems
}

fn fits(bars: &[Bar], system: &System, length: Fraction, full: Fraction, most: Fraction) -> bool {
    let next = system.bars.end;
    let begins = bars[next].repeat.is_some() || bars[next].begins_part || !bars[next - 1].line.is_plain();
    if begins && bars[next].ending.is_none() && system.length >= most / Fraction::from(2) {
        return false;
    }
    let first = bars[system.bars.start].length();
    let pick_up = if first < full { first } else { Fraction::ZERO };
    system.length + length <= most + pick_up
}

/// The scale of a picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Canvas {
    pub low: i32,
    pub high: i32,
    /// Width of a whole note.
    pub scale: f64,
}

impl Canvas {
    pub fn new(low: i32, high: i32, systems: &[System]) -> Self {
        let longest = systems.iter().map(|s| s.length).max().unwrap_or(Fraction::ONE).to_f64().max(0.001);
        Canvas { low, high, scale: (f64::from(WIDTH) - LEFT - RIGHT) / longest }
    }

    /// The top of a row, within its system.
    pub fn y(&self, midi: i32) -> f64 {
        ENDINGS + CHORDS + f64::from(self.high - midi) * ROW
    }

    /// A place in time, within its system.
    pub fn x(&self, time: Fraction) -> f64 {
        LEFT + time.to_f64() * self.scale
    }

    /// The line that chord names stand on.
    pub fn chords(&self) -> f64 {
        ENDINGS + CHORDS - 4.0
    }

    /// The bottom of the rows.
    pub fn bottom(&self) -> f64 {
        self.y(self.low) + ROW
    }

    /// The top of a system within the picture; that after the last is the picture's height.
    pub fn top(&self, system: usize) -> f64 {
        TITLE + system as f64 * (self.bottom() + GAP)
    }
}
