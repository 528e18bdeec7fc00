//! `M:`, `L:`, `Q:` and `P:`: the fields that measure time.

use super::fraction::Fraction;

/// A meter that is not free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Meter {
    /// The number above.
    pub beats: u32,
    /// The number below, a power of two.
    pub unit: u32,
    /// Whether it is written `C` or `C|`.
    pub symbol: bool,
}

impl Meter {
    /// The length of a full bar.
    pub fn length(self) -> Fraction {
        Fraction::new(self.beats.into(), self.unit.into())
    }

    /// Whether its beats fall into three: 6/8, 9/8, 12/8.
    pub fn is_compound(self) -> bool {
        self.beats > 3 && self.beats.is_multiple_of(3)
    }

    /// The length of what is counted: 3/8 in 6/8, 1/4 in 4/4.
    pub fn beat(self) -> Fraction {
        Fraction::new(if self.is_compound() { 3 } else { 1 }, self.unit.into())
    }

    /// Reads the text after `M:`: `4/4`, `C`, `C|`, `2+3/8`, `none`. Inside is none where the meter is free, outside where the text
    /// names no meter.
    pub fn parse(text: &str) -> Option<Option<Meter>> {
        let text = text.trim();
        let symbol = |beats, unit| Some(Some(Meter { beats, unit, symbol: true }));
        match text {
            "C" => return symbol(4, 4),
            "C|" => return symbol(2, 2),
            "" | "none" | "None" => return Some(None),
            _ => {}
        }
        let (above, below) = text.split_once('/')?;
        let unit = number(below.trim()).filter(|u| *u <= 64 && u.is_power_of_two())?;
        let above = above.trim().trim_matches(['(', ')']);
        let beats = above.split('+').try_fold(0u32, |sum, part| Some(sum + number(part.trim())?))?;
        (1..=64).contains(&beats).then_some(Some(Meter { beats, unit, symbol: false }))
    }

    /// The unit of length where no `L:` is given.
    pub fn default_unit(meter: Option<Meter>) -> Fraction {
        match meter {
            Some(meter) if meter.length() < Fraction::new(3, 4) => Fraction::new(1, 16),
            _ => Fraction::new(1, 8),
        }
    }
}

/// `4/4`
impl std::fmt::Display for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.beats, self.unit)
    }
}

/// Reads the text after `L:`.
pub fn unit(text: &str) -> Option<Fraction> {
    let text = text.trim();
    let (above, below) = text.split_once('/').unwrap_or((text, "1"));
    let (above, below) = (number(above.trim())?, number(below.trim())?);
    let fine = (1..=4).contains(&above) && below <= 512 && below.is_power_of_two();
    fine.then(|| Fraction::new(above.into(), below.into()))
}

/// How fast.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tempo {
    /// What is counted, of a whole note.
    pub beat: Fraction,
    /// How many of it in a minute.
    pub per_minute: f64,
}

impl Tempo {
    /// Seconds of a whole note.
    pub fn whole_note(self) -> f64 {
        60.0 / (self.per_minute * self.beat.to_f64())
    }

    /// Reads the text after `Q:`: `1/4=120`, `3/8 = 100 "lively"`, `120` (of `unit`), `C=100`. None where it gives no number, as
    /// `"Allegro"` does not.
    pub fn parse(text: &str, unit: Fraction) -> Option<Tempo> {
        // Words in quotation marks are for people.
        let plain: String = text.split('"').step_by(2).collect::<Vec<_>>().join(" ");
        let (beat, rate) = match plain.split_once('=') {
            None => (unit, plain.as_str()),
            Some((beats, rate)) => {
                let mut sum = Fraction::ZERO;
                for beat in beats.split_whitespace() {
                    sum += match beat.strip_prefix('C') {
                        Some("") => unit,
                        Some(times) => unit * Fraction::from(i64::from(number(times)?)),
                        None => fraction(beat)?,
                    };
                }
                (sum, rate)
            }
        };
        let per_minute: f64 = rate.trim().parse().ok()?;
        let whole_notes = per_minute * beat.to_f64();
        // From one whole note in ten minutes to ten in a second; NaN is neither.
        (0.1..=600.0).contains(&whole_notes).then_some(Tempo { beat, per_minute })
    }
}

fn fraction(text: &str) -> Option<Fraction> {
    let (above, below) = text.split_once('/')?;
    let (above, below) = (number(above)?, number(below)?);
    (above <= 64 && below <= 64).then(|| Fraction::new(above.into(), below.into()))
}

/// Parts that `P:` may ask for at most, repetitions counted.
const MOST_PARTS: usize = 1000;

/// Reads the text after `P:` in a header: `AABB`, `A(AB)3`, `A.B`, with digits for how often. None where it is something else.
pub fn parts(text: &str) -> Option<Vec<char>> {
    // What is complete of each open bracket, the outermost first.
    let mut open: Vec<Vec<char>> = vec![Vec::new()];
    // What a number would repeat.
    let mut last: Vec<char> = Vec::new();
    let mut chars = text.trim().chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            'A'..='Z' => last = vec![c],
            '(' => {
                open.push(Vec::new());
                last.clear();
                continue;
            }
            ')' if open.len() > 1 => last = open.pop()?,
            ' ' | '.' => continue,
            _ => return None,
        }
        let mut times = 1;
        if let Some(first) = chars.next_if(char::is_ascii_digit) {
            times = first.to_digit(10)? as usize;
            while let Some(digit) = chars.next_if(char::is_ascii_digit) {
                times = (10 * times + digit.to_digit(10)? as usize).min(MOST_PARTS + 1);
            }
        }
        let whole = open.last_mut()?;
        if whole.len() + times * last.len() > MOST_PARTS {
            return None;
        }
        (0..times).for_each(|_| whole.extend(&last));
    }
    let whole = open.pop()?;
    (open.is_empty() && !whole.is_empty()).then_some(whole)
}

/// The letter of the part that a `P:` in the music begins: `A`, `A.`, `A part`, `Part A`. None where it is a remark, as `D.C.` is.
pub fn part(text: &str) -> Option<char> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let letter = match words[..] {
        [letter] => letter,
        [letter, word] if word.eq_ignore_ascii_case("part") => letter,
        [word, letter] if word.eq_ignore_ascii_case("part") => letter,
        _ => return None,
    };
    match letter.trim_end_matches('.').as_bytes() {
        [letter @ b'A'..=b'Z'] => Some(char::from(*letter)),
        _ => None,
    }
}

/// Digits and nothing else, at least 1 and less than a million.
fn number(text: &str) -> Option<u32> {
    let fine = (1..=6).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    if fine { text.parse().ok().filter(|&n| n > 0) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meters() {
        let read = |text| Meter::parse(text).map(|m| m.map(|m| (m.to_string(), m.beat().to_string())));
        let is = |meter: &str, beat: &str| Some(Some((meter.to_string(), beat.to_string())));
        assert_eq!(read("4/4"), is("4/4", "1/4"));
        assert_eq!(read(" 6/8 "), is("6/8", "3/8"));
        assert_eq!(read("3/8"), is("3/8", "1/8"));
        assert_eq!(read("C"), is("4/4", "1/4"));
        assert_eq!(read("C|"), is("2/2", "1/2"));
        assert_eq!(read("(2+3)/8"), is("5/8", "1/8"));
        assert_eq!(read("none"), Some(None));
        for text in
            ["4", "4/", "/4", "0/4", "4/3", "4/0", "65/4", "x/4", "4/128", "4/4 lively", "99999999999/4"]
        {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(Meter::default_unit(Meter::parse("2/4").unwrap()), Fraction::new(1, 16));
        assert_eq!(Meter::default_unit(Meter::parse("3/4").unwrap()), Fraction::new(1, 8));
        assert_eq!(Meter::default_unit(None), Fraction::new(1, 8));
    }

    #[test]
    fn units() {
        assert_eq!(unit("1/8"), Some(Fraction::new(1, 8)));
        assert_eq!(unit("1"), Some(Fraction::ONE));
        for text in ["", "1/3", "0/4", "1/1024", "8", "1/8 x"] {
            assert_eq!(unit(text), None, "{text}");
        }
    }

    #[test]
    fn tempos() {
        let eighth = Fraction::new(1, 8);
        let read = |text| Tempo::parse(text, eighth).map(|t| (t.beat.to_string(), t.per_minute));
        assert_eq!(read("1/4=120"), Some(("1/4".into(), 120.0)));
        assert_eq!(read("\"Allegro\" 3/8 = 90.5"), Some(("3/8".into(), 90.5)));
        assert_eq!(read("1/4 1/8=60 \"slow\""), Some(("3/8".into(), 60.0)));
        assert_eq!(read("120"), Some(("1/8".into(), 120.0)));
        assert_eq!(read("C3=100"), Some(("3/8".into(), 100.0)));
        for text in
            ["", "\"Allegro\"", "1/4=", "1/4=0", "1/0=9", "1/4=NaN", "1/4=inf", "=120", "1/4=-3", "1e30"]
        {
            assert_eq!(read(text), None, "{text}");
        }
        let tempo = Tempo::parse("1/4=120", eighth).unwrap();
        assert_eq!(tempo.whole_note(), 2.0);
    }

    #[test]
    fn orders_of_parts() {
        let read = |text| parts(text).map(|p| p.into_iter().collect::<String>());
        assert_eq!(read("AABB").as_deref(), Some("AABB"));
        assert_eq!(read(" A3B2 ").as_deref(), Some("AAABB"));
        assert_eq!(read("A(AB)3.C").as_deref(), Some("AABABABC"));
        assert_eq!(read("((AB)2C)2").as_deref(), Some("ABABCABABC"));
        for text in ["", "Aa", "(A", "A)", "A*2", "B\\&B", "8 bars", "2A", "A2000", "((((A9)9)9)9)9", "()"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(parts(&"(A".repeat(100_000)), None);
    }

    #[test]
    fn letters_of_parts() {
        for text in ["A", " A. ", "A part", "A Part", "part A", "Part A."] {
            assert_eq!(part(text), Some('A'), "{text}");
        }
        for text in ["", "D.S.", "To A", "AB", "A party", "a", "DC al fine", "part"] {
            assert_eq!(part(text), None, "{text}");
        }
    }
}
