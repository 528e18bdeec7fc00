//! Products and sums.

use super::*;

/// `op(A) · op(B) (+ bias) (+ C)` in f64.
fn product((a, b): (&[f32], &[f32]), (m, n, k): (usize, usize, usize), (a_t, b_t): (bool, bool)) -> Vec<f64> {
    let mut c = vec![0.0; m * n];
    for r in 0..m {
        for j in 0..n {
            for d in 0..k {
                let left = if a_t { a[d * m + r] } else { a[r * k + d] };
                let right = if b_t { b[j * k + d] } else { b[d * n + j] };
                c[r * n + j] += f64::from(left) * f64::from(right);
            }
        }
    }
    c
}

#[test]
fn gemm_matches_f64_at_odd_sizes_transposed_or_not() {
    let Some(gpu) = gpu() else { return };
    let mut noise = Noise::new(31);
    let shapes = [
        (1, 1, 1),
        (3, 5, 2),
        (17, 33, 16),
        (31, 64, 15),
        (32, 32, 32),
        (65, 7, 100),
        (2, 130, 37),
        (97, 65, 131),
    ];
    // One that is large enough for large tiles.
    for (m, n, k) in shapes.into_iter().chain([(1030, 1027, 19)]) {
        for (case, (a_t, b_t)) in
            [(false, false), (false, true), (true, false), (true, true)].into_iter().enumerate()
        {
            let (a, b, bias) = (noise.vec(m * k, 1.0), noise.vec(k * n, 1.0), noise.vec(n + 2, 1.0));
            let c = noise.vec(m * n, 1.0);
            let (with_bias, accumulate) = (case % 2 == 0, case >= 2);
            let mut want = product((&a, &b), (m, n, k), (a_t, b_t));
            for (at, want) in want.iter_mut().enumerate() {
                *want += if with_bias { f64::from(bias[2 + at % n]) } else { 0.0 };
                *want += if accumulate { f64::from(c[at]) } else { 0.0 };
            }
            // Each begins a little later in its array.
            let (a, b) =
                (exactly(&gpu, &[&[9.0; 3][..], &a].concat()), exactly(&gpu, &[&[9.0; 1][..], &b].concat()));
            let bias = exactly(&gpu, &bias);
            let start = if accumulate { c } else { vec![f32::NAN; m * n] };
            let c = fenced(&gpu, &[&[POST; 2][..], &start].concat());
            let a = if a_t { Matrix::new(&a, 3, k, m).t() } else { Matrix::new(&a, 3, m, k) };
            let b = if b_t { Matrix::new(&b, 1, n, k).t() } else { Matrix::new(&b, 1, k, n) };
            let bias = with_bias.then_some((&bias, 2));
            run(&gpu, |r| r.gemm(Gemm { a, b, bias, accumulate, c: (&c, 2) }));
            let got = read(&gpu, &c);
            assert_eq!(got[..2], [POST; 2], "written before");
            // Sums of k products round by about √k ulps of their parts.
            let atol = 1e-6 * (k as f64).sqrt();
            close(&got[2..], &want, RTOL, atol, &format!("{m}×{n}×{k}, transposed {a_t} {b_t}"));
        }
    }
}

#[test]
fn column_sums_match_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let mut noise = Noise::new(32);
    for (rows, width) in [(1, 1), (7, 3), (8, 32), (9, 33), (100, 31), (641, 67)] {
        let matrix = noise.vec(rows * width, 1.0);
        let mut want = vec![0.0; width];
        elementwise::add_rows(Isa::best(), &matrix, &mut want);
        let sums = fenced(&gpu, &[&[POST; 5][..], &vec![f32::NAN; width]].concat());
        let device = exactly(&gpu, &[&[9.0; 3][..], &matrix].concat());
        run(&gpu, |r| r.column_sums(Matrix::new(&device, 3, rows, width), (&sums, 5)));
        let got = read(&gpu, &sums);
        assert_eq!(got[..5], [POST; 5]);
        close(&got[5..], &in_f64(&want), RTOL, 1e-5, &format!("{rows}×{width}"));
    }
}

#[test]
fn sums_and_sums_of_squares_match_f64() {
    let Some(gpu) = gpu() else { return };
    let mut noise = Noise::new(33);
    for len in [0, 1, 255, 256, 257, 16_384, 70_001] {
        let values: Vec<f32> = noise.vec(len + 2, 1.0).iter().map(|x| x + 0.5).collect();
        let array = exactly(&gpu, &values);
        let range = 1..len + 1;
        let (parts, totals) = (poisoned(&gpu, 2 * SUMS), poisoned(&gpu, 2));
        run(&gpu, |r| {
            r.sum(&array, range.clone(), false, 0, &parts, &totals);
            r.sum(&array, range.clone(), true, 1, &parts, &totals);
        });
        let (parts, totals) = (read(&gpu, &parts), read(&gpu, &totals));
        for (slot, power) in [(0, 1), (1, 2)] {
            let want: f64 = values[range.clone()].iter().map(|&x| f64::from(x).powi(power)).sum();
            let sum: f64 = parts[slot * SUMS..][..SUMS].iter().map(|&x| f64::from(x)).sum();
            assert!((sum - want).abs() <= 1e-6 * want.abs() + 1e-6, "{len}: {sum} instead of {want}");
            close(&[totals[slot]], &[want], 1e-5, 1e-5, &format!("{len} total"));
        }
    }
}
