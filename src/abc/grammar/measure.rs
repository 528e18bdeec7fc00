//! The time of a bar while it is written.

use super::lengths::{Length, Table};

/// A bar: how much of it is written, and what is pending. All times are in grains.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Measure {
    /// Time of what is complete; a tuplet counts when it is.
    pub elapsed: u32,
    /// The last note or rest, if `>` can change it.
    last: u32,
    /// What the next length is multiplied by, after `>` or `<`.
    broken: Option<Factor>,
    tuplet: Option<Tuplet>,
}

/// `above / 2^shift`
#[derive(Clone, Copy, Debug)]
struct Factor {
    above: u32,
    shift: u32,
}

impl Factor {
    /// None where that is no whole number.
    fn of(self, grains: u32) -> Option<u32> {
        grains.is_multiple_of(1 << self.shift).then(|| (grains >> self.shift) * self.above)
    }
}

/// `actual` notes in the time of `normal`.
#[derive(Clone, Copy, Debug)]
struct Tuplet {
    actual: u32,
    normal: u32,
    left: u32,
    /// Time of its notes so far, as they are written.
    written: u32,
}

impl Tuplet {
    /// Its time where its notes are so long as they are written.
    fn time(self, written: u32) -> Option<u32> {
        (written * self.normal).is_multiple_of(self.actual).then(|| written * self.normal / self.actual)
    }
}

impl Measure {
    /// Whether neither a tuplet nor a broken rhythm waits for notes.
    pub fn is_settled(&self) -> bool {
        self.broken.is_none() && self.tuplet.is_none()
    }

    /// Whether a broken rhythm waits for its second note.
    pub fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    /// With one more note or rest, so long as it is written.
    pub fn note(self, grains: u32) -> Option<Measure> {
        let mut next = Measure { broken: None, ..self };
        let time = match self.broken {
            Some(factor) => factor.of(grains)?,
            None => grains,
        };
        match &mut next.tuplet {
            Some(tuplet) => {
                tuplet.written += time;
                tuplet.left -= 1;
                next.last = 0;
                if tuplet.left == 0 {
                    next.elapsed += tuplet.time(tuplet.written)?;
                    next.tuplet = None;
                }
            }
            None => {
                next.elapsed += time;
                next.last = time;
            }
        }
        Some(next)
    }

    /// `>` once or twice: the last note is lengthened by what the next one loses. `longer` is false for `<`.
    pub fn break_rhythm(self, longer: bool, marks: u32) -> Option<Measure> {
        let part = Factor { above: 1, shift: marks };
        let long = Factor { above: (2 << marks) - 1, shift: marks };
        let (before, after) = if longer { (long, part) } else { (part, long) };
        let last = before.of(self.last).filter(|_| self.is_settled() && self.last > 0)?;
        Some(Measure { elapsed: self.elapsed - self.last + last, last, broken: Some(after), ..self })
    }

    /// The notes that follow are a tuplet: two, three or four.
    pub fn begin_tuplet(self, notes: u32) -> Option<Measure> {
        let normal = match notes {
            3 => 2,
            2 | 4 => 3,
            _ => return None,
        };
        let tuplet = Tuplet { actual: notes, normal, left: notes, written: 0 };
        self.is_settled().then_some(Measure { last: 0, tuplet: Some(tuplet), ..self })
    }

    /// The fewest characters of notes that make it so long; 0 where it is.
    pub fn fill(&self, table: &Table, target: u32) -> Option<u32> {
        let rest = |elapsed: u32| target.checked_sub(elapsed).and_then(|left| table.fill(left));
        if let Some(factor) = self.broken {
            let notes = table.completions(Length::default());
            let ways =
                notes.filter_map(|(grains, more)| Some(1 + more + rest(self.elapsed + factor.of(grains)?)?));
            return ways.min();
        }
        if let Some(tuplet) = self.tuplet {
            let ways = table.sums(tuplet.left).filter_map(|(sum, characters)| {
                Some(characters + rest(self.elapsed + tuplet.time(tuplet.written + sum)?)?)
            });
            return ways.min();
        }
        rest(self.elapsed)
    }
}
