//! A tune's text in another key: note letters, accidentals, keys and chord symbols move, all else stays as it is written.
//!
//! The interval is one on the line of fifths (… B♭ F C G D …), so that a sharpened fourth stays a sharpened fourth: letters move by as
//! many steps as the tonic does, and an accidental differs from the new key's signature by what it differed from the old one's.

use super::harmony::Harmony;
use super::key::{Key, Tonic};
use super::music::take_decoration;
use super::pitch::{LETTERS, step_of};
use super::scan::{Cursor, Line, lines};

/// How far a tune is moved: up or down by an octave at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interval {
    fifths: i32,
    semitones: i32,
}

impl Interval {
    /// From one key to the key `fifths` further along the line of fifths (2 from G to A, -3 from A to C), the nearer way; a tritone
    /// goes up.
    pub fn nearest(fifths: i8) -> Self {
        let fifths = i32::from(fifths);
        let up = (7 * fifths).rem_euclid(12);
        Interval { fifths, semitones: if up > 6 { up - 12 } else { up } }
    }

    /// The same key reached from the other side: down a fifth instead of up a fourth.
    pub fn other_way(self) -> Self {
        let semitones = if self.semitones > 0 { self.semitones - 12 } else { self.semitones + 12 };
        Interval { semitones, ..self }
    }

    /// Semitones up.
    pub fn semitones(self) -> i32 {
        self.semitones
    }

    /// Letters up.
    pub fn steps(self) -> i32 {
        // A fifth is 7 semitones and 4 letters, an octave 12 and 7.
        4 * self.fifths - 7 * ((7 * self.fifths - self.semitones) / 12)
    }
}

/// The text of one tune, moved by an interval.
///
/// None where the result could not be spelled as the tune is: a signature would have more than seven accidentals, a note needs a double
/// accidental where it had a single one or lies outside MIDI's range, or the key is none that moves (`K:none`, `K:HP`, a signature with accidentals of
/// its own).
pub fn transpose(text: &str, interval: Interval) -> Option<String> {
    let mut mover = Mover { interval, keys: None, text: String::with_capacity(text.len() + text.len() / 8) };
    let mut in_music = false;
    for whole in lines(text) {
        let line = whole.without_comment();
        match line.field() {
            Some(('K', key)) => {
                in_music = true;
                // As it is written, spaces too.
                let start = key.as_ptr() as usize - line.text.as_ptr() as usize;
                mover.text.push_str(&line.text[..start]);
                mover.key(key)?;
                mover.text.push_str(&line.text[start + key.len()..]);
            }
            Some(_) => mover.text.push_str(line.text),
            None if in_music || line.text.contains('|') => {
                in_music = true;
                mover.music(line)?;
            }
            None => mover.text.push_str(line.text),
        }
        mover.text.push_str(&whole.text[line.text.len()..]);
        mover.text.push('\n');
    }
    if !text.ends_with(['\n', '\r']) {
        mover.text.pop();
    }
    Some(mover.text)
}

struct Mover {
    interval: Interval,
    /// The key that the text is in here, and the one that it moves to.
    keys: Option<(Key, Key)>,
    text: String,
}

impl Mover {
    /// Writes the text of a `K:` and remembers it.
    fn key(&mut self, text: &str) -> Option<()> {
        let key = Key::parse(text)?;
        let tonic = key.tonic.filter(|_| key.is_plain())?;
        let moved = moved(tonic, self.interval, false)?;
        // The letter and its sign make way, mode and all else stay.
        let rest = text[1..].strip_prefix(['#', 'b', '♯', '♭']).filter(|_| tonic.alter != 0);
        let new = format!(
            "{}{}",
            name(moved, text.starts_with(|c: char| c.is_lowercase()), '#'),
            rest.unwrap_or(&text[1..])
        );
        self.keys = Some((key, Key::parse(&new)?));
        self.text.push_str(&new);
        Some(())
    }

    fn music(&mut self, line: Line<'_>) -> Option<()> {
        let mut at = line.cursor();
        let last_bracket = line.text.rfind(']').map_or(0, |bytes| line.text.len() - bytes);
        while let Some(c) = at.peek() {
            match c {
                'A'..='G' | 'a'..='g' | '^' | '_' | '=' => self.note(&mut at)?,
                '"' => self.quoted(&mut at),
                '!' | '+' => self.decoration(&mut at, c),
                // One that is closed.
                '[' if begins_field(at.rest) && last_bracket > 0 && at.rest.len() > last_bracket => {
                    self.inline_field(&mut at)?
                }
                _ => {
                    at.bump();
                    self.text.push(c);
                }
            }
        }
        Some(())
    }

    fn note(&mut self, at: &mut Cursor<'_>) -> Option<()> {
        let sign = at.take_while(|c| matches!(c, '^' | '_' | '='));
        let Some(letter) = at.peek().filter(|c| matches!(c, 'A'..='G' | 'a'..='g')) else {
            self.text.push_str(sign);
            return Some(());
        };
        at.bump();
        let marks = at.take_while(|c| matches!(c, ',' | '\''));
        let (old, new) = self.keys?;
        let step = i32::from(step_of(letter)?);
        let up = marks.matches('\'').count() as i32 - marks.matches(',').count() as i32;
        let octave = up + if letter.is_ascii_lowercase() { 5 } else { 4 };
        let height = 7 * octave + step + self.interval.steps();
        let (octave, moved) = (height.div_euclid(7), height.rem_euclid(7) as usize);
        if !(0..=9).contains(&octave) {
            return None;
        }
        if !sign.is_empty() {
            let alter = SIGNS.iter().find(|(_, s)| *s == sign)?.0;
            let raised = new.signature[moved] + alter - old.signature[step as usize];
            if raised.abs() > 1 && alter.abs() < 2 {
                return None;
            }
            self.text.push_str(SIGNS.iter().find(|(a, _)| *a == raised)?.1);
        }
        let letter = LETTERS[moved];
        self.text.push(if octave > 4 { letter.to_ascii_lowercase() } else { letter });
        self.text.extend(std::iter::repeat_n('\'', (octave - 5).max(0) as usize));
        self.text.extend(std::iter::repeat_n(',', (4 - octave).max(0) as usize));
        Some(())
    }

    /// A chord symbol, or words, which stay.
    fn quoted(&mut self, at: &mut Cursor<'_>) {
        at.bump();
        self.text.push('"');
        let Some(text) = at.take_until('"') else {
            self.text.push_str(at.take_while(|_| true));
            return;
        };
        if Harmony::parse(text).is_some() {
            let mut rest = text;
            // Several chords may stand in one text.
            while !rest.is_empty() {
                let (word, after) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
                self.chord(word);
                let space = after.len() - after.trim_start().len();
                self.text.push_str(&after[..space]);
                rest = &after[space..];
            }
        } else {
            self.text.push_str(text);
        }
        self.text.push('"');
    }

    /// One chord: its root and its bass move, brackets and kind stay.
    fn chord(&mut self, word: &str) {
        let bare = word.trim_start_matches('(');
        if Harmony::parse(word).is_none() {
            return self.text.push_str(word);
        }
        self.text.push_str(&word[..word.len() - bare.len()]);
        // A lone bass is a letter by itself, `f#`.
        let mut rest = self.chord_note(bare, '#');
        if let Some((kind, bass)) = rest.split_once('/') {
            let whole = step_of_note(bass).is_some_and(|(_, rest)| rest.trim_end_matches(')').is_empty());
            if let Some(c) = bass.chars().next().filter(|_| whole) {
                self.text.push_str(kind);
                self.text.push('/');
                // A sharp in a small bass is a plus, as Nottingham has it, unless it is written otherwise.
                let plus = c.is_ascii_lowercase() && !bass[1..].starts_with('#');
                rest = self.chord_note(bass, if plus { '+' } else { '#' });
            }
        }
        self.text.push_str(rest);
    }

    /// Writes the note that a chord symbol begins with, moved; gives what follows it.
    fn chord_note<'t>(&mut self, text: &'t str, sharp: char) -> &'t str {
        let Some((tonic, rest)) = step_of_note(text) else { return text };
        let small = text.starts_with(|c: char| c.is_ascii_lowercase());
        let (tonic, rest) = match (tonic, rest) {
            // In a root, a plus makes the chord augmented.
            (Tonic { step, .. }, _) if !small && text[1..].starts_with('+') => {
                (Tonic { step, alter: 0 }, &text[1..])
            }
            both => both,
        };
        match moved(tonic, self.interval, true) {
            Some(new) => self.text.push_str(&name(new, small, sharp)),
            None => self.text.push_str(&text[..text.len() - rest.len()]),
        }
        rest
    }

    /// `!trill!` and `+trill+` are words; a mark by itself is none, and notes follow it.
    fn decoration(&mut self, at: &mut Cursor<'_>, mark: char) {
        match take_decoration(at) {
            Some(word) => {
                self.text.push(mark);
                self.text.push_str(word);
                self.text.push(mark);
            }
            None => self.text.extend(at.bump()),
        }
    }

    fn inline_field(&mut self, at: &mut Cursor<'_>) -> Option<()> {
        let text = at.take_until(']')?;
        match text.strip_prefix("[K:") {
            Some(key) => {
                let start = key.len() - key.trim_start().len();
                self.text.push_str("[K:");
                self.text.push_str(&key[..start]);
                self.key(key.trim())?;
                self.text.push_str(&key[start + key.trim().len()..]);
            }
            None => self.text.push_str(text),
        }
        self.text.push(']');
        Some(())
    }
}

const SIGNS: [(i8, &str); 5] = [(-2, "__"), (-1, "_"), (0, "="), (1, "^"), (2, "^^")];

/// `[K:` and its like.
fn begins_field(rest: &str) -> bool {
    matches!(rest.as_bytes(), [b'[', letter, b':', ..] if letter.is_ascii_alphabetic())
}

/// The note at the beginning of a chord symbol or after its stroke, and what follows.
fn step_of_note(text: &str) -> Option<(Tonic, &str)> {
    let mut chars = text.chars();
    let step = chars.next().and_then(step_of)?;
    let rest = chars.as_str();
    let signs = [('#', 1), ('♯', 1), ('b', -1), ('♭', -1), ('+', 1)];
    let sign = signs.iter().find_map(|&(sign, alter)| Some((alter, rest.strip_prefix(sign)?)));
    let (alter, rest) = sign.unwrap_or((0, rest));
    Some((Tonic { step, alter }, rest))
}

/// C is 0, G 1, F -1.
const FIFTHS: [i32; 7] = [0, 2, 4, -1, 1, 3, 5];

/// A note moved along the line of fifths; where it would need a double accidental, none, or its enharmonic neighbour.
fn moved(tonic: Tonic, interval: Interval, enharmonic: bool) -> Option<Tonic> {
    let mut place = FIFTHS[usize::from(tonic.step % 7)] + 7 * i32::from(tonic.alter) + interval.fifths;
    if enharmonic {
        // From F♭ to B♯.
        while place < -8 {
            place += 12;
        }
        while place > 12 {
            place -= 12;
        }
    }
    let alter = (place + 1).div_euclid(7);
    let step = (4 * (place - 7 * alter)).rem_euclid(7) as u8;
    (-1..=1).contains(&alter).then_some(Tonic { step, alter: alter as i8 })
}

fn name(tonic: Tonic, small: bool, sharp: char) -> String {
    let letter = LETTERS[usize::from(tonic.step % 7)];
    let mut name = String::from(if small { letter.to_ascii_lowercase() } else { letter });
    match tonic.alter {
        1 => name.push(sharp),
        -1 => name.push('b'),
        _ => {}
    }
    name
}

#[cfg(test)]
mod tests {
    use super::super::read;
    use super::*;

    fn up(fifths: i8, music: &str, key: &str) -> Option<String> {
        let text = transpose(&format!("X:1\nK:{key}\n{music}\n"), Interval::nearest(fifths))?;
        Some(text.strip_prefix("X:1\nK:")?.trim_end().replacen('\n', " ", 1))
    }

    #[test]
    fn intervals_are_the_near_ones() {
        let of = |fifths| (Interval::nearest(fifths).semitones(), Interval::nearest(fifths).steps());
        assert_eq!([of(0), of(1), of(2), of(-1), of(3)], [(0, 0), (-5, -3), (2, 1), (5, 3), (-3, -2)]);
        let other = Interval::nearest(1).other_way();
        assert_eq!((other.semitones(), other.steps(), other.other_way()), (7, 4, Interval::nearest(1)));
        assert_eq!([of(6), of(-6), of(12), of(-12), of(7)], [(6, 3), (6, 4), (0, -1), (0, 1), (1, 0)]);
    }

    #[test]
    fn letters_move_with_the_tonic_and_accidentals_with_the_signature() {
        assert_eq!(up(1, "|:D2 ^G,>c|\"D7/f+\"d'3:|", "D").unwrap(), "A |:A,2 ^D,>G|\"A7/c+\"a3:|");
        assert_eq!(up(2, "G=f ^c _e", "G").unwrap(), "A A=g ^d =f");
        assert_eq!(up(-3, "E^G [CEA]", "Am").unwrap(), "Cm G=B [EGc]");
        assert_eq!(
            up(2, "{ab}c [K:D]f z2 !trill!B +trill+c", "G").unwrap(),
            "A {bc'}d [K:E]g z2 !trill!c +trill+d"
        );
        // What no reader takes for a decoration is none: a line's end, a chord.
        assert_eq!(
            up(2, "G !A B! c!fermata!d +D.C.+e +GB+", "G").unwrap(),
            "A A !B c! d!fermata!e +D.C.+f +Ac+"
        );
    }

    #[test]
    fn chord_symbols_move_and_words_stay() {
        let chords = |fifths, text: &str| {
            up(fifths, &format!("\"{text}\"G|"), "G").unwrap().split('"').nth(1).unwrap().to_string()
        };
        for (fifths, before, after) in [
            (1, "D/f+", "A/c+"),
            (1, "G", "D"),
            (2, "Em7", "F#m7"),
            (-3, "F#m", "Am"),
            (-1, "D/F#", "G/B"),
            (2, "f#", "g#"),
            (1, "(E7)", "(B7)"),
            (1, "G  C", "D  G"),
            (1, "F+7", "C+7"),
            (-2, "G/bb", "F/ab"),
            (1, "Eb/dim", "Bb/dim"),
            (1, "Fine", "Fine"),
            (1, "^from G", "^from G"),
        ] {
            assert_eq!(chords(fifths, before), after, "{before} by {fifths}");
        }
    }

    #[test]
    fn what_cannot_be_spelled_is_none() {
        // E♯ would become E double sharp in F sharp's neighbour.
        assert_eq!(up(6, "^e", "D"), None);
        assert_eq!(up(7, "G", "G"), None);
        for key in ["none", "HP", "D exp _b ^f", "D exp", "Dexp", "H"] {
            assert_eq!(up(1, "G", key), None, "{key}");
        }
        assert_eq!(up(1, "C,,,,", "C"), None);
    }

    #[test]
    fn fields_comments_and_lines_stay() {
        let text = "X:1\nT:A Bee\nP:AB\nK: G  % G\nGA|\\\n%%MIDI a\nB:|\nw:la be\n[V:1]c|";
        let moved = transpose(text, Interval::nearest(2)).unwrap();
        assert_eq!(moved, "X:1\nT:A Bee\nP:AB\nK: A  % G\nAB|\\\n%%MIDI a\nc:|\nw:la be\n[V:1]d|");
        assert_eq!(read(&moved)[0].diagnostics, []);
    }
}
