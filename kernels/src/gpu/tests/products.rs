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

/// The product of this shape, transposed in this way, against f64; each array begins a little after its start.
fn check_gemm(gpu: &Gpu, noise: &mut Noise, (m, n, k): (usize, usize, usize), case: usize) {
    let (a_t, b_t, with_bias, accumulate) = (case & 1 != 0, case & 2 != 0, case & 4 != 0, case & 8 != 0);
    let (a, b, bias) = (noise.vec(m * k, 1.0), noise.vec(k * n, 1.0), noise.vec(n + 2, 1.0));
    let c = noise.vec(m * n, 1.0);
    let mut want = product((&a, &b), (m, n, k), (a_t, b_t));
    for (at, want) in want.iter_mut().enumerate() {
        *want += if with_bias { f64::from(bias[2 + at % n]) } else { 0.0 };
        *want += if accumulate { f64::from(c[at]) } else { 0.0 };
    }
    let a = exactly(gpu, &[&[9.0; 3][..], &a].concat());
    let b = exactly(gpu, &[&[9.0; 1][..], &b].concat());
    let bias = exactly(gpu, &bias);
    let start = if accumulate { c } else { vec![f32::NAN; m * n] };
    let c = fenced(gpu, &[&[POST; 2][..], &start].concat());
    let a = if a_t { Matrix::new(&a, 3, k, m).t() } else { Matrix::new(&a, 3, m, k) };
    let b = if b_t { Matrix::new(&b, 1, n, k).t() } else { Matrix::new(&b, 1, k, n) };
    let bias = with_bias.then_some((&bias, 2));
    run(gpu, |r| r.gemm(Gemm { a, b, bias, accumulate, c: (&c, 2) }));
    let got = read(gpu, &c);
    assert_eq!(got[..2], [POST; 2], "written before");
    // Sums of k products round by about √k ulps of their parts.
    let atol = 4.0 * f64::from(f32::EPSILON) * (k as f64).sqrt();
    close(&got[2..], &want, RTOL, atol, &format!("{m}×{n}×{k}, case {case}"));
}

#[test]
fn gemm_matches_f64_at_odd_sizes_transposed_or_not() {
    let Some(gpu) = gpu() else { return };
    let mut noise = Noise::new(31);
    let sizes = [1, 2, 7, 16, 31, 33, 65];
    let mut case = 0;
    for m in sizes {
        for n in sizes {
            for k in [1, 3, 15, 16, 17, 100] {
                // 16 cases and 294 shapes: each case at every size.
                check_gemm(&gpu, &mut noise, (m, n, k), case % 16);
                case += 7;
            }
        }
    }
    for case in 0..16 {
        check_gemm(&gpu, &mut noise, (97, 65, 131), case);
    }
}

#[test]
fn gemm_matches_f64_with_large_tiles_and_many_rows() {
    let Some(gpu) = gpu() else { return };
    let mut noise = Noise::new(34);
    for case in [1, 6, 8, 15] {
        check_gemm(&gpu, &mut noise, (1030, 1027, 19), case);
        // More rows than one dispatch has: two of 64 workgroups at most.
        check_gemm(&gpu.narrow(64), &mut noise, (64 * 32 + 33, 5, 9), case);
        check_gemm(&gpu.narrow(64), &mut noise, (64 * 64 + 65, 260, 3), case);
    }
}

#[test]
fn column_sums_match_the_cpu() {
    let Some(gpu) = gpu() else { return };
    let mut noise = Noise::new(32);
    for rows in [1, 7, 8, 9, 100, 641] {
        for width in [1, 3, 31, 32, 33, 67] {
            let matrix = noise.vec(rows * width, 1.0);
            let mut want = vec![0.0; width];
            elementwise::add_rows(Isa::best(), &matrix, &mut want);
            let sums = fenced(&gpu, &[&[POST; 5][..], &vec![f32::NAN; width]].concat());
            let device = exactly(&gpu, &[&[9.0; 3][..], &matrix].concat());
            run(&gpu, |r| r.column_sums(Matrix::new(&device, 3, rows, width), (&sums, 5)));
            let got = read(&gpu, &sums);
            assert_eq!(got[..5], [POST; 5]);
            let atol = 4.0 * f64::from(f32::EPSILON) * (rows as f64).sqrt();
            close(&got[5..], &in_f64(&want), RTOL, atol, &format!("{rows}×{width}"));
        }
    }
}

#[test]
fn sums_and_sums_of_squares_match_f64() {
    let Some(gpu) = gpu() else { return };
    let mut noise = Noise::new(33);
    for len in [0, 1, 255, 256, 257, 16_384, 70_001, 1_000_003] {
        let values: Vec<f32> = noise.vec(len + 2, 1.0).iter().map(|x| x + 0.5).collect();
        let array = exactly(&gpu, &values);
        let range = 1..len + 1;
        let (parts, totals) = (poisoned(&gpu, SUMS), poisoned(&gpu, 2));
        run(&gpu, |r| {
            r.sum(&array, range.clone(), false, &parts, (&totals, 0));
            r.sum(&array, range.clone(), true, &parts, (&totals, 1));
        });
        read(&gpu, &parts);
        let totals = read(&gpu, &totals);
        for (slot, power) in [(0, 1), (1, 2)] {
            let want: f64 = values[range.clone()].iter().map(|&x| f64::from(x).powi(power)).sum();
            close(&[totals[slot]], &[want], 1e-6, 1e-6, &format!("{len}, power {power}"));
        }
    }
}
