// Optimized code, its deoptimization, regular expressions compiled to machine code, WebAssembly. The sums must be the same
// with and without a compiler.
'use strict';

function integers(n) {
  let hash = 0x811c9dc5 | 0;
  for (let i = 0; i < n; i++) hash = Math.imul(hash ^ (i & 255) ^ (hash >>> 13), 16777619);
  return hash;
}
function floats(n) {
  const a = new Float64Array(n), b = new Float32Array(n);
  for (let i = 0; i < n; i++) { a[i] = Math.sqrt(i) * 1.5; b[i] = i / 3; }
  let sum = 0;
  for (let round = 0; round < 50; round++) for (let i = 0; i < n; i++) sum += a[i] * b[(i * 7 + round) % n];
  return sum;
}
// Compiled for numbers, then given text, then objects: each time the code is thrown away.
function add(x, y) { return x + y; }
function changing(n) {
  let number = 0, text = '';
  for (let i = 0; i < n; i++) number = add(number, i);
  for (let i = 0; i < 300; i++) text = add(text, i);
  for (let i = 0; i < n; i++) number = add(number, 0.5);
  return number + text.length + String(add({ valueOf: () => 7 }, 1));
}
function objects(n) {
  class Node { constructor(value, next) { this.value = value; this.next = next; } }
  class Wide extends Node { constructor(value, next) { super(value, next); this.more = value * 2; } }
  let list = null, sum = 0;
  for (let i = 0; i < n; i++) list = i % 100 === 99 ? new Wide(i, list) : new Node(i, i % 1000 ? list : null);
  for (let node = list; node; node = node.next) sum += node.value + (node.more || 0);
  const map = new Map();
  for (let i = 0; i < n; i++) map.set('k' + i % 997, (map.get('k' + i % 997) || 0) + i);
  for (const [key, value] of map) sum += key.length * value;
  return sum;
}
function patterns(n) {
  let found = 0;
  for (let i = 0; i < n; i++) {
    const text = `item-${i}: value=${i * 37 % 1013}; flag=${i % 2 ? 'yes' : 'no'}`;
    const match = /^item-(\d+):\s*value=(\d{1,4});\s*flag=(yes|no)$/u.exec(text);
    found += Number(match[2]) + (match[3] === 'yes' ? 1 : 0);
    found += text.replace(/[aeiou]/g, (v) => v.toUpperCase()).split('E').length;
  }
  return found;
}
function wasm() {
  // (func (export "sum") (param i32) (result i64): 1 + 2 + ... + n, multiplied into a hash by a loop)
  const bytes = new Uint8Array([
    0, 97, 115, 109, 1, 0, 0, 0, 1, 6, 1, 96, 1, 127, 1, 126, 3, 2, 1, 0, 7, 7, 1, 3, 115, 117, 109, 0, 0, 10, 34, 1, 32, 1, 1,
    126, 3, 64, 32, 1, 32, 0, 172, 124, 66, 31, 126, 33, 1, 32, 0, 65, 1, 107, 34, 0, 65, 0, 75, 13, 0, 11, 32, 1, 11]);
  if (typeof WebAssembly === 'undefined') return 'none';
  const sum = new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports.sum;
  let result = 0n;
  for (let i = 1; i < 200; i++) result ^= sum(i * 50);
  return String(result);
}
function big(n) {
  let x = 3n;
  for (let i = 0; i < n; i++) x = (x * x + BigInt(i)) % ((1n << 521n) - 1n);
  return String(x % 1000000007n);
}
for (let round = 0; round < 3; round++) {
  console.log('integers', integers(2000000));
  console.log('floats', floats(10000));
  console.log('changing', changing(200000));
  console.log('objects', objects(100000));
  console.log('patterns', patterns(20000));
  console.log('big', big(2000));
}
console.log('made code', new Function('n', 'let s = 0; for (let i = 0; i < n; i++) s += i % 3; return s')(100000));
if (process.argv[2] === 'wasm') console.log('wasm', wasm());
