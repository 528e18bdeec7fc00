//! Whether a tune's bars are full, its repeats balanced, its notes in its key.

use super::diagnostic::{Diagnostic, Place, Problem, Severity};
use super::fraction::Fraction;
use super::meter::Meter;
use super::order::first_writings;
use super::strain::{Strain, strains};
use super::tune::{Bar, Ending, EventKind, Head, Tune, Voice};
use std::collections::HashSet;

/// What [`check`] finds out about a tune.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Everything that is wrong: what the reader said, and what follows from the music.
    pub diagnostics: Vec<Diagnostic>,
    /// Bars that the meter measures.
    pub bars: usize,
    /// Bars exactly as long as the meter says.
    pub full: usize,
    /// Shorter bars that a neighbour in playing completes: pick-ups, ends of strains, measures that a repeat or an ending cuts in two;
    /// and a pick-up that is played but once, before everything else.
    pub completed: usize,
    /// Bars of the wrong length: [`Problem::WrongBar`], [`Problem::OpenPickUp`], [`Problem::OpenEnd`].
    pub wrong: usize,
    /// Faults of repeats and endings.
    pub unbalanced: usize,
    /// Notes; those of a chord are counted each, grace notes are not counted.
    pub notes: usize,
    /// Notes outside the key with an accidental written at them.
    pub outside_written: usize,
    /// Notes outside the key without one: an earlier accidental of the bar, or a tie, still holds.
    pub outside_carried: usize,
}

impl Report {
    /// Whether all of the text means something.
    pub fn is_readable(&self) -> bool {
        self.diagnostics.iter().all(|d| d.problem.severity() < Severity::Error)
    }

    /// Whether it is readable, all its bars are full or completed, and its repeats balanced.
    pub fn passes(&self) -> bool {
        self.is_readable() && self.wrong == 0 && self.unbalanced == 0
    }
}

/// Checks a tune.
pub fn check(tune: &Tune) -> Report {
    let mut report = Report { diagnostics: tune.diagnostics.clone(), ..Report::default() };
    report.unbalanced = report.diagnostics.iter().filter(|d| is_repeat(&d.problem)).count();
    for voice in &tune.voices {
        let strains = strains(&voice.bars);
        check_bars(voice, &strains, &tune.header.parts, &mut report);
        for strain in &strains {
            check_repeats(&voice.bars, strain, &mut report);
        }
    }
    for (_, note) in tune.notes() {
        report.notes += note.heads.len();
    }
    for bar in tune.voices.iter().flat_map(|v| &v.bars) {
        count_outside(bar, &mut report);
    }
    report.diagnostics.sort_by_key(|d| d.place);
    report
}

fn is_repeat(problem: &Problem) -> bool {
    use Problem::*;
    matches!(
        problem,
        UnclosedRepeat | NothingToRepeat | MissingEnding(..) | LoneEnding(_) | EndingNotRepeated(_)
    )
}

/// A bar as far as its length goes.
struct Measure<'a> {
    bar: &'a Bar,
    length: Fraction,
    full: Fraction,
}

/// Finds the bars that are not full, and the short ones that make a measure with a neighbour.
///
/// Inside a strain each bar must be full. Where strains, endings and parts meet, short bars that are played one after the other
/// make a measure together; and by custom, the end of a strain, or of the tune, completes its pick-up even where nothing leads back.
fn check_bars(voice: &Voice, strains: &[Strain], order: &[char], report: &mut Report) {
    let measures: Vec<Measure<'_>> = voice
        .bars
        .iter()
        .map(|bar| {
            let length = bar.length();
            // A free meter, or rests of whole measures, cannot be wrong.
            let free = bar.meter.is_none() || bar.events.iter().any(|e| is_measures(&e.kind));
            Measure { bar, length, full: if free { length } else { bar.meter.map_or(length, Meter::length) } }
        })
        .collect();
    report.bars += measures.iter().filter(|m| m.bar.meter.is_some()).count();
    report.full += measures.iter().filter(|m| m.bar.meter.is_some() && m.length == m.full).count();
    let seams = Seams::new(&voice.bars, strains, order);
    for (at, measure) in measures.iter().enumerate() {
        let Measure { bar, length, full } = *measure;
        if length == full {
            continue;
        }
        // A pick-up that nothing leads back to stands before the first measure, whatever ends the tune.
        let lone = at == 0 && !seams.to(0).iter().any(|s| s.played);
        let mut touches = seams.from(at).iter().chain(seams.to(at));
        let completed = length < full && (lone || touches.any(|s| s.is_full(&measures, &seams)));
        if completed {
            report.completed += 1;
            continue;
        }
        report.wrong += 1;
        let bar_number = at + 1;
        let begins = !seams.to(at).is_empty();
        let ends = seams.from(at).iter().any(|s| s.after != at + 1);
        let problem = match length < full {
            true if begins && !ends => Problem::OpenPickUp { bar: bar_number, length, full },
            true if ends => Problem::OpenEnd { bar: bar_number, length, full },
            _ => Problem::WrongBar { bar: bar_number, length, full },
        };
        report.diagnostics.push(Diagnostic { place: bar.place, problem });
    }
}

fn is_measures(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Rest(rest) if rest.measures.is_some())
}

/// Two bars that may make a measure together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Seam {
    before: usize,
    after: usize,
    /// Whether the second is played right after the first. Else the first ends, by custom, what the second begins.
    played: bool,
}

impl Seam {
    /// Whether its two bars make a measure, or three short ones in a row do, of which it joins two.
    fn is_full(&self, measures: &[Measure<'_>], seams: &Seams) -> bool {
        let Seam { before, after, played } = *self;
        let (first, second) = (&measures[before], &measures[after]);
        let two = first.length + second.length;
        if two == first.full || two == second.full {
            return true;
        }
        let third = |bar: usize| bar != before && bar != after && two + measures[bar].length == second.full;
        played
            && (seams.from(after).iter().any(|s| s.played && third(s.after))
                || seams.to(before).iter().any(|s| s.played && third(s.before)))
    }
}

/// The seams of a voice, by the bar before and by the bar after.
struct Seams {
    from: Vec<Seam>,
    to: Vec<Seam>,
}

impl Seams {
    fn new(bars: &[Bar], strains: &[Strain], order: &[char]) -> Self {
        let from = seams(bars, strains, order);
        let mut to = from.clone();
        to.sort_unstable_by_key(|s| (s.after, s.before, s.played));
        Seams { from, to }
    }

    /// Those that lead from a bar.
    fn from(&self, bar: usize) -> &[Seam] {
        among(&self.from, bar, |s| s.before)
    }

    /// Those that lead to a bar.
    fn to(&self, bar: usize) -> &[Seam] {
        among(&self.to, bar, |s| s.after)
    }
}

/// Those seams of which this is the bar; they are in its order.
fn among(seams: &[Seam], bar: usize, of: impl Fn(&Seam) -> usize) -> &[Seam] {
    let start = seams.partition_point(|s| of(s) < bar);
    let count = seams[start..].partition_point(|s| of(s) == bar);
    &seams[start..start + count]
}

/// All seams: wherever something else than a plain bar line lies between two bars.
fn seams(bars: &[Bar], strains: &[Strain], order: &[char]) -> Vec<Seam> {
    let mut seams = Vec::new();
    let mut seam = |before: usize, after: usize, played: bool| {
        if before != after && after < bars.len() {
            seams.push(Seam { before, after, played });
        }
    };
    for strain in strains {
        let repeated = strain.times(bars) > 1;
        let common = strain.common();
        let mut lasts: Vec<usize> = strain.endings.iter().map(|e| e.end - 1).collect();
        if let Some(last) = common.clone().next_back() {
            strain.endings.iter().for_each(|e| seam(last, e.start, true));
            if lasts.is_empty() {
                lasts.push(last);
            }
        }
        for last in lasts {
            seam(last, strain.bars.end, true);
            seam(last, strain.bars.start, repeated);
            if strain.bars.end == bars.len() {
                seam(last, 0, false);
            }
        }
        // A part or a double bar may lie within the strain, between two halves of a measure.
        for range in strain.endings.iter().cloned().chain([common]) {
            range
                .clone()
                .zip(range.skip(1))
                .filter(|(i, _)| !bars[*i].line.is_plain())
                .for_each(|(i, j)| seam(i, j, true));
        }
    }
    // The end of a part and the beginning of the one that is played after it.
    let written = first_writings(bars);
    for pair in order.windows(2) {
        if let (Some(first), Some(second)) = (written.get(&Some(pair[0])), written.get(&Some(pair[1]))) {
            seam(first.end - 1, second.start, true);
        }
    }
    seams.sort_unstable();
    seams.dedup();
    seams
}

/// Whether the strain's repeat is closed, and its endings complete and in order.
fn check_repeats(bars: &[Bar], strain: &Strain, report: &mut Report) {
    let mut say = |place: Place, problem: Problem| {
        report.unbalanced += 1;
        report.diagnostics.push(Diagnostic { place, problem });
    };
    let repeated = bars[strain.bars.clone()].iter().any(|b| b.line.repeats > 0);
    if let Some(place) = bars[strain.bars.start].repeat
        && !repeated
        && strain.endings.len() < 2
    {
        say(place, Problem::UnclosedRepeat);
    }
    let endings: Vec<&Ending> =
        strain.endings.iter().filter_map(|range| bars[range.start].ending.as_ref()).collect();
    let numbers: Vec<u32> = endings.iter().flat_map(|e| &e.numbers).copied().collect();
    let known: HashSet<u32> = numbers.iter().copied().collect();
    for (at, (ending, range)) in endings.iter().zip(&strain.endings).enumerate() {
        let last = at + 1 == endings.len();
        if let Some(&lone) = ending.numbers.iter().find(|n| **n > 1 && !known.contains(&(**n - 1))) {
            say(ending.place, Problem::LoneEnding(lone));
        }
        if !last && bars[range.end - 1].line.repeats == 0 {
            say(ending.place, Problem::EndingNotRepeated(ending.numbers[0]));
        }
    }
    if let (&[ending], [1]) = (&endings[..], &numbers[..]) {
        say(ending.place, Problem::MissingEnding(1, 2));
    }
}

fn count_outside(bar: &Bar, report: &mut Report) {
    let mut key = bar.key;
    for event in &bar.events {
        match &event.kind {
            EventKind::Key(new) => key = *new,
            EventKind::Note(note) => {
                let outside = |h: &&Head| h.pitch.alter != key.signature[usize::from(h.pitch.step)];
                for head in note.heads.iter().filter(outside) {
                    match head.accidental {
                        Some(_) => report.outside_written += 1,
                        None => report.outside_carried += 1,
                    }
                }
            }
            _ => {}
        }
    }
}
