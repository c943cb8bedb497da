// The weights out of the text that carries them.

function bytesOf(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return bytes;
}

/** The number that 16 bits stand for as IEEE 754 binary16. */
function fromHalf(bits) {
  const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** Every array as Float32Array with its shape. */
function unpackArrays(rows, text) {
  const { buffer } = bytesOf(text);
  return rows.map(({ shape, offset, form, scales }) => {
    const size = shape.reduce((a, b) => a * b, 1);
    if (form === "f32") return { shape, data: new Float32Array(buffer, offset, size) };
    if (form === "f16") return { shape, data: Float32Array.from(new Uint16Array(buffer, offset, size), fromHalf) };
    const row = size / scales.length;
    return { shape, data: Float32Array.from(new Int8Array(buffer, offset, size), (v, i) => v * scales[(i / row) | 0]) };
  });
}
