// The gradient of a bias: sums[n] = the sum of rows[r, n] over r.
//
// Shapes: rows [R, width] from `rows_at`; sums [width] from `sums_at`.
// Workgroup: 32 columns × 8 invocations, each of which adds every eighth row; then the eight in order. Dispatch: ceil(width / 32).
// Bindings: 0 rows, 1 sums.

struct ColumnSums {
    rows: u32,
    width: u32,
    rows_at: u32,
    sums_at: u32,
}

var<immediate> p: ColumnSums;
@group(0) @binding(0) var<storage, read> rows: array<f32>;
@group(0) @binding(1) var<storage, read_write> sums: array<f32>;

var<workgroup> parts: array<f32, 256>;

@compute @workgroup_size(32, 8)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let column = group.x * 32u + local.x;
    var sum = 0.0;
    if column < p.width {
        for (var r = local.y; r < p.rows; r += 8u) {
            sum += rows[p.rows_at + r * p.width + column];
        }
    }
    parts[index] = sum;
    workgroupBarrier();
    if local.y == 0u && column < p.width {
        for (var k = 1u; k < 8u; k += 1u) {
            sum += parts[k * 32u + local.x];
        }
        sums[p.sums_at + column] = sum;
    }
}
