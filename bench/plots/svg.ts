import { logScale, tickText } from "./scale.ts";

/** Lines over some kinds of load, on a logarithmic scale. */
export interface Chart {
  readonly file: string;
  readonly title: string;
  readonly unit: string;
  /** What the categories are. */
  readonly axis: string;
  readonly categories: readonly string[];
  /** One value for each category. Undefined: not measured. */
  readonly lines: readonly { readonly name: string; readonly values: readonly (number | undefined)[] }[];
}

export interface Theme {
  readonly text: string;
  readonly grid: string;
  /** Colours of the lines, which people with any kind of colour vision can tell apart. */
  readonly lines: readonly string[];
}

export const LIGHT: Theme = {
  text: "#1f2328",
  grid: "#d1d9e0",
  lines: ["#0072b2", "#d55e00", "#008060", "#aa4499", "#7a6a00"],
};
export const DARK: Theme = {
  text: "#f0f6fc",
  grid: "#3d444d",
  lines: ["#56b4e9", "#ff9248", "#2fd3a5", "#e58fd0", "#e0cb4a"],
};

const [WIDTH, HEIGHT] = [720, 400];
const PLOT = { left: 64, right: 24, top: 76, bottom: 56 };
/** Shapes of the points, so that colour alone tells no lines apart. */
const SHAPES = [
  "M-4,-4h8v8h-8z",
  "M0,-5l5,9h-10z",
  "M0,-5l5,5l-5,5l-5,-5z",
  "M0,5l5,-9h-10z",
  "M-4,0a4,4 0 1,0 8,0a4,4 0 1,0 -8,0z",
];

/** Draws a chart as SVG. The same chart and theme give the same text. */
export function draw(chart: Chart, theme: Theme): string {
  const { title, unit, axis, categories, lines } = chart;
  const scale = logScale(lines.flatMap(({ values }) => values.filter((value) => value !== undefined)));
  const [width, height] = [WIDTH - PLOT.left - PLOT.right, HEIGHT - PLOT.top - PLOT.bottom];
  const x = (index: number): number => PLOT.left + (width * (index + 0.5)) / categories.length;
  const y = (value: number): number => PLOT.top + height * (1 - scale.at(value));
  const text = (at: readonly [number, number], words: string, anchor = "middle", more = ""): string =>
    `<text x="${round(at[0])}" y="${round(at[1])}" text-anchor="${anchor}"${more}>${escaped(words)}</text>`;

  const grid = scale.ticks.map(
    (tick) =>
      `<path d="M${PLOT.left},${round(y(tick))}h${width}" stroke="${theme.grid}"/>${text([PLOT.left - 8, y(tick) + 4], tickText(tick), "end")}`,
  );
  const labels = categories.map((category, index) => text([x(index), HEIGHT - PLOT.bottom + 20], category));
  const drawn = lines.map(({ values }, index) => {
    const colour = theme.lines[index % theme.lines.length] ?? theme.text;
    const points = values.flatMap((value, at) => (value === undefined ? [] : [[round(x(at)), round(y(value))]]));
    const shape = SHAPES[index % SHAPES.length] ?? "";
    const marks = points.map(
      ([left, top]) => `<path d="${shape}" transform="translate(${left},${top})" fill="${colour}"/>`,
    );
    return `<path d="M${points.join("L")}" fill="none" stroke="${colour}" stroke-width="2"/>${marks.join("")}`;
  });
  let left = PLOT.left;
  const legend = lines.map(({ name }, index) => {
    const colour = theme.lines[index % theme.lines.length] ?? theme.text;
    const mark = `<path d="${SHAPES[index % SHAPES.length]}" transform="translate(${left + 5},52)" fill="${colour}"/>`;
    const words = text([left + 16, 56], name, "start");
    left += 36 + 7 * name.length;
    return mark + words;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" font-family="system-ui, sans-serif" font-size="12" fill="${theme.text}">`,
    `<title>${escaped(`${title} (${unit})`)}</title>`,
    text([PLOT.left, 24], `${title} (${unit})`, "start", ' font-size="15" font-weight="600"'),
    ...legend,
    ...grid,
    ...labels,
    text([PLOT.left + width / 2, HEIGHT - 12], axis),
    ...drawn,
    "</svg>\n",
  ].join("\n");
}

const round = (value: number): number => Number(value.toFixed(1));

function escaped(words: string): string {
  return words.replace(/[&<>]/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
