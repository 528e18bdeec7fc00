//! Lengths of notes as they are written, and which of them fill what is left of a bar.
//!
//! Time is counted in **grains**, 1/16 of the unit of length (`L:`): every length that is written here is a whole number of them,
//! and so are two notes of a broken rhythm, and a whole tuplet.

use super::words::Alphabet;

/// Grains of a unit.
pub(super) const UNIT: u32 = 16;

/// What cannot be reached.
const NEVER: u32 = u32::MAX / 8;

/// The greatest number before a slash that fillings use.
const MOST: u8 = 24;

/// Notes of the largest tuplet.
const TUPLET: usize = 4;

/// A length as it is written: nothing, `2`, `/2`, `3/2`, `/`, `//`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Length {
    /// 0 where there is no number.
    above: u8,
    slashes: u8,
    /// 0 where there is no number.
    below: u8,
}

impl Length {
    /// With one more character.
    pub fn step(self, character: char) -> Option<Length> {
        let Length { above, slashes, below } = self;
        let digit = character.to_digit(10).map(|d| d as u8);
        match (character, digit) {
            ('1'..='9', Some(d)) if above == 0 && slashes == 0 => Some(Length { above: d, ..self }),
            ('0'..='9', Some(d)) if (1..=4).contains(&above) && slashes == 0 => {
                Some(Length { above: 10 * above + d, ..self })
            }
            ('/', _) if slashes < 2 && below == 0 => Some(Length { slashes: slashes + 1, ..self }),
            ('2' | '4' | '8', Some(d)) if slashes == 1 && below == 0 => Some(Length { below: d, ..self }),
            _ => None,
        }
    }

    /// Its grains.
    pub fn grains(self) -> u32 {
        let below = match (self.slashes, self.below) {
            (0, _) => 1,
            (1, 0) => 2,
            (1, below) => u32::from(below),
            _ => 4,
        };
        // 8 divides 16.
        u32::from(self.above.max(1)) * UNIT / below
    }

    /// How many characters it is.
    pub fn characters(self) -> u32 {
        let digits = |n: u8| n.checked_ilog10().map_or(0, |log| log + 1);
        digits(self.above) + u32::from(self.slashes) + digits(self.below)
    }

    /// Whether it begins with the other.
    fn begins_with(self, other: Length) -> bool {
        let same = self.above == other.above;
        match (other.slashes, other.below) {
            (0, _) => other.above == 0 || same || self.above / 10 == other.above,
            (slashes, 0) => same && self.slashes >= slashes && (slashes == 1 || self.below == 0),
            _ => self == other,
        }
    }
}

/// What fills a bar of one meter, in one unit, with the characters that there are.
#[derive(Clone, Debug)]
pub(super) struct Table {
    /// Grains of a full bar.
    pub full: u32,
    /// Lengths and their grains.
    lengths: Vec<(Length, u32)>,
    /// The fewest characters of notes that together are so long: `[full + 1]`.
    fill: Vec<u32>,
    /// The same for so many notes: `[TUPLET + 1][…]`.
    exactly: Vec<Vec<u32>>,
}

impl Table {
    /// None where a full bar cannot be written.
    pub fn new(full: u32, alphabet: &Alphabet) -> Option<Table> {
        let mut lengths = Vec::new();
        for above in 0..=MOST {
            for slashes in 0..=2 {
                let length = Length { above, slashes, below: 0 };
                let written = above == 0 || alphabet.spells(&above.to_string());
                if above != 1 && written && (slashes == 0 || alphabet.has('/')) {
                    lengths.push((length, length.grains()));
                }
            }
        }
        let note = |length: Length| 1 + length.characters();
        let mut fill = vec![0];
        for sum in 1..=full {
            let before = |grains: u32| sum.checked_sub(grains).map_or(NEVER, |s| fill[s as usize]);
            let least = lengths.iter().map(|(l, grains)| before(*grains) + note(*l)).min();
            fill.push(least.map_or(NEVER, |n| n.min(NEVER)));
        }
        let most = full as usize * 3 / 2;
        let mut exactly = vec![vec![NEVER; most + 1]];
        exactly[0][0] = 0;
        for count in 1..=TUPLET {
            let mut sums = vec![NEVER; most + 1];
            for (sum, least) in sums.iter_mut().enumerate() {
                for (length, grains) in &lengths {
                    if let Some(before) = sum.checked_sub(*grains as usize) {
                        *least = (*least).min(exactly[count - 1][before] + note(*length));
                    }
                }
            }
            exactly.push(sums);
        }
        let table = Table { full, lengths, fill, exactly };
        table.fill(full).is_some().then_some(table)
    }

    /// The fewest characters of notes that together are so long.
    pub fn fill(&self, grains: u32) -> Option<u32> {
        self.fill.get(grains as usize).copied().filter(|&n| n < NEVER)
    }

    /// The sums of so many notes, with the fewest characters that write them.
    pub fn sums(&self, notes: u32) -> impl Iterator<Item = (u32, u32)> + '_ {
        let sums = self.exactly.get(notes as usize).map_or(&[][..], Vec::as_slice);
        sums.iter().enumerate().filter(|(_, n)| **n < NEVER).map(|(sum, n)| (sum as u32, *n))
    }

    /// The lengths that begin like this one, itself included, each with its grains and how many characters it needs more.
    pub fn completions(&self, length: Length) -> impl Iterator<Item = (u32, u32)> + '_ {
        let written = length.characters();
        let longer = self.lengths.iter().filter(move |(l, _)| l.begins_with(length));
        longer.map(move |(l, grains)| (*grains, l.characters() - written)).chain([(length.grains(), 0)])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn length(text: &str) -> Option<Length> {
        text.chars().try_fold(Length::default(), Length::step)
    }

    #[test]
    fn written_lengths() {
        for (text, grains) in [
            ("", 16),
            ("2", 32),
            ("12", 192),
            ("/", 8),
            ("/2", 8),
            ("//", 4),
            ("3/2", 24),
            ("3/", 24),
            ("/8", 2),
        ] {
            let length = length(text).unwrap();
            assert_eq!((length.grains(), length.characters()), (grains, text.len() as u32), "{text}");
        }
        for text in ["0", "/3", "///", "//2", "/22", "123", "99"] {
            assert_eq!(length(text), None, "{text}");
        }
    }

    #[test]
    fn bars_are_filled_with_the_characters_that_there_are() {
        let table = Table::new(8 * UNIT, &Alphabet::new("28/A".chars())).unwrap();
        // A8, A2, A8/A2
        assert_eq!([8, 2, 6].map(|units| table.fill(units * UNIT)), [Some(2), Some(2), Some(5)]);
        assert_eq!((table.fill(8), table.fill(4), table.fill(2)), (Some(2), Some(3), None));
        let poor = Table::new(3 * UNIT, &Alphabet::new("A".chars())).unwrap();
        assert_eq!((poor.fill(3 * UNIT), poor.fill(8)), (Some(3), None));
        assert!(Table::new(UNIT / 2, &Alphabet::new("A".chars())).is_none());
        // A, A, A8/
        assert_eq!(table.sums(3).find(|(sum, _)| *sum == 6 * UNIT), Some((6 * UNIT, 5)));
    }

    #[test]
    fn a_length_goes_on_as_its_completions_say() {
        let table = Table::new(24 * UNIT, &Alphabet::new("0123456789/".chars())).unwrap();
        for text in ["", "1", "3", "/", "3/", "//", "3/2", "12", "/8"] {
            let start = length(text).unwrap();
            for (grains, more) in table.completions(start) {
                let reached =
                    |l: &Length| l.grains() == grains && l.characters() == start.characters() + more;
                let mut ends = vec![start];
                for _ in 0..more {
                    ends =
                        ends.iter().flat_map(|l| "0123456789/".chars().filter_map(|c| l.step(c))).collect();
                }
                assert!(ends.iter().any(reached), "{text}: {grains} in {more}");
            }
        }
    }
}
