// The gradients of the gates of step t, from what reaches its h and c.
//
//   d_h = d_out + d_h_next                                  d_c = d_c_next + d_h o (1 - tanh^2 c')
//   d_a_i = d_c g i (1 - i)                                 d_a_f = d_c c f (1 - f)
//   d_a_g = d_c i (1 - g^2)                                 d_a_o = d_h tanh(c') o (1 - o)
//   d_c handed on = d_c f
//
// where d_h_next (the product of the gate gradients of step t + 1 with W_hh) and d_c_next are 0 at the last step and where step t + 1
// resets, and c counts as 0 where step t resets.
// Shapes: gates [T, R, 4H], of which t, in: i, f, g, o, out: the gradients; c [T + 1, R, H] as in lstm_forward.wgsl; d_out [T, R, H];
// d_h_next, d_c [R, H]; resets [T, R] from `resets_at` in `inputs`.
// Workgroup: 256 invocations, one unit each. Bindings: 0 inputs, 1 c, 2 d_out, 3 d_h_next, 4 d_c, 5 gates. Begins with maths.wgsl.

struct Step {
    rows: u32,
    hidden: u32,
    steps: u32,
    t: u32,
    resets_at: u32,
}

var<immediate> p: Step;
@group(0) @binding(0) var<storage, read> inputs: array<u32>;
@group(0) @binding(1) var<storage, read> c: array<f32>;
@group(0) @binding(2) var<storage, read> d_out: array<f32>;
@group(0) @binding(3) var<storage, read> d_h_next: array<f32>;
@group(0) @binding(4) var<storage, read_write> d_c: array<f32>;
@group(0) @binding(5) var<storage, read_write> gates: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let size = p.rows * p.hidden;
    for (var k = id.x; k < size; k += groups.x * 256u) {
        let r = k / p.hidden;
        let at = 4u * p.hidden * (p.t * p.rows + r) + k % p.hidden;
        let i = gates[at];
        let f = gates[at + p.hidden];
        let g = gates[at + 2u * p.hidden];
        let o = gates[at + 3u * p.hidden];
        var d_h = d_out[p.t * size + k];
        var d_cell = 0.0;
        if p.t + 1u < p.steps {
            if inputs[p.resets_at + (p.t + 1u) * p.rows + r] == 0u {
                d_h += d_h_next[k];
                d_cell = d_c[k];
            }
        }
        let reset = inputs[p.resets_at + p.t * p.rows + r] != 0u;
        let before = select(c[p.t * size + k], 0.0, reset);
        let shown = tanh_exact(c[(p.t + 1u) * size + k]);
        d_cell = fma(d_h * o, fma(-shown, shown, 1.0), d_cell);
        gates[at] = d_cell * g * (i * (1.0 - i));
        gates[at + p.hidden] = d_cell * before * (f * (1.0 - f));
        gates[at + 2u * p.hidden] = d_cell * i * fma(-g, g, 1.0);
        gates[at + 3u * p.hidden] = d_h * shown * (o * (1.0 - o));
        d_c[k] = d_cell * f;
    }
}
