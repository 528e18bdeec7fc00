//! Inverted dropout with a counter-based generator.
//!
//! Whether a unit is dropped is a pure function of where it stands: Philox4x32-10 (Salmon, Moraes, Dror and
//! Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011) with
//!
//! ```text
//! key     = (seed, step)                              folded to 64 bits, see [`Site`]
//! counter = (unit / 4, global row, time step, layer)
//! ```
//!
//! gives four words for four neighbouring units. So the mask depends on neither shards nor threads, and is the same
//! on every device. The backward pass need not compute it again: what was dropped forward stands there as -0, and nothing that
//! was kept does.

use crate::Isa;
use crate::simd::{Kernel, Simd};
use crate::team::Team;

/// The layer and optimiser step that a mask belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    /// The run's seed.
    pub seed: u64,
    /// The optimiser step, counted from 0.
    pub step: u64,
    /// The layer whose output is dropped, counted from 0; larger numbers are for whatever else is dropped.
    pub layer: u32,
}

impl Site {
    /// Seed and step as the two words of the key: `seed + step·φ`, mixed (the finaliser of SplitMix64), since
    /// Philox has 64 bits of key and the two have 128.
    pub(crate) fn key(self) -> [u32; 2] {
        let mut z = self.seed.wrapping_add(self.step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        [z as u32, (z >> 32) as u32]
    }
}

const MULTIPLIER: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
const WEYL: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];

/// Four random words from a counter and a key.
pub fn philox4x32_10(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let mut words = counter.map(|c| [c]);
    rounds(&mut words, key);
    words.map(|w| w[0])
}

/// Ten rounds on `N` counters side by side, in loops that the compiler turns into vectors.
#[inline(always)]
fn rounds<const N: usize>(words: &mut [[u32; N]; 4], mut key: [u32; 2]) {
    for _ in 0..10 {
        for n in 0..N {
            let low = u64::from(MULTIPLIER[0]) * u64::from(words[0][n]);
            let high = u64::from(MULTIPLIER[1]) * u64::from(words[2][n]);
            words[0][n] = (high >> 32) as u32 ^ words[1][n] ^ key[0];
            words[2][n] = (low >> 32) as u32 ^ words[3][n] ^ key[1];
            words[1][n] = high as u32;
            words[3][n] = low as u32;
        }
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
}

/// A unit is dropped where its word is below this: `rate · 2^32`.
pub(crate) fn threshold(rate: f32) -> u32 {
    (f64::from(rate) * 4_294_967_296.0) as u32
}

/// The dropout of `R` rows at consecutive time steps.
#[derive(Clone, Copy, Debug)]
pub struct Dropout {
    /// The probability that a unit is dropped, in `0.0..1.0`.
    pub rate: f32,
    /// Layer and step.
    pub site: Site,
    /// The row of the whole minibatch that row 0 here is.
    pub first_row: u32,
    /// Rows in a time step.
    pub rows: usize,
}

impl Dropout {
    /// `out[k] = mask[k] · x[k]`, the mask being 0 or `1 / (1 - rate)`; -0 where it is 0, and only there. `x` and `out` are
    /// `[T, rows, H]`. The team splits the rows.
    ///
    /// # Panics
    /// Where the lengths differ or are no whole number of rows, or `rate` is not in `0.0..1.0`.
    pub fn apply(self, isa: Isa, hidden: usize, x: &[f32], out: &mut [f32], team: &mut Team) {
        assert_eq!(x.len(), out.len(), "x and out [T, R, H]");
        self.on_team(hidden, out, APPLY_COST, team, &|first, out| {
            out.copy_from_slice(&x[first * hidden..][..out.len()]);
            isa.run(Apply { dropout: self, hidden, first, values: out });
        });
    }

    /// `values[k] *= mask[k]`, as [`Dropout::apply`].
    ///
    /// # Panics
    /// As [`Dropout::apply`].
    pub fn apply_in_place(self, isa: Isa, hidden: usize, values: &mut [f32], team: &mut Team) {
        self.on_team(hidden, values, APPLY_COST, team, &|first, values| {
            isa.run(Apply { dropout: self, hidden, first, values });
        });
    }

    /// The gradient of [`Dropout::apply`]: `d[k] *= mask[k]`, the mask being read off its output `out`.
    ///
    /// # Panics
    /// As [`Dropout::apply`].
    pub fn backward(self, isa: Isa, hidden: usize, out: &[f32], d: &mut [f32], team: &mut Team) {
        assert_eq!(out.len(), d.len(), "out and d [T, R, H]");
        let scale = 1.0 / (1.0 - self.rate);
        self.on_team(hidden, d, 1, team, &|first, d| {
            isa.run(Backward { scale, out: &out[first * hidden..][..d.len()], d });
        });
    }

    /// Checks, and splits the rows; a unit costs as much as `cost` multiply-adds.
    fn on_team(
        self,
        hidden: usize,
        values: &mut [f32],
        cost: usize,
        team: &mut Team,
        work: &(impl Fn(usize, &mut [f32]) + Sync),
    ) {
        assert!((0.0..1.0).contains(&self.rate), "dropout rate {} is not in 0..1", self.rate);
        assert!(hidden > 0 && values.len().is_multiple_of(hidden * self.rows), "values [T, R, H]");
        let multiply_adds = values.len() * cost;
        team.split_rows(values, hidden, multiply_adds, work);
    }
}

struct Apply<'a> {
    dropout: Dropout,
    hidden: usize,
    /// The first row of `values`.
    first: usize,
    values: &'a mut [f32],
}

struct Backward<'a> {
    scale: f32,
    out: &'a [f32],
    d: &'a mut [f32],
}

impl Kernel for Backward<'_> {
    type Output = ();

    /// A plain loop, which the compiler turns into vectors of the instruction set.
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (d, y) in self.d.iter_mut().zip(self.out) {
            *d = if y.to_bits() == (-0.0f32).to_bits() { 0.0 } else { *d * self.scale };
        }
    }
}

/// What a unit's mask costs, in multiply-adds.
const APPLY_COST: usize = 16;

/// Counters computed together: 64 units.
const GROUP: usize = 16;

impl Kernel for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Apply { dropout: Dropout { rate, site, first_row, rows }, hidden, first, values } = self;
        let key = site.key();
        let threshold = threshold(rate);
        let scale = 1.0 / (1.0 - rate);
        for (at, row) in values.chunks_exact_mut(hidden).enumerate() {
            let at = first + at;
            let (t, r) = ((at / rows) as u32, first_row + (at % rows) as u32);
            for (group, units) in row.chunks_mut(4 * GROUP).enumerate() {
                let mut words = [[0u32; GROUP]; 4];
                for n in 0..GROUP {
                    words[0][n] = (group * GROUP + n) as u32;
                    words[1][n] = r;
                    words[2][n] = t;
                    words[3][n] = site.layer;
                }
                rounds(&mut words, key);
                let mut mask = [0.0f32; 4 * GROUP];
                for n in 0..GROUP {
                    for (word, words) in words.iter().enumerate() {
                        mask[4 * n + word] = if words[n] < threshold { 0.0 } else { scale };
                    }
                }
                for (x, &m) in units.iter_mut().zip(&mask) {
                    // Adding 0 turns a kept -0 into +0.
                    *x = if m == 0.0 { -0.0 } else { *x * m + 0.0 };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fenced, Noise, Unaligned, isas};

    /// The known answers that come with the authors' Random123 library.
    #[test]
    fn philox_gives_the_known_answers() {
        let ones = u32::MAX;
        for (counter, key, want) in [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([ones; 4], [ones; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ] {
            assert_eq!(philox4x32_10(counter, key), want);
        }
    }

    fn mask(isa: Isa, dropout: Dropout, steps: usize, hidden: usize) -> Vec<f32> {
        let mut values = vec![1.0; steps * dropout.rows * hidden];
        dropout.apply_in_place(isa, hidden, &mut values, &mut Team::alone());
        values
    }

    const SITE: Site = Site { seed: 5, step: 3, layer: 1 };

    #[test]
    fn the_mask_is_what_philox_says_on_every_isa() {
        let mut noise = Noise::new(9);
        let mut team = Team::new(2);
        for isa in isas() {
            for hidden in [1, 3, 4, 63, 64, 65, 130] {
                for rows in 1..=17 {
                    let dropout = Dropout { rate: 0.3, site: SITE, first_row: 7, rows };
                    let mut x = noise.vec(2 * rows * hidden, 2.0);
                    // Zeros that are kept must not be taken for dropped ones.
                    x.iter_mut().step_by(3).for_each(|x| *x = -0.0);
                    x.iter_mut().skip(1).step_by(5).for_each(|x| *x = 0.0);
                    let x = Unaligned::new(&x);
                    let (mut got, mut in_place) = (Fenced::poisoned(x.len()), Fenced::new(&x));
                    dropout.apply(isa, hidden, &x, &mut got, &mut team);
                    dropout.apply_in_place(isa, hidden, &mut in_place, &mut Team::alone());
                    assert_eq!(&got[..], &in_place[..], "{isa} H {hidden} R {rows}");
                    let d = Unaligned::new(&noise.vec(x.len(), 2.0));
                    let mut back = Fenced::new(&d);
                    dropout.backward(isa, hidden, &got, &mut back, &mut team);
                    for (k, &y) in got.iter().enumerate() {
                        let (t, r, unit) = (k / hidden / rows, k / hidden % rows, k % hidden);
                        let counter = [unit as u32 / 4, 7 + r as u32, t as u32, SITE.layer];
                        let word = f64::from(philox4x32_10(counter, SITE.key())[unit % 4]);
                        let dropped = word < f64::from(0.3f32) * 4_294_967_296.0 - 1.0;
                        let want = if dropped { 0.0 } else { x[k] * (1.0 / 0.7) };
                        assert_eq!(y, want, "{isa} H {hidden} R {rows} k {k}");
                        assert_eq!(
                            y.to_bits() == (-0.0f32).to_bits(),
                            dropped,
                            "{isa} H {hidden} R {rows} k {k}"
                        );
                        let want = if dropped { 0.0 } else { d[k] * (1.0 / 0.7) };
                        assert_eq!(back[k], want, "{isa} H {hidden} R {rows} k {k} backward");
                    }
                }
            }
        }
    }

    #[test]
    fn shards_agree_with_the_whole() {
        for isa in isas() {
            let whole = mask(isa, Dropout { rate: 0.5, site: SITE, first_row: 0, rows: 6 }, 4, 20);
            let part = mask(isa, Dropout { rate: 0.5, site: SITE, first_row: 4, rows: 2 }, 4, 20);
            for t in 0..4 {
                assert_eq!(whole[(t * 6 + 4) * 20..(t + 1) * 6 * 20], part[t * 2 * 20..(t + 1) * 2 * 20]);
            }
        }
    }

    #[test]
    fn the_rate_is_kept_and_seed_step_and_layer_matter() {
        let isa = isas()[0];
        let dropout = Dropout { rate: 0.2, site: SITE, first_row: 0, rows: 10 };
        let base = mask(isa, dropout, 100, 100);
        let dropped = base.iter().filter(|&&m| m == 0.0).count() as f64 / base.len() as f64;
        // Four standard deviations of 100,000 draws.
        assert!((dropped - 0.2).abs() < 4.0 * (0.16f64 / 1e5).sqrt(), "{dropped}");
        for site in [Site { seed: 6, ..SITE }, Site { step: 4, ..SITE }, Site { layer: 2, ..SITE }] {
            let other = mask(isa, Dropout { site, ..dropout }, 100, 100);
            let same = base.iter().zip(&other).filter(|(a, b)| a == b).count() as f64 / base.len() as f64;
            assert!((same - 0.68).abs() < 0.01, "{site:?}: {same}");
        }
    }

    #[test]
    fn a_rate_of_zero_changes_nothing() {
        let isa = isas()[0];
        let dropout = Dropout { rate: 0.0, site: SITE, first_row: 0, rows: 1 };
        assert!(mask(isa, dropout, 3, 50).iter().all(|&m| m == 1.0));
    }
}
