//! Hornpipe trains character-level LSTMs on folk tunes in ABC notation and writes new ones. Inside is an LSTM engine written
//! by hand: no tensor framework, no autograd. This page is the way in for those who want to read it.
//!
//! # What an LSTM does here
//!
//! A tune is a string. The network reads it a character at a time, and after each one says how probable every character
//! is as the next. For that it carries two vectors along: `c`, the **cell**, a memory that changes only by what gates let
//! through, and `h`, the **hidden state**, what the memory shows of itself.
//!
//! ```text
//!  character       vector           L layers                        one number a character     probabilities
//!  token ──► Embedding ──► LSTM ─► LSTM ─► LSTM ──► Linear ──────► logits ──► softmax ──► p(next)
//!  [T, B]      [T, B, E]      [T, B, H]  (dropout after each)          [T, B, V]
//! ```
//!
//! In each layer, at each step, for an input `x` and the state `(h, c)` of the step before:
//!
//! ```text
//! i = σ(x W_iiᵀ + h W_hiᵀ + b_i)      input gate: how much of the candidate comes in
//! f = σ(x W_ifᵀ + h W_hfᵀ + b_f)      forget gate: how much of the memory stays
//! g = tanh(x W_igᵀ + h W_hgᵀ + b_g)   candidate
//! o = σ(x W_ioᵀ + h W_hoᵀ + b_o)      output gate: how much of the memory shows
//! c' = f ⊙ c + i ⊙ g                h' = o ⊙ tanh(c')
//! ```
//!
//! `W_ii` are the first `H` rows of the parameter `w_ih [4H, I]`, `W_if` the next, and so on; likewise `W_hi` of `w_hh [4H, H]` and
//! `b_i` of the one bias `b [4H]`, where PyTorch has two.
//!
//! Training lowers the mean of `-ln p(target)` (nats per character): a forward pass over `T` steps, the gradient of that loss
//! back through the same steps (back-propagation through time), and a step of Adam or RMSprop. The state goes on from one
//! segment of `T` characters to the next, the gradient does not (truncation).
//!
//! # The legend of shapes
//!
//! | letter | is | in the article's model |
//! |---|---|---|
//! | `B` | batch: sequences side by side | 128 |
//! | `T` | time: steps of a segment | 100 |
//! | `V` | vocabulary: distinct characters | 93 |
//! | `E` | embedding size | 32 |
//! | `I` | input size of a layer: `E` or `H` | 32, 256, 256 |
//! | `H` | hidden units of a layer | 256 |
//! | `L` | layers | 3 |
//! | `R` | rows of a shard: the part of `B` that one thread, or a team, works on | 16 |
//!
//! Sequences are time-major, `[T, B, …]`. Gates stand in the order i, f, g, o, so `w_ih` is `[4H, I]`, `w_hh [4H, H]`, the
//! bias `[4H]`. State is `(h, c)`, h first. A gradient is called `d_` and the name of what it belongs to.
//!
//! # What to read, in this order
//!
//! 1. [`nn::lstm`]: how an LSTM learns, derived step by step, with numbers that `hornpipe inspect walk` prints; and
//!    [`nn::lstm::reference`], the same in plain loops.
//! 2. [`nn::reference`]: the whole network around it, loss included; [`optim::reference`]: the update rules.
//! 3. [`nn::Batch`] and [`corpus`]: what enters, and how tunes become it.
//! 4. [`nn::lstm::fast`]: the same layer on kernels; then `kernels/src/lstm` and `kernels/src/tile.rs`, where the time goes.
//!    [`nn::cell`] has its variants, GRU and RNN.
//! 5. [`nn::CpuEngine`]: shards, threads, and the one place where sums are added up.
//! 6. [`train::Trainer`], then [`generate`](mod@generate).
//!
//! # Why to believe it
//!
//! Central differences in f64 prove the reference; PyTorch's float64 numbers confirm it; the fast engine must match it, dropout
//! masks included; every instruction set must match the equations at odd sizes. See `tests/`.
//!
//! # The same bits
//!
//! The same settings, seed, corpus, machine and instruction set give the same bits, whatever the number of threads: what
//! shards compute is added in a fixed tree. A resumed run goes on bit for bit. AVX2 and AVX-512 may differ from each other
//! in the last bits.
//!
//! # Features
//!
//! `cli` (the command line) and `parallel` (Rayon) are on by default. Without them the network, the generator and the reading of
//! checkpoints from bytes need no files, threads, clock or entropy.
#![forbid(unsafe_code)]

pub mod abc;
pub mod checkpoint;
#[cfg(feature = "cli")]
pub mod cli;
pub mod corpus;
pub mod exchange;
pub mod generate;
mod html;
pub mod inspect;
pub mod judge;
pub mod nn;
pub mod optim;
pub mod random;
mod threads;
pub mod train;
