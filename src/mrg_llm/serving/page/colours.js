// Heat values 0..255 -> colours over a gray film: matplotlib's inferno (CC0), even steps to the eye, also for the
// colour blind.

const SIDE = 256; // px
const INFERNO = [
  [0, 0, 4], [27, 12, 65], [74, 12, 107], [120, 28, 109], [165, 44, 96],
  [207, 68, 70], [237, 105, 37], [251, 155, 6], [247, 209, 61], [252, 255, 164],
];

export function colour(share) {
  const place = Math.min(Math.max(share, 0), 1) * (INFERNO.length - 1);
  const low = Math.min(Math.floor(place), INFERNO.length - 2);
  return INFERNO[low].map((from, i) => Math.round(from + (INFERNO[low + 1][i] - from) * (place - low)));
}

// A map as a picture SIDE px long, smooth between its few values: they are blended first and coloured then, so that a
// slope runs through the whole scale. Cold places are clear, so that the film stays to be seen under them.
export function heat({ values, rows, columns }) {
  const coarse = painted(rows, columns, (i) => [values[i], values[i], values[i], 255]);
  const scale = Math.max(1, SIDE / Math.max(rows, columns));
  const fine = new OffscreenCanvas(Math.round(columns * scale), Math.round(rows * scale));
  const context = fine.getContext("2d");
  context.imageSmoothingQuality = "high";
  context.drawImage(coarse, 0, 0, fine.width, fine.height);
  const { data } = context.getImageData(0, 0, fine.width, fine.height);
  return painted(fine.height, fine.width, (i) => [...colour(data[4 * i] / 255), data[4 * i]]);
}

// pixel(i): red, green, blue and alpha of the i-th pixel.
function painted(rows, columns, pixel) {
  const canvas = new OffscreenCanvas(columns, rows);
  const context = canvas.getContext("2d");
  const picture = context.createImageData(columns, rows);
  for (let i = 0; i < rows * columns; i++) picture.data.set(pixel(i), 4 * i);
  context.putImageData(picture, 0, 0);
  return canvas;
}

export function paintScale(canvas) {
  const context = canvas.getContext("2d");
  for (let x = 0; x < canvas.width; x++) {
    context.fillStyle = `rgb(${colour(x / (canvas.width - 1)).join(" ")})`;
    context.fillRect(x, 0, 1, canvas.height);
  }
}
