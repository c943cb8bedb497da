// One unit of an integer network: whole products, their sum, what scales and rounds it, and what that stands for.

/** How a unit came to its value. */
function wholeOf(node, value) {
  const parts = WHOLE[node.op] ? WHOLE[node.op](node, value) : [line(`${told(node)} → ${node.kind} = ${value}`)];
  if (node.step) parts.push(line(`${word("standsFor")} ${shown(node.step)} × ${node.zero ? `(${value} − ${node.zero})` : value} = ${shown(node.step * (value - node.zero))}`));
  return parts;
}

const line = (text, attributes = {}) => make("p", text, { class: "sum", ...attributes });
const level = (name, node) => { const v = state.values[name]; return node.order ? v[orderIndex(node, flatIndex())] : v[spreadIndex(flatIndex(), state.values[node.name].length, v.length)]; };

/** The inputs, where each number of the output comes of one of theirs. */
function told(node) {
  return node.inputs.map((name) => (node.order || state.values[name].length === state.values[node.name].length ? `${name} ${level(name, node)}` : name)).join(", ");
}

/** A sum scaled, rounded, moved to the output's zero, and kept within bounds. */
function scaledLine(node, sum, multiplier, shift, value) {
  const exact = (sum * multiplier) / POWERS[shift], rounded = rescaled(sum, multiplier, shift);
  const start = `${sum} × ${multiplier} / 2^${shift} = ${Number(exact.toPrecision(9))}, ${word("rounded")} ${rounded}`;
  const rest = node.wide ? "" : ` + ${node.zero} = ${rounded + node.zero}; ${word("within")} ${node.low} … ${node.high}: ${value}`;
  return line(start + rest, { id: "scaled", "data-rounded": rounded, "data-value": value });
}

function affineOf(node, value) {
  const index = node.op === "linear" ? flatIndex() : state.channel, bias = network.arrays[node.bias].data[index], side = node.op === "conv" ? node.pool : 1;
  if (index >= node.shape[0]) return [];
  const squares = Array.from({ length: side * side }, (_, i) => (node.op === "linear" ? termsOf(node) : termsOf(node, state.row * side + Math.floor(i / side), state.column * side + (i % side))));
  const all = squares.map((terms) => added(totals(terms)) + bias), top = topOf(all), sums = totals(squares[top]), total = added(sums);
  const parts = productsOf(node, squares[top], sums);
  parts.push(line(`${word("sum")} ${total} + ${word("bias")} ${bias} = ${total + bias}`, { id: "sum", "data-total": total, "data-bias": bias, "data-value": total + bias }));
  if (side > 1) parts.push(line(`${word("largest")} ${all.join(", ")}`));
  parts.push(scaledLine(node, total + bias, network.arrays[node.multiplier].data[index], network.arrays[node.shift].data[index], value));
  return parts;
}

const WHOLE = {
  conv: affineOf,
  linear: affineOf,
  add(node, value) {
    const terms = node.inputs.map((name, k) => [level(name, node), node.zeros[k], node.multipliers[k]]), sum = added(terms.map(([q, zero, by]) => (q - zero) * by));
    const written = line(`${terms.map(([q, zero, by]) => `(${q} − ${zero}) × ${by}`).join(" + ")} = ${sum}`, { id: "sum", "data-value": sum });
    return node.wide ? [written] : [written, scaledLine(node, sum, 1, node.shift, value)];
  },
  multiply(node, value) {
    const [a, b] = node.inputs.map((name, k) => level(name, node) - node.zeros[k]);
    return [line(`${a} × ${b} = ${a * b}`, { id: "sum", "data-value": a * b }), scaledLine(node, a * b, node.multiplier, node.shift, value)];
  },
};
