// C [M, N] = A [M, K] · B [K, N] (+ bias [N]), or C += A · B (+ bias).
//
// Each operand is an array with two strides, so that a transposed matrix costs nothing to name; C is row-major.
// Workgroup: SIDE × SIDE invocations make a tile of 4·SIDE × 4·SIDE numbers of C, 4 × 4 each, DEPTH of the summed index at a time through
// workgroup memory (2 · DEPTH · TILE f32: 8 KiB at SIDE 16). The host writes `const SIDE` before this: 16, or 8 for small products.
// Dispatch: (ceil(N / TILE), ceil(M / TILE)). The order of each sum follows from the shape alone.
// Bindings: 0 A, 1 B, 2 bias, 3 C.

struct Product {
    m: u32,
    n: u32,
    k: u32,
    // Where each array begins, and from row to row and column to column.
    a_at: u32,
    a_row: u32,
    a_col: u32,
    b_at: u32,
    b_row: u32,
    b_col: u32,
    bias_at: u32,
    c_at: u32,
    // 1: a bias is added; 2: C is added to.
    flags: u32,
}

var<immediate> p: Product;
@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> c: array<f32>;

const TILE: u32 = 4u * SIDE;
const DEPTH: u32 = 16u;
const PART: u32 = TILE * DEPTH;
// [DEPTH, TILE] each
var<workgroup> tile_a: array<f32, PART>;
var<workgroup> tile_b: array<f32, PART>;

@compute @workgroup_size(SIDE, SIDE)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(local_invocation_id) local: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let first_row = group.y * TILE;
    let first_col = group.x * TILE;
    var sums: array<vec4<f32>, 4>;
    for (var start = 0u; start < p.k; start += DEPTH) {
        // Neighbouring invocations read along the stride of 1.
        for (var at = index; at < PART; at += SIDE * SIDE) {
            let along_row = p.a_col == 1u;
            let r = select(at % TILE, at / DEPTH, along_row);
            let d = select(at / TILE, at % DEPTH, along_row);
            var value = 0.0;
            if first_row + r < p.m && start + d < p.k {
                value = a[p.a_at + (first_row + r) * p.a_row + (start + d) * p.a_col];
            }
            tile_a[d * TILE + r] = value;
        }
        for (var at = index; at < PART; at += SIDE * SIDE) {
            let along_row = p.b_col == 1u;
            let n = select(at / DEPTH, at % TILE, along_row);
            let d = select(at % DEPTH, at / TILE, along_row);
            var value = 0.0;
            if first_col + n < p.n && start + d < p.k {
                value = b[p.b_at + (start + d) * p.b_row + (first_col + n) * p.b_col];
            }
            tile_b[d * TILE + n] = value;
        }
        workgroupBarrier();
        for (var d = 0u; d < DEPTH; d += 1u) {
            let left = d * TILE + 4u * local.y;
            let right = d * TILE + 4u * local.x;
            let row = vec4<f32>(tile_b[right], tile_b[right + 1u], tile_b[right + 2u], tile_b[right + 3u]);
            sums[0] = fma(vec4<f32>(tile_a[left]), row, sums[0]);
            sums[1] = fma(vec4<f32>(tile_a[left + 1u]), row, sums[1]);
            sums[2] = fma(vec4<f32>(tile_a[left + 2u]), row, sums[2]);
            sums[3] = fma(vec4<f32>(tile_a[left + 3u]), row, sums[3]);
        }
        workgroupBarrier();
    }
    for (var i = 0u; i < 4u; i += 1u) {
        let r = first_row + 4u * local.y + i;
        for (var j = 0u; j < 4u; j += 1u) {
            let n = first_col + 4u * local.x + j;
            if r < p.m && n < p.n {
                let at = p.c_at + r * p.n + n;
                var sum = sums[i][j];
                if (p.flags & 1u) != 0u {
                    sum += bias[p.bias_at + n];
                }
                if (p.flags & 2u) != 0u {
                    sum += c[at];
                }
                c[at] = sum;
            }
        }
    }
}
