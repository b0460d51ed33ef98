/** Pictures of memory: one mapping as a strip, and a whole address space as a field of squares. */
import { useEffect, useRef, useState } from "preact/hooks";
import type { MappingView, PageKind } from "./protocol.ts";
import { sizeText } from "./tree.tsx";

export const KINDS: PageKind[] = ["stored", "shared", "duplicate", "zero", "parent", "outside"];
/** Of the pages of a square, the first kind that is among them gives it its colour. */
const PRECEDENCE: PageKind[] = ["duplicate", "shared", "parent", "stored", "outside", "zero"];

const SQUARE = 7;
const GAP = 1;
/** Lines of squares, at most about so many. */
const MOST_LINES = 12;
/** Squares of a mapping without anything in it, at most: reserved address space says little. */
const MOST_EMPTY = 4;

/** Draws now, and whenever size or colours change. */
function useDrawing(
  draw: (canvas: HTMLCanvasElement, context: CanvasRenderingContext2D) => void,
  on: unknown[],
) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (!element || !context) return;
    const redraw = () => {
      const { clientWidth, clientHeight } = element;
      if (clientWidth === 0) return;
      element.width = clientWidth * devicePixelRatio;
      element.height = clientHeight * devicePixelRatio;
      context.scale(devicePixelRatio, devicePixelRatio);
      draw(element, context);
    };
    const observer = new ResizeObserver(redraw);
    observer.observe(element);
    addEventListener("theme", redraw);
    return () => {
      observer.disconnect();
      removeEventListener("theme", redraw);
    };
  }, on);
  return canvas;
}

function colours(): Record<PageKind, string> {
  const style = getComputedStyle(document.documentElement);
  return Object.fromEntries(KINDS.map((kind) => [kind, style.getPropertyValue(`--${kind}`)])) as Record<
    PageKind,
    string
  >;
}

/** One mapping as a strip: its pages from left to right. */
export function Strip({ mapping, pick }: { mapping: MappingView; pick: (page: number) => void }) {
  const canvas = useDrawing(
    ({ clientWidth: width, clientHeight: height }, context) => {
      const colourOf = colours();
      let done = 0;
      for (const [pages, kind] of mapping.runs) {
        const from = (done / mapping.pages) * width;
        done += pages;
        context.fillStyle = colourOf[kind];
        // At least a pixel: a single page in many is what one looks for.
        context.fillRect(from, 0, Math.max(1, (done / mapping.pages) * width - from), height);
      }
    },
    [mapping],
  );
  return (
    <canvas
      ref={canvas}
      class="strip"
      onClick={(event) => {
        const { width } = event.currentTarget.getBoundingClientRect();
        pick(Math.min(mapping.pages - 1, Math.floor((event.offsetX / width) * mapping.pages)));
      }}
    />
  );
}

/** Some pages of a mapping. */
interface Square {
  mapping: MappingView;
  /** The first of them. */
  page: number;
  pages: number;
  kind: PageKind;
}

/** The mapping in squares of `each` pages or, where nothing is in it, of more. */
function squaresOf(mapping: MappingView, each: number): Square[] {
  const isEmpty = mapping.runs.every(([, kind]) => kind === "zero" || kind === "outside");
  const step = isEmpty ? Math.max(each, Math.ceil(mapping.pages / MOST_EMPTY)) : each;
  const squares: Square[] = [];
  let run = 0;
  let runStart = 0;
  for (let page = 0; page < mapping.pages; page += step) {
    const end = Math.min(page + step, mapping.pages);
    while (runStart + mapping.runs[run][0] <= page) runStart += mapping.runs[run++][0];
    const kinds = new Set<PageKind>();
    for (let at = run, start = runStart; at < mapping.runs.length && start < end; at++) {
      kinds.add(mapping.runs[at][1]);
      start += mapping.runs[at][0];
    }
    const kind = PRECEDENCE.find((candidate) => kinds.has(candidate)) ?? "zero";
    squares.push({ mapping, page, pages: end - page, kind });
  }
  return squares;
}

/** All squares, of `each` pages: the fewest with which they fit into `room` squares. */
function squaresIn(mappings: readonly MappingView[], room: number): { squares: Square[]; each: number } {
  for (let each = 1; ; each *= 2) {
    const count = mappings.reduce((sum, { pages }) => sum + Math.ceil(pages / each), 0);
    const squares = count > 64 * room ? undefined : mappings.flatMap((mapping) => squaresOf(mapping, each));
    if (squares !== undefined && squares.length <= Math.max(room, mappings.length * 2))
      return { squares, each };
  }
}

/** The address space of a process, from its lowest address to its highest, what is not mapped left out. */
export function AddressSpace({
  mappings,
  goTo,
}: {
  mappings: readonly MappingView[];
  goTo: (address: string) => void;
}) {
  const squares = useRef<Square[]>([]);
  const perLine = useRef(1);
  const [height, setHeight] = useState(SQUARE);
  const [each, setEach] = useState(1);
  const [pointed, setPointed] = useState<Square>();
  const canvas = useDrawing(
    ({ clientWidth }, context) => {
      const colourOf = colours();
      perLine.current = Math.max(1, Math.floor(clientWidth / SQUARE));
      const found = squaresIn(mappings, perLine.current * MOST_LINES);
      squares.current = found.squares;
      setEach(found.each);
      setHeight(Math.ceil(squares.current.length / perLine.current) * SQUARE);
      for (const [index, { kind }] of squares.current.entries()) {
        const [x, y] = [index % perLine.current, Math.floor(index / perLine.current)];
        context.fillStyle = colourOf[kind];
        context.fillRect(x * SQUARE, y * SQUARE, SQUARE - GAP, SQUARE - GAP);
      }
    },
    [mappings],
  );
  const squareAt = ({ offsetX, offsetY }: MouseEvent): Square | undefined =>
    squares.current[Math.floor(offsetY / SQUARE) * perLine.current + Math.floor(offsetX / SQUARE)];
  const addressOf = ({ mapping, page }: Square) =>
    (BigInt(`0x${mapping.start}`) + BigInt(page) * 4096n).toString(16);
  return (
    <figure class="space">
      <canvas
        ref={canvas}
        style={{ height: `${height}px` }}
        onMouseMove={(event) => setPointed(squareAt(event))}
        onMouseLeave={() => setPointed(undefined)}
        onClick={(event) => {
          const square = squareAt(event);
          if (square !== undefined) goTo(addressOf(square));
        }}
      />
      <figcaption class="quiet">
        {pointed === undefined
          ? `The address space from its lowest address on: a square is ${sizeText(each * 4096)}, more where nothing is. A click leads there.`
          : `${addressOf(pointed)}, ${sizeText(pointed.pages * 4096)} of ${pointed.mapping.protection} ${pointed.mapping.name || pointed.mapping.kind}`}
      </figcaption>
    </figure>
  );
}
