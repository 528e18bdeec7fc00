//! One time step of an LSTM layer, forward and backward, with the recurrent product and the gate maths in one pass.
//!
//! Shapes: `R` rows (sequences) of a shard, `H` hidden units. Gates stand in the order i, f, g, o, so a row of
//! gates is `[i(0..H), f(0..H), g(0..H), o(0..H)]`.
//!
//! ```text
//! forward      a = x W_ihᵀ + b + h_prev W_hhᵀ        (the first two summands come in, or from packed W_ih)
//!              i, f, o = σ(a_i), σ(a_f), σ(a_o)      g = tanh(a_g)
//!              c = f ⊙ c_prev + i ⊙ g                h = o ⊙ tanh(c)
//!
//! backward     d_h = d_out + d_a_next W_hh           (d_a_next: the gate gradients of step t + 1)
//!              d_c = d_c_next + d_h ⊙ o ⊙ (1 - tanh²(c))
//!              d_a_i = d_c ⊙ g ⊙ i ⊙ (1 - i)         d_a_f = d_c ⊙ c_prev ⊙ f ⊙ (1 - f)
//!              d_a_g = d_c ⊙ i ⊙ (1 - g²)            d_a_o = d_h ⊙ tanh(c) ⊙ o ⊙ (1 - o)
//!              d_c_prev = d_c ⊙ f
//! ```
//!
//! The equations are those of Hochreiter and Schmidhuber (1997) with the forget gate of Gers, Schmidhuber and
//! Cummins (2000), without peepholes, as in PyTorch and cuDNN.

mod backward;
mod forward;

pub use backward::Backward;
pub use forward::{Forward, ForwardInput};

#[cfg(test)]
mod tests;
