// Colours as people without one kind of cone see them: series stay apart, and
// scales grow lighter from end to end.
import assert from 'node:assert/strict';
import { test } from 'node:test';

// What the module asks of a browser when it is loaded.
globalThis.matchMedia = () => ({ matches: false, addEventListener() {} });
const { AROUND, RISING, SERIES } = await import('../../web/src/palette.js');

// Linear RGB to linear RGB, for a missing cone: G. M. Machado, M. M. Oliveira,
// L. A. F. Fernandes, IEEE Trans. Vis. Comput. Graph. 15 (2009) 1291, severity 1.
const EYES = {
  'all cones': [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
  protanopia: [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
    [-0.003882, -0.048116, 1.051998]],
  deuteranopia: [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
    [-0.01182, 0.04294, 0.968881]],
  tritanopia: [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
    [0.004733, 0.691367, 0.3039]],
};
// A difference of 2.3 is just seen side by side; small marks far apart need
// several times that.
const APART = 10;

const times = (matrix, v) => matrix.map((row) => row.reduce((sum, m, i) => sum + m * v[i], 0));
const linear = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16) / 255)
  .map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);

// CIE L*a*b* of sRGB's white.
function lab(rgb) {
  const xyz = times([[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175],
    [0.0193339, 0.119192, 0.9503041]], rgb);
  const [x, y, z] = xyz.map((v, i) => v / [0.95047, 1, 1.08883][i])
    .map((t) => t > 216 / 24389 ? Math.cbrt(t) : (24389 / 27 * t + 16) / 116);
  return [116 * y - 16, 500 * (x - y), 200 * (y - z)];
}

const seen = (eyes, hex) => lab(times(EYES[eyes], linear(hex)).map((c) => Math.min(1, Math.max(0, c))));
const distance = (a, b) => Math.hypot(...a.map((v, i) => v - b[i]));

for (const eyes of Object.keys(EYES)) {
  test(`series stay apart with ${eyes}`, () => {
    SERIES.forEach((one, i) => SERIES.slice(i + 1).forEach((other) => {
      const far = distance(seen(eyes, one), seen(eyes, other));
      assert.ok(far >= APART, `${one} and ${other}: ${far.toFixed(1)}`);
    }));
  });
  test(`scales have their order with ${eyes}`, () => {
    const light = (colours) => colours.map((hex) => seen(eyes, hex)[0]);
    const rises = (values) => values.every((v, i) => i === 0 || v > values[i - 1]);
    const middle = (AROUND.length - 1) / 2, around = light(AROUND);
    assert.ok(rises(light(RISING)), light(RISING).join());
    assert.ok(rises(around.slice(0, middle + 1)) && rises(around.slice(middle).reverse()), around.join());
    assert.ok(distance(seen(eyes, AROUND[0]), seen(eyes, AROUND.at(-1))) >= APART);
  });
}
