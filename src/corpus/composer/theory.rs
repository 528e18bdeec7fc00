//! Keys, scale steps and chords.
//!
//! A pitch is a *step*: a count of letter names from middle C (C = 0, D = 1, … c = 7), and a *shift*
//! in semitones against the key signature, nearly always 0. A *degree* is a step above the tonic,
//! 0 to 6. Scales and chords are then plain integer arithmetic, and ABC text, which also writes
//! letters and leaves the signature unsaid, follows directly.

/// Semitones above C of the letters C D E F G A B.
const LETTERS: [i32; 7] = [0, 2, 4, 5, 7, 9, 11];

/// Letter names in step order.
const NAMES: [char; 7] = ['C', 'D', 'E', 'F', 'G', 'A', 'B'];

/// The letters that sharps are added to, in order; flats go the other way.
const FIFTHS: [usize; 7] = [3, 0, 4, 1, 5, 2, 6];

/// The scales of the corpus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Ionian.
    Major,
    /// Aeolian, with a raised seventh over the dominant.
    Minor,
    /// Minor with a major sixth.
    Dorian,
    /// Major with a minor seventh.
    Mixolydian,
}

/// A tonic, its mode, and the signature that follows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Key {
    /// As the `K:` line says it.
    pub name: &'static str,
    /// The scale.
    pub mode: Mode,
    /// The tonic's letter, C = 0.
    tonic: i32,
    /// Sharps in the signature; flats are negative.
    sharps: i32,
}

const fn key(name: &'static str, mode: Mode, tonic: i32, sharps: i32) -> Key {
    Key { name, mode, tonic, sharps }
}

/// The keys and how often each is drawn: fiddle and melodeon keys far ahead, as in the sessions.
pub(super) static KEYS: [(u32, Key); 21] = [
    (22, key("G", Mode::Major, 4, 1)),
    (22, key("D", Mode::Major, 1, 2)),
    (11, key("A", Mode::Major, 5, 3)),
    (6, key("C", Mode::Major, 0, 0)),
    (4, key("F", Mode::Major, 3, -1)),
    (2, key("Bb", Mode::Major, 6, -2)),
    (1, key("E", Mode::Major, 2, 4)),
    (5, key("Em", Mode::Minor, 2, 1)),
    (5, key("Am", Mode::Minor, 5, 0)),
    (4, key("Dm", Mode::Minor, 1, -1)),
    (3, key("Bm", Mode::Minor, 6, 2)),
    (2, key("Gm", Mode::Minor, 4, -2)),
    (1, key("F#m", Mode::Minor, 3, 3)),
    (4, key("Ador", Mode::Dorian, 5, 1)),
    (4, key("Edor", Mode::Dorian, 2, 2)),
    (2, key("Ddor", Mode::Dorian, 1, 0)),
    (1, key("Bdor", Mode::Dorian, 6, 3)),
    (3, key("Dmix", Mode::Mixolydian, 1, 1)),
    (3, key("Amix", Mode::Mixolydian, 5, 2)),
    (1, key("Gmix", Mode::Mixolydian, 4, 0)),
    (1, key("Emix", Mode::Mixolydian, 2, 3)),
];

impl Key {
    /// Semitones that the signature adds to this step's letter.
    pub fn signature(&self, step: i32) -> i32 {
        let letter = step.rem_euclid(7) as usize;
        let place = FIFTHS.iter().position(|&l| l == letter).expect("seven letters") as i32;
        i32::from(place < self.sharps) - i32::from(6 - place < -self.sharps)
    }

    /// The pitch in semitones above middle C.
    pub fn semitone(&self, step: i32, shift: i32) -> i32 {
        12 * step.div_euclid(7) + LETTERS[step.rem_euclid(7) as usize] + self.signature(step) + shift
    }

    /// The degree of a step, 0 (tonic) to 6.
    pub fn degree(&self, step: i32) -> i32 {
        (step - self.tonic).rem_euclid(7)
    }

    /// The tonic nearest to `step` that lies in `low..=high`; the lower of two equally near.
    pub fn tonic_near(&self, step: i32, low: i32, high: i32) -> i32 {
        (low..=high)
            .filter(|&s| self.degree(s) == 0)
            .min_by_key(|s| (s - step).abs())
            .expect("an octave of range")
    }

    /// The chord that a letter of the plans in `harmony` stands for: `1` to `7` are the triads of the
    /// scale, `V` the major dominant, `D` the dominant seventh, `S` the dominant of the dominant and
    /// `I` the tonic with a minor seventh, on its way to the subdominant.
    ///
    /// # Panics
    /// For any other letter.
    pub fn chord(&self, symbol: char) -> Chord {
        let leading = match self.mode {
            Mode::Major => None,
            _ => Some((6, 1)),
        };
        let (root, seventh, alter) = match symbol {
            '1'..='7' => (symbol as i32 - '1' as i32, false, None),
            'V' => (4, false, leading),
            'D' => (4, true, leading),
            'S' => (1, true, Some((3, 1))),
            'I' => (0, true, Some((6, -1))),
            _ => panic!("no chord is written {symbol}"),
        };
        let mut degrees: Vec<i32> = [0, 2, 4].iter().map(|d| (root + d) % 7).collect();
        let semitone = |degree: i32| {
            let shift = alter.filter(|&(d, _)| d == degree % 7).map_or(0, |(_, shift)| shift);
            self.semitone(self.tonic + degree, shift)
        };
        let minor = semitone(root + 2) - semitone(root) == 3;
        let letter = (self.tonic + root).rem_euclid(7);
        let mut name = String::from(NAMES[letter as usize]);
        match self.signature(letter) {
            1 => name.push('#'),
            -1 => name.push('b'),
            _ => {}
        }
        if minor {
            name.push('m');
        }
        if seventh {
            degrees.push((root + 6) % 7);
            name.push('7');
        }
        Chord { name, degrees, alter }
    }
}

/// A chord over the melody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chord {
    /// As it stands in quotes above the staff.
    pub name: String,
    /// Root, third, fifth and perhaps seventh, as degrees of the key.
    pub degrees: Vec<i32>,
    /// A degree that the chord takes outside the scale, and by how many semitones.
    pub alter: Option<(i32, i32)>,
}

impl Chord {
    /// Semitones that this chord shifts a degree by.
    pub fn shift(&self, degree: i32) -> i32 {
        self.alter.filter(|&(d, _)| d == degree).map_or(0, |(_, shift)| shift)
    }

    /// Whether a degree belongs to the chord.
    pub fn holds(&self, degree: i32) -> bool {
        self.degrees.contains(&degree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Key {
        KEYS.iter().find(|(_, key)| key.name == name).expect("a key of the corpus").1
    }

    #[test]
    fn every_scale_has_the_steps_of_its_mode() {
        for (_, key) in KEYS {
            let pitches: Vec<i32> = (0..7).map(|d| key.semitone(key.tonic + d, 0)).collect();
            let steps: Vec<i32> = pitches.windows(2).map(|w| w[1] - w[0]).collect();
            let expected = match key.mode {
                Mode::Major => [2, 2, 1, 2, 2, 2],
                Mode::Minor => [2, 1, 2, 2, 1, 2],
                Mode::Dorian => [2, 1, 2, 2, 2, 1],
                Mode::Mixolydian => [2, 2, 1, 2, 2, 1],
            };
            assert_eq!(steps, expected, "{}", key.name);
        }
    }

    #[test]
    fn chords_are_named_as_musicians_name_them() {
        let names = |key: &str, symbols: &str| -> Vec<String> {
            symbols.chars().map(|s| named(key).chord(s).name).collect()
        };
        assert_eq!(names("G", "1456DSI"), ["G", "C", "D", "Em", "D7", "A7", "G7"]);
        assert_eq!(names("D", "136"), ["D", "F#m", "Bm"]);
        assert_eq!(names("Bb", "124D"), ["Bb", "Cm", "Eb", "F7"]);
        assert_eq!(names("Am", "147VD"), ["Am", "Dm", "G", "E", "E7"]);
        assert_eq!(names("Ador", "1457"), ["Am", "D", "Em", "G"]);
        assert_eq!(names("Dmix", "1457"), ["D", "G", "Am", "C"]);
    }
}
