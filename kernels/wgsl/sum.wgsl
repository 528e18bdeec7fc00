// The sum of numbers, or of their squares, in an order that follows from their count and the number of workgroups alone:
//
//   sums[sums_at + g] = sum over rounds j of values[values_at + (j · G + g) · 256 + lane], the lanes added as a tree
//
// Shapes: values [N]; sums, one number for each of the G workgroups. A second dispatch of one workgroup adds those up.
// Workgroup: 256 invocations. Bindings: 0 values, 1 sums.

struct Sum {
    count: u32,
    values_at: u32,
    sums_at: u32,
    // 1: of their squares.
    squares: u32,
}

var<immediate> p: Sum;
@group(0) @binding(0) var<storage, read> values: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;

const LANES: u32 = 256u;
var<workgroup> parts: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    var sum = 0.0;
    for (var k = group.x * LANES + lane; k < p.count; k += groups.x * LANES) {
        let x = values[p.values_at + k];
        sum += select(x, x * x, p.squares != 0u);
    }
    parts[lane] = sum;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if lane < half {
            parts[lane] += parts[lane + half];
        }
        workgroupBarrier();
    }
    if lane == 0u {
        sums[p.sums_at + group.x] = parts[0];
    }
}
