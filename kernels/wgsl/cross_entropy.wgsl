// Softmax and cross-entropy of rows of logits.
//
//   p_k = exp(z_k - max z) / sum_j exp(z_j - max z)         loss = w · -ln p_target
//   d_z_k = w (p_k - [k = target]) / W                      W: the weights of the whole minibatch
//
// Shapes: logits [N, V], in: z, out: d_z where `gradient` is 1; targets [N] and weights [N] (f32) from their places in `inputs`, from
// row `first` on; sums [2, N], of which row n writes its loss and, where the first greatest logit is the target, its weight, else 0.
// A row of weight 0 gives 0 everywhere.
// Workgroup: 64 invocations on one row, then the next row. Bindings: 0 settings (uniform), 1 inputs, 2 logits, 3 sums.
// Begins with settings.wgsl and maths.wgsl.

struct CrossEntropy {
    rows: u32,
    vocabulary: u32,
    // Of rows `first..` only; the logits and the sums begin there too.
    first: u32,
    targets_at: u32,
    weights_at: u32,
    gradient: u32,
    // N: from the losses to the weights of the correct ones.
    all_rows: u32,
}

var<immediate> p: CrossEntropy;
@group(0) @binding(0) var<uniform> settings: Settings;
@group(0) @binding(1) var<storage, read> inputs: array<u32>;
@group(0) @binding(2) var<storage, read_write> logits: array<f32>;
@group(0) @binding(3) var<storage, read_write> sums: array<f32>;

const LANES: u32 = 64u;
var<workgroup> greatest: array<f32, LANES>;
var<workgroup> places: array<u32, LANES>;
var<workgroup> parts: array<f32, LANES>;

@compute @workgroup_size(LANES)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    for (var row = p.first + group.x; row < p.rows; row += groups.x) {
        let start = row * p.vocabulary;
        let weight = bitcast<f32>(inputs[p.weights_at + row]);
        let target_at = inputs[p.targets_at + row];

        var best = logits[start];
        var place = 0u;
        for (var k = lane; k < p.vocabulary; k += LANES) {
            let z = logits[start + k];
            if z > best {
                best = z;
                place = k;
            }
        }
        greatest[lane] = best;
        places[lane] = place;
        workgroupBarrier();
        for (var half = LANES / 2u; half > 0u; half /= 2u) {
            if lane < half {
                let z = greatest[lane + half];
                let k = places[lane + half];
                // Of equals the first.
                if z > greatest[lane] || (z == greatest[lane] && k < places[lane]) {
                    greatest[lane] = z;
                    places[lane] = k;
                }
            }
            workgroupBarrier();
        }
        best = greatest[0];
        place = places[0];

        var sum = 0.0;
        for (var k = lane; k < p.vocabulary; k += LANES) {
            sum += exp_negative(logits[start + k] - best);
        }
        parts[lane] = sum;
        workgroupBarrier();
        for (var half = LANES / 2u; half > 0u; half /= 2u) {
            if lane < half {
                parts[lane] += parts[lane + half];
            }
            workgroupBarrier();
        }
        sum = parts[0];
        let z_target = logits[start + target_at];
        // The row's logits were read; the next loop overwrites them, and the next row the workgroup's memory.
        workgroupBarrier();

        if lane == 0u {
            let counts = weight != 0.0;
            sums[row] = select(0.0, weight * (log(sum) + best - z_target), counts);
            sums[p.all_rows + row] = select(0.0, weight, counts && place == target_at);
        }
        if p.gradient != 0u {
            let scale = weight * settings.reciprocal;
            for (var k = lane; k < p.vocabulary; k += LANES) {
                let probability = exp_negative(logits[start + k] - best) / sum;
                let hit = select(0.0, 1.0, k == target_at);
                logits[start + k] = select(0.0, scale * (probability - hit), weight != 0.0);
            }
        }
    }
}
