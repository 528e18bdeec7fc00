//! ABC text from composed notes: lengths, accidentals, beams, chords, bar lines, headers.

use super::form::{Ending, Strain, Tune};
use super::melody::{Bar, Note};
use super::rhythm::{EIGHTH, TRIPLET};
use super::theory::{Chord, Key};

/// How one tune is spelled; musicians' habits differ.
#[derive(Clone, Copy)]
pub(super) struct Spelling {
    /// Ticks of the unit length, an eighth or a quarter.
    pub unit: u32,
    /// Dotted pairs as `a>b` instead of `a3/2b/2`.
    pub broken: bool,
    /// Endings as `[1 … [2 …` instead of `|1 … |2 …`.
    pub brackets: bool,
}

/// Bars to a line.
const LINE: usize = 4;

/// The text of a tune, its last line ended.
pub(super) fn text(tune: &Tune, number: u32, title: &str, spelling: Spelling) -> String {
    let mut text = format!(
        "X: {number}\nT:{title}\nR:{}\nM:{}\nL:1/{}\nK:{}\n",
        tune.dance.name,
        tune.meter,
        8 * EIGHTH / spelling.unit,
        tune.key.name
    );
    let mut pen = Pen { tune, spelling, out: String::new(), chord: None };
    for (i, strain) in tune.strains.iter().enumerate() {
        pen.strain(strain, i + 1 == tune.strains.len());
    }
    text += &pen.out;
    text
}

/// What has been written, and the chord in force.
struct Pen<'a> {
    tune: &'a Tune,
    spelling: Spelling,
    out: String,
    chord: Option<String>,
}

impl Pen<'_> {
    fn strain(&mut self, strain: &Strain, last: bool) {
        self.out += "|:";
        if !strain.pickup.is_empty() {
            let ticks: u32 = strain.pickup.iter().map(|n| n.ticks).sum();
            self.notes(&strain.pickup, &[], self.tune.dance.bar - ticks);
            self.out.push('|');
        }
        self.chord = None;
        for (i, bar) in strain.bars.iter().enumerate() {
            if i > 0 && i % LINE == 0 {
                self.out.push('\n');
                self.chord = None;
            }
            self.bar(bar);
            self.out.push('|');
        }
        let close = if last { "|]" } else { "||" };
        match &strain.ending {
            Ending::Plain(bar) => {
                self.bar(bar);
                self.out += ":|\n";
            }
            Ending::Two(first, second) => {
                self.chord = None;
                self.out += if self.spelling.brackets { " [1" } else { "1" };
                self.bar(first);
                self.chord = None;
                self.out += if self.spelling.brackets { ":|[2" } else { ":|2" };
                self.bar(second);
                self.out += close;
                self.out.push('\n');
            }
        }
    }

    fn bar(&mut self, bar: &Bar) {
        self.notes(&bar.notes, &bar.chords, 0);
    }

    /// Notes that begin at tick `start` of their bar.
    fn notes(&mut self, notes: &[Note], chords: &[(u32, Chord)], start: u32) {
        let mut accidentals = Accidentals::default();
        let mut at = start;
        let mut triplet = 0;
        let mut broken = false;
        for (i, note) in notes.iter().enumerate() {
            if i > 0 && at.is_multiple_of(self.tune.dance.beam) {
                self.out.push(' ');
            }
            if let Some((_, chord)) = chords.iter().find(|(tick, _)| *tick == at)
                && self.chord.as_ref() != Some(&chord.name)
            {
                self.out += &format!("\"{}\"", chord.name);
                self.chord = Some(chord.name.clone());
            }
            if note.ticks == TRIPLET {
                if triplet % 3 == 0 {
                    self.out += "(3";
                }
                triplet += 1;
            }
            self.out += accidentals.before(&self.tune.key, note);
            self.out += &letter(note.step);
            let pair =
                self.spelling.broken && note.ticks == 18 && notes.get(i + 1).is_some_and(|n| n.ticks == 6);
            if pair {
                self.out.push('>');
            } else if !broken {
                self.out += &self.length(note.ticks);
            }
            broken = pair;
            at += note.ticks;
        }
    }

    fn length(&self, ticks: u32) -> String {
        let ticks = if ticks == TRIPLET { EIGHTH } else { ticks };
        let unit = self.spelling.unit;
        if ticks % unit == 0 {
            return if ticks == unit { String::new() } else { (ticks / unit).to_string() };
        }
        let (mut over, mut under) = (ticks, unit);
        while over % 2 == 0 && under % 2 == 0 {
            (over, under) = (over / 2, under / 2);
        }
        if over % 3 == 0 && under % 3 == 0 {
            (over, under) = (over / 3, under / 3);
        }
        if over == 1 { format!("/{under}") } else { format!("{over}/{under}") }
    }
}

/// A step as ABC spells it: `C, … B, C … B c … b c'`.
fn letter(step: i32) -> String {
    let name = char::from(b"CDEFGAB"[step.rem_euclid(7) as usize]);
    match step.div_euclid(7) {
        octave @ ..0 => format!("{name}{}", ",".repeat(octave.unsigned_abs() as usize)),
        0 => name.to_string(),
        octave => format!("{}{}", name.to_ascii_lowercase(), "'".repeat(octave as usize - 1)),
    }
}

/// The accidentals written so far in a bar.
///
/// Programs differ on whether an accidental holds for its letter in other octaves. Once a letter has
/// one, it is therefore written out wherever an octave has not had its own.
#[derive(Default)]
struct Accidentals {
    seen: Vec<(i32, i32)>,
}

impl Accidentals {
    fn before(&mut self, key: &Key, note: &Note) -> &'static str {
        let wanted = key.signature(note.step) + note.shift;
        let here = self.seen.iter().rev().find(|(step, _)| *step == note.step).map(|&(_, sign)| sign);
        let letter_free = self.seen.iter().all(|(step, _)| (step - note.step) % 7 != 0);
        if here == Some(wanted) || (letter_free && note.shift == 0) {
            return "";
        }
        self.seen.push((note.step, wanted));
        match wanted {
            1 => "^",
            0 => "=",
            -1 => "_",
            _ => unreachable!("no chord of the corpus asks for a double accidental"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::composer::theory::KEYS;

    #[test]
    fn steps_are_spelled_in_four_octaves() {
        let spelled: Vec<String> = [-8, -3, 0, 6, 7, 13, 14].into_iter().map(letter).collect();
        assert_eq!(spelled, ["B,,", "G,", "C", "B", "c", "b", "c'"]);
    }

    #[test]
    fn accidentals_hold_to_the_end_of_the_bar() {
        let key = &KEYS[0].1;
        assert_eq!(key.name, "G");
        let note = |step, shift| Note { ticks: EIGHTH, step, shift };
        let mut bar = Accidentals::default();
        let spelled: Vec<&str> = [(7, 0), (7, 1), (7, 1), (0, 0), (7, 0), (3, 0), (3, -1), (3, 0)]
            .iter()
            .map(|&(step, shift)| bar.before(key, &note(step, shift)))
            .collect();
        assert_eq!(spelled, ["", "^", "", "=", "=", "", "=", "^"]);
    }
}
