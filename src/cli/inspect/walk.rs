//! `hornpipe inspect walk`

mod small;

use super::text::line_ends;
use crate::cli::{generate, load, output};
use crate::corpus::Vocabulary;
use crate::nn::lstm::{F, G, I, O};
use crate::nn::reference::{Network, Pass, forward, loss, zero_states};
use crate::nn::{Batch, Cell};
use anyhow::{Context, Result, bail};
use ndarray::{Array1, Array3, Axis, concatenate};
use std::fmt::Write;
use std::path::PathBuf;

/// Walk one character through the network, forward and back, and print every number on the way.
///
/// The network reads a text; shown is the step that predicts its last character: what enters, the gates and states of each layer, the
/// probabilities, and the gradients of -ln p of that character by all of these; then how large they are at the steps before. In plain
/// loops, in f64, in the names of the source; `cargo doc --open` explains them under nn::lstm.
///
/// Without a checkpoint the model is a small one that is made on the spot: two layers of four units, every number of which has room
/// on a line.
#[derive(Debug, clap::Args)]
#[command(allow_negative_numbers = true)]
pub struct Args {
    /// A checkpoint, or a run's folder (its best model).
    #[arg(requires = "text")]
    checkpoint: Option<PathBuf>,
    /// The text; \n is a line end. The small model knows the characters of its own [default: |:dfaf dfaf:].
    #[arg(long, value_name = "TEXT")]
    text: Option<String>,
    /// Units that are shown of each layer, from the first.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=32_768))]
    units: u32,
}

/// A longer text would take minutes in plain loops.
const LONGEST: usize = 2000;
/// Steps back whose gradients are told.
const BACK: usize = 20;

pub fn run(args: Args) -> Result<()> {
    let mut text = String::new();
    let (vocabulary, network, window) = match &args.checkpoint {
        Some(path) => {
            let snapshot = load::snapshot(path)?;
            let cell = snapshot.settings.cell;
            if cell != Cell::Lstm {
                bail!(
                    "the walk tells of the LSTM's equations, and this model has another cell ({}); `inspect trace` shows its gates and \
                     states, and the equations stand in `cargo doc --open` under nn::cell",
                    cell.title()
                );
            }
            let network = Network::from_parameters(&snapshot.model(), &snapshot.parameters);
            let window = generate::window(&snapshot, None);
            (snapshot.vocabulary, network, window)
        }
        None => {
            let (vocabulary, network, nats) = small::model()?;
            let _ = writeln!(
                text,
                "the small model: {} characters, embedding {}, {} layers of {} units;\n{} steps of gradient descent on {:?}, \
                 then {nats:.4} nats per character\n",
                vocabulary.len(),
                small::EMBEDDING,
                small::LAYERS,
                small::HIDDEN,
                small::STEPS,
                small::TUNE,
            );
            (vocabulary, network, None)
        }
    };
    let read = line_ends(args.text.as_deref().unwrap_or(small::TEXT));
    let tokens = vocabulary.encode(&read).context("cannot read the text")?;
    if tokens.is_empty() {
        bail!("the text is empty: give at least the character to predict");
    }
    if tokens.len() > LONGEST {
        bail!("the text has {} characters; a walk goes through {LONGEST} at most", tokens.len());
    }
    let batch = small::batch(&tokens, vocabulary.newline(), window, false);
    let pass = forward(&network, &batch, &zero_states(&network, 1), None);
    let mut walk = Walk {
        text,
        vocabulary: &vocabulary,
        network: &network,
        batch: &batch,
        pass: &pass,
        shown: args.units as usize,
    };
    walk.whole();
    output::print(&walk.text)
}

/// The numbers of one step of the one row.
fn step(values: &Array3<f64>, t: usize) -> Array1<f64> {
    values.index_axis(Axis(0), t).row(0).to_owned()
}

fn norm(values: &Array1<f64>) -> f64 {
    values.dot(values).sqrt()
}

/// The gradients of one layer at one step.
struct Back {
    d_h: Array1<f64>,
    d_c: Array1<f64>,
    d_a_i: Array1<f64>,
    d_a_f: Array1<f64>,
    d_a_g: Array1<f64>,
    d_a_o: Array1<f64>,
    d_h_prev: Array1<f64>,
    d_c_prev: Array1<f64>,
    d_x: Array1<f64>,
}

/// The text so far, and what it tells of.
struct Walk<'a> {
    text: String,
    vocabulary: &'a Vocabulary,
    network: &'a Network<f64>,
    batch: &'a Batch,
    pass: &'a Pass<f64>,
    /// Units of a layer that are shown.
    shown: usize,
}

impl Walk<'_> {
    fn whole(&mut self) {
        let last = self.batch.steps() - 1;
        let (reads, target) = (self.batch.tokens[[last, 0]], self.batch.targets[[last, 0]]);
        self.line(&format!(
            "step {last} reads {} and predicts {}",
            self.character(reads),
            self.character(target)
        ));
        self.line("\nwhat enters");
        let name = match self.network.embedding {
            Some(_) => format!("x = embedding[{reads}]"),
            None => format!("x = {reads} / V"),
        };
        self.row(&name, &step(&self.pass.layers[0].x, last));
        (0..self.network.layers.len()).for_each(|l| self.forward(l, last));
        let d_z = self.prediction(last);
        self.backward(last, &d_z);
    }

    fn character(&self, token: u32) -> String {
        format!("{:?}", self.vocabulary.char_at(token))
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn row(&mut self, name: &str, values: &Array1<f64>) {
        let numbers: String = values.iter().take(self.shown).map(|value| format!("{value:>10.4}")).collect();
        let more = if values.len() > self.shown { "  …" } else { "" };
        self.line(&format!("{name:<38}{numbers}{more}"));
    }

    /// The numbers of gate `q` of `values [4H]`.
    fn part(&self, values: &Array1<f64>, q: usize) -> Array1<f64> {
        let hidden = self.network.hidden();
        values.iter().skip(q * hidden).take(hidden).copied().collect()
    }

    fn forward(&mut self, l: usize, t: usize) {
        let (cache, weights) = (&self.pass.layers[l], &self.network.layers[l]);
        let (x, h_prev) = (step(&cache.x, t), step(&cache.h_prev, t));
        let a = weights.w_ih.dot(&x) + weights.w_hh.dot(&h_prev) + &weights.bias;
        let (gates, c) = (step(&cache.gates, t), step(&cache.c, t));
        self.line(&format!("\nlayer {l}, forward"));
        self.row("h_prev", &h_prev);
        self.row("c_prev", &step(&cache.c_prev, t));
        for (q, name) in [(I, "i"), (F, "f"), (G, "g"), (O, "o")] {
            self.row(&format!("a_{name} = w_i{name} x + w_h{name} h_prev + b_{name}"), &self.part(&a, q));
            let activation = if q == G { "tanh" } else { "σ" };
            self.row(&format!("{name} = {activation}(a_{name})"), &self.part(&gates, q));
        }
        self.row("c = f c_prev + i g", &c);
        self.row("tanh(c)", &c.mapv(f64::tanh));
        self.row("h = o tanh(c)", &step(&cache.h, t));
    }

    /// Tells of the most probable characters; returns the gradient by the logits of step `t`.
    fn prediction(&mut self, t: usize) -> Array1<f64> {
        let target = self.batch.targets[[t, 0]];
        let (sums, d_logits) = loss(self.batch, &self.pass.logits);
        let (z, d_z) = (step(&self.pass.logits, t), step(&d_logits, t));
        let greatest = z.fold(f64::NEG_INFINITY, |a, &b| a.max(b));
        let weights = z.mapv(|z| (z - greatest).exp());
        let p = &weights / weights.sum();
        let mut order: Vec<usize> = (0..z.len()).collect();
        order.sort_by(|&a, &b| p[b].total_cmp(&p[a]));
        let target_comes = |k: &usize| *k == target as usize;
        let rest = order.split_off(order.len().min(7));
        order.extend(rest.into_iter().find(target_comes));
        self.line(
            "\nprediction: z = w_linear h + b_linear, p = softmax(z), d_z = p - (1 for the target, else 0)",
        );
        self.line(&format!("{:<38}{:>10}{:>10}{:>10}", "character", "z", "p", "d_z"));
        for k in order {
            let name = self.character(k as u32) + if target_comes(&k) { ", the target" } else { "" };
            self.line(&format!("{name:<38}{:>10.4}{:>10.4}{:>10.4}", z[k], p[k], d_z[k]));
        }
        self.line(&format!("loss = -ln p({}) = {:.4} nats", self.character(target), sums.nats));
        d_z
    }

    /// One layer at one step, given all that its output gave to the loss, and what the step after sends back along the cell.
    fn back(&self, l: usize, t: usize, d_h: Array1<f64>, d_c_next: &Array1<f64>) -> Back {
        let (cache, weights) = (&self.pass.layers[l], &self.network.layers[l]);
        let gates = step(&cache.gates, t);
        let [i, f, g, o] = [I, F, G, O].map(|q| self.part(&gates, q));
        let tanh_c = step(&cache.c, t).mapv(f64::tanh);
        let sigmoid_slope = |y: &Array1<f64>| y * (1.0 - y);
        let tanh_slope = |y: &Array1<f64>| 1.0 - y * y;
        let d_c = d_c_next + &d_h * &o * tanh_slope(&tanh_c);
        let d_a_i = &d_c * &g * sigmoid_slope(&i);
        let d_a_f = &d_c * step(&cache.c_prev, t) * sigmoid_slope(&f);
        let d_a_g = &d_c * &i * tanh_slope(&g);
        let d_a_o = &d_h * &tanh_c * sigmoid_slope(&o);
        let d_a = concatenate![Axis(0), d_a_i, d_a_f, d_a_g, d_a_o];
        // Nothing passes back through a reset.
        let passes = if self.batch.resets[[t, 0]] { 0.0 } else { 1.0 };
        let d_h_prev = weights.w_hh.t().dot(&d_a) * passes;
        let d_c_prev = &d_c * &f * passes;
        Back { d_h, d_c, d_h_prev, d_c_prev, d_x: weights.w_ih.t().dot(&d_a), d_a_i, d_a_f, d_a_g, d_a_o }
    }

    /// Back from step `last`, whose gradients are told one by one, through the steps before it. Returns each layer's gradients, those of
    /// step `last` first.
    fn backward(&mut self, last: usize, d_z: &Array1<f64>) -> Vec<Vec<Back>> {
        let (layers, zeros) = (self.network.layers.len(), Array1::zeros(self.network.hidden()));
        let mut all: Vec<Vec<Back>> = (0..layers).map(|_| Vec::new()).collect();
        for t in (0..=last).rev() {
            let mut above = if t == last { self.network.linear_weight.t().dot(d_z) } else { zeros.clone() };
            for l in (0..layers).rev() {
                let next = all[l].last();
                let d_h = &above + next.map_or(&zeros, |next| &next.d_h_prev);
                let back = self.back(l, t, d_h, next.map_or(&zeros, |next| &next.d_c_prev));
                above = back.d_x.clone();
                if t == last {
                    self.tell(l, t, &back);
                }
                all[l].push(back);
            }
        }
        self.line("\nback through time: norms of what is sent to the step before");
        let columns: String =
            (0..layers).map(|l| format!("{:>20}{:>20}", format!("layer {l} d_h_prev"), "d_c_prev")).collect();
        self.line(&format!("{:<18}{columns}", "step reads"));
        for t in (0..=last).rev().take(BACK) {
            let numbers: String = all
                .iter()
                .map(|layer| &layer[last - t])
                .map(|back| format!("{:>20.1e}{:>20.1e}", norm(&back.d_h_prev), norm(&back.d_c_prev)))
                .collect();
            let reads = self.character(self.batch.tokens[[t, 0]]);
            self.line(&format!("{t:<5}{reads:<13}{numbers}"));
        }
        all
    }

    fn tell(&mut self, l: usize, t: usize, back: &Back) {
        let top = l + 1 == self.network.layers.len();
        let (x, h_prev) = (step(&self.pass.layers[l].x, t), step(&self.pass.layers[l].h_prev, t));
        self.line(&format!("\nlayer {l}, backward"));
        let from = if top { "w_linearᵀ d_z".to_string() } else { format!("d_x of layer {}", l + 1) };
        self.row(&format!("d_h = {from}"), &back.d_h);
        self.row("d_c = d_h o (1 - tanh²(c))", &back.d_c);
        self.row("d_a_i = d_c g i (1 - i)", &back.d_a_i);
        self.row("d_a_f = d_c c_prev f (1 - f)", &back.d_a_f);
        self.row("d_a_g = d_c i (1 - g²)", &back.d_a_g);
        self.row("d_a_o = d_h tanh(c) o (1 - o)", &back.d_a_o);
        self.row("d_w_ii[0] = d_a_i[0] x", &(x * back.d_a_i[0]));
        self.row("d_w_hi[0] = d_a_i[0] h_prev", &(h_prev * back.d_a_i[0]));
        self.row("d_x = w_ihᵀ d_a", &back.d_x);
        self.row("d_h_prev = w_hhᵀ d_a", &back.d_h_prev);
        self.row("d_c_prev = d_c f", &back.d_c_prev);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nn::reference::backward;

    /// What the walk sends back is what the reference computes, which central differences prove.
    #[test]
    fn the_gradients_are_the_references() {
        let (vocabulary, network, nats) = small::model().unwrap();
        assert!((0.05..0.6).contains(&nats), "it has learned, and has something left: {nats}");
        // In the second text a tune begins within.
        for read in [small::TEXT, "|:df\n\n|:dfa"] {
            let tokens = vocabulary.encode(read).unwrap();
            let batch = small::batch(&tokens, vocabulary.newline(), None, false);
            let last = batch.steps() - 1;
            let pass = forward(&network, &batch, &zero_states(&network, 1), None);
            let d_logits = loss(&batch, &pass.logits).1;
            let want = backward(&network, &batch, &pass, None, &d_logits);
            let mut walk = Walk {
                text: String::new(),
                vocabulary: &vocabulary,
                network: &network,
                batch: &batch,
                pass: &pass,
                shown: 9,
            };
            let d_z = walk.prediction(last);
            let got = walk.backward(last, &d_z);
            let close = |got: f64, want: f64| assert!((got - want).abs() <= 1e-12, "{got} for {want}");
            for (l, layer) in got.iter().enumerate() {
                let bias =
                    |of: fn(&Back) -> &Array1<f64>, u: usize| -> f64 { layer.iter().map(|b| of(b)[u]).sum() };
                for u in 0..network.hidden() {
                    let want = |q: usize| want.network.layers[l].bias[q * network.hidden() + u];
                    close(bias(|b| &b.d_a_i, u), want(I));
                    close(bias(|b| &b.d_a_f, u), want(F));
                    close(bias(|b| &b.d_a_g, u), want(G));
                    close(bias(|b| &b.d_a_o, u), want(O));
                }
                let first = layer.last().unwrap();
                first.d_h_prev.iter().zip(&want.states[l].0).for_each(|(&got, &want)| close(got, want));
                first.d_c_prev.iter().zip(&want.states[l].1).for_each(|(&got, &want)| close(got, want));
            }
            let begins = read.contains('\n');
            assert_eq!(want.states.iter().all(|(h, c)| h.iter().chain(c).all(|&d| d == 0.0)), begins);
        }
    }
}
