//! Chord symbols: the text in quotation marks to a root, a kind and a bass.

use super::key::Tonic;
use super::pitch::{SEMITONES, step_of};

/// A chord.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Harmony {
    /// Its root; none where only the bass moves under the chord before, as in `"f#"`.
    pub root: Option<Tonic>,
    /// What stands on the root.
    pub kind: Kind,
    /// The bass, where it is another note.
    pub bass: Option<Tonic>,
}

/// What stands on a root.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "their names are the usual ones")]
pub enum Kind {
    Major,
    Minor,
    Augmented,
    Diminished,
    Suspended2,
    Suspended4,
    Power,
    Sixth,
    MinorSixth,
    Dominant7,
    Major7,
    Minor7,
    Diminished7,
    HalfDiminished7,
    Augmented7,
    Ninth,
    Minor9,
    Major9,
}

/// Each kind: semitones above the root, its name in MusicXML, how it is written after the root (the usual way first).
type KindRow = (Kind, &'static [i32], &'static str, &'static [&'static str]);

const KINDS: [KindRow; 18] = [
    (Kind::Major, &[0, 4, 7], "major", &["", "maj", "M", "major"]),
    (Kind::Minor, &[0, 3, 7], "minor", &["m", "min", "mi", "-", "minor"]),
    (Kind::Augmented, &[0, 4, 8], "augmented", &["aug", "+"]),
    (Kind::Diminished, &[0, 3, 6], "diminished", &["dim", "/dim", "o", "°"]),
    (Kind::Suspended2, &[0, 2, 7], "suspended-second", &["sus2"]),
    (Kind::Suspended4, &[0, 5, 7], "suspended-fourth", &["sus4", "sus"]),
    (Kind::Power, &[0, 7], "power", &["5"]),
    (Kind::Sixth, &[0, 4, 7, 9], "major-sixth", &["6", "maj6", "M6"]),
    (Kind::MinorSixth, &[0, 3, 7, 9], "minor-sixth", &["m6", "min6"]),
    (Kind::Dominant7, &[0, 4, 7, 10], "dominant", &["7", "dom7"]),
    (Kind::Major7, &[0, 4, 7, 11], "major-seventh", &["maj7", "M7", "Maj7", "ma7"]),
    (Kind::Minor7, &[0, 3, 7, 10], "minor-seventh", &["m7", "min7", "mi7", "-7"]),
    (Kind::Diminished7, &[0, 3, 6, 9], "diminished-seventh", &["dim7", "o7", "°7"]),
    (Kind::HalfDiminished7, &[0, 3, 6, 10], "half-diminished", &["m7b5", "ø", "ø7"]),
    (Kind::Augmented7, &[0, 4, 8, 10], "augmented-seventh", &["aug7", "+7"]),
    (Kind::Ninth, &[0, 4, 7, 10, 14], "dominant-ninth", &["9"]),
    (Kind::Minor9, &[0, 3, 7, 10, 14], "minor-ninth", &["m9", "min9"]),
    (Kind::Major9, &[0, 4, 7, 11, 14], "major-ninth", &["maj9", "M9"]),
];

/// All that may stand after a root, without what a slash begins.
pub(super) fn suffixes() -> impl Iterator<Item = &'static str> {
    KINDS.iter().flat_map(|row| row.3).copied().filter(|suffix| suffix.is_ascii() && !suffix.starts_with('/'))
}

impl Kind {
    fn row(self) -> &'static KindRow {
        KINDS.iter().find(|row| row.0 == self).unwrap_or(&KINDS[0])
    }

    /// Semitones of its notes above the root.
    pub fn semitones(self) -> &'static [i32] {
        self.row().1
    }

    /// What MusicXML calls it.
    pub fn musicxml(self) -> &'static str {
        self.row().2
    }

    /// How it is written after the root.
    pub fn suffix(self) -> &'static str {
        self.row().3[0]
    }
}

impl Tonic {
    /// Semitones above C, 0 to 11.
    pub fn semitone(self) -> i32 {
        (i32::from(SEMITONES[usize::from(self.step % 7)]) + i32::from(self.alter)).rem_euclid(12)
    }
}

impl Harmony {
    /// Reads a chord symbol.
    ///
    /// `Am7`, `D/F#`, and as Nottingham has them `D/f+` (a sharp in the bass), `G/dim`, `(E7)`, and `f#`: a bass by itself. Of several
    /// in one text, `G  C`, the first counts. None where the text is no chord.
    pub fn parse(text: &str) -> Option<Harmony> {
        let plain: String = text.chars().filter(|c| !matches!(c, '(' | ')')).collect();
        let word = plain.split_whitespace().next()?;
        let lowercase = word.starts_with(|c: char| c.is_ascii_lowercase());
        let (root, rest) = note(word, lowercase)?;
        if lowercase {
            return rest.is_empty().then_some(Harmony { root: None, kind: Kind::Major, bass: Some(root) });
        }
        let kind_of = |text: &str| KINDS.iter().find(|row| row.3.contains(&text)).map(|row| row.0);
        if let Some(kind) = kind_of(rest) {
            return Some(Harmony { root: Some(root), kind, bass: None });
        }
        let (kind, bass) = rest.split_once('/')?;
        let bass = note(bass, true).filter(|(_, rest)| rest.is_empty()).map(|(bass, _)| bass);
        Some(Harmony { root: Some(root), kind: kind_of(kind)?, bass })
    }
}

/// A letter and its accidental, and what follows; `plus`: a `+` is a sharp.
fn note(text: &str, plus: bool) -> Option<(Tonic, &str)> {
    let mut chars = text.chars();
    let step = chars.next().and_then(step_of)?;
    let rest = chars.as_str();
    let signs = [('#', 1), ('♯', 1), ('b', -1), ('♭', -1), ('+', 1)];
    for (sign, alter) in &signs[..if plus { 5 } else { 4 }] {
        if let Some(rest) = rest.strip_prefix(*sign) {
            return Some((Tonic { step, alter: *alter }, rest));
        }
    }
    Some((Tonic { step, alter: 0 }, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let name = |t: Tonic| {
            format!("{}{}", super::super::LETTERS[usize::from(t.step)], super::super::accidental(t.alter))
        };
        match Harmony::parse(text) {
            None => "none".into(),
            Some(h) => {
                let root = h.root.map(name).unwrap_or_default();
                let bass = h.bass.map(|b| format!("/{}", name(b))).unwrap_or_default();
                format!("{root} {}{bass}", h.kind.musicxml())
            }
        }
    }

    #[test]
    fn chord_symbols() {
        for (text, is) in [
            ("G", "G major"),
            (" Am ", "A minor"),
            ("F#m7", "F# minor-seventh"),
            ("Bb", "Bb major"),
            ("Eb/dim", "Eb diminished"),
            ("D/f+", "D major/F#"),
            ("E7/g+", "E dominant/G#"),
            ("Gm/bb", "G minor/Bb"),
            ("D/F#", "D major/F#"),
            ("C/g", "C major/G"),
            ("(E7)", "E dominant"),
            ("C(7)", "C dominant"),
            ("F+7", "F augmented-seventh"),
            ("Daug", "D augmented"),
            ("Cmaj7", "C major-seventh"),
            ("Dsus4", "D suspended-fourth"),
            ("G  C", "G major"),
            ("f#", " major/F#"),
            ("bb", " major/Bb"),
            ("c+", " major/C#"),
            ("E7/b9", "E dominant"),
        ] {
            assert_eq!(shown(text), is, "{text}");
        }
        for text in ["", "Fine", "Chorus", "D.C.", "3", "/@>.5A", "From here", "allegro", "H7", "é"] {
            assert_eq!(shown(text), "none", "{text}");
        }
    }

    #[test]
    fn every_kind_is_there_once() {
        for row in &KINDS {
            assert_eq!(row.0.row().2, row.2);
            assert_eq!(row.0.semitones()[0], 0);
            assert_eq!(Harmony::parse(&format!("C{}", row.0.suffix())).map(|h| h.kind), Some(row.0));
        }
        assert_eq!(Tonic { step: 6, alter: 1 }.semitone(), 0);
    }
}
