// One film's gray values and how they become a picture: window and level are fractions of the film's range of values.

const SIDE = 1024; // px, the longest side of a preview, as of the films that the server sends

export class Film {
  // values: Uint8Array or Uint16Array of rows * columns, each at most max. view: its number on the server, or null.
  constructor({ values, rows, columns, bits, view = null, label = "" }) {
    Object.assign(this, { values, rows, columns, view, label, max: 2 ** bits - 1 });
    this.canvas = new OffscreenCanvas(columns, rows);
    this.context = this.canvas.getContext("2d");
    this.picture = this.context.createImageData(columns, rows);
  }

  // The film through a window, on a canvas of its own size.
  through({ width, level, inverted }) {
    const table = new Uint32Array(this.max + 1);
    const gray = new Uint8ClampedArray(1);
    for (let value = 0; value <= this.max; value++) {
      const share = (value / this.max - level) / width + 0.5;
      gray[0] = 255 * (inverted ? 1 - share : share);
      table[value] = 0xff000000 | (gray[0] << 16) | (gray[0] << 8) | gray[0];
    }
    const pixels = new Uint32Array(this.picture.data.buffer);
    for (let i = 0; i < pixels.length; i++) pixels[i] = table[this.values[i]];
    this.context.putImageData(this.picture, 0, 0);
    return this.canvas;
  }
}

// A PNG or JPEG as the browser reads it (8 bits), to be looked at until the server's reading is there.
export async function preview(file, label) {
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
  const [columns, rows] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * scale)));
  const context = new OffscreenCanvas(columns, rows).getContext("2d");
  context.drawImage(bitmap, 0, 0, columns, rows);
  const { data } = context.getImageData(0, 0, columns, rows);
  const values = Uint8Array.from({ length: rows * columns }, (_, i) => (
    Math.round(0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2])
  ));
  return new Film({ values, rows, columns, bits: 8, label });
}
