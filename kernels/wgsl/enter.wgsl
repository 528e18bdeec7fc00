// The state that enters a sequence: h[0] = 0 where the first step resets, else the carried h; c[0] = the carried c.
//
// Shapes: state_h, state_c [L, R, H], of which this is layer `layer`; h, c [T + 1, R, H]; resets [T, R] from `resets_at` in `inputs`.
// Workgroup: 256 invocations, one number each, on to the next round where there are more numbers than invocations.
// Bindings: 0 state_h, 1 state_c, 2 inputs, 3 h, 4 c.

struct Entering {
    rows: u32,
    hidden: u32,
    layer: u32,
    resets_at: u32,
}

var<immediate> p: Entering;
@group(0) @binding(0) var<storage, read> state_h: array<f32>;
@group(0) @binding(1) var<storage, read> state_c: array<f32>;
@group(0) @binding(2) var<storage, read> inputs: array<u32>;
@group(0) @binding(3) var<storage, read_write> h: array<f32>;
@group(0) @binding(4) var<storage, read_write> c: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let size = p.rows * p.hidden;
    for (var k = id.x; k < size; k += groups.x * 256u) {
        let reset = inputs[p.resets_at + k / p.hidden] != 0u;
        let at = p.layer * size + k;
        h[k] = select(state_h[at], 0.0, reset);
        c[k] = state_c[at];
    }
}
