//! Least squares: one weight a unit and a constant, from sums over samples.

/// The sums of products that least squares need, over samples of `inputs` numbers and a constant 1.
#[derive(Clone, Debug)]
pub struct Gram {
    size: usize,
    /// `[inputs + 1, inputs + 1]`, the upper triangle.
    products: Vec<f64>,
}

impl Gram {
    /// No samples yet.
    pub fn new(inputs: usize) -> Self {
        let size = inputs + 1;
        Gram { size, products: vec![0.0; size * size] }
    }

    /// Adds a sample.
    pub fn add(&mut self, x: &[f32]) {
        let last = self.size - 1;
        for (i, &a) in x.iter().enumerate() {
            let row = &mut self.products[i * self.size..(i + 1) * self.size];
            let a = f64::from(a);
            row[i..last].iter_mut().zip(&x[i..]).for_each(|(sum, &b)| *sum += a * f64::from(b));
            row[last] += a;
        }
        self.products[last * self.size + last] += 1.0;
    }

    /// The weights `[inputs + 1]`, the constant last, that come nearest to each target over the samples. A target is the sums
    /// `Σ x·y`, `Σ y`, of [`Target`]. A little is added to the diagonal (ridge regression), so that there always is a solution.
    pub fn solve(&self, targets: &[&Target]) -> Vec<Vec<f64>> {
        let n = self.size;
        let mean = (0..n).map(|i| self.products[i * n + i]).sum::<f64>() / n as f64;
        let mut factor = vec![0.0; n * n];
        // Cholesky: the matrix is factor · factorᵀ, the factor lower triangular.
        for i in 0..n {
            for j in 0..=i {
                let ridge = if i == j { 1e-6 * mean + f64::MIN_POSITIVE } else { 0.0 };
                let known: f64 = (0..j).map(|k| factor[i * n + k] * factor[j * n + k]).sum();
                let rest = self.products[j * n + i] + ridge - known;
                factor[i * n + j] = if i == j {
                    rest.max(1e-12 * (mean + f64::MIN_POSITIVE)).sqrt()
                } else {
                    rest / factor[j * n + j]
                };
            }
        }
        targets
            .iter()
            .map(|target| {
                let mut w = target.sums.clone();
                for i in 0..n {
                    let known: f64 = (0..i).map(|k| factor[i * n + k] * w[k]).sum();
                    w[i] = (w[i] - known) / factor[i * n + i];
                }
                for i in (0..n).rev() {
                    let known: f64 = (i + 1..n).map(|k| factor[k * n + i] * w[k]).sum();
                    w[i] = (w[i] - known) / factor[i * n + i];
                }
                w
            })
            .collect()
    }
}

/// The sums of a target's products with each input, and with the constant.
#[derive(Clone, Debug)]
pub struct Target {
    sums: Vec<f64>,
}

impl Target {
    /// No samples yet.
    pub fn new(inputs: usize) -> Self {
        Target { sums: vec![0.0; inputs + 1] }
    }

    /// Adds the target `y` of a sample `x`.
    pub fn add(&mut self, x: &[f32], y: f64) {
        if y != 0.0 {
            self.sums.iter_mut().zip(x).for_each(|(sum, &x)| *sum += y * f64::from(x));
            *self.sums.last_mut().expect("the constant") += y;
        }
    }
}

/// `w · x` and the constant.
pub fn predict(w: &[f64], x: &[f32]) -> f64 {
    w.iter().zip(x).map(|(w, &x)| w * f64::from(x)).sum::<f64>() + w[x.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plane_is_found() {
        let (mut gram, mut plane, mut constant) = (Gram::new(3), Target::new(3), Target::new(3));
        for k in 0..200u32 {
            // The third number follows from the others: no single solution, but a solution.
            let (a, b) = ((k * 37 % 101) as f32 / 50.0 - 1.0, (k * 53 % 89) as f32 / 44.0 - 1.0);
            let x = [a, b, a + b];
            gram.add(&x);
            plane.add(&x, 2.0 * f64::from(a) - 0.5 * f64::from(b) + 3.0);
            constant.add(&x, 7.0);
        }
        let w = gram.solve(&[&plane, &constant]);
        assert!((predict(&w[0], &[0.5, -1.0, -0.5]) - 4.5).abs() < 1e-4, "{w:?}");
        assert!((predict(&w[1], &[0.5, -1.0, -0.5]) - 7.0).abs() < 1e-4, "{w:?}");
    }

    #[test]
    fn nothing_is_no_panic() {
        let w = Gram::new(2).solve(&[&Target::new(2)]);
        assert!(w[0].iter().all(|w| w.is_finite()));
    }
}
