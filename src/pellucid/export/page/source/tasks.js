// From a network's outputs to an answer.

function softmax(logits) {
  const most = Math.max(...logits), powers = Array.from(logits, (v) => Math.exp(v - most)), sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((v) => v / sum);
}

/** The likeliest class of each place of maps (K, H, W). */
function likeliest(maps, [K, H, W]) {
  return Uint8Array.from({ length: H * W }, (_, i) => {
    let top = 0;
    for (let k = 1; k < K; k++) if (maps[k * H * W + i] > maps[top * H * W + i]) top = k;
    return top;
  });
}

/** Boxes of outputs (K + 5, h, w), best first; `dropped` are those that a better one of their class strikes out. */
function findBoxes(y, [channels, h, w], set, [H, W]) {
  const K = channels - 5, n = h * w, found = [];
  for (let i = 0; i < n; i++)
    for (let k = 0; k < K; k++) {
      const score = sigmoid(y[k * n + i]) ** (1 - set.quality_power) * sigmoid(y[(K + 4) * n + i]) ** set.quality_power;
      if (score < set.least_score) continue;
      const at = (c) => y[(K + c) * n + i];
      const middle = [((i % w) + 0.5 + at(0)) * set.stride, (Math.floor(i / w) + 0.5 + at(1)) * set.stride];
      const half = [2, 3].map((c) => (Math.exp(set.log_range * Math.tanh(at(c) / set.log_range)) * set.base) / 2);
      const cut = (v, most) => Math.min(Math.max(v, 0), most);
      const box = [cut(middle[0] - half[0], W), cut(middle[1] - half[1], H), cut(middle[0] + half[0], W), cut(middle[1] + half[1], H)];
      found.push({ box, label: k, score });
    }
  found.sort((a, b) => b.score - a.score);
  const able = found.slice(0, set.candidates).filter(({ box }) => box[2] > box[0] && box[3] > box[1]), kept = [];
  for (const one of able) {
    one.dropped = kept.some((other) => other.label === one.label && overlap(other.box, one.box) > set.nms_iou);
    if (!one.dropped) kept.push(one);
  }
  const last = new Set(kept.slice(0, set.most));
  return able.filter((one) => one.dropped || last.has(one));
}

function overlap(a, b) {
  const shared = Math.max(0, Math.min(a[2], b[2]) - Math.max(a[0], b[0])) * Math.max(0, Math.min(a[3], b[3]) - Math.max(a[1], b[1]));
  const area = (c) => (c[2] - c[0]) * (c[3] - c[1]);
  return shared / (area(a) + area(b) - shared);
}
