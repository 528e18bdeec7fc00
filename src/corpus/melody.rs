//! A tune's notes without its key: the same for a tune and for its copy in another key.

use super::split::{body, is_header};
use crate::abc::{Key, SEMITONES};
use std::borrow::Cow;
use std::fmt::Write;

/// The transposition-invariant body of a tune; [`split`](super::split()) goes by it.
///
/// It never changes, so that no tune changes sides: where it reads less well than [`abc::read`](crate::abc::read()), as between two `!` that
/// are no decoration, it stays so.
///
/// What stands in the tune's [`body`], and of that only notes, as their distances from the first, rests and lengths. The lines of the
/// body, each up to its first %, are read from left to right; at each place the first of these that fits is taken:
///
/// ```text
/// a line that is a field    goes; K: sets the signature, an unknown key that of C. So do the fields of the header
/// "…" {…} !…! [x:…]         go where they are closed in their line, their first sign alone where not; [K:…] sets the signature
/// note                      accidentals, a letter, commas and apostrophes become {n}: semitones above the tune's first note,
///                           each counted with its own accidental or else the signature's; its digits and strokes stay
/// z x Z X                   a rest stays, with its digits and strokes
/// (3 (3:2 …                 a tuplet stays: the bracket, and the digits and colons after it
/// ]                         goes, its digits and strokes stay: the length of a chord
/// < >                       stay
/// all else                  goes: bar lines, endings, slurs, ties, chords' brackets, decorations, spaces
/// ```
///
/// A line is a field where a letter and a colon begin it, unless the letter is one of `ABCDEFGabcdefgxyz` and a bar line, `|` or `:`, follows.
/// A body without a note is its own.
pub fn melody(text: &str) -> Cow<'_, str> {
    let music = body(text);
    let mut melody = Melody { signature: [0; 7], first: None, text: String::with_capacity(2 * music.len()) };
    let header = &text[..text.len() - music.len()];
    header.lines().filter(|line| is_header(line)).for_each(|line| melody.field(line));
    for line in music.lines() {
        let line = line.split('%').next().unwrap_or_default();
        if is_field(line) {
            melody.field(line);
        } else {
            melody.line(line);
        }
    }
    match melody.first {
        Some(_) => Cow::Owned(melody.text),
        None => Cow::Borrowed(music),
    }
}

pub(super) fn is_field(line: &str) -> bool {
    match line.as_bytes() {
        [letter, b':', rest @ ..] => {
            let note = b"ABCDEFGabcdefgxyz".contains(letter) && matches!(rest.first(), Some(b'|' | b':'));
            letter.is_ascii_alphabetic() && !note
        }
        _ => false,
    }
}

struct Melody {
    signature: [i8; 7],
    /// The first note, in semitones above C of octave 0.
    first: Option<i32>,
    text: String,
}

impl Melody {
    fn field(&mut self, line: &str) {
        if let Some(key) = line.strip_prefix("K:") {
            let key = key.split('%').next().unwrap_or_default();
            self.signature = Key::parse(key).unwrap_or(Key::NONE).signature;
        }
    }

    fn line(&mut self, line: &str) {
        let mut rest = line;
        // Where the last of a kind stands, so that many which are never closed are not each looked through.
        let last = |c: char| line.rfind(c).map_or(0, |at| line.len() - at);
        let (brace, bracket) = (last('}'), last(']'));
        while let Some(c) = rest.chars().next() {
            let after = &rest[c.len_utf8()..];
            rest = match c {
                '^' | '_' | '=' | 'A'..='G' | 'a'..='g' => self.note(rest),
                '"' | '!' => after.split_once(c).map_or(after, |(_, after)| after),
                '{' if brace > 0 && after.len() >= brace => {
                    after.split_once('}').map_or(after, |(_, after)| after)
                }
                '[' if bracket > 0 && after.len() >= bracket => match after.as_bytes() {
                    [letter, b':', ..] if letter.is_ascii_alphabetic() => {
                        let (field, after) = after.split_once(']').unwrap_or((after, ""));
                        self.field(field);
                        after
                    }
                    _ => after,
                },
                ']' => self.keep(after, |c| c.is_ascii_digit() || c == '/'),
                'z' | 'x' | 'Z' | 'X' => {
                    self.text.push(c);
                    self.keep(after, |c| c.is_ascii_digit() || c == '/')
                }
                '(' if after.starts_with(|c: char| c.is_ascii_digit()) => {
                    self.text.push(c);
                    self.keep(after, |c| c.is_ascii_digit() || c == ':')
                }
                '<' | '>' => {
                    self.text.push(c);
                    after
                }
                _ => after,
            };
        }
    }

    /// Takes what is wanted as it stands; gives what follows.
    fn keep<'t>(&mut self, text: &'t str, wanted: impl Fn(char) -> bool) -> &'t str {
        let rest = text.trim_start_matches(wanted);
        self.text.push_str(&text[..text.len() - rest.len()]);
        rest
    }

    /// Takes a note off the text, or accidentals without one; gives what follows.
    fn note<'t>(&mut self, text: &'t str) -> &'t str {
        let from = text.trim_start_matches(['^', '_', '=']);
        let signs = &text[..text.len() - from.len()];
        let Some(letter) = from.chars().next().filter(|c| matches!(c, 'A'..='G' | 'a'..='g')) else {
            return from;
        };
        let rest = from[1..].trim_start_matches([',', '\'']);
        let marks = &from[1..from.len() - rest.len()];
        let count = |of: char, text: &str| text.matches(of).count() as i32;
        let step = "CDEFGAB".find(letter.to_ascii_uppercase()).unwrap_or(0);
        let octave = if letter.is_ascii_lowercase() { 5 } else { 4 } + count('\'', marks) - count(',', marks);
        let alter = match signs {
            "" => i32::from(self.signature[step]),
            signs => count('^', signs) - count('_', signs),
        };
        let pitch = 12 * octave + i32::from(SEMITONES[step]) + alter;
        let first = *self.first.get_or_insert(pitch);
        let _ = write!(self.text, "{{{}}}", pitch - first);
        self.keep(rest, |c| c.is_ascii_digit() || c == '/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_melody_by_hand() {
        let text = "X:1\nK:D\n|:\"D\"D2 F>{g}^G|[K:G]!trill!f/2z\\\n=f(3abc :| % end\nw:la\nA:|\nd::\n\n";
        assert_eq!(melody(text), "{0}2{4}>{6}{16}/2z{15}(3{19}{21}{10}{7}{12}");
    }

    #[test]
    fn keys_titles_chords_and_spaces_do_not_count() {
        let one = "X:1\nT:One\nM:4/4\nK:G\n|:GABc d2 ^cd|\n\n";
        for twin in [
            "X:7\nT:Two\nK:D\n|:DEFG A2 ^GA|\n\n",
            "X:7\nK:Bb\n|:\"Bb\"Bcde f2 =ef|\n\n",
            "X:7\nK:C\n|:C,D,E,F, G,2^F,G,|\n\n",
            "X:7\nK:G\n G A B c (d2 \\\n ^c) d :|2 \n\n",
            "X:7\nK:G\n[|GA.BTc-[d]2{ef}^c!trill!d|]\n\n",
        ] {
            assert_eq!(melody(twin), melody(one), "{twin}");
        }
        for other in
            ["X:1\nK:Gm\n|:GABc d2 ^cd|\n\n", "X:1\nK:G\n|:GABc d2 cd|\n\n", "X:1\nK:G\n|:GABc d2 ^c2|\n\n"]
        {
            assert_ne!(melody(other), melody(one), "{other}");
        }
    }

    #[test]
    fn without_notes_it_is_the_body() {
        assert_eq!(melody("X:1\nT:A\nK:G\nz4|\n\n"), "z4|\n\n");
        assert_eq!(melody(""), "");
        assert_eq!(melody("X:1\nK:G\n\"G !{[K:^_[x\n\n"), melody("X:2\nK:G\n\"G !{[K:^_[x\n\n"));
    }
}
