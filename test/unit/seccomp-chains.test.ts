/** Chains of seccomp filters as CRIU's images have them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ImageError } from "../../ts-host/errors.ts";
import type { SeccompFilter } from "../../ts-host/generated/messages.ts";
import { appendChain, commonLength, followChain } from "../../ts-host/kinds/seccomp.ts";

const TSYNC = 1;
const LOG = 2;
const program = (mark: number) => Buffer.alloc(8, mark);
const filter = (mark: number, flags = 0) => ({ program: program(mark), flags });

test("a thread names its oldest filter, and each filter the next", () => {
  const filters: SeccompFilter[] = [];
  assert.equal(appendChain(filters, [filter(1), filter(2, LOG), filter(3)]), 2);
  assert.equal(appendChain(filters, [filter(1), filter(4)]), 4);
  assert.deepEqual(filters, [
    { filter: program(3), flags: 0 },
    { filter: program(2), flags: LOG, prev: 0 },
    { filter: program(1), flags: 0, prev: 1 },
    { filter: program(4), flags: 0 },
    { filter: program(1), flags: 0, prev: 3 },
  ]);
  assert.deepEqual(followChain(filters, 2), {
    chain: [filter(1), filter(2, LOG), filter(3)],
    isForAll: false,
  });
  assert.deepEqual(followChain(filters, 4).chain, [filter(1), filter(4)]);
});

test("a chain is for all threads where all its filters have the flag TSYNC, which is none of the filter's own", () => {
  const filters: SeccompFilter[] = [
    { filter: program(2), flags: TSYNC | LOG },
    { filter: program(1), flags: TSYNC, prev: 0 },
    { filter: program(3), flags: 0, prev: 1 },
  ];
  assert.deepEqual(followChain(filters, 1), { chain: [filter(1), filter(2, LOG)], isForAll: true });
  assert.equal(followChain(filters, 2).isForAll, false);
});

test("what is common to chains is what they begin with", () => {
  const [a, b, c] = [filter(1), filter(2), filter(2, LOG)];
  assert.equal(
    commonLength([
      [a, b],
      [a, b, c],
      [a, b],
    ]),
    2,
  );
  assert.equal(
    commonLength([
      [a, b],
      [a, c],
    ]),
    1,
  );
  assert.equal(commonLength([[a, b], []]), 0);
  assert.equal(commonLength([[a, b]]), 2);
});

test("damaged chains are refused", () => {
  const damaged: Record<string, [SeccompFilter[], number]> = {
    "holds no seccomp filter 7": [[{ filter: program(1), prev: 7 }], 0],
    "a chain of seccomp filters goes in circles": [
      [
        { filter: program(1), prev: 1 },
        { filter: program(2), prev: 0 },
      ],
      0,
    ],
    "seccomp filter 0 has 0 bytes": [[{ filter: Buffer.alloc(0) }], 0],
    "seccomp filter 0 has 9 bytes": [[{ filter: Buffer.alloc(9) }], 0],
    "seccomp filter 0 has 32776 bytes": [[{ filter: Buffer.alloc(8 * 4097) }], 0],
  };
  for (const [message, [filters, first]] of Object.entries(damaged)) {
    assert.throws(
      () => followChain(filters, first),
      (error) => error instanceof ImageError && error.message === message,
    );
  }
});
