//! The form of a tune while it is written: strains, repeats, endings, pick-ups, and how many bars there are.
//!
//! A bar is full. Only the first bar of a strain may be shorter, a pick-up; then the strain's end is shorter by as much, so that
//! [`check`](crate::abc::check) finds the measure that the two make. A strain is one of
//!
//! ```text
//! |: p | … | f-p :|      repeated; without |: it goes back to where the strain began
//!    p | … | f-p ||      played once; the next strain begins with p again, or the tune ends, which began with it
//! |: p | … |1 … :|2 … |  with a first and a second ending, of which at least one completes the pick-up
//! ```
//!
//! A strain without a pick-up may still end as if it began with the tune's: then the next one begins with it, or the tune ends. And
//! `p |: … :|` has the tune's pick-up by itself before the first strain.

use super::lengths::Table;
use super::words::{Alphabet, Words};

/// The longest first ending, in bars.
const LONGEST_ENDING: u32 = 4;

/// How many bars longer the second ending may be. The reader takes what is longer than that for the next strain.
const LONGER: u32 = 3;

/// Characters of the blank line that ends a tune, with the line feed before it.
const BLANK_LINE: u32 = 2;

/// The endings of a strain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    /// None so far.
    None,
    /// In the first, which has so many bars.
    First(u32),
    /// The first was closed: the second must follow.
    Awaited { first: u32 },
    /// In the second.
    Second { first: u32, own: u32 },
}

#[derive(Clone, Copy, Debug)]
struct Strain {
    /// Whether `|:` begins it.
    explicit: bool,
    /// Grains of its pick-up, or 0.
    pickup: u32,
    /// Whether a measure is complete with the pick-up.
    completed: bool,
    /// Its bars; the pick-up is none.
    bars: u32,
    ending: Ending,
}

impl Strain {
    fn new(explicit: bool) -> Self {
        Strain { explicit, pickup: 0, completed: false, bars: 0, ending: Ending::None }
    }

    /// Whether its first bar has not ended.
    fn is_fresh(&self) -> bool {
        self.bars == 0 && self.pickup == 0
    }

    /// Whether its pick-up still needs a bar that completes it.
    fn lacks(&self) -> bool {
        self.pickup > 0 && !self.completed
    }
}

/// The form so far. Grains are those of the bar's [`Table`].
#[derive(Clone, Copy, Debug)]
pub(super) struct Form {
    strain: Strain,
    /// Whether the strain is the tune's first.
    first: bool,
    /// Whether its pick-up needs nothing where it is played once: no order of parts leads back to it.
    lone: bool,
    /// The pick-up of the tune's first strain.
    pickup: u32,
    /// What the last strain's end lacks of a full bar: a pick-up of that length completes it.
    offered: u32,
    /// Whether that pick-up must come, or the tune must end.
    owed: bool,
    /// Bars of the tune, second endings and pick-ups left out.
    bars: u32,
}

/// What does not change while a tune's music is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub table: &'a Table,
    pub alphabet: &'a Alphabet,
    /// What may follow the root of a chord.
    pub suffixes: &'a Words,
    /// What may stand between exclamation marks.
    pub decorations: &'a Words,
    /// The bars that the tune shall have.
    pub bars: Option<u32>,
}

impl Form {
    /// Before the first bar. `ordered` says that the header gives an order of parts.
    pub fn new(ordered: bool) -> Self {
        let strain = Strain::new(false);
        Form { strain, first: true, lone: !ordered, pickup: 0, offered: 0, owed: false, bars: 0 }
    }

    /// Whether no bar has ended.
    pub fn is_empty(&self) -> bool {
        self.first && self.strain.is_fresh()
    }

    /// Whether the second ending must come next.
    pub fn awaits_ending(&self) -> bool {
        matches!(self.strain.ending, Ending::Awaited { .. })
    }

    /// Whether a `|:` may stand here, beside no other bar line, or a part may begin. Ends the strain, if it has begun.
    pub fn between_bars(self, repeat: bool) -> Option<Form> {
        let strain = &self.strain;
        if strain.is_fresh() {
            let new = Strain { explicit: strain.explicit || repeat, ..*strain };
            return (!(repeat && strain.explicit)).then_some(Form { strain: new, ..self });
        }
        self.ends_full().then(|| self.next_strain(repeat, 0, false))
    }

    /// Whether the strain could end with the full bar that has just ended, and need no bar line for it.
    fn ends_full(&self) -> bool {
        let strain = &self.strain;
        match strain.ending {
            Ending::None => !strain.explicit && strain.bars > 0 && self.may_play_once(),
            Ending::Second { own, .. } => own > 0 && !strain.lacks(),
            _ => false,
        }
    }

    /// Whether the strain needs no repeat for its pick-up's sake.
    fn may_play_once(&self) -> bool {
        !self.strain.lacks() || self.first && self.lone
    }

    /// Whether the tune may end after the bar that has just ended.
    pub fn may_end(&self, frame: Frame<'_>) -> bool {
        let whole = match self.strain.is_fresh() {
            true => !self.first && !self.strain.explicit && (!self.owed || self.pickup == self.offered),
            false => self.ends_full(),
        };
        whole && frame.bars.is_none_or(|bars| bars == self.bars)
    }

    fn next_strain(self, explicit: bool, offered: u32, owed: bool) -> Form {
        Form { strain: Strain::new(explicit), first: false, offered, owed, ..self }
    }

    /// After a bar line that ends a bar of this length.
    pub fn bar_line(mut self, line: &str, length: u32, frame: Frame<'_>) -> Option<Form> {
        let full = frame.table.full;
        let strain = &mut self.strain;
        let fresh = strain.is_fresh();
        if fresh && length < full {
            let paid = length == self.offered;
            if self.first && self.lone && !strain.explicit && matches!(line, "|:" | "||:") && length > 0 {
                return Some(Form { pickup: length, ..self.next_strain(true, 0, false) });
            }
            if line != "|" || length == 0 || self.owed && !paid || frame.table.fill(full - length).is_none() {
                return None;
            }
            (strain.pickup, strain.completed) = (length, paid);
            if self.first {
                self.pickup = length;
            }
            (self.offered, self.owed) = (0, false);
            return Some(self);
        }
        let short = length < full;
        // Its own pick-up, or the tune's.
        let pickup = if strain.pickup > 0 { strain.pickup } else { self.pickup };
        let borrowed = short && strain.pickup == 0;
        let fits = !short || pickup > 0 && length == full - pickup;
        if fresh && self.owed || length > full || !fits {
            return None;
        }
        if fresh {
            self.offered = 0;
        }
        match &mut strain.ending {
            Ending::None => strain.bars += 1,
            Ending::First(bars) if *bars < LONGEST_ENDING => *bars += 1,
            Ending::Second { first, own } if *own < *first + LONGER => *own += 1,
            _ => return None,
        }
        if !matches!(strain.ending, Ending::Second { .. }) {
            self.bars += 1;
            if frame.bars.is_some_and(|bars| self.bars > bars) {
                return None;
            }
        }
        let (repeats, begins) = (line.starts_with(':'), line.len() > 1 && line.ends_with(':'));
        let inner = line == "|" || line == "||" && strain.explicit && strain.ending == Ending::None;
        if inner {
            return (!short).then_some(self);
        }
        let offered = if short { pickup } else { 0 };
        let complete = short || !strain.lacks();
        match strain.ending {
            Ending::None if repeats => complete.then(|| self.next_strain(begins, offered, borrowed)),
            Ending::None => {
                let fine = !strain.explicit && self.may_play_once();
                fine.then(|| self.next_strain(begins, offered, short))
            }
            Ending::First(_) if borrowed => None,
            Ending::First(first) => {
                strain.completed |= short;
                strain.ending = Ending::Awaited { first };
                (repeats && !begins).then_some(self)
            }
            _ => complete.then(|| self.next_strain(begins, offered, borrowed)),
        }
    }

    /// With the first or the second ending beginning.
    pub fn ending(mut self, number: char) -> Option<Form> {
        let strain = &mut self.strain;
        strain.ending = match (number, strain.ending) {
            ('1', Ending::None) if strain.bars > 0 => Ending::First(0),
            ('2', Ending::Awaited { first }) => Ending::Second { first, own: 0 },
            _ => return None,
        };
        Some(self)
    }

    /// How long the bar that is being written can be at most.
    pub fn longest(&self, frame: Frame<'_>) -> u32 {
        if self.owed && self.strain.is_fresh() { self.offered } else { frame.table.full }
    }

    /// The fewest characters that bring the tune to its end. `fill` gives those that make the bar that is being written so long;
    /// `last` says that no bar follows in which something pending could find its note. `line` says that no line feed came after the
    /// last bar line.
    pub fn finish(
        &self,
        frame: Frame<'_>,
        line: bool,
        fill: impl Fn(u32, bool) -> Option<u32>,
    ) -> Option<u32> {
        let (table, strain) = (frame.table, &self.strain);
        let full = table.full;
        let bar = table.fill(full)? + 1;
        // The bars that must come, the one that is being written included.
        let left = match frame.bars {
            Some(bars) => Some(bars.checked_sub(self.bars)?),
            None => None,
        };
        let repeats = frame.alphabet.has(':');
        match strain.ending {
            Ending::None => {
                if left == Some(0) {
                    return None;
                }
                let (begun, target, closes) = if self.owed && strain.is_fresh() {
                    (fill(self.offered, false)? + 1, full, strain.explicit)
                } else {
                    let short = strain.lacks() && (strain.explicit || !self.may_play_once());
                    (0, if short { full - strain.pickup } else { full }, strain.explicit || short)
                };
                if closes && !repeats {
                    return None;
                }
                let end = if closes { 2 } else { 1 } + BLANK_LINE;
                let here = begun == 0;
                let ways = left.map_or(1..=2, |left| left..=left).filter_map(|bars| {
                    let last = table.fill(target)?;
                    let notes = match (here, bars) {
                        (true, 1) => fill(target, true)?,
                        (true, _) => fill(full, false)? + 1 + (bars - 2) * bar + last,
                        (false, _) => (bars - 1) * bar + last,
                    };
                    Some(begun + notes + end)
                });
                ways.min()
            }
            Ending::First(bars) if bars < LONGEST_ENDING => {
                let left = left.map(|left| left.checked_sub(1)).map_or(Some(None), |l| l.map(Some))?;
                let ends = [(full, false), (full - strain.pickup, true)];
                let ends = &ends[..if strain.lacks() { 2 } else { 1 }];
                let ways = ends.iter().filter_map(|&(target, completed)| {
                    let second = self.second(frame, strain.lacks() && !completed, left)?;
                    Some(fill(target, true)? + 2 + self.number(frame, true)? + second)
                });
                ways.min().filter(|_| repeats)
            }
            Ending::Awaited { .. } => {
                Some(self.number(frame, line)? + self.second(frame, strain.lacks(), left)?)
            }
            Ending::First(_) => None,
            Ending::Second { first, own } => {
                let lacks = strain.lacks();
                let target = if lacks { full - strain.pickup } else { full };
                let end = self.end(frame, lacks, left)?;
                let now = || Some(fill(target, true)? + end);
                let later = || Some(fill(full, false)? + 1 + table.fill(target)? + end);
                let room = first + LONGER - own;
                let ways = [(room > 0).then(now), (room > 1).then(later)];
                ways.into_iter().flatten().flatten().min()
            }
        }
    }

    /// The number of the second ending: after a line feed it needs its bracket.
    fn number(&self, frame: Frame<'_>, line: bool) -> Option<u32> {
        let has = |c| frame.alphabet.has(c);
        (has('2') && (line || has('['))).then_some(if line { 1 } else { 2 })
    }

    /// A second ending of one bar, and what follows.
    fn second(&self, frame: Frame<'_>, short: bool, left: Option<u32>) -> Option<u32> {
        let target = frame.table.full - if short { self.strain.pickup } else { 0 };
        Some(frame.table.fill(target)? + self.end(frame, short, left)?)
    }

    /// The end of a second ending, and a strain of the bars that are left.
    fn end(&self, frame: Frame<'_>, short: bool, left: Option<u32>) -> Option<u32> {
        let bar = frame.table.fill(frame.table.full)? + 1;
        let left = left.unwrap_or(0);
        let line = if short || left > 0 { 2 } else { 1 };
        Some(line + left * bar + BLANK_LINE)
    }
}
