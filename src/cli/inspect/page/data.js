// What stands in the page: the text, what was expected of each character, and for each layer and signal a block of bytes,
// unit after unit, a byte a character.

const meta = JSON.parse(document.getElementById("meta").textContent);
const characters = Array.from(meta.text);
const n = characters.length;

function decode(id) {
  const text = document.getElementById(id).textContent;
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const raw = atob(text);
  const out = new Uint8Array(raw.length);
  for (let k = 0; k < raw.length; k++) out[k] = raw.charCodeAt(k);
  return out;
}

const topTokens = new Uint16Array(decode("top-tokens").buffer);
const topProbabilities = new Float32Array(decode("top-probabilities").buffer);
const nats = new Float32Array(decode("nats").buffer);
const ranks = new Uint16Array(decode("ranks").buffer);

// The predictions for character `at`, the most probable first; `at` may be n, the one after the text.
function expected(at) {
  const list = [];
  for (let k = at * meta.top; k < (at + 1) * meta.top; k++)
    list.push({ character: meta.vocabulary[topTokens[k]], probability: topProbabilities[k] });
  return list;
}

const blocks = new Map();

// The bytes and scales of a signal of a layer, decoded when they are first asked for.
function block(layer, signal) {
  const key = layer * meta.signals.length + signal;
  if (!blocks.has(key)) {
    const scale = new Float32Array(decode(`scale-${layer}-${signal}`).buffer);
    const bytes = decode(`block-${layer}-${signal}`), { span } = meta.signals[signal];
    blocks.set(key, { bytes, scale, share: span === "share", free: span === "free", legends: [] });
  }
  return blocks.get(key);
}

// The number that a byte stands for.
function number(block, unit, byte) {
  return block.share ? byte / 255 : (byte - 128) / 127 * block.scale[unit];
}

// A signal of a unit at a character, off by at most half a step.
function value(layer, signal, unit, at) {
  const b = block(layer, signal);
  return number(b, unit, b.bytes[unit * n + at]);
}

// How a character is written where it must be seen.
function visible(character) {
  if (character === "\n") return "↵";
  if (character === " ") return "␣";
  return character < " " ? "·" : character;
}
