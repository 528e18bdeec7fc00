//! Letters, octaves and accidentals.

use std::fmt;

/// Semitones above C of the letters C D E F G A B.
pub const SEMITONES: [i8; 7] = [0, 2, 4, 5, 7, 9, 11];

/// The letters in the order of steps.
pub const LETTERS: [char; 7] = ['C', 'D', 'E', 'F', 'G', 'A', 'B'];

/// The step of a letter, C = 0, capital or not.
pub fn step_of(letter: char) -> Option<u8> {
    LETTERS.iter().position(|&l| l == letter.to_ascii_uppercase()).map(|step| step as u8)
}

/// A spelled pitch as it sounds: key signature and accidentals are in `alter`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Pitch {
    /// The octave; middle C begins octave 4.
    pub octave: i8,
    /// The letter: C is 0, B is 6.
    pub step: u8,
    /// Semitones up (sharps) or down (flats), -2 to 2.
    pub alter: i8,
}

impl Pitch {
    /// The MIDI key: middle C is 60.
    pub fn midi(self) -> i32 {
        12 * (i32::from(self.octave) + 1)
            + i32::from(SEMITONES[usize::from(self.step % 7)])
            + i32::from(self.alter)
    }

    /// Letters above C of octave 0: the height on the staff.
    pub fn height(self) -> i32 {
        7 * i32::from(self.octave) + i32::from(self.step)
    }

    /// `C`, …
    pub fn letter(self) -> char {
        LETTERS[usize::from(self.step % 7)]
    }
}

/// `F#4`
impl fmt::Display for Pitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.letter(), accidental(self.alter), self.octave)
    }
}

/// `#`, `##`, `b`, `bb` or nothing.
pub fn accidental(alter: i8) -> &'static str {
    match alter {
        i8::MIN..=-2 => "bb",
        -1 => "b",
        0 => "",
        1 => "#",
        2.. => "##",
    }
}
