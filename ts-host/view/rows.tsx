/** A list of which only the rows that are seen are on the page: it may have any number of them. */
import { elementScroll, observeElementOffset, observeElementRect, Virtualizer } from "@tanstack/virtual-core";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useReducer, useRef, useState } from "preact/hooks";

/** Rows that are made beyond those that are seen. */
const BEYOND = 6;

export function Rows<T>({
  items,
  height,
  row,
  name,
  role,
  selected,
}: {
  items: readonly T[];
  /** Of each row, in pixels. */
  height: number;
  row: (item: T) => ComponentChildren;
  /** Class of the list. */
  name: string;
  role?: "listbox";
  /** Index of the row that is to be seen. */
  selected?: number;
}) {
  const scroller = useRef<HTMLDivElement>(null);
  const [, redraw] = useReducer((count: number) => count + 1, 0);
  const options = {
    count: items.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => height,
    overscan: BEYOND,
    observeElementRect,
    observeElementOffset,
    scrollToFn: elementScroll,
    onChange: () => redraw(undefined),
  };
  const [virtualizer] = useState(() => new Virtualizer<HTMLDivElement, Element>(options));
  virtualizer.setOptions(options);
  useLayoutEffect(() => virtualizer._didMount(), [virtualizer]);
  useLayoutEffect(() => virtualizer._willUpdate());
  useEffect(() => {
    if (selected !== undefined && selected >= 0) virtualizer.scrollToIndex(selected);
  }, [virtualizer, selected]);
  return (
    <div ref={scroller} class={`rows ${name}`} role={role} data-count={items.length}>
      <div style={{ height: `${virtualizer.getTotalSize()}px` }}>
        {virtualizer.getVirtualItems().map(({ index, start }) => (
          <div class="row" key={index} style={{ height: `${height}px`, transform: `translateY(${start}px)` }}>
            {row(items[index])}
          </div>
        ))}
      </div>
    </div>
  );
}
