//! A timeline to keys that are struck: accents, grace notes, and an accompaniment made of the chord symbols.

use super::diagnostic::Place;
use super::fraction::Fraction;
use super::harmony::Harmony;
use super::meter::Meter;
use super::timeline::{Measure, Timeline};

/// Who plays a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Player {
    /// A voice of the tune.
    Voice(usize),
    /// The accompaniment's chords.
    Chords,
    /// Its bass.
    Bass,
}

/// A key that is struck and let go. Times are parts of a whole note since the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Strike {
    /// When it is struck.
    pub start: Fraction,
    /// When it is let go; after `start`.
    pub end: Fraction,
    /// The MIDI key, 0 to 127.
    pub key: u8,
    /// How hard, 1 to 127.
    pub velocity: u8,
    /// Who strikes it.
    pub player: Player,
    /// Where the note stands in the text; none for the accompaniment.
    pub place: Option<Place>,
}

/// The keys of a tune in the order of their beginnings; `chords` adds the accompaniment.
///
/// A grace note takes a 32nd from the note that it adorns, all of them together half of it at most. Of the keys outside MIDI's none is struck.
pub fn perform(timeline: &Timeline, chords: bool) -> Vec<Strike> {
    let mut strikes = Vec::new();
    for (voice, sounds) in timeline.voices.iter().enumerate() {
        let player = Player::Voice(voice);
        let mut measures = timeline.measures.iter().peekable();
        let mut measure = None;
        for sound in sounds {
            while let Some(next) = measures.next_if(|m| m.start <= sound.start) {
                measure = Some(next);
            }
            let velocity = measure.map_or(84, |m| velocity(m, sound.start));
            let place = Some(sound.place);
            let like = |start, end| Strike { start, end, key: 0, velocity, player, place };
            let mut start = sound.start;
            let graces = sound.grace.len() as i64;
            if graces > 0 {
                let all = (sound.length / Fraction::from(2)).min(Fraction::new(graces, 32));
                let each = all / Fraction::from(graces);
                for pitch in &sound.grace {
                    strike(&mut strikes, like(start, start + each), pitch.midi());
                    start += each;
                }
            }
            strike(&mut strikes, like(start, sound.start + sound.length), sound.pitch.midi());
        }
    }
    if chords {
        accompany(timeline, &mut strikes);
    }
    strikes.sort_by_key(|s| (s.start, s.player));
    strikes
}

fn strike(strikes: &mut Vec<Strike>, like: Strike, key: i32) {
    if let Ok(key @ 0..=127) = u8::try_from(key) {
        strikes.push(Strike { key, ..like });
    }
}

/// The first note of a measure is the strongest, those on beats come next.
fn velocity(measure: &Measure, at: Fraction) -> u8 {
    let within = at - measure.start + measure.phase;
    let on_beat = |meter: Meter| (within / meter.beat()).denominator() == 1;
    match measure.meter {
        _ if within.is_zero() => 100,
        Some(meter) if on_beat(meter) => 90,
        _ => 80,
    }
}

/// What the accompaniment does at a place in a measure.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stroke {
    Bass,
    Chord,
}

/// The strokes of a full measure: when, what, how long.
fn pattern(meter: Meter) -> Vec<(Fraction, Stroke, Fraction)> {
    use Stroke::{Bass, Chord};
    let unit = Fraction::new(1, meter.unit.into());
    let mut strokes = Vec::new();
    if meter.is_compound() {
        // Bass on the first of three, chord on the last.
        for beat in 0..i64::from(meter.beats / 3) {
            let start = meter.beat() * Fraction::from(beat);
            strokes.push((start, Bass, unit * Fraction::from(2)));
            strokes.push((start + unit * Fraction::from(2), Chord, unit));
        }
        return strokes;
    }
    // In 2/2 and 2/4 each beat falls into bass and chord; in 3/4 chords follow the bass; else they take turns.
    let (count, step) = if meter.beats == 2 { (4, unit / Fraction::from(2)) } else { (meter.beats, unit) };
    for beat in 0..count {
        let last_of_odd = beat + 1 == count && count % 2 == 1;
        let bass = if count == 3 { beat == 0 } else { beat % 2 == 0 && !last_of_odd || count == 1 };
        strokes.push((step * Fraction::from(i64::from(beat)), if bass { Bass } else { Chord }, step));
    }
    strokes
}

/// Strikes bass and chord by the meter's pattern, from the first chord symbol on; where the meter is free, once for each chord.
fn accompany(timeline: &Timeline, strikes: &mut Vec<Strike>) {
    let chords = sounding(timeline);
    let mut at = 0;
    for measure in &timeline.measures {
        let end = measure.start + measure.length;
        while chords.get(at + 1).is_some_and(|c| c.0 <= measure.start) {
            at += 1;
        }
        let here = chords[at.min(chords.len())..].iter().take_while(|c| c.0 < end);
        let Some(meter) = measure.meter else {
            for (start, harmony) in here {
                let start = (*start).max(measure.start);
                strike_chord(strikes, Stroke::Bass, harmony, start, end);
                strike_chord(strikes, Stroke::Chord, harmony, start, end);
            }
            continue;
        };
        let changes: Vec<&(Fraction, Harmony)> = here.collect();
        let full = meter.length();
        // A measure that is too long begins anew.
        for round in 0..(measure.length / full).to_f64().ceil().clamp(1.0, 64.0) as i64 {
            for (offset, stroke, length) in pattern(meter) {
                let start = measure.start + offset - measure.phase + full * Fraction::from(round);
                let Some((_, harmony)) = changes.iter().rev().find(|c| c.0 <= start) else { continue };
                if start >= measure.start && start < end {
                    strike_chord(strikes, stroke, harmony, start, (start + length).min(end));
                }
            }
        }
    }
}

/// The chords with roots, each with its bass: a bass by itself moves under the chord before it.
fn sounding(timeline: &Timeline) -> Vec<(Fraction, Harmony)> {
    let mut chords: Vec<(Fraction, Harmony)> = Vec::new();
    for (start, harmony) in &timeline.chords {
        let root = match (harmony.root, chords.last()) {
            (Some(_), _) => *harmony,
            (None, Some((_, before))) => Harmony { bass: harmony.bass, ..*before },
            (None, None) => Harmony { root: harmony.bass, ..*harmony },
        };
        chords.push((*start, root));
    }
    chords
}

fn strike_chord(
    strikes: &mut Vec<Strike>,
    stroke: Stroke,
    harmony: &Harmony,
    start: Fraction,
    end: Fraction,
) {
    let Some(root) = harmony.root.filter(|_| start < end) else { return };
    let like = |velocity, player| Strike { start, end, key: 0, velocity, player, place: None };
    match stroke {
        Stroke::Bass => {
            let bass = harmony.bass.unwrap_or(root).semitone();
            // From E1 up, as a double bass has it.
            strike(strikes, like(72, Player::Bass), 28 + (bass - 28).rem_euclid(12));
        }
        Stroke::Chord => {
            for semitone in harmony.kind.semitones() {
                // All within an octave below the melody, from G3 up.
                let key = 55 + (root.semitone() + semitone - 55).rem_euclid(12);
                strike(strikes, like(58, Player::Chords), key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    fn strikes(text: &str) -> Vec<Strike> {
        perform(&Timeline::new(&read(text)[0]).unwrap(), true)
    }

    /// `start key` of what a player does.
    fn shown(strikes: &[Strike], wanted: Player) -> String {
        let by = strikes.iter().filter(|s| s.player == wanted);
        by.map(|s| format!("{}:{}", s.start, s.key)).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn bass_and_chords_follow_the_meter() {
        let four = strikes("X:1\nM:4/4\nL:1/4\nK:C\nE|\"C\"CDEF|\"G7/b\"G2\"C\"E|]\n");
        assert_eq!(shown(&four, Player::Bass), "1/4:36 3/4:36 5/4:35 7/4:36");
        assert_eq!(shown(&four, Player::Chords).split(' ').filter(|s| s.starts_with("1/2:")).count(), 3);
        // The last bar is short: it has no fourth beat. The bar before it has its two chords.
        assert_eq!(shown(&four, Player::Chords).split(' ').count(), 3 + 3 + 4);
        let jig = strikes("X:1\nM:6/8\nL:1/8\nK:D\n\"D\"DFA d3|\"D\"d3 \"f#\"A3|]\n");
        assert_eq!(shown(&jig, Player::Bass), "0:38 3/8:38 3/4:38 9/8:30");
        let waltz = strikes("X:1\nM:3/4\nL:1/4\nK:D\n\"D\"DFA|]\n");
        assert_eq!(
            (shown(&waltz, Player::Bass).as_str(), shown(&waltz, Player::Chords).split(' ').count()),
            ("0:38", 6)
        );
        let polka = strikes("X:1\nM:2/4\nL:1/4\nK:D\n\"D\"DF|]\n");
        assert_eq!(shown(&polka, Player::Bass), "0:38 1/4:38");
        let free = strikes("X:1\nM:none\nL:1/4\nK:D\n\"D\"DF\"A\"A|]\n");
        assert_eq!(shown(&free, Player::Bass), "0:38 1/2:33");
    }

    #[test]
    fn a_pick_up_has_the_last_beats_of_its_measure() {
        let strikes = strikes("X:1\nM:3/4\nL:1/4\nK:D\n\"A7\"AB|\"D\"d3|]\n");
        assert_eq!(shown(&strikes, Player::Bass), "1/2:38");
        assert_eq!(strikes.iter().filter(|s| s.start.is_zero() && s.player == Player::Chords).count(), 4);
        let first = strikes.iter().find(|s| s.player == Player::Voice(0)).unwrap();
        assert_eq!(first.velocity, 90);
    }

    #[test]
    fn grace_notes_take_their_time_from_the_note() {
        let strikes = strikes("X:1\nM:4/4\nL:1/4\nK:C\n{cd}e2 {fga}f/|]\n");
        assert_eq!(
            shown(&strikes, Player::Voice(0)),
            "0:72 1/32:74 1/16:76 1/2:77 25/48:79 13/24:81 9/16:77"
        );
        assert_eq!(strikes[2].end, Fraction::new(1, 2));
    }

    #[test]
    fn accents() {
        let strikes = strikes("X:1\nM:6/8\nL:1/8\nK:C\nGAB cde|\n");
        let velocities: Vec<u8> = strikes.iter().map(|s| s.velocity).collect();
        assert_eq!(velocities, [100, 80, 80, 90, 80, 80]);
    }
}
