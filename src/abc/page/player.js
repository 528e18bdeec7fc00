"use strict";
// Plays tunes on plucked strings: notes are [start, end, key, velocity, who, place in the text], in seconds; who is 0 for the melody.

const tunes = JSON.parse(document.getElementById("tunes").textContent);
// Seconds that are scheduled ahead, and the time in which a string is stopped.
const AHEAD = 0.3;
const RELEASE = 0.09;
const LOUDNESS = [0.5, 0.18, 0.4];

let audio = null;
const strings = new Map();

// A plucked string after Karplus and Strong: noise goes round a delay line and loses its high partials.
function string(key, velocity) {
  const name = key * 128 + velocity;
  if (strings.has(name)) return strings.get(name);
  const rate = audio.sampleRate;
  const frequency = 440 * 2 ** ((key - 69) / 12);
  const period = rate / frequency;
  const whole = Math.max(2, Math.floor(period - 0.6));
  const left = period - 0.5 - whole;
  const tune = (1 - left) / (1 + left);
  const decay = Math.min(5, Math.max(0.7, 3.2 * Math.sqrt(220 / frequency)));
  const gain = Math.min(0.9995, Math.exp(-Math.log(1000) / (decay * frequency)));
  const smooth = 0.85 - 0.3 * velocity / 127;
  const line = new Float32Array(whole);
  let once = 0, twice = 0, mean = 0, power = 0, seed = 0x9e3779b9 ^ (key << 8) ^ velocity;
  for (let n = 0; n < whole; n++) {
    seed ^= seed << 13; seed ^= seed >>> 17; seed ^= seed << 5;
    once = smooth * once + (1 - smooth) * ((seed >>> 8) / 2 ** 23 - 1);
    twice = smooth * twice + (1 - smooth) * once;
    line[n] = twice;
    mean += twice / whole;
  }
  for (let n = 0; n < whole; n++) { line[n] -= mean; power += line[n] ** 2 / whole; }
  const loudness = 0.3 * velocity / 127 / Math.max(1e-6, Math.sqrt(power));
  const buffer = audio.createBuffer(1, Math.ceil(rate * Math.min(4, decay)), rate);
  const out = buffer.getChannelData(0);
  let at = 0, last = 0, x1 = 0, y1 = 0;
  for (let n = 0; n < out.length; n++) {
    const x = line[at];
    const low = gain * 0.5 * (x + last);
    const y = tune * (low - y1) + x1;
    last = x; x1 = low; y1 = y;
    line[at] = y;
    at = (at + 1) % whole;
    out[n] = loudness * y * Math.min(1, n / (0.003 * rate)) * Math.min(1, (out.length - n) / (0.1 * rate));
  }
  strings.set(name, buffer);
  return buffer;
}

class Player {
  constructor(section, tune) {
    const find = (name) => section.querySelector("." + name);
    Object.assign(this, { section, tune, button: find("play"), place: find("place"), time: find("time") });
    Object.assign(this, { tempo: find("tempo"), percent: find("percent"), chords: find("chords") });
    // Where it is, in the tune's own seconds; while it plays, that was so when the clock stood at `since`.
    this.at = 0;
    this.since = null;
    // What sounds or will: the source, how loud it is, and when it begins.
    this.sounding = new Map();
    this.button.addEventListener("click", () => (this.since === null ? this.play() : this.pause()));
    this.place.addEventListener("input", () => this.seek(this.tune.seconds * this.place.value / 1000));
    this.tempo.addEventListener("input", () => this.seek(this.now()));
    this.chords.addEventListener("change", () => this.seek(this.now()));
    this.show();
  }

  rate() { return this.tempo.value / 100; }

  now() {
    if (this.since === null) return this.at;
    // Before the clock comes to `since` nothing has been played.
    return Math.min(this.tune.seconds, this.at + Math.max(0, audio.currentTime - this.since) * this.speed);
  }

  play() {
    audio = audio || new AudioContext();
    audio.resume();
    players.forEach((other) => other.pause());
    if (this.at >= this.tune.seconds) this.at = 0;
    this.begin();
    this.button.textContent = "⏸";
    this.button.setAttribute("aria-label", "Pause");
    this.timer = setInterval(() => this.schedule(), 50);
    this.frame();
  }

  begin() {
    this.since = audio.currentTime + 0.05;
    this.speed = this.rate();
    this.next = this.tune.notes.findIndex((note) => note[0] >= this.at - 1e-9);
    if (this.next < 0) this.next = this.tune.notes.length;
    this.schedule();
  }

  pause() {
    if (this.since === null) return;
    this.silence();
    this.stop(this.now());
  }

  // Stands at a place; what sounds is let ring.
  stop(at) {
    this.at = at;
    this.since = null;
    clearInterval(this.timer);
    this.button.textContent = "▶";
    this.button.setAttribute("aria-label", "Play");
    this.show();
  }

  seek(at) {
    const plays = this.since !== null;
    if (plays) this.silence();
    this.at = at;
    if (plays) this.begin();
    this.show();
  }

  // Stops the strings as a finger does; those that have not begun are never heard.
  silence() {
    const now = audio.currentTime;
    this.sounding.forEach(([gain, begin], source) => {
      if (begin <= now) {
        gain.gain.cancelScheduledValues(now);
        gain.gain.setValueAtTime(gain.gain.value, now);
        gain.gain.linearRampToValueAtTime(0, now + RELEASE);
      }
      source.stop(begin <= now ? now + RELEASE : 0);
    });
    this.sounding.clear();
  }

  // Starts all notes that begin soon.
  schedule() {
    const until = this.at + (audio.currentTime + AHEAD - this.since) * this.speed;
    for (; this.next < this.tune.notes.length && this.tune.notes[this.next][0] < until; this.next++) {
      const [start, end, key, velocity, who] = this.tune.notes[this.next];
      if (who > 0 && !this.chords.checked) continue;
      const clock = (time) => this.since + (time - this.at) / this.speed;
      const source = audio.createBufferSource();
      const gain = audio.createGain();
      source.buffer = string(key, velocity);
      source.connect(gain).connect(audio.destination);
      gain.gain.setValueAtTime(LOUDNESS[who], clock(start));
      gain.gain.setValueAtTime(LOUDNESS[who], clock(end));
      gain.gain.linearRampToValueAtTime(0, clock(end) + RELEASE);
      source.start(clock(start));
      source.stop(clock(end) + RELEASE);
      this.sounding.set(source, [gain, clock(start)]);
      source.onended = () => this.sounding.delete(source);
    }
    if (this.now() >= this.tune.seconds) this.stop(0);
  }

  frame() {
    if (this.since === null) return;
    this.show();
    requestAnimationFrame(() => this.frame());
  }

  // The place in the tune, and the notes that sound there.
  show() {
    const now = this.now();
    this.place.value = 1000 * now / this.tune.seconds;
    const seconds = Math.floor(now);
    this.time.textContent = Math.floor(seconds / 60) + ":" + String(seconds % 60).padStart(2, "0");
    this.percent.textContent = this.tempo.value + " %";
    const on = new Set();
    if (this.since !== null) {
      for (const [start, end, , , who, place] of this.tune.notes) {
        if (who === 0 && start <= now && now < end) on.add("n" + place);
      }
    }
    this.section.querySelectorAll(".n").forEach((note) => {
      note.classList.toggle("on", on.has(note.classList[1]));
    });
  }
}

const players = [...document.querySelectorAll(".tune")].map((section, n) => new Player(section, tunes[n]));
