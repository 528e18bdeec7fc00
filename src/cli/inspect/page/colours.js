// Colours that people tell apart who see no red or no green: blue for much, orange for below zero, and lightness grows with
// magnitude. Black text is readable on all of those behind the text; the maps, which carry no text, go darker.

function ramp(stops) {
  const table = new Uint8Array(256 * 3);
  for (let k = 0; k < 256; k++) {
    const place = k / 255 * (stops.length - 1);
    const from = Math.min(Math.floor(place), stops.length - 2);
    for (let c = 0; c < 3; c++) {
      const [a, b] = [stops[from][c], stops[from + 1][c]];
      table[3 * k + c] = Math.round(a + (b - a) * (place - from));
    }
  }
  return table;
}

const white = [255, 255, 255], sky = [86, 180, 233], orange = [230, 159, 0], green = [80, 200, 160];
const light = {
  share: ramp([white, [190, 225, 245], sky]),
  signed: ramp([orange, [245, 215, 150], white, [180, 220, 243], sky]),
  surprise: ramp([white, [247, 220, 160], orange]),
  confidence: ramp([white, [190, 235, 220], green]),
};
const dark = {
  share: ramp([white, [158, 206, 235], [33, 113, 181], [3, 30, 90]]),
  signed: ramp([[90, 40, 0], [204, 110, 0], [250, 210, 150], [248, 248, 248], [150, 205, 240], [20, 105, 180], [3, 30, 90]]),
};

function css(table, index) {
  return `rgb(${table[3 * index]},${table[3 * index + 1]},${table[3 * index + 2]})`;
}
