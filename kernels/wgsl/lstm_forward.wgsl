// The gate maths of step t of an LSTM layer; the recurrent product was added to the gates before.
//
//   i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)      g = tanh(a_g)
//   c' = f c + i g                                          h' = o tanh(c')
//
// where c counts as 0 if step t resets. The h that enters step t + 1 is 0 where that step resets.
// Shapes: gates [T, R, 4H], in: a, out: i, f, g, o; c [T + 1, R, H], of which t is read and t + 1 written; h [T + 1, R, H], of which
// t + 1 is written, as it enters the next step; out [T, R, H], of which t is written, as the layer gives it on; resets [T, R] from
// `resets_at` in `inputs`.
// Workgroup: 256 invocations, one unit each. Bindings: 0 inputs, 1 gates, 2 c, 3 h, 4 out. Begins with maths.wgsl.

struct Step {
    rows: u32,
    hidden: u32,
    steps: u32,
    t: u32,
    resets_at: u32,
}

var<immediate> p: Step;
@group(0) @binding(0) var<storage, read> inputs: array<u32>;
@group(0) @binding(1) var<storage, read_write> gates: array<f32>;
@group(0) @binding(2) var<storage, read_write> c: array<f32>;
@group(0) @binding(3) var<storage, read_write> h: array<f32>;
@group(0) @binding(4) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let size = p.rows * p.hidden;
    for (var k = id.x; k < size; k += groups.x * 256u) {
        let r = k / p.hidden;
        let at = 4u * p.hidden * (p.t * p.rows + r) + k % p.hidden;
        let i = sigmoid(gates[at]);
        let f = sigmoid(gates[at + p.hidden]);
        let g = tanh_exact(gates[at + 2u * p.hidden]);
        let o = sigmoid(gates[at + 3u * p.hidden]);
        let reset = inputs[p.resets_at + p.t * p.rows + r] != 0u;
        let before = select(c[p.t * size + k], 0.0, reset);
        let cell = fma(f, before, i * g);
        let hidden = o * tanh_exact(cell);
        var next_reset = false;
        if p.t + 1u < p.steps {
            next_reset = inputs[p.resets_at + (p.t + 1u) * p.rows + r] != 0u;
        }
        gates[at] = i;
        gates[at + p.hidden] = f;
        gates[at + 2u * p.hidden] = g;
        gates[at + 3u * p.hidden] = o;
        c[(p.t + 1u) * size + k] = cell;
        h[(p.t + 1u) * size + k] = select(hidden, 0.0, next_reset);
        out[p.t * size + k] = hidden;
    }
}
