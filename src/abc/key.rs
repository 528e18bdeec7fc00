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

impl Tonic {
    /// Sharps of its major key.
    fn sharps(self) -> i8 {
        let place = ORDER.iter().position(|&step| step == usize::from(self.step));
        place.map_or(0, |place| place as i8 - 1 + 7 * self.alter)
    }
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

    /// Whether its signature is that of its tonic and mode: `K:` neither adds accidentals to it nor gives one of its own (`exp`).
    pub fn is_plain(self) -> bool {
        let own = self.tonic.is_none_or(|tonic| tonic.sharps() + self.mode.sharps() == self.sharps);
        own && self.signature == self.plain()
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
        let (mut rest, mut alter) = (letters.as_str(), 0);
        for (sign, value) in [('#', 1), ('♯', 1), ('b', -1), ('♭', -1)] {
            if let Some(after) = rest.strip_prefix(sign) {
                (rest, alter) = (after, value);
                break;
            }
        }
        let tonic = Tonic { step, alter };
        // The mode may stand apart, and accidentals may stick to either.
        let mut others = words[1..].iter().copied().peekable();
        let names_mode = |word: &str| {
            let mode = split_accidentals(word).0;
            !mode.is_empty() && !drawn(word) && Mode::named(mode).is_some()
        };
        let (mode, stuck) = split_accidentals(rest);
        let (mode, more) =
            match others.next_if(|word| mode.is_empty() && stuck.is_empty() && names_mode(word)) {
                Some(word) => split_accidentals(word),
                None => (mode, stuck),
            };
        // `exp`: the signature is what follows, and nothing else.
        let is_exp = |word: &str| split_accidentals(word).0.eq_ignore_ascii_case("exp");
        let (mode, mut explicit) =
            if is_exp(mode) { (Mode::Major, true) } else { (Mode::named(mode)?, false) };
        let mut stuck = vec![more];
        if let Some(word) = others.next_if(|word| is_exp(word)) {
            explicit = true;
            stuck.push(split_accidentals(word).1);
        }
        let sharps = if explicit { 0 } else { tonic.sharps() + mode.sharps() };
        let mut key = Key::of(Some(tonic), mode, sharps)?;
        for word in stuck.into_iter().chain(others.take_while(|w| !drawn(w))) {
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

/// A word up to its first accidental, and from there on.
fn split_accidentals(word: &str) -> (&str, &str) {
    word.split_at(word.find(['^', '_', '=']).unwrap_or(word.len()))
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
        assert_eq!(signature("D mix^f_b"), [0, 0, 0, 1, 0, 0, -1]);
        assert_eq!(signature("D exp^f_b"), signature("D Exp ^f_b"));
        assert_eq!(signature("Dexp"), [0; 7]);
        let plain = |text| Key::parse(text).unwrap().is_plain();
        assert!(plain("D") && plain("Ador") && plain("none") && plain("Hp"));
        // D without sharps, though a signature may be like that.
        assert!(!plain("D exp") && !plain("D exp ^f ^c") && !plain("D =c") && !plain("D ^g"));
    }

    #[test]
    fn what_names_no_key() {
        for text in ["H", "Q:1/4", "Gx", "D foo", "G#lyd", "A ^", "é", "D ^h"] {
            assert_eq!(Key::parse(text), None, "{text}");
        }
    }
}
