//! Keys: the text of `K:` to a tonic, a mode and a signature.

use super::pitch::step_of;

/// The church modes, and signatures without a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Ionian.
    Major,
    /// Aeolian.
    Minor,
    /// Minor with a major sixth.
    Dorian,
    /// Minor with a minor second.
    Phrygian,
    /// Major with an augmented fourth.
    Lydian,
    /// Major with a minor seventh.
    Mixolydian,
    /// Diminished.
    Locrian,
}

impl Mode {
    /// Sharps that the signature has more than that of the major key on the same tonic.
    pub fn sharps(self) -> i8 {
        match self {
            Mode::Lydian => 1,
            Mode::Major => 0,
            Mode::Mixolydian => -1,
            Mode::Dorian => -2,
            Mode::Minor => -3,
            Mode::Phrygian => -4,
            Mode::Locrian => -5,
        }
    }

    /// The mode that a word of `K:` names: three letters count.
    fn named(word: &str) -> Option<Mode> {
        let word = word.to_ascii_lowercase();
        let first: String = word.chars().take(3).collect();
        Some(match first.as_str() {
            "" | "maj" | "ion" => Mode::Major,
            "m" | "min" | "aeo" => Mode::Minor,
            "dor" => Mode::Dorian,
            "phr" => Mode::Phrygian,
            "lyd" => Mode::Lydian,
            "mix" => Mode::Mixolydian,
            "loc" => Mode::Locrian,
            _ => return None,
        })
    }
}

/// The tonic: a letter and what alters it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tonic {
    /// The letter: C is 0, B is 6.
    pub step: u8,
    /// 1 for a sharp, -1 for a flat.
    pub alter: i8,
}

/// A key as `K:` gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// None where `K:` names none.
    pub tonic: Option<Tonic>,
    /// The mode.
    pub mode: Mode,
    /// Sharps in the signature; flats are negative. Accidentals that `K:` adds are not counted.
    pub sharps: i8,
    /// Semitones that each letter is altered by, from C to B, what `K:` adds included.
    pub signature: [i8; 7],
}

/// The letters that sharps are added to, in order; flats go the other way.
const ORDER: [usize; 7] = [3, 0, 4, 1, 5, 2, 6];

/// Words of `K:` that say how to draw or play, not which key.
const DRAWN: [&str; 9] = ["clef", "treble", "bass", "alto", "tenor", "perc", "octave", "transpose", "middle"];

impl Key {
    /// No accidentals and no tonic.
    pub const NONE: Key = Key { tonic: None, mode: Mode::Major, sharps: 0, signature: [0; 7] };

    /// The key of so many sharps; none where a signature cannot have them.
    fn of(tonic: Option<Tonic>, mode: Mode, sharps: i8) -> Option<Key> {
        if !(-7..=7).contains(&sharps) {
            return None;
        }
        let mut signature = [0; 7];
        for (place, &step) in ORDER.iter().enumerate() {
            let place = place as i8;
            signature[step] = i8::from(place < sharps) - i8::from(6 - place < -sharps);
        }
        Some(Key { tonic, mode, sharps, signature })
    }

    /// The signature without what `K:` adds.
    pub fn plain(self) -> [i8; 7] {
        Key::of(None, self.mode, self.sharps).unwrap_or(Key::NONE).signature
    }

    /// Reads the text after `K:`.
    ///
    /// `G`, `F#m`, `Bb major`, `A Dorian`, `Dmix ^c _e`, `D exp ^f`, `none`, `HP`, `Hp`; clefs and their like are passed over. None
    /// where the text names no key.
    pub fn parse(text: &str) -> Option<Key> {
        let text = text.trim();
        let words: Vec<&str> = text.split_whitespace().collect();
        let Some(&first) = words.first() else { return Some(Key::NONE) };
        match first {
            "none" | "None" | "NONE" => return Some(Key::NONE),
            "HP" => return Some(Key::NONE),
            "Hp" => return Key::of(None, Mode::Major, 2),
            _ if drawn(first) => return Some(Key::NONE),
            _ => {}
        }
        let mut letters = first.chars();
        let step = letters.next().and_then(step_of)?;
        let mut rest = letters.as_str();
        let mut alter = 0;
        for (sign, value) in [('#', 1), ('♯', 1), ('b', -1), ('♭', -1)] {
            if let Some(after) = rest.strip_prefix(sign) {
                (rest, alter) = (after, value);
                break;
            }
        }
        let tonic = Tonic { step, alter };
        // Accidentals may stick to the mode.
        let (mut rest, stuck) = rest.split_at(rest.find(['^', '_', '=']).unwrap_or(rest.len()));
        // The mode may stand apart.
        let mut others = words[1..].iter().copied().peekable();
        if rest.is_empty()
            && let Some(word) = others.next_if(|w| Mode::named(w).is_some() && !drawn(w))
        {
            rest = word;
        }
        let (mut explicit, mut mode) = (false, Mode::Major);
        if rest.get(..3) == Some("exp") {
            explicit = true;
        } else {
            mode = Mode::named(rest)?;
        }
        explicit |= others.next_if(|w| *w == "exp").is_some();
        let place = ORDER.iter().position(|&s| s == usize::from(step))? as i8;
        let sharps = if explicit { 0 } else { place - 1 + 7 * alter + mode.sharps() };
        let mut key = Key::of(Some(tonic), mode, sharps)?;
        key.add(stuck)?;
        for word in others.take_while(|w| !drawn(w)) {
            key.add(word)?;
        }
        Some(key)
    }

    /// Adds accidentals such as `^f` or `_b=c`.
    fn add(&mut self, word: &str) -> Option<()> {
        let mut alter = None;
        for c in word.chars() {
            alter = match (c, alter) {
                ('^', None | Some(0)) => Some(1),
                ('^', Some(1)) => Some(2),
                ('_', None | Some(0)) => Some(-1),
                ('_', Some(-1)) => Some(-2),
                ('=', None) => Some(0),
                (letter, Some(value)) => {
                    self.signature[usize::from(step_of(letter)?)] = value;
                    None
                }
                _ => return None,
            };
        }
        alter.is_none().then_some(())
    }
}

fn drawn(word: &str) -> bool {
    word.contains('=') && !word.starts_with(['=', '^', '_']) || DRAWN.iter().any(|d| word.starts_with(d))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signature(text: &str) -> [i8; 7] {
        Key::parse(text).unwrap_or_else(|| panic!("{text}")).signature
    }

    #[test]
    fn signatures() {
        for (text, sharps) in [
            ("C", 0),
            ("G", 1),
            (" D ", 2),
            ("Amaj", 3),
            ("F#", 6),
            ("C#", 7),
            ("Bb", -2),
            ("Cb", -7),
            ("Am", 0),
            ("F#m", 3),
            ("Bb minor", -5),
            ("Gmin", -2),
            ("Ador", 1),
            ("E Dorian", 2),
            ("Dmix", 1),
            ("AMixolydian", 2),
            ("Flyd", 0),
            ("E phr", 0),
            ("Bloc", 0),
            ("D clef=bass", 2),
            ("G treble", 1),
            ("Am octave=-1", 0),
            ("d", 2),
            ("Hp", 2),
        ] {
            let key = Key::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(key.sharps, sharps, "{text}");
            assert_eq!(key.signature.iter().sum::<i8>(), sharps, "{text}");
        }
        assert_eq!(signature("D"), [1, 0, 0, 1, 0, 0, 0]);
        assert_eq!(signature("Eb"), [0, 0, -1, 0, 0, -1, -1]);
        for none in ["", "none", "HP", "clef=treble"] {
            assert_eq!(Key::parse(none), Some(Key::NONE), "{none}");
        }
    }

    #[test]
    fn accidentals_are_added() {
        assert_eq!(signature("Dmix^c"), signature("D"));
        assert_eq!(signature("D exp _b ^f"), [0, 0, 0, 1, 0, 0, -1]);
        assert_eq!(signature("Dphr ^f"), [0, 0, -1, 1, 0, 0, -1]);
        assert_eq!(signature("A =g __b"), [1, 0, 0, 1, 0, 0, -2]);
    }

    #[test]
    fn what_names_no_key() {
        for text in ["H", "Q:1/4", "Gx", "D foo", "G#lyd", "A ^", "é", "D ^h"] {
            assert_eq!(Key::parse(text), None, "{text}");
        }
    }
}
