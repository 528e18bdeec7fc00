//! Exact fractions: lengths of notes and places in time, as parts of a whole note.

use std::cmp::Ordering;
use std::fmt;
use std::iter::Sum;
use std::ops::{Add, AddAssign, Div, Mul, Sub};

/// A fraction in lowest terms, its denominator above 0.
///
/// The reader lets only lengths through whose denominators divide [`Fraction::GRID`], so that no sum of them, however long, leaves
/// 64 bits. Where other fractions would, they are rounded to the nearest that fits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fraction {
    numerator: i64,
    denominator: i64,
}

impl Fraction {
    /// 0.
    pub const ZERO: Fraction = Fraction { numerator: 0, denominator: 1 };
    /// 1: a whole note.
    pub const ONE: Fraction = Fraction { numerator: 1, denominator: 1 };
    /// Every length's denominator divides this: 512ths of a whole note, in triplets within triplets, quintuplets, septuplets.
    pub const GRID: i64 = 512 * 27 * 25 * 7;

    /// `numerator / denominator`; a denominator of 0 counts as 1.
    pub fn new(numerator: i64, denominator: i64) -> Self {
        Fraction::reduced(i128::from(numerator), i128::from(denominator))
    }

    fn reduced(numerator: i128, denominator: i128) -> Self {
        if denominator == 0 {
            return Fraction::reduced(numerator, 1);
        }
        let divisor = gcd(numerator.unsigned_abs(), denominator.unsigned_abs()).max(1) as i128;
        let sign = denominator.signum();
        let (mut n, mut d) = (sign * numerator / divisor, sign * denominator / divisor);
        if d > i128::from(i64::MAX) {
            // The nearest 2^-31st: coarse, but no length that was read comes here.
            const COARSE: i128 = 1 << 31;
            n /= (d / COARSE).max(1);
            d = COARSE;
            let divisor = gcd(n.unsigned_abs(), d.unsigned_abs()).max(1) as i128;
            (n, d) = (n / divisor, d / divisor);
        }
        let n = n.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        Fraction { numerator: n as i64, denominator: d as i64 }
    }

    /// What stands above the line.
    pub fn numerator(self) -> i64 {
        self.numerator
    }

    /// What stands below the line; above 0.
    pub fn denominator(self) -> i64 {
        self.denominator
    }

    /// The nearest f64.
    pub fn to_f64(self) -> f64 {
        self.numerator as f64 / self.denominator as f64
    }

    /// How many of `unit` this is, rounded to the nearest whole number, halves up; 0 where the unit is 0.
    pub fn in_units(self, unit: Fraction) -> i64 {
        if unit.is_zero() {
            return 0;
        }
        let Fraction { numerator, denominator } = self / unit;
        let (n, d) = (i128::from(numerator), i128::from(denominator));
        // Both sides are below 2^66.
        (2 * n + d).div_euclid(2 * d) as i64
    }

    /// Whether there is nothing of it.
    pub fn is_zero(self) -> bool {
        self.numerator == 0
    }
}

fn gcd(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

impl Add for Fraction {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        let (a, b) = (i128::from(self.numerator), i128::from(other.numerator));
        let (c, d) = (i128::from(self.denominator), i128::from(other.denominator));
        // Each product is below 2^126, so their sum fits.
        Fraction::reduced(a * d + b * c, c * d)
    }
}

impl AddAssign for Fraction {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Sub for Fraction {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self + other * Fraction { numerator: -1, denominator: 1 }
    }
}

impl Mul for Fraction {
    type Output = Self;
    fn mul(self, other: Self) -> Self {
        Fraction::reduced(
            i128::from(self.numerator) * i128::from(other.numerator),
            i128::from(self.denominator) * i128::from(other.denominator),
        )
    }
}

impl Div for Fraction {
    type Output = Self;
    /// A divisor of 0 counts as 1.
    fn div(self, other: Self) -> Self {
        if other.is_zero() {
            return self;
        }
        Fraction::reduced(
            i128::from(self.numerator) * i128::from(other.denominator),
            i128::from(self.denominator) * i128::from(other.numerator),
        )
    }
}

impl Default for Fraction {
    fn default() -> Self {
        Fraction::ZERO
    }
}

impl Sum for Fraction {
    fn sum<I: Iterator<Item = Self>>(terms: I) -> Self {
        terms.fold(Fraction::ZERO, Add::add)
    }
}

impl From<i64> for Fraction {
    fn from(whole: i64) -> Self {
        Fraction { numerator: whole, denominator: 1 }
    }
}

impl Ord for Fraction {
    fn cmp(&self, other: &Self) -> Ordering {
        let left = i128::from(self.numerator) * i128::from(other.denominator);
        left.cmp(&(i128::from(other.numerator) * i128::from(self.denominator)))
    }
}

impl PartialOrd for Fraction {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.denominator {
            1 => write!(f, "{}", self.numerator),
            d => write!(f, "{}/{d}", self.numerator),
        }
    }
}

impl fmt::Debug for Fraction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(n: i64, d: i64) -> Fraction {
        Fraction::new(n, d)
    }

    #[test]
    fn arithmetic_is_exact_and_in_lowest_terms() {
        assert_eq!(of(2, -4), of(-1, 2));
        assert_eq!((of(1, 6) + of(1, 3)).to_string(), "1/2");
        assert_eq!(of(1, 8) - of(1, 8), Fraction::ZERO);
        assert_eq!(of(3, 4) * of(2, 3) / of(1, 2), Fraction::ONE);
        assert_eq!([of(1, 3); 3].into_iter().sum::<Fraction>(), Fraction::ONE);
        assert!(of(1, 3) < of(3, 8) && of(-1, 3) > of(-3, 8));
    }

    #[test]
    fn whole_units_are_rounded() {
        assert_eq!(of(3, 8).in_units(of(1, 8)), 3);
        assert_eq!(of(1, 3).in_units(of(1, 1920)), 640);
        assert_eq!(of(1, 2).in_units(Fraction::ONE), 1);
        assert_eq!(of(-1, 3).in_units(Fraction::ONE), 0);
        assert_eq!(of(1, 3).in_units(Fraction::ZERO), 0);
    }

    proptest! {
        #[test]
        fn nothing_panics(a in any::<i64>(), b in any::<i64>(), c in any::<i64>(), d in any::<i64>()) {
            let (x, y) = (of(a, b), of(c, d));
            for z in [x + y, x - y, x * y, x / y] {
                prop_assert!(z.denominator() > 0);
                prop_assert!(z.cmp(&z).is_eq());
            }
            x.in_units(y);
        }

        #[test]
        fn sums_of_lengths_stay_exact(n in proptest::collection::vec((1i64..4096, 0usize..6), 1..200)) {
            let denominators = [512, 27 * 64, 25 * 32, 7 * 128, 3 * 5 * 7, Fraction::GRID];
            let sum: Fraction = n.iter().map(|&(n, d)| of(n, denominators[d])).sum();
            let ticks: i128 = n.iter().map(|&(n, d)| i128::from(n * (Fraction::GRID / denominators[d]))).sum();
            prop_assert_eq!(i128::from(sum.numerator()) * i128::from(Fraction::GRID),
                            ticks * i128::from(sum.denominator()));
        }
    }
}
