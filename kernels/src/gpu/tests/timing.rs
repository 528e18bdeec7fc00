//! What is measured: multiply-adds that are the equations, parts that add up, and timestamps that change nothing.

use super::*;

#[test]
fn multiply_adds_are_done() {
    let Some(gpu) = gpu() else { return };
    for rounds in [0, 1, 2, 7] {
        let out = exactly(&gpu, &[f32::NAN; 512]);
        let mut operations = 0.0;
        run(&gpu, |r| operations = r.multiply_adds(rounds, &out));
        assert_eq!(operations, (rounds * 512 * 1024) as f64);
        let want = |k: usize| -> f64 {
            let chain = |j: usize| {
                let start = (k % 256) as f64 / 256.0 + j as f64 / 8.0;
                (0..16 * rounds).fold(start, |x, _| 0.75 * x + 0.25)
            };
            4.0 * (0..8).map(chain).sum::<f64>()
        };
        let want: Vec<f64> = (0..512).map(want).collect();
        close(&out.read(&gpu).expect("the device works"), &want, RTOL, ATOL, &format!("{rounds} rounds"));
    }
}

/// A product to one end, twice to another with a sum between, and copies.
#[test]
fn parts_are_timed_and_compute_the_same() {
    let Some(gpu) = gpu() else { return };
    let mut noise = Noise::new(51);
    let (a, b) = (exactly(&gpu, &noise.vec(20 * 30, 1.0)), exactly(&gpu, &noise.vec(30 * 10, 1.0)));
    let [c, copied] = [0, 1].map(|_| poisoned(&gpu, 200));
    let (sums, totals) = (poisoned(&gpu, SUMS), poisoned(&gpu, 1));
    let (a, b) = (Matrix::new(&a, 0, 20, 30), Matrix::new(&b, 0, 30, 10));
    let mut recorder = Recorder::new(&gpu);
    for (purpose, accumulate) in [("first", false), ("second", true), ("second", true)] {
        recorder.products_for(purpose);
        recorder.gemm(Gemm { a, b, bias: None, accumulate, c: (&c, 0) });
        recorder.copy(&c, 0..200, &copied, 0);
        recorder.sum(&c, 0..200, false, &sums, (&totals, 0));
    }
    let program = recorder.finish();
    let expected = [
        ("gemm32", "first", 1, Work::Operations(12_000.0)),
        ("sum", "", 6, Work::Bytes(3.0 * 4.0 * ((200 + SUMS) + (SUMS + 1)) as f64)),
        ("gemm32", "second", 2, Work::Operations(24_000.0)),
    ];
    let found = parts(&[&program]);
    let shown: Vec<_> =
        found.iter().map(|part| (part.shader(), part.purpose(), part.dispatches, part.work)).collect();
    assert_eq!(shown, expected);
    let twice: Vec<usize> = parts(&[&program, &program]).iter().map(|part| part.dispatches).collect();
    assert_eq!(twice, [2, 12, 4]);
    let dispatches = |part: &Part| parts(&[&program.only(part)])[0].dispatches;
    assert_eq!(found.iter().map(dispatches).collect::<Vec<_>>(), [1, 6, 2]);

    gpu.run(&[&program]);
    let want = [&c, &copied, &totals].map(|array| read(&gpu, array));
    if !gpu.has_timestamps() {
        return println!("skipped: no timestamps");
    }
    let began = std::time::Instant::now();
    let times = gpu.run_timed(&[&program]).expect("the device works");
    let elapsed = began.elapsed().as_secs_f64();
    assert_eq!([&c, &copied, &totals].map(|array| read(&gpu, array)), want);
    assert_eq!(times.iter().map(|time| time.stretches).collect::<Vec<_>>(), [1, 3, 2]);
    assert!(times.iter().all(|time| time.seconds > 0.0), "{times:?}");
    assert!(times.iter().map(|time| time.seconds).sum::<f64>() < elapsed, "{times:?} in {elapsed} s");
    assert_eq!(
        gpu.run_timed(&[&program.only(&found[0]), &Recorder::new(&gpu).finish()]).map(|t| t.len()),
        Ok(1)
    );
    assert_eq!(gpu.run_timed(&[]), Ok(Vec::new()));
}

/// More pairs of timestamps than one set has room for; and the longer loop takes longer.
#[test]
fn many_stretches_are_timed() {
    let Some(gpu) = gpu().filter(Gpu::has_timestamps) else { return };
    let out = exactly(&gpu, &[0.0; 256]);
    let program = |rounds| {
        let mut recorder = Recorder::new(&gpu);
        recorder.multiply_adds(rounds, &out);
        recorder.finish()
    };
    let (empty, long) = (program(0), program(1000));
    let count = 5000;
    let time = |program: &Program, count: usize| gpu.run_timed(&vec![program; count]).expect("times")[0];
    let many = time(&empty, count);
    assert_eq!(many.stretches, count);
    let each = many.seconds / count as f64;
    let long = (0..5).map(|_| time(&long, 1).seconds).fold(f64::INFINITY, f64::min);
    assert!(each > 0.0 && each < 0.5 * long, "{each} and {long} s");
    gpu.destroy();
    assert!(gpu.run_timed(&[&empty]).is_err());
}
