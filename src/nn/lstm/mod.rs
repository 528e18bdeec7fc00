//! The LSTM layer.
//!
//! ```text
//! i = σ(x W_iiᵀ + h W_hiᵀ + b_i)      c' = f ⊙ c + i ⊙ g
//! f = σ(x W_ifᵀ + h W_hfᵀ + b_f)      h' = o ⊙ tanh(c')
//! g = tanh(x W_igᵀ + h W_hgᵀ + b_g)
//! o = σ(x W_ioᵀ + h W_hoᵀ + b_o)
//! ```
//!
//! The **cell** `c` is a memory that changes only by what the gates let through: `f`, the forget gate, says how much of
//! the old value stays; `i`, the input gate, how much of the candidate `g` comes in; `o`, the output gate, how
//! much of it shows as the hidden state `h`. Because the old value is multiplied by `f` and not pushed through a
//! weight matrix, the gradient that flows back along `c` is multiplied by `f` too, and where `f` stays near 1 it reaches
//! far back (Hochreiter and Schmidhuber, 1997; the forget gate: Gers, Schmidhuber and Cummins, 2000).
//!
//! Shapes: `x [T, B, I]`, `h` and `c [T, B, H]`, `w_ih [4H, I]`, `w_hh [4H, H]`, `b [4H]`; the four gates stand in the
//! order i, f, g, o, so gate `q` of unit `u` is row `q·H + u`.
//!
//! * The page below derives the gradients, with the numbers of one character on its way through a small network.
//! * [`mod@reference`] is these equations in plain loops, and their derivatives.
//! * [`fast`] is the same layer on the kernels: the input products of many time steps in one go, then one fused kernel
//!   a step.
#![doc = include_str!("README.md")]

pub mod fast;
pub mod reference;

/// Gates of a cell: i, f, g, o.
pub const GATES: usize = 4;
/// The place of the input gate.
pub const I: usize = 0;
/// The place of the forget gate.
pub const F: usize = 1;
/// The place of the candidate.
pub const G: usize = 2;
/// The place of the output gate.
pub const O: usize = 3;
