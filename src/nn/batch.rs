//! A minibatch: what every engine takes and every data source makes.

use ndarray::Array2;

/// One minibatch of `B` sequences of `T` time steps, time-major: every array is `[T, B]`.
///
/// The loss over a batch is `Σ w·nll / Σ w`, so a padded or uninteresting position has weight 0.
/// Many-to-one training is weight 1 at the last step and 0 elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The character that enters at step `t`, as an index below `V`.
    pub tokens: Array2<u32>,
    /// The character to be predicted at step `t`, as an index below `V`.
    pub targets: Array2<u32>,
    /// The weight `w >= 0` of that prediction in the loss.
    pub weights: Array2<f32>,
    /// Where true, the `h` and `c` that enter step `t` are zero and no gradient passes back through it.
    pub resets: Array2<bool>,
}

impl Batch {
    /// A batch of zeros: token and target 0, weight 0, no resets.
    pub fn zeros(steps: usize, rows: usize) -> Self {
        Batch {
            tokens: Array2::zeros((steps, rows)),
            targets: Array2::zeros((steps, rows)),
            weights: Array2::zeros((steps, rows)),
            resets: Array2::from_elem((steps, rows), false),
        }
    }

    /// Makes it [`Batch::zeros`] again.
    pub fn clear(&mut self) {
        self.tokens.fill(0);
        self.targets.fill(0);
        self.weights.fill(0.0);
        self.resets.fill(false);
    }

    /// `T`, the number of time steps.
    pub fn steps(&self) -> usize {
        self.tokens.nrows()
    }

    /// `B`, the number of sequences.
    pub fn rows(&self) -> usize {
        self.tokens.ncols()
    }

    /// `Σ w`, the weight of all predictions.
    pub fn total_weight(&self) -> f64 {
        self.weights.iter().map(|&w| f64::from(w)).sum()
    }

    /// What every engine asks of a batch, for a carried state of `rows` rows.
    ///
    /// # Panics
    /// Where it has other rows, no step, arrays of different shapes, or characters beyond the vocabulary.
    pub(super) fn check(&self, rows: usize, vocabulary: usize) {
        assert_eq!(self.rows(), rows, "the batch has as many rows as the carried state");
        let within = |a: &Array2<u32>| a.iter().all(|&t| (t as usize) < vocabulary);
        assert!(within(&self.tokens) && within(&self.targets), "characters below V");
        let shape = self.tokens.dim();
        let shapes = [self.targets.dim(), self.weights.dim(), self.resets.dim()];
        assert!(shape.0 > 0 && shapes == [shape; 3], "four arrays [T, B] of at least one step");
    }
}
