// Rows of a table by number: out[n] = table[index[n]].
//
// Shapes: table [V, width], out [N, width], index [N] from `index_at` in `inputs`.
// Workgroup: 256 invocations, one number each, on to the next round. Bindings: 0 inputs, 1 table, 2 out.

struct Gather {
    count: u32,
    width: u32,
    index_at: u32,
}

var<immediate> p: Gather;
@group(0) @binding(0) var<storage, read> inputs: array<u32>;
@group(0) @binding(1) var<storage, read> table: array<f32>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    for (var k = id.x; k < p.count * p.width; k += groups.x * 256u) {
        out[k] = table[inputs[p.index_at + k / p.width] * p.width + k % p.width];
    }
}
