// Heat values 0..255 -> colours over a gray film: matplotlib's inferno (CC0), even steps to the eye, also for the
// colour blind.

const INFERNO = [
  [0, 0, 4], [27, 12, 65], [74, 12, 107], [120, 28, 109], [165, 44, 96],
  [207, 68, 70], [237, 105, 37], [251, 155, 6], [247, 209, 61], [252, 255, 164],
];

export function colour(share) {
  const place = Math.min(Math.max(share, 0), 1) * (INFERNO.length - 1);
  const low = Math.min(Math.floor(place), INFERNO.length - 2);
  return INFERNO[low].map((from, i) => Math.round(from + (INFERNO[low + 1][i] - from) * (place - low)));
}

// A map on a canvas of its own size. Cold places are clear, so that the film stays to be seen under them.
export function heat({ values, rows, columns }) {
  const canvas = new OffscreenCanvas(columns, rows);
  const context = canvas.getContext("2d");
  const picture = context.createImageData(columns, rows);
  values.forEach((value, i) => picture.data.set([...colour(value / 255), value], 4 * i));
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
