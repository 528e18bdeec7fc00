// The gradient of gather.wgsl, without races and without atomics: d_table[v] = the sum of rows[n] over all n with index[n] = v, in the
// order of n. Each number of the table has one invocation, which walks through the places of its entry.
//
// Shapes: rows [N, width], d_table [V, width]; in `inputs`: order [N] from `order_at` (the places n, sorted by entry, equals in order)
// and starts [V + 1] from `starts_at` (where each entry's places begin in it).
// Workgroup: 64 invocations, neighbouring columns of one entry, then of another; dispatch: (ceil(width / 64), up to V).
// Bindings: 0 inputs, 1 rows, 2 d_table.

struct ScatterAdd {
    entries: u32,
    width: u32,
    order_at: u32,
    starts_at: u32,
}

var<immediate> p: ScatterAdd;
@group(0) @binding(0) var<storage, read> inputs: array<u32>;
@group(0) @binding(1) var<storage, read> rows: array<f32>;
@group(0) @binding(2) var<storage, read_write> d_table: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let column = group.x * 64u + index;
    if column >= p.width {
        return;
    }
    for (var entry = group.y; entry < p.entries; entry += groups.y) {
        let end = inputs[p.starts_at + entry + 1u];
        var sum = 0.0;
        for (var k = inputs[p.starts_at + entry]; k < end; k += 1u) {
            sum += rows[inputs[p.order_at + k] * p.width + column];
        }
        d_table[entry * p.width + column] = sum;
    }
}
