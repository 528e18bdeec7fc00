//! Lengths as notes are drawn: a type, dots, a tuplet's ratio.

use crate::abc::Fraction;

/// A length that one note head can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Drawn {
    /// The part of a whole note, without dots: 2, 1, 1/2, …
    pub base: Fraction,
    /// Dots after it.
    pub dots: u32,
    /// The tuplet's ratio: so many notes in the time of so many.
    pub ratio: Option<(u32, u32)>,
    /// How long it sounds.
    pub length: Fraction,
}

impl Drawn {
    /// What MusicXML calls the base.
    pub fn name(&self) -> &'static str {
        const NAMES: [&str; 11] = [
            "breve", "whole", "half", "quarter", "eighth", "16th", "32nd", "64th", "128th", "256th", "512th",
        ];
        let halvings =
            if self.base > Fraction::ONE { 0 } else { 1 + self.base.denominator().trailing_zeros() as usize };
        NAMES.get(halvings).unwrap_or(&"1024th")
    }

    /// Beams or flags of such a note: 1 for an eighth.
    pub fn beams(&self) -> u32 {
        self.base.denominator().trailing_zeros().saturating_sub(2)
    }
}

/// Cuts a length into such as can be drawn, the longest first; more than one are to be tied. `written` is the length on paper, before
/// the tuplet's ratio; where it still has no note value (a third of an eighth), the ratio grows.
pub(super) fn drawn(written: Fraction, ratio: Option<(u32, u32)>) -> Vec<Drawn> {
    let mut odd = written.denominator();
    odd >>= odd.trailing_zeros();
    let (mut written, mut ratio) = (written, ratio);
    if odd > 1 {
        // The largest power of two below.
        let normal = 1i64 << (63 - odd.leading_zeros());
        written = written * Fraction::new(odd, normal);
        let (actual, of) = ratio.unwrap_or((1, 1));
        ratio = Some((actual * odd as u32, of * normal as u32));
    }
    let sounding = |length: Fraction| match ratio {
        Some((actual, normal)) => length * Fraction::new(normal.into(), actual.into()),
        None => length,
    };
    let mut parts = Vec::new();
    while written > Fraction::ZERO {
        let mut base = Fraction::from(2);
        while base > written && base.denominator() < 1024 {
            base = base / Fraction::from(2);
        }
        let (mut length, mut dots, mut dot) = (base, 0, base / Fraction::from(2));
        while dots < 2 && length + dot <= written && dot.denominator() <= 1024 {
            length += dot;
            dot = dot / Fraction::from(2);
            dots += 1;
        }
        if length > written {
            // Shorter than a 1024th: no note value shows it exactly.
            length = written;
        }
        parts.push(Drawn { base, dots, ratio, length: sounding(length) });
        written = written - length;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_cut_into_note_values() {
        let shown = |n, d| -> String {
            let parts = drawn(Fraction::new(n, d), None);
            let one = |p: &Drawn| format!("{}{}", p.name(), ".".repeat(p.dots as usize));
            parts.iter().map(one).collect::<Vec<_>>().join("+")
        };
        assert_eq!(shown(1, 4), "quarter");
        assert_eq!(shown(3, 8), "quarter.");
        assert_eq!(shown(7, 16), "quarter..");
        assert_eq!(shown(5, 8), "half+eighth");
        assert_eq!(shown(3, 2), "whole.");
        assert_eq!(shown(2, 1), "breve");
        assert_eq!(shown(9, 8), "whole+eighth");
        assert_eq!(shown(5, 1), "breve..+whole.");
        assert_eq!(shown(1, 512), "512th");
        let third = drawn(Fraction::new(1, 24), None);
        assert_eq!((third.len(), third[0].name(), third[0].ratio), (1, "16th", Some((3, 2))));
        assert_eq!(third[0].length, Fraction::new(1, 24));
        let triplet = drawn(Fraction::new(1, 8), Some((3, 2)));
        assert_eq!(
            (triplet[0].name(), triplet[0].length, triplet[0].beams()),
            ("eighth", Fraction::new(1, 12), 1)
        );
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        for n in 1..200 {
            for d in [1, 2, 3, 4, 7, 8, 12, 16, 25, 27, 64, 512, 945] {
                let written = Fraction::new(n, d);
                assert_eq!(
                    drawn(written, None).iter().map(|p| p.length).sum::<Fraction>(),
                    written,
                    "{written}"
                );
            }
        }
    }
}
