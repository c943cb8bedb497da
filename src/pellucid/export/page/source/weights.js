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

/** Levels of 4 or 2 bits, several to a byte, the first in the lowest: odd numbers from -(2^bits - 1) on. */
function levelsOf(bytes, bits, size) {
  const each = 8 / bits, top = 2 ** bits - 1;
  return Int8Array.from({ length: size }, (_, i) => 2 * ((bytes[Math.floor(i / each)] >> (bits * (i % each))) & top) - top);
}

const FORMS = {
  f32: (buffer, { offset }, size) => new Float32Array(buffer, offset, size),
  f16: (buffer, { offset }, size) => Float32Array.from(new Uint16Array(buffer, offset, size), fromHalf),
  i8: (buffer, { offset, scales }, size) => Float32Array.from(new Int8Array(buffer, offset, size), (v, i) => v * scales[Math.floor((i * scales.length) / size)]),
  i32: (buffer, { offset }, size) => new Int32Array(buffer, offset, size),
  u8: (buffer, { offset }, size) => new Uint8Array(buffer, offset, size),
  levels: (buffer, { offset, bits }, size) => (bits === 8 ? new Int8Array(buffer, offset, size) : levelsOf(new Uint8Array(buffer, offset), bits, size)),
};

/** Every array with its shape: floats of any width as Float32Array, whole numbers as they are. */
function unpackArrays(rows, text) {
  const { buffer } = bytesOf(text);
  return rows.map((row) => ({ shape: row.shape, data: FORMS[row.form](buffer, row, row.shape.reduce((a, b) => a * b, 1)) }));
}
