//! Sums over whole arrays: what the reduction of gradients and the gradient norm are made of.

use crate::Isa;
use crate::simd::{Kernel, Simd, vectors};

/// `sums[k] += values[k]`.
///
/// # Panics
/// Where the lengths differ.
pub fn add_assign(isa: Isa, sums: &mut [f32], values: &[f32]) {
    assert_eq!(sums.len(), values.len(), "as many sums as values");
    isa.run(Add { sums, values });
}

struct Add<'a> {
    sums: &'a mut [f32],
    values: &'a [f32],
}

impl Kernel for Add<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (sums, values) = (self.sums.as_mut_ptr(), self.values.as_ptr());
        for (at, n) in vectors(s, self.sums.len()) {
            // SAFETY: both slices have this length, and `vectors` stays within it.
            unsafe {
                let p = sums.add(at);
                s.store_first(p, s.add(s.load_first(p, n), s.load_first(values.add(at), n)), n);
            }
        }
    }
}

/// `sums[n] += Σ_r rows[r, n]` over the rows of a row-major matrix, in the order of `r`: the gradient of a bias.
///
/// # Panics
/// Where `rows` is not a whole number of rows of `sums.len()`.
pub fn add_rows(isa: Isa, rows: &[f32], sums: &mut [f32]) {
    assert!(!sums.is_empty() && rows.len().is_multiple_of(sums.len()), "rows [R, N]");
    isa.run(AddRows { rows, sums });
}

struct AddRows<'a> {
    rows: &'a [f32],
    sums: &'a mut [f32],
}

impl Kernel for AddRows<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let width = self.sums.len();
        let sums = self.sums.as_mut_ptr();
        // Row after row, so that memory is read front to back; four at a time, so that the sums are loaded less often.
        for rows in self.rows.chunks(4 * width) {
            for (at, n) in vectors(s, width) {
                // SAFETY: `vectors` stays within `width`, the length of `sums` and of each of the rows.
                unsafe {
                    let mut sum = s.load_first(sums.add(at), n);
                    for row in rows.chunks_exact(width) {
                        sum = s.add(sum, s.load_first(row.as_ptr().add(at), n));
                    }
                    s.store_first(sums.add(at), sum, n);
                }
            }
        }
    }
}

/// `Σ values²`, each chunk of 4,096 in f32 vectors, the chunks in f64, in their order.
pub fn sum_of_squares(isa: Isa, values: &[f32]) -> f64 {
    isa.run(SumOfSquares { values })
}

struct SumOfSquares<'a> {
    values: &'a [f32],
}

impl Kernel for SumOfSquares<'_> {
    type Output = f64;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f64 {
        let mut total = 0.0;
        for chunk in self.values.chunks(4096) {
            let mut sum = s.splat(0.0);
            for (at, n) in vectors(s, chunk.len()) {
                // SAFETY: `vectors` stays within the chunk.
                let x = unsafe { s.load_first(chunk.as_ptr().add(at), n) };
                sum = s.mul_add(x, x, sum);
            }
            total += f64::from(s.sum(sum));
        }
        total
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Fenced, Noise, Unaligned, close, isas};

    #[test]
    fn sums_match_f64_at_odd_lengths() {
        let mut noise = Noise::new(5);
        for isa in isas() {
            for len in (1..=17).chain([33, 100, 5003]) {
                let (a, b) = (noise.vec(len, 3.0), noise.vec(len, 3.0));
                let want: Vec<f64> = a.iter().zip(&b).map(|(x, y)| f64::from(x + y)).collect();
                let mut sums = Fenced::new(&a);
                add_assign(isa, &mut sums, &Unaligned::new(&b));
                close(&sums, &want, 0.0, 0.0, &format!("{isa} {len} add"));

                let want: f64 = a.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
                let got = sum_of_squares(isa, &Unaligned::new(&a));
                assert!((got - want).abs() <= 1e-5 * want, "{isa} {len}: {got} instead of {want}");

                for rows in (1..=17).chain([33]) {
                    let matrix = noise.vec(rows * len, 1.0);
                    let want: Vec<f64> =
                        (0..len).map(|n| (0..rows).map(|r| f64::from(matrix[r * len + n])).sum()).collect();
                    let mut sums = Fenced::new(&vec![2.0; len]);
                    add_rows(isa, &Unaligned::new(&matrix), &mut sums);
                    sums.iter_mut().for_each(|x| *x -= 2.0);
                    close(&sums, &want, 1e-5, 1e-5, &format!("{isa} {rows}×{len} add_rows"));
                }
            }
        }
    }

    #[test]
    fn the_norm_of_something_infinite_or_nan_is_not_finite() {
        for isa in isas() {
            for bad in [f32::INFINITY, f32::NAN] {
                let mut values = vec![1.0; 100];
                values[71] = bad;
                assert!(!sum_of_squares(isa, &values).is_finite());
            }
        }
    }
}
