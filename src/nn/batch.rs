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
}
