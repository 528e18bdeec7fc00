//! Embedding, dropout, loss and optimisers.

use super::*;

#[test]
fn rows_are_gathered_and_their_gradients_added_in_order() {
    let mut noise = Noise::new(51);
    let shapes = [(1, 1, 1), (7, 3, 5), (40, 64, 9), (33, 131, 6), (300, 17, 93), (1000, 65, 200)];
    for (gpu, (count, width, entries)) in gpus().iter().flat_map(|gpu| shapes.map(|shape| (gpu, shape))) {
        let index: Vec<u32> = (0..count).map(|k| (k * k + 1) as u32 % entries as u32).collect();
        let mut inputs = index.clone();
        sort_places(&mut inputs, count, entries);
        let table = noise.vec(entries * width, 1.0);
        let inputs = words(gpu, &inputs);

        let mut want = vec![0.0; count * width];
        embedding::gather(Isa::best(), width, &table, &index, &mut want, &mut Team::alone());
        let out = poisoned(gpu, count * width);
        run(gpu, |r| r.gather(width, &exactly(gpu, &table), (&inputs, 0), count, &out));
        assert_eq!(read(gpu, &out), want, "{count} of {width}");

        let rows = noise.vec(count * width, 1.0);
        let mut want = vec![0.0; entries * width];
        embedding::scatter_add(Isa::best(), width, &rows, &index, &mut want, &mut Team::alone());
        let d_table = poisoned(gpu, entries * width);
        let places = (&inputs, count, 2 * count);
        run(gpu, |r| r.scatter_add(width, &exactly(gpu, &rows), places, entries, &d_table));
        // In the same order, so to the same bits.
        assert_eq!(read(gpu, &d_table), want, "{count} of {width}: gradient");
    }
}

#[test]
fn masks_are_the_cpus_bit_for_bit() {
    for gpu in &gpus() {
        let mut settings = Settings::new(gpu).expect("room");
        for (rate, seed, step, layer) in
            [(0.3, 5, 3, 1), (0.5, u64::MAX, 1 << 40, 0), (0.0, 1, 1, 2), (0.999, 7, 0, 3)]
        {
            for (steps, rows, hidden) in [(1, 1, 1), (3, 2, 5), (2, 7, 64), (5, 3, 131), (100, 70, 13)] {
                let site = Site { seed, step, layer };
                let mut want = vec![1.0; steps * rows * hidden];
                let dropout = Dropout { rate, site, first_row: 0, rows };
                dropout.apply_in_place(Isa::best(), hidden, &mut want, &mut Team::alone());
                let values = fenced(gpu, &vec![1.0; want.len()]);
                settings.dropout(site);
                settings.upload(gpu);
                run(gpu, |r| r.dropout(&settings, (steps * rows, rows, hidden), (layer, rate), &values));
                // -0 equals 0; the CPU marks what it dropped so.
                assert_eq!(read(gpu, &values), want, "rate {rate}, T {steps} R {rows} H {hidden}");
            }
        }
    }
}

/// Rows `first..` of these logits against the CPU.
fn check_loss(gpu: &Gpu, noise: &mut Noise, vocabulary: usize, all_rows: usize, first: usize) {
    let scale = [1.0, 30.0, 1e4][all_rows % 3];
    let logits = noise.vec(all_rows * vocabulary, scale);
    let targets: Vec<u32> = (0..all_rows).map(|r| (r * 7 % vocabulary) as u32).collect();
    let weights: Vec<f32> = (0..all_rows).map(|r| [1.0, 0.0, 0.5][r % 3]).collect();
    let total = 17.5;
    let mut want = logits.clone();
    let sums = softmax::CrossEntropy {
        logits: &mut want[first * vocabulary..],
        targets: &targets[first..],
        weights: &weights[first..],
        total_weight: Some(total),
    }
    .run(Isa::best(), vocabulary);

    let bits: Vec<u32> = weights.iter().map(|w| w.to_bits()).collect();
    let inputs = words(gpu, &[&targets[..], &bits].concat());
    let mut settings = Settings::new(gpu).expect("room");
    settings.loss(total);
    settings.upload(gpu);
    for gradient in [true, false] {
        let (device_logits, rows) = (fenced(gpu, &logits), poisoned(gpu, 2 * all_rows));
        run(gpu, |r| {
            r.cross_entropy(CrossEntropy {
                rows: first..all_rows,
                all_rows,
                vocabulary,
                inputs: &inputs,
                targets: 0,
                weights: all_rows,
                settings: &settings,
                logits: &device_logits,
                gradient,
                sums: &rows,
            });
        });
        let what = format!("V {vocabulary}, rows {first} to {all_rows}");
        let (got, rows) = (read(gpu, &device_logits), read(gpu, &rows));
        if gradient {
            close(&got, &in_f64(&want), RTOL, 1e-8, &what);
        } else {
            assert_eq!(got, logits, "{what}: evaluation leaves the logits alone");
        }
        let sum =
            |from: usize| rows[from + first..from + all_rows].iter().map(|&x| f64::from(x)).sum::<f64>();
        // Each loss is a difference of logits.
        let near = (sum(0) - sums.nats).abs() <= 1e-6 * sums.nats.abs() + 1e-6 + 1e-7 * f64::from(scale);
        assert!(near, "{what}: {} nats instead of {}", sum(0), sums.nats);
        assert_eq!(sum(all_rows), sums.correct, "{what}");
    }
}

#[test]
fn loss_and_gradient_match_the_cpu() {
    let mut noise = Noise::new(52);
    for gpu in &gpus() {
        for vocabulary in [1, 2, 63, 64, 65, 93, 300] {
            for (all_rows, first) in [(1, 0), (7, 0), (9, 4), (131, 1)] {
                check_loss(gpu, &mut noise, vocabulary, all_rows, first);
            }
        }
        // More rows than any dispatch has workgroups.
        check_loss(gpu, &mut noise, 3, 65_535 + 77, 2);
    }
}

#[test]
fn what_is_not_finite_shows_in_the_loss_and_stops_the_update() {
    let Some(gpu) = gpu() else { return };
    let mut settings = Settings::new(&gpu).expect("room");
    settings.loss(1.0);
    settings.rmsprop(&RmsProp { lr: 0.1, alpha: 0.9, epsilon: 1e-8, clip: 1.0 }, 0.0);
    settings.upload(&gpu);
    for bad in [f32::NAN, f32::INFINITY] {
        for at in [0, 3, 70] {
            let mut logits = vec![0.0; 71];
            logits[at] = bad;
            let (logits, sums) = (fenced(&gpu, &logits), poisoned(&gpu, 2));
            let (parts, totals) = (poisoned(&gpu, SUMS), exactly(&gpu, &[0.0; 3]));
            let inputs = words(&gpu, &[1, 1f32.to_bits()]);
            let before = [1.0, 2.0, 3.0];
            let [p, v] = [0, 1].map(|_| fenced(&gpu, &before));
            let gradients = fenced(&gpu, &[1.0; 3]);
            run(&gpu, |r| {
                r.cross_entropy(CrossEntropy {
                    rows: 0..1,
                    all_rows: 1,
                    vocabulary: 71,
                    inputs: &inputs,
                    targets: 0,
                    weights: 1,
                    settings: &settings,
                    logits: &logits,
                    gradient: false,
                    sums: &sums,
                });
                r.sum(&sums, 0..1, false, &parts, (&totals, 0));
                r.rmsprop(&settings, &totals, &gradients, &p, &v);
            });
            assert!(!read(&gpu, &sums)[0].is_finite(), "{bad} at {at}");
            assert_eq!((read(&gpu, &p), read(&gpu, &v)), (before.to_vec(), before.to_vec()), "{bad} at {at}");
        }
    }
}

#[test]
fn optimisers_match_the_cpu_and_clip() {
    let mut noise = Noise::new(53);
    let lengths = [1, 17, 255, 256, 257, 70_001];
    for (gpu, len) in gpus().iter().flat_map(|gpu| lengths.map(|len| (gpu, len))) {
        let mut settings = Settings::new(gpu).expect("room");
        let (p, g, m) = (noise.vec(len, 1.0), noise.vec(len, 2.0), noise.vec(len, 0.1));
        let v: Vec<f32> = noise.vec(len, 0.1).iter().map(|x| x.abs()).collect();
        let norm = elementwise::sum_of_squares(Isa::best(), &g).sqrt();
        // No clipping, a norm that clips, one that does not.
        for most in [0.0, 0.5 * norm, 2.0 * norm] {
            let clip = if most > 0.0 { (most / (norm + 1e-6)).min(1.0) as f32 } else { 1.0 };
            let adam =
                Adam { step_size: 0.01, beta1: 0.9, beta2: 0.999, root_correction: 3.0, epsilon: 1e-8, clip };
            let rmsprop = RmsProp { lr: 0.01, alpha: 0.99, epsilon: 1e-8, clip };
            let gradients = fenced(gpu, &g);
            let (parts, totals) = (poisoned(gpu, SUMS), exactly(gpu, &[0.0; 3]));
            for is_adam in [true, false] {
                let mut want = [p.clone(), m.clone(), v.clone()];
                let [want_p, want_m, want_v] = &mut want;
                if is_adam {
                    settings.adam(&adam, most as f32);
                    adam.update(Isa::best(), want_p, &g, want_m, want_v);
                } else {
                    settings.rmsprop(&rmsprop, most as f32);
                    rmsprop.update(Isa::best(), want_p, &g, want_v);
                }
                settings.upload(gpu);
                let arrays = [&p, &m, &v].map(|values| fenced(gpu, values));
                let [d_p, d_m, d_v] = &arrays;
                run(gpu, |r| {
                    r.sum(&gradients, 0..len, true, &parts, (&totals, 2));
                    if is_adam {
                        r.adam(&settings, &totals, &gradients, d_p, [d_m, d_v]);
                    } else {
                        r.rmsprop(&settings, &totals, &gradients, d_p, d_v);
                    }
                });
                for (k, (got, want)) in arrays.iter().zip(&want).enumerate() {
                    // The fence is updated too: it has a gradient of its own, and only these numbers count.
                    let got = got.read(gpu).expect("the device works");
                    close(&got[..len], &in_f64(want), RTOL, ATOL, &format!("{len} numbers, array {k}"));
                }
            }
        }
    }
}
