//! Notes, chords, rests and tuplets: the signs that take time.

use super::diagnostic::{Place, Problem};
use super::fraction::Fraction;
use super::meter::Meter;
use super::music::MusicReader;
use super::pitch::step_of;
use super::scan::Cursor;
use super::voice::{Written, is_length};

impl MusicReader<'_> {
    /// Accidental, letter and octave of a note, and its own length, of the unit.
    fn written(&mut self, at: &mut Cursor<'_>) -> Option<(Written, Fraction)> {
        let place = at.place;
        let accidental = match at.take_while(|c| matches!(c, '^' | '_' | '=')) {
            "" => None,
            "^" => Some(1),
            "^^" => Some(2),
            "_" => Some(-1),
            "__" => Some(-2),
            "=" => Some(0),
            _ => {
                self.say(place, Problem::LoneAccidental);
                None
            }
        };
        let Some(letter) = at.peek().filter(|c| matches!(c, 'A'..='G' | 'a'..='g')) else {
            self.say(place, Problem::LoneAccidental);
            return None;
        };
        at.bump();
        let marks = at.take_while(|c| matches!(c, ',' | '\''));
        let up = marks.matches('\'').count() as i64 - marks.matches(',').count() as i64;
        let octave = up + if letter.is_ascii_lowercase() { 5 } else { 4 };
        let length = self.length(at);
        if !(0..=9).contains(&octave) {
            self.say(place, Problem::BadPitch);
            return None;
        }
        let step = step_of(letter)?;
        Some((Written { step, octave: octave as i8, accidental, tied: false }, length))
    }

    /// `2`, `/2`, `3/2`, `/`, `//`, or nothing, which is 1.
    fn length(&mut self, at: &mut Cursor<'_>) -> Fraction {
        let (place, start) = (at.place, at.rest);
        let above = at.take_while(|c| c.is_ascii_digit());
        let slashes = at.take_while(|c| c == '/').len();
        let below = if slashes > 0 { at.take_while(|c| c.is_ascii_digit()) } else { "" };
        let number = |digits: &str, default| match digits.len() {
            0 => Some(default),
            1..=4 => digits.parse::<i64>().ok().filter(|n| *n > 0),
            _ => None,
        };
        let under = match slashes {
            0 => Some(1),
            1 => number(below, 2),
            2..=6 if below.is_empty() => Some(1 << slashes),
            _ => None,
        };
        if !below.is_empty() && at.peek() == Some('/') {
            self.say(at.place, Problem::Stray('/'));
            at.take_while(|c| c == '/');
        }
        let unit = self.voice().unit;
        match (number(above, 1), under) {
            (Some(above), Some(under)) if is_length(unit * Fraction::new(above, under)) => {
                Fraction::new(above, under)
            }
            _ => {
                let text = &start[..start.len() - at.rest.len()];
                self.say(place, Problem::BadLength(text.chars().take(20).collect()));
                Fraction::ONE
            }
        }
    }

    pub(super) fn note(&mut self, at: &mut Cursor<'_>) {
        let place = at.place;
        if let Some((written, length)) = self.written(at) {
            self.sound(place, &[written], length);
        }
    }

    fn sound(&mut self, place: Place, notes: &[Written], length: Fraction) {
        self.voice();
        let (voice, said) = (&mut self.voices[self.voice], &mut self.said);
        let unit = voice.unit;
        voice.note(place, notes, length * unit, said);
    }

    /// `[CEG]2`, or `+CEG+2` as older texts have it.
    pub(super) fn chord(&mut self, at: &mut Cursor<'_>, close: char) {
        let place = at.place;
        at.bump();
        let mut notes: Vec<Written> = Vec::new();
        let mut inner: Option<Fraction> = None;
        loop {
            match at.peek() {
                Some(c) if c == close => {
                    at.bump();
                    break;
                }
                Some('A'..='G' | 'a'..='g' | '^' | '_' | '=') => {
                    let Some((written, length)) = self.written(at) else { continue };
                    notes.push(written);
                    match inner {
                        Some(first) if first != length => {
                            self.say(place, Problem::UnequalChord(first, length));
                        }
                        _ => inner = Some(length),
                    }
                }
                Some('-') if !notes.is_empty() => {
                    at.bump();
                    notes.iter_mut().rev().take(1).for_each(|n| n.tied = true);
                }
                Some(' ' | '.' | '(' | ')' | '`') => _ = at.bump(),
                // `[+CE]`
                Some('+') if notes.is_empty() => {
                    self.say(at.place, Problem::Stray('+'));
                    at.bump();
                }
                // `[CE+`
                Some('+') => {
                    at.bump();
                    self.say(place, Problem::UnclosedChord);
                    break;
                }
                _ => {
                    self.say(place, Problem::UnclosedChord);
                    break;
                }
            }
        }
        if notes.is_empty() {
            return self.say(place, Problem::EmptyChord);
        }
        let outer = self.length(at);
        let length = inner.unwrap_or(Fraction::ONE) * outer;
        let unit = self.voice().unit;
        if is_length(length * unit) {
            self.sound(place, &notes, length);
        } else {
            self.say(place, Problem::BadLength(length.to_string()));
            self.sound(place, &notes, Fraction::ONE);
        }
    }

    pub(super) fn rest(&mut self, at: &mut Cursor<'_>) {
        let place = at.place;
        let c = at.bump();
        let unit = self.voice().unit;
        if matches!(c, Some('z' | 'x')) {
            let length = self.length(at) * unit;
            return self.voice().rest(place, length, c == Some('z'), None);
        }
        let measure = self.voice().meter.map_or(Fraction::ONE, Meter::length);
        let measures = at.number().unwrap_or(1);
        let length = measure * Fraction::from(i64::from(measures));
        if is_length(length) {
            self.voice().rest(place, length, c == Some('Z'), Some(measures));
        } else {
            self.say(place, Problem::BadLength(format!("Z{measures}")));
        }
    }

    /// A slur, or a tuplet: `(3`, `(3:2`, `(3:2:3`.
    pub(super) fn open_bracket(&mut self, at: &mut Cursor<'_>) {
        let place = at.place;
        at.bump();
        if !at.peek().is_some_and(|c| c.is_ascii_digit()) {
            return self.voice().begin_slur();
        }
        let text = at.take_while(|c| c.is_ascii_digit() || c == ':');
        let mut numbers = text.split(':');
        // An empty place, as in `(3::2`, stands for what is usual.
        let mut next = || numbers.next().filter(|n| !n.is_empty()).map(str::parse::<u32>);
        let (p, q, r) = (next(), next(), next());
        let usual = |p: u32, compound: bool| match p {
            3 | 6 => 2,
            2 | 4 | 8 => 3,
            _ if compound => 3,
            _ => 2,
        };
        let compound = self.voice().meter.is_some_and(Meter::is_compound);
        let numbers = (|| {
            let p = p?.ok()?;
            let q = q.unwrap_or(Ok(usual(p, compound))).ok()?;
            Some((p, q, r.unwrap_or(Ok(p)).ok()?))
        })();
        match numbers {
            Some((p @ 2..=10, q @ 1..=10, r @ 1..=64)) => {
                self.voice();
                let (voice, said) = (&mut self.voices[self.voice], &mut self.said);
                voice.begin_tuplet(p, q, r, place, said);
            }
            _ => self.say(place, Problem::BadTuplet(text.chars().take(20).collect())),
        }
    }

    /// `{ga}`, `{/g}`
    pub(super) fn grace(&mut self, at: &mut Cursor<'_>) {
        let place = at.place;
        at.bump();
        let mut notes = Vec::new();
        loop {
            match at.peek() {
                Some('}') => {
                    at.bump();
                    break;
                }
                Some('A'..='G' | 'a'..='g' | '^' | '_' | '=') => {
                    notes.extend(self.written(at).map(|(written, _)| written));
                }
                Some(' ' | '/' | '(' | ')' | '[' | ']' | '-' | '>' | '<' | '.' | '~') => _ = at.bump(),
                _ => {
                    self.say(place, Problem::UnclosedGrace);
                    break;
                }
            }
        }
        self.voice().set_grace(&notes);
    }
}
