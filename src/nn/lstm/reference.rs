//! The LSTM layer in plain loops, forward and backward, for f32 and f64.
//!
//! Nothing here is fast and nothing is clever. Every other implementation is compared with this one, and this one
//! with central differences and with PyTorch.

use super::{F, G, GATES, I, O};
use ndarray::{Array1, Array2, Array3, ArrayView1, Axis, NdFloat};

/// f32 or f64.
pub trait Real: NdFloat + Into<f64> + std::iter::Sum {
    /// The nearest number to `x`.
    fn of(x: f64) -> Self;
}

impl Real for f32 {
    fn of(x: f64) -> f32 {
        x as f32
    }
}

impl Real for f64 {
    fn of(x: f64) -> f64 {
        x
    }
}

/// The weights of one layer; or their gradients, which have the same shapes.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer<R> {
    /// `[4H, I]`
    pub w_ih: Array2<R>,
    /// `[4H, H]`
    pub w_hh: Array2<R>,
    /// `[4H]`
    pub bias: Array1<R>,
    /// What [another cell](crate::nn::cell) has besides: peepholes `[3H]` or `b_hn [H]`. Empty for an LSTM.
    pub extra: Array1<R>,
}

impl<R: Real> Layer<R> {
    /// Zeros of the same shapes: where gradients are added up.
    pub fn zeros_like(&self) -> Self {
        Layer {
            w_ih: Array2::zeros(self.w_ih.dim()),
            w_hh: Array2::zeros(self.w_hh.dim()),
            bias: Array1::zeros(self.bias.dim()),
            extra: Array1::zeros(self.extra.dim()),
        }
    }

    /// `H`
    pub fn hidden(&self) -> usize {
        self.w_hh.ncols()
    }
}

/// All that the forward pass computes and the backward pass needs.
#[derive(Clone, Debug)]
pub struct Cache<R> {
    /// `[T, B, I]`: what came in.
    pub x: Array3<R>,
    /// `[T, B, H]`: the hidden state that entered each step, zero where the step resets.
    pub h_prev: Array3<R>,
    /// `[T, B, H]`: the cell state that entered each step, zero where the step resets.
    pub c_prev: Array3<R>,
    /// `[T, B, 4H]`: the activated gates i, f, g, o.
    pub gates: Array3<R>,
    /// `[T, B, H]`: the cell state after each step.
    pub c: Array3<R>,
    /// `[T, B, H]`: the hidden state after each step, which is the layer's output.
    pub h: Array3<R>,
}

/// `[N]`: the numbers of step `t` and row `b` of `[T, B, N]`.
pub(crate) fn row<R>(array: &Array3<R>, t: usize, b: usize) -> ArrayView1<'_, R> {
    array.index_axis(Axis(0), t).index_axis_move(Axis(0), b)
}

/// `1 / (1 + e^-x)`
pub fn sigmoid<R: Real>(x: R) -> R {
    R::one() / (R::one() + (-x).exp())
}

/// Runs a layer over `x [T, B, I]` from the state `h0`, `c0` (each `[B, H]`). Where `resets[t, b]`, the state that enters
/// step `t` is zero.
pub fn forward<R: Real>(
    layer: &Layer<R>,
    x: &Array3<R>,
    resets: &Array2<bool>,
    h0: &Array2<R>,
    c0: &Array2<R>,
) -> Cache<R> {
    let (steps, rows, inputs) = x.dim();
    let hidden = layer.hidden();
    let zeros = || Array3::zeros((steps, rows, hidden));
    let mut cache = Cache {
        x: x.clone(),
        h_prev: zeros(),
        c_prev: zeros(),
        gates: Array3::zeros((steps, rows, GATES * hidden)),
        c: zeros(),
        h: zeros(),
    };
    for t in 0..steps {
        for b in 0..rows {
            // The state that enters.
            if !resets[[t, b]] {
                for u in 0..hidden {
                    cache.h_prev[[t, b, u]] = if t == 0 { h0[[b, u]] } else { cache.h[[t - 1, b, u]] };
                    cache.c_prev[[t, b, u]] = if t == 0 { c0[[b, u]] } else { cache.c[[t - 1, b, u]] };
                }
            }
            // The gates: a weighted sum of input and hidden state, then the activation.
            for row in 0..GATES * hidden {
                let mut a = layer.bias[row];
                for k in 0..inputs {
                    a += layer.w_ih[[row, k]] * x[[t, b, k]];
                }
                for k in 0..hidden {
                    a += layer.w_hh[[row, k]] * cache.h_prev[[t, b, k]];
                }
                cache.gates[[t, b, row]] = if row / hidden == G { a.tanh() } else { sigmoid(a) };
            }
            // The cell and what it shows.
            for u in 0..hidden {
                let gate = |q: usize| cache.gates[[t, b, q * hidden + u]];
                let c = gate(F) * cache.c_prev[[t, b, u]] + gate(I) * gate(G);
                let h = gate(O) * c.tanh();
                cache.c[[t, b, u]] = c;
                cache.h[[t, b, u]] = h;
            }
        }
    }
    cache
}

/// The gradients that leave a layer towards what is before it.
#[derive(Clone, Debug)]
pub struct Upstream<R> {
    /// `[T, B, I]`
    pub d_x: Array3<R>,
    /// `[B, H]`
    pub d_h0: Array2<R>,
    /// `[B, H]`
    pub d_c0: Array2<R>,
}

/// Back-propagation through time. `d_h [T, B, H]` is the gradient of the loss by the layer's output; the gradients of the
/// weights are **added** to `gradients`.
///
/// Written `d_y` for ∂loss/∂y, step by step from the last:
///
/// ```text
/// d_h  = from above + from step t + 1          d_c  = from step t + 1 + d_h ⊙ o ⊙ (1 - tanh²(c))
/// d_o  = d_h ⊙ tanh(c)                         d_i  = d_c ⊙ g      d_f = d_c ⊙ c_prev      d_g = d_c ⊙ i
/// d_a  = d_gate ⊙ (slope of its activation)    σ' = y (1 - y),     tanh' = 1 - y²
/// d_w_ih += d_aᵀ x     d_w_hh += d_aᵀ h_prev   d_b += d_a
/// d_x  = d_a w_ih      d_h_prev = d_a w_hh     d_c_prev = d_c ⊙ f
/// ```
pub fn backward<R: Real>(
    layer: &Layer<R>,
    cache: &Cache<R>,
    resets: &Array2<bool>,
    d_h: &Array3<R>,
    gradients: &mut Layer<R>,
) -> Upstream<R> {
    let (steps, rows, hidden) = cache.h.dim();
    let inputs = cache.x.dim().2;
    let one = R::one();
    let mut d_x = Array3::zeros((steps, rows, inputs));
    // What step t + 1 sends back to step t; at the end, what step 0 sends to the initial state.
    let mut d_h_next = Array2::zeros((rows, hidden));
    let mut d_c_next = Array2::zeros((rows, hidden));
    for t in (0..steps).rev() {
        for b in 0..rows {
            let mut d_a = Array1::zeros(GATES * hidden);
            for u in 0..hidden {
                let gate = |q: usize| cache.gates[[t, b, q * hidden + u]];
                let (i, f, g, o) = (gate(I), gate(F), gate(G), gate(O));
                let tanh_c = cache.c[[t, b, u]].tanh();
                let d_h: R = d_h[[t, b, u]] + d_h_next[[b, u]];
                let d_c: R = d_c_next[[b, u]] + d_h * o * (one - tanh_c * tanh_c);
                d_a[I * hidden + u] = d_c * g * i * (one - i);
                d_a[F * hidden + u] = d_c * cache.c_prev[[t, b, u]] * f * (one - f);
                d_a[G * hidden + u] = d_c * i * (one - g * g);
                d_a[O * hidden + u] = d_h * tanh_c * o * (one - o);
                d_c_next[[b, u]] = d_c * f;
                d_h_next[[b, u]] = R::zero();
            }
            for row in 0..GATES * hidden {
                for k in 0..inputs {
                    gradients.w_ih[[row, k]] += d_a[row] * cache.x[[t, b, k]];
                    d_x[[t, b, k]] += d_a[row] * layer.w_ih[[row, k]];
                }
                for k in 0..hidden {
                    gradients.w_hh[[row, k]] += d_a[row] * cache.h_prev[[t, b, k]];
                    d_h_next[[b, k]] += d_a[row] * layer.w_hh[[row, k]];
                }
                gradients.bias[row] += d_a[row];
            }
            // Nothing passes back through a reset.
            if resets[[t, b]] {
                for u in 0..hidden {
                    d_h_next[[b, u]] = R::zero();
                    d_c_next[[b, u]] = R::zero();
                }
            }
        }
    }
    Upstream { d_x, d_h0: d_h_next, d_c0: d_c_next }
}
