//! The fused steps against the equations in f64, at every row count and odd widths, outputs poisoned.

use super::*;
use crate::Team;
use crate::packed::Packed;
use crate::testing::{Fenced, Noise, Unaligned, close, isas, product};

const HIDDEN: [usize; 8] = [1, 3, 7, 16, 17, 37, 64, 71];

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Gates, c and h of one step from the gates before their activation.
fn step(a: &[f64], c_prev: &[f32], rows: usize, hidden: usize) -> (Vec<f64>, Vec<f64>, Vec<f64>) {
    let (mut gates, mut c, mut h) = (a.to_vec(), vec![0.0; rows * hidden], vec![0.0; rows * hidden]);
    for r in 0..rows {
        for u in 0..hidden {
            let at = |gate: usize| (4 * r + gate) * hidden + u;
            let (i, f, g, o) = (sigmoid(a[at(0)]), sigmoid(a[at(1)]), a[at(2)].tanh(), sigmoid(a[at(3)]));
            let k = r * hidden + u;
            c[k] = f * f64::from(c_prev[k]) + i * g;
            h[k] = o * c[k].tanh();
            for (gate, value) in [i, f, g, o].into_iter().enumerate() {
                gates[at(gate)] = value;
            }
        }
    }
    (gates, c, h)
}

#[test]
fn forward_matches_the_equations() {
    let (mut noise, mut team) = (Noise::new(1), Team::new(2));
    for isa in isas() {
        for hidden in HIDDEN {
            for rows in 1..=17 {
                let w_hh = noise.vec(4 * hidden * hidden, 0.5);
                // Some inputs lie far out on the tails of σ and tanh.
                let input = noise.vec(rows * 4 * hidden, if rows % 3 == 0 { 40.0 } else { 2.0 });
                let (h_prev, c_prev) = (noise.vec(rows * hidden, 1.0), noise.vec(rows * hidden, 2.0));
                let mut a = product(&h_prev, &w_hh, hidden);
                a.iter_mut().zip(&input).for_each(|(a, &x)| *a += f64::from(x));
                let (want_gates, want_c, want_h) = step(&a, &c_prev, rows, hidden);

                let mut packed = Packed::new_gates(isa, hidden, hidden);
                packed.pack_rows(&w_hh);
                let mut gates = Fenced::new(&input);
                let (mut c, mut h) = (Fenced::poisoned(rows * hidden), Fenced::poisoned(rows * hidden));
                Forward {
                    w_hh: &packed,
                    h_prev: &Unaligned::new(&h_prev),
                    c_prev: &Unaligned::new(&c_prev),
                    gates: &mut gates,
                    c: &mut c,
                    h: &mut h,
                }
                .run(&mut team);
                let what = format!("{isa} H {hidden} R {rows}");
                close(&gates, &want_gates, 2e-5, 2e-6, &format!("{what} gates"));
                close(&c, &want_c, 2e-5, 4e-6, &format!("{what} c"));
                close(&h, &want_h, 2e-5, 4e-6, &format!("{what} h"));
            }
        }
    }
}

#[test]
fn forward_with_input_matches_the_equations() {
    let (mut noise, mut team) = (Noise::new(2), Team::new(2));
    for isa in isas() {
        for (inputs, hidden) in [(1, 1), (5, 7), (32, 48), (33, 37), (3, 65)] {
            for rows in 1..=17 {
                let (w_ih, w_hh) = (noise.vec(4 * hidden * inputs, 0.5), noise.vec(4 * hidden * hidden, 0.5));
                let (bias, x) = (noise.vec(4 * hidden, 1.0), noise.vec(rows * inputs, 1.0));
                let (h_prev, c_prev) = (noise.vec(rows * hidden, 1.0), noise.vec(rows * hidden, 2.0));
                let mut a = product(&h_prev, &w_hh, hidden);
                let from_x = product(&x, &w_ih, inputs);
                for (k, a) in a.iter_mut().enumerate() {
                    *a += from_x[k] + f64::from(bias[k % (4 * hidden)]);
                }
                let (_, want_c, want_h) = step(&a, &c_prev, rows, hidden);

                let mut packed_ih = Packed::new_gates(isa, inputs, hidden);
                packed_ih.pack_rows(&w_ih);
                let mut packed_hh = Packed::new_gates(isa, hidden, hidden);
                packed_hh.pack_rows(&w_hh);
                let (mut c, mut h) = (Fenced::poisoned(rows * hidden), Fenced::poisoned(rows * hidden));
                ForwardInput {
                    w_ih: &packed_ih,
                    w_hh: &packed_hh,
                    bias: &Unaligned::new(&bias),
                    x: &Unaligned::new(&x),
                    h_prev: &Unaligned::new(&h_prev),
                    c_prev: &Unaligned::new(&c_prev),
                    c: &mut c,
                    h: &mut h,
                }
                .run(&mut team);
                close(&c, &want_c, 2e-5, 4e-6, &format!("{isa} I {inputs} H {hidden} R {rows} c"));
                close(&h, &want_h, 2e-5, 4e-6, &format!("{isa} I {inputs} H {hidden} R {rows} h"));
            }
        }
    }
}

#[test]
fn backward_matches_the_equations() {
    let (mut noise, mut team) = (Noise::new(3), Team::new(2));
    for isa in isas() {
        for hidden in HIDDEN {
            for rows in 1..=17 {
                let w_hh = noise.vec(4 * hidden * hidden, 0.5);
                let last = rows % 5 == 0;
                let next = noise.vec(rows * 4 * hidden, 0.3);
                let (d_out, d_c_next) = (noise.vec(rows * hidden, 1.0), noise.vec(rows * hidden, 1.0));
                let (c_prev, c) = (noise.vec(rows * hidden, 2.0), noise.vec(rows * hidden, 2.0));
                let gates: Vec<f32> = noise
                    .vec(rows * 4 * hidden, 0.5)
                    .iter()
                    .enumerate()
                    .map(|(k, x)| if k / hidden % 4 == 2 { *x } else { x + 0.5 })
                    .collect();
                let (mut want, mut want_d_c) = (vec![0.0; gates.len()], vec![0.0; rows * hidden]);
                for r in 0..rows {
                    for u in 0..hidden {
                        let k = r * hidden + u;
                        let at = |gate: usize| (4 * r + gate) * hidden + u;
                        let [i, f, g, o] = std::array::from_fn(|gate| f64::from(gates[at(gate)]));
                        let mut d_h = f64::from(d_out[k]);
                        if !last {
                            for m in 0..4 * hidden {
                                d_h += f64::from(next[r * 4 * hidden + m]) * f64::from(w_hh[m * hidden + u]);
                            }
                        }
                        let t = f64::from(c[k]).tanh();
                        let d_c = f64::from(d_c_next[k]) + d_h * o * (1.0 - t * t);
                        want[at(0)] = d_c * g * i * (1.0 - i);
                        want[at(1)] = d_c * f64::from(c_prev[k]) * f * (1.0 - f);
                        want[at(2)] = d_c * i * (1.0 - g * g);
                        want[at(3)] = d_h * t * o * (1.0 - o);
                        want_d_c[k] = d_c * f;
                    }
                }
                let mut packed = Packed::new(isa, 4 * hidden, hidden);
                packed.pack_columns(&w_hh);
                let (mut d_gates, mut d_c) = (Fenced::new(&gates), Fenced::new(&d_c_next));
                Backward {
                    w_hh: &packed,
                    d_gates_next: (!last).then_some(&Unaligned::new(&next)),
                    d_h: &Unaligned::new(&d_out),
                    d_c: &mut d_c,
                    c_prev: &Unaligned::new(&c_prev),
                    c: &Unaligned::new(&c),
                    gates: &mut d_gates,
                }
                .run(&mut team);
                close(&d_gates, &want, 2e-5, 5e-6, &format!("{isa} H {hidden} R {rows} d_gates"));
                close(&d_c, &want_d_c, 2e-5, 5e-6, &format!("{isa} H {hidden} R {rows} d_c"));
            }
        }
    }
}
