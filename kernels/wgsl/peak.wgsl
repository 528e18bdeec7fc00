// The most multiply-adds that a device does: chains in registers, each number from the one before it alone. With 0 rounds an empty dispatch.
//
//   x <- a x + b     16 times a round, in 8 · 4 chains of each invocation; out[k] is the sum of the 32
//
// Chain j of invocation k begins at (k mod 256) / 256 + j / 8, the same in all four lanes.
// Shapes: out [K], K = 256 · workgroups. Operations of a round: 2 · 16 · 32 · K.
// Workgroup: 256 invocations. Bindings: 0 out.

struct Peak {
    rounds: u32,
    // As bits, so that nothing of them is known beforehand.
    a: u32,
    b: u32,
}

var<immediate> p: Peak;
@group(0) @binding(0) var<storage, read_write> out: array<f32>;

fn four(start: vec4<f32>, a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return fma(a, fma(a, fma(a, fma(a, start, b), b), b), b);
}

fn sixteen(start: vec4<f32>, a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return four(four(four(four(start, a, b), a, b), a, b), a, b);
}

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let a = vec4<f32>(bitcast<f32>(p.a));
    let b = vec4<f32>(bitcast<f32>(p.b));
    let x = vec4<f32>(f32(id.x % 256u) / 256.0);
    var x0 = x;
    var x1 = x + 0.125;
    var x2 = x + 0.25;
    var x3 = x + 0.375;
    var x4 = x + 0.5;
    var x5 = x + 0.625;
    var x6 = x + 0.75;
    var x7 = x + 0.875;
    for (var round = 0u; round < p.rounds; round += 1u) {
        x0 = sixteen(x0, a, b);
        x1 = sixteen(x1, a, b);
        x2 = sixteen(x2, a, b);
        x3 = sixteen(x3, a, b);
        x4 = sixteen(x4, a, b);
        x5 = sixteen(x5, a, b);
        x6 = sixteen(x6, a, b);
        x7 = sixteen(x7, a, b);
    }
    let sum = ((x0 + x1) + (x2 + x3)) + ((x4 + x5) + (x6 + x7));
    if id.x < arrayLength(&out) {
        out[id.x] = (sum.x + sum.y) + (sum.z + sum.w);
    }
}
