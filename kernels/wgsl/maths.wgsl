// exp, sigmoid and tanh as the CPU has them (kernels/src/vecmath.rs): the same reduction, the same polynomial. WGSL's own tanh may be
// wrong by 1e-5. Stands before each shader that needs it.
//
//   n = round(x / ln 2)      r = x - n ln 2      q = expm1(r) ~ r + r^2 (C2 + r (C3 + r (C4 + r (C5 + r C6))))
//   exp(x) = 2^n (1 + q)     expm1(x) = 2^n q + (2^n - 1)
//
// Comparisons are written so that NaN goes through them.

const LOG2_E: f32 = 1.44269504;
const LN_2_HIGH: f32 = 0.693359375;
const LN_2_LOW: f32 = -2.12194440e-4;

// 2^n for a whole n from -126 to 127.
fn power_of_two(n: f32) -> f32 {
    return bitcast<f32>(u32(i32(n) + 127) << 23u);
}

// expm1(x - n ln 2)
fn reduced(x: f32, n: f32) -> f32 {
    let r = fma(-n, LN_2_LOW, fma(-n, LN_2_HIGH, x));
    var p = fma(0.0013837861, r, 0.008367319);
    p = fma(p, r, 0.04166774);
    p = fma(p, r, 0.16666538);
    p = fma(p, r, 0.49999997);
    return fma(r * r, p, r);
}

// e^x for x <= 0; below -87 it stays at e^-87, which is 1.6e-38.
fn exp_negative(x: f32) -> f32 {
    let y = select(x, -87.0, x < -87.0);
    let n = round(y * LOG2_E);
    return power_of_two(n) * (1.0 + reduced(y, n));
}

// 1 / (1 + e^-x), by e^x / (1 + e^x) where x < 0, so that the lower tail keeps its digits.
fn sigmoid(x: f32) -> f32 {
    let e = exp_negative(-abs(x));
    return select(1.0, e, x < 0.0) / (1.0 + e);
}

// t / (t + 2) with t = expm1(2 |x|); 1 to the last bit beyond 9.02.
fn tanh_exact(x: f32) -> f32 {
    let twice = select(2.0 * abs(x), 20.0, abs(x) > 10.0);
    let n = round(twice * LOG2_E);
    let power = power_of_two(n);
    let t = fma(power, reduced(twice, n), power - 1.0);
    let y = t / (t + 2.0);
    return select(y, -y, x < 0.0);
}
