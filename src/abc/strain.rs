//! Strains: the stretches of a voice that repeats, double bars and parts mark off, with their endings.

use super::tune::{Bar, Style};
use std::ops::Range;

/// A stretch of bars that is played as a whole: once, or again for each repeat, with endings that take turns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Strain {
    /// All its bars, endings included.
    pub bars: Range<usize>,
    /// Its endings in the order of the text: their bars.
    pub endings: Vec<Range<usize>>,
}

impl Strain {
    /// The bars before the endings: those played every time.
    pub fn common(&self) -> Range<usize> {
        self.bars.start..self.endings.first().map_or(self.bars.end, |e| e.start)
    }

    /// The ending that is played at this time through, counted from 1: where the numbers leave one out, none is.
    pub fn ending(&self, bars: &[Bar], time: u32) -> Option<&Range<usize>> {
        let takes =
            |e: &&Range<usize>| bars[e.start].ending.as_ref().is_some_and(|e| e.numbers.contains(&time));
        self.endings.iter().find(takes)
    }

    /// Cuts off what follows the last ending, if that is too long to be one.
    fn split_last_ending(&mut self) -> Option<Strain> {
        let (last, others) = self.endings.split_last_mut()?;
        let longest = others.iter().map(Range::len).max()?;
        if last.len() < longest + MORE {
            return None;
        }
        let (middle, end) = (last.start + longest, last.end);
        (last.end, self.bars.end) = (middle, middle);
        Some(Strain { bars: middle..end, endings: Vec::new() })
    }

    /// How often it is played.
    pub fn times(&self, bars: &[Bar]) -> u32 {
        let repeats = bars[self.bars.clone()].iter().map(|b| b.line.repeats).max().unwrap_or(0);
        let numbers =
            bars[self.bars.clone()].iter().filter_map(|b| b.ending.as_ref()?.numbers.last().copied());
        numbers.max().unwrap_or(0).max(repeats + 1)
    }
}

/// How many bars longer than all others a last ending is not.
const MORE: usize = 4;

/// Cuts a voice's bars into strains, in order and without gaps.
///
/// A strain ends at a repeat sign, at a double or final bar line, and before `|:` or a part; but one that `|:` begins goes on over
/// double bars and parts to its `:|`. Where a bar with an ending follows, the strain goes on too. A `:|` without `|:` thus goes back to
/// the strain's beginning, as ABC 2.1 (4.8) asks. A last ending that only a plain bar line ends is as long as those before it, if
/// four bars or more follow.
pub fn strains(bars: &[Bar]) -> Vec<Strain> {
    // Whether the next repeat sign behind a bar is `:|`.
    let mut closes = vec![false; bars.len()];
    let mut next_closes = false;
    for (at, bar) in bars.iter().enumerate().rev() {
        closes[at] = next_closes;
        if bar.line.repeats > 0 {
            next_closes = true;
        }
        if bar.repeat.is_some() {
            next_closes = false;
        }
    }
    let mut strains = Vec::new();
    let mut start = 0;
    let mut endings: Vec<Range<usize>> = Vec::new();
    for (at, bar) in bars.iter().enumerate() {
        if bar.ending.is_some() {
            endings.push(at..at);
        }
        if let Some(ending) = endings.last_mut() {
            ending.end = at + 1;
        }
        let open = bars[start].repeat.is_some() && endings.is_empty() && closes[at];
        let ends = match bars.get(at + 1) {
            None => true,
            Some(next) if next.repeat.is_some() => true,
            Some(next) if next.ending.is_some() => false,
            Some(_) if bar.line.repeats > 0 => true,
            Some(_) if open => false,
            Some(next) if next.begins_part => true,
            Some(_) => !bar.line.is_plain() && bar.line.style != Style::None,
        };
        if ends {
            let mut strain = Strain { bars: start..at + 1, endings: std::mem::take(&mut endings) };
            start = at + 1;
            let rest = strain.split_last_ending();
            strains.push(strain);
            strains.extend(rest);
        }
    }
    strains
}
