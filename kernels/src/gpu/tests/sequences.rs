//! Sequences of an LSTM layer, step by step against the CPU's fused kernels.

use super::*;

/// A sequence's sizes and numbers; some rows reset.
struct Case {
    steps: usize,
    rows: usize,
    hidden: usize,
    w_hh: Vec<f32>,
    input: Vec<f32>,
    state: [Vec<f32>; 2],
    resets: Vec<u32>,
}

impl Case {
    fn new(noise: &mut Noise, steps: usize, rows: usize, hidden: usize) -> Self {
        let size = rows * hidden;
        Case {
            steps,
            rows,
            hidden,
            w_hh: noise.vec(4 * hidden * hidden, 0.5),
            // Some inputs lie far out on the tails.
            input: noise.vec(steps * 4 * size, if rows.is_multiple_of(3) { 40.0 } else { 2.0 }),
            // Two layers; the second is used.
            state: [noise.vec(2 * size, 1.0), noise.vec(2 * size, 2.0)],
            resets: (0..steps * rows).map(|k| u32::from(k % 5 == 3 || k == 0)).collect(),
        }
    }

    fn all() -> Vec<Self> {
        let mut noise = Noise::new(41);
        let shapes = [
            (1, 1, 1),
            (3, 2, 7),
            (4, 5, 16),
            (2, 9, 33),
            (5, 3, 71),
            (2, 17, 64),
            (3, 255, 1),
            (3, 257, 1),
            (2, 130, 129),
        ];
        shapes.map(|(steps, rows, hidden)| Case::new(&mut noise, steps, rows, hidden)).into_iter().collect()
    }

    /// `values [R, N]` with zeros where step `t` resets.
    fn unless_reset(&self, values: &[f32], t: usize) -> Vec<f32> {
        let width = values.len() / self.rows;
        let reset = |k: usize| self.resets[t * self.rows + k / width] != 0;
        values.iter().enumerate().map(|(k, &x)| if reset(k) { 0.0 } else { x }).collect()
    }

    /// The CPU's gates, c and h of all steps, c and h with the state that enters first.
    fn forward(&self) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let size = self.rows * self.hidden;
        let mut packed = Packed::new_gates(Isa::best(), self.hidden, self.hidden);
        packed.pack_rows(&self.w_hh);
        let (mut gates, mut h, mut c) =
            (self.input.clone(), self.state[0][size..].to_vec(), self.state[1][size..].to_vec());
        for t in 0..self.steps {
            let (mut next_c, mut next_h) = (vec![0.0; size], vec![0.0; size]);
            lstm::Forward {
                w_hh: &packed,
                h_prev: &self.unless_reset(&h[t * size..], t),
                c_prev: &self.unless_reset(&c[t * size..], t),
                gates: &mut gates[4 * t * size..][..4 * size],
                c: &mut next_c,
                h: &mut next_h,
            }
            .run(&mut Team::alone());
            h.extend(next_h);
            c.extend(next_c);
        }
        (gates, c, h)
    }

    /// The CPU's gate gradients, from the gradient of the output.
    fn backward(&self, gates: &[f32], c: &[f32], d_out: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let size = self.rows * self.hidden;
        let mut packed = Packed::new(Isa::best(), 4 * self.hidden, self.hidden);
        packed.pack_columns(&self.w_hh);
        let (mut d_gates, mut d_c) = (gates.to_vec(), vec![0.0; size]);
        for t in (0..self.steps).rev() {
            let last = t + 1 == self.steps;
            let next = (!last).then(|| self.unless_reset(&d_gates[4 * (t + 1) * size..][..4 * size], t + 1));
            if !last {
                d_c = self.unless_reset(&d_c, t + 1);
            }
            lstm::Backward {
                w_hh: &packed,
                d_gates_next: next.as_deref(),
                d_h: &d_out[t * size..][..size],
                d_c: &mut d_c,
                c_prev: &self.unless_reset(&c[t * size..][..size], t),
                c: &c[(t + 1) * size..][..size],
                gates: &mut d_gates[4 * t * size..][..4 * size],
            }
            .run(&mut Team::alone());
        }
        (d_gates, d_c)
    }
}

#[test]
fn a_sequence_matches_the_cpu_forward_and_backward() {
    let mut noise = Noise::new(42);
    let cases = Case::all();
    for (gpu, case) in gpus().iter().flat_map(|gpu| cases.iter().map(move |case| (gpu, case))) {
        let Case { steps, rows, hidden, .. } = *case;
        let size = rows * hidden;
        let what = format!("T {steps} R {rows} H {hidden}");
        // Sums of H products enter the gates.
        let atol = ATOL * (hidden as f64 / 16.0).sqrt().max(1.0);
        let (want_gates, want_c, want_h) = case.forward();

        let resets = words(gpu, &[&[9; 3][..], &case.resets].concat());
        let [state_h, state_c] = [0, 1].map(|k| exactly(gpu, &case.state[k]));
        let (gates, w_hh) = (fenced(gpu, &case.input), exactly(gpu, &case.w_hh));
        let [c, h] = [0, 1].map(|_| poisoned(gpu, (steps + 1) * size));
        let out = poisoned(gpu, steps * size);
        let sequence = LstmSequence {
            steps,
            rows,
            hidden,
            resets: (&resets, 3),
            gates: &gates,
            c: &c,
            h: &h,
            out: &out,
        };
        run(gpu, |r| {
            r.lstm_enter(&sequence, [&state_h, &state_c], 1);
            for t in 0..steps {
                r.gemm(Gemm {
                    a: Matrix::new(&h, t * size, rows, hidden),
                    b: Matrix::new(&w_hh, 0, 4 * hidden, hidden).t(),
                    bias: None,
                    accumulate: true,
                    c: (&gates, 4 * t * size),
                });
                r.lstm_forward(&sequence, t);
            }
        });
        close(&read(gpu, &gates), &in_f64(&want_gates), RTOL, atol, &format!("{what} gates"));
        close(&read(gpu, &c), &in_f64(&want_c), RTOL, atol, &format!("{what} c"));
        close(&read(gpu, &out), &in_f64(&want_h[size..]), RTOL, atol, &format!("{what} output"));
        let mut entering: Vec<f32> =
            (0..steps).flat_map(|t| case.unless_reset(&want_h[t * size..][..size], t)).collect();
        entering.extend(&want_h[steps * size..]);
        close(&read(gpu, &h), &in_f64(&entering), RTOL, atol, &format!("{what} h"));

        let d_out = noise.vec(steps * size, 1.0);
        let (want_d, want_d_c) = case.backward(&want_gates, &want_c, &d_out);
        let d_out = exactly(gpu, &d_out);
        let [d_h_next, d_c] = [0, 1].map(|_| poisoned(gpu, size));
        run(gpu, |r| {
            for t in (0..steps).rev() {
                if t + 1 < steps {
                    r.gemm(Gemm {
                        a: Matrix::new(&gates, 4 * (t + 1) * size, rows, 4 * hidden),
                        b: Matrix::new(&w_hh, 0, 4 * hidden, hidden),
                        bias: None,
                        accumulate: false,
                        c: (&d_h_next, 0),
                    });
                }
                r.lstm_backward(&sequence, t, &d_out, &d_h_next, &d_c);
            }
        });
        close(&read(gpu, &gates), &in_f64(&want_d), RTOL, atol, &format!("{what} gate gradients"));
        close(&read(gpu, &d_c), &in_f64(&want_d_c), RTOL, atol, &format!("{what} d_c"));
    }
}

#[test]
fn the_same_program_computes_the_same_bits() {
    let Some(gpu) = gpu() else { return };
    let mut noise = Noise::new(43);
    let (a, b) = (exactly(&gpu, &noise.vec(70 * 300, 1.0)), exactly(&gpu, &noise.vec(300 * 50, 1.0)));
    let c = poisoned(&gpu, 70 * 50);
    let mut recorder = Recorder::new(&gpu);
    let (a, b) = (Matrix::new(&a, 0, 70, 300), Matrix::new(&b, 0, 300, 50));
    recorder.gemm(Gemm { a, b, bias: None, accumulate: false, c: (&c, 0) });
    let program = recorder.finish();
    let once = || {
        gpu.run(&[&program]);
        read(&gpu, &c).iter().map(|x| x.to_bits()).collect::<Vec<_>>()
    };
    assert_eq!(once(), once());
}
