/** The table of attributes that prctl reads and sets. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as prctl from "../../ts-host/kernel/abi/prctl.ts";
import { KNOWN_GETTERS } from "../../ts-host/kinds/prctls.ts";

/** Getters whose names do not say so. */
const ODDLY_NAMED = [
  "PR_MCE_KILL_GET",
  "PR_CAPBSET_READ",
  "PR_CAP_AMBIENT",
  "PR_SCHED_CORE",
  "PR_TIMER_CREATE_RESTORE_IDS",
  "PR_FUTEX_HASH",
  "ARCH_SHSTK_STATUS",
];

test("every getter of prctl and arch_prctl is accounted for", () => {
  const getters = Object.entries(prctl).filter(
    ([name]) => /^(PR|ARCH)_GET_/.test(name) || ODDLY_NAMED.includes(name),
  );
  assert.ok(getters.length > ODDLY_NAMED.length);
  const forgotten = getters.filter(([, option]) => !KNOWN_GETTERS.has(option as number));
  assert.deepEqual(
    forgotten.map(([name]) => name),
    [],
  );
});
