// Convolution of one image (C, H, W), and its adjoints. Sums are kept in 64 bits.
// Of a window with R x S taps, tap (r, s) of place (p, q) lies on pixel (p stride + r dilation - pad, likewise).

const TILE = 1 << 15; // numbers of the image that are laid out at a time: so many stay in cache

/** Filters (K, C, R, S) of one group in blocks of four, tap by tap: what the inner loop reads in order. */
function packFilters(w, first, count, taps) {
  const packed = new Float64Array(Math.ceil(count / 4) * 4 * taps);
  for (let k = 0; k < count; k++)
    for (let i = 0; i < taps; i++) packed[((k >> 2) * taps + i) * 4 + (k & 3)] = w[(first + k) * taps + i];
  return packed;
}

/** y = x * w + b. g: kernel, stride, pads (top, bottom, left, right), dilation, groups; from: what the frame holds, else 0.
    cache: keeps packed filters. Numbers: kind of array that it gives. */
function convolve(x, [C, H, W], w, b, [K, P, Q], g, cache, Numbers = Float32Array) {
  const y = new Numbers(K * P * Q), perGroup = C / g.groups, filters = K / g.groups;
  if (perGroup === 1) return depthwise(x, [C, H, W], w, b, y, [K, P, Q], g);
  const [R, S] = g.kernel, taps = perGroup * R * S;
  if (!cache.packed) cache.packed = Array.from({ length: g.groups }, (_, i) => packFilters(w, i * filters, filters, taps));
  const places = P * Q, width = Math.max(2, Math.min(places + (places & 1), 2 * Math.floor(TILE / taps / 2)));
  const columns = new Float64Array(taps * width);
  for (let group = 0; group < g.groups; group++)
    for (let start = 0; start < places; start += width) {
      const count = Math.min(width, places - start);
      layOut(x, group * perGroup, perGroup, H, W, Q, g, start, count, taps, columns);
      multiply(cache.packed[group], columns, taps, filters, count, y, group * filters, places, start, b);
    }
  return y;
}

/** The windows of places start .. start + count, two side by side, as the inner loop reads them. */
function layOut(x, firstChannel, channels, H, W, Q, g, start, count, taps, columns) {
  const [R, S] = g.kernel, [down, across] = g.stride, [dr, ds] = g.dilation, top = g.pads[0], left = g.pads[2], outside = g.from || 0;
  const rounded = count + (count & 1);
  for (let j = 0; j < rounded; j++) {
    const place = start + j, p = Math.floor(place / Q), q = place - p * Q;
    let at = (j >> 1) * taps * 2 + (j & 1);
    const y0 = p * down - top, x0 = q * across - left;
    for (let c = 0; c < channels; c++) {
      const plane = (firstChannel + c) * H * W;
      for (let r = 0; r < R; r++) {
        const row = y0 + r * dr, inside = row >= 0 && row < H && j < count, base = plane + row * W;
        for (let s = 0; s < S; s++, at += 2) {
          const column = x0 + s * ds;
          columns[at] = inside && column >= 0 && column < W ? x[base + column] : outside;
        }
      }
    }
  }
}

/** Four filters times two windows at a time. */
function multiply(packed, columns, taps, filters, count, y, firstFilter, places, start, b) {
  for (let j = 0; j < count; j += 2)
    for (let block = 0; block < filters; block += 4) {
      let a0 = 0, a1 = 0, a2 = 0, a3 = 0, b0 = 0, b1 = 0, b2 = 0, b3 = 0;
      let at = j * taps, wt = block * taps;
      for (let i = 0; i < taps; i++, at += 2, wt += 4) {
        const x0 = columns[at], x1 = columns[at + 1];
        const w0 = packed[wt], w1 = packed[wt + 1], w2 = packed[wt + 2], w3 = packed[wt + 3];
        a0 += w0 * x0; b0 += w0 * x1;
        a1 += w1 * x0; b1 += w1 * x1;
        a2 += w2 * x0; b2 += w2 * x1;
        a3 += w3 * x0; b3 += w3 * x1;
      }
      const lanes = [a0, a1, a2, a3, b0, b1, b2, b3];
      for (let k = 0; k < 4 && block + k < filters; k++) {
        const filter = firstFilter + block + k, bias = b ? b[filter] : 0, to = filter * places + start + j;
        y[to] = lanes[k] + bias;
        if (j + 1 < count) y[to + 1] = lanes[k + 4] + bias;
      }
    }
}

/** One input channel a filter. */
function depthwise(x, [C, H, W], w, b, y, [K, P, Q], g) {
  const [R, S] = g.kernel, [down, across] = g.stride, [dr, ds] = g.dilation, [top, bottom, left, right] = g.pads;
  const wide = W + left + right, plane = new Float64Array((H + top + bottom) * wide), each = K / C, line = new Float64Array(Q);
  plane.fill(g.from || 0);
  for (let k = 0; k < K; k++) {
    const from = Math.floor(k / each) * H * W;
    if (k % each === 0) for (let r = 0; r < H; r++) for (let c = 0; c < W; c++) plane[(r + top) * wide + c + left] = x[from + r * W + c];
    for (let p = 0; p < P; p++) {
      line.fill(b ? b[k] : 0);
      for (let r = 0; r < R; r++)
        for (let s = 0; s < S; s++) {
          const weight = w[(k * R + r) * S + s];
          for (let q = 0, at = (p * down + r * dr) * wide + s * ds; q < Q; q++, at += across) line[q] += weight * plane[at];
        }
      y.set(line, (k * P + p) * Q);
    }
  }
  return y;
}

/** Calls visit(k, c, weight index, first p, last p, first q, last q, row offset, column offset) for every tap. */
function eachTap([C, H, W], [K, P, Q], g, visit) {
  const [R, S] = g.kernel, perGroup = C / g.groups, filters = K / g.groups;
  const span = (offset, stride, places, size) => [
    Math.max(0, Math.ceil(-offset / stride)), Math.min(places, Math.floor((size - 1 - offset) / stride) + 1)];
  for (let r = 0; r < R; r++)
    for (let s = 0; s < S; s++) {
      const dy = r * g.dilation[0] - g.pads[0], dx = s * g.dilation[1] - g.pads[2];
      const [p0, p1] = span(dy, g.stride[0], P, H), [q0, q1] = span(dx, g.stride[1], Q, W);
      for (let k = 0; k < K; k++)
        for (let c = 0; c < perGroup; c++)
          visit(k, Math.floor(k / filters) * perGroup + c, ((k * perGroup + c) * R + r) * S + s, p0, p1, q0, q1, dy, dx);
    }
}

/** dx of y = x * w; also what a transposed convolution does. */
function convolveBack(dy, [K, P, Q], w, [C, H, W], g, Numbers = Float32Array) {
  const dx = new Float64Array(C * H * W), [down, across] = g.stride;
  eachTap([C, H, W], [K, P, Q], g, (k, c, i, p0, p1, q0, q1, oy, ox) => {
    const weight = w[i];
    if (weight === 0) return;
    for (let p = p0; p < p1; p++) {
      const to = (c * H + p * down + oy) * W + ox, from = (k * P + p) * Q;
      for (let q = q0; q < q1; q++) dx[to + q * across] += weight * dy[from + q];
    }
  });
  return Numbers.from(dx);
}

/** Adds to dw the gradient for the filters of y = x * w. */
function filterGradient(x, [C, H, W], dy, [K, P, Q], g, dw) {
  const [down, across] = g.stride;
  eachTap([C, H, W], [K, P, Q], g, (k, c, i, p0, p1, q0, q1, oy, ox) => {
    let sum = 0;
    for (let p = p0; p < p1; p++) {
      const from = (c * H + p * down + oy) * W + ox, at = (k * P + p) * Q;
      for (let q = q0; q < q1; q++) sum += x[from + q * across] * dy[at + q];
    }
    dw[i] += sum;
  });
}
