/** criu-wasm check. */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { FEATURES, REQUIRED } from "../../ts-host/features/index.ts";
import { command, output } from "../support/in-process.ts";
import { runCli } from "../support/victim.ts";

const OFF_LINUX = process.platform !== "linux" || process.arch !== "x64" ? "not x86-64 Linux" : false;

/** What `criu check --feature` of CRIU 4.2 knows. */
const OF_CRIU = `mnt_id mem_dirty_track aio_remap timerfd tun tun_ns userns fdinfo_lock seccomp_suspend
  seccomp_filters loginuid cgroupns autofs tcp_half_closed compat_cr uffd uffd-noncoop can_map_vdso sk_ns
  sk_unix_file net_diag_raw nsid link_nsid kcmp_epoll timens external_net_ns clone3_set_tid newifindex nftables
  has_ipt_legacy pidfd_store ns_pid apparmor_stacking network_lock_nftables sockopt_buf_lock memfd_hugetlb
  move_mount_set_group openat2 get_rseq_conf ipv6_freebind pagemap_scan timer_cr_ids overlayfs_maps breakpoints
  pagemap_scan_guard_pages`.split(/\s+/);

function children(): string[] {
  return readdirSync(`/proc/${process.pid}/task`).flatMap((tid) =>
    readFileSync(`/proc/${process.pid}/task/${tid}/children`, "utf8").trim().split(" ").filter(Boolean),
  );
}

test("every feature of CRIU's is known, and tried without leaving anything behind", {
  skip: OFF_LINUX,
}, async () => {
  const listed = (await output("check", "--feature", "list")).trim().split("\n");
  for (const name of OF_CRIU) assert.ok(listed.includes(name), name);
  const [before, directory] = [children(), mkdtempSync(join(tmpdir(), "check-"))];
  const oldTmpdir = process.env.TMPDIR;
  process.env.TMPDIR = directory;
  try {
    for (const name of OF_CRIU) {
      const { status, stdout, stderr } = await command(
        ...["check", "--no-default-config", "-verbosity=0", "--feature", name],
      );
      assert.equal(stdout.toString(), status === 0 ? `${name} is supported\n` : "", name);
      assert.equal(stderr, "", name);
    }
    assert.deepEqual(readdirSync(directory), []);
  } finally {
    if (oldTmpdir === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = oldTmpdir;
    rmSync(directory, { recursive: true });
  }
  assert.deepEqual(children(), before);
});

test("answers that can be known otherwise are these", { skip: OFF_LINUX }, async () => {
  const answer = async (name: string) => (await command("check", "--feature", name)).status === 0;
  const status = readFileSync("/proc/self/status", "utf8");
  assert.equal(await answer("ns_pid"), status.includes("NSpid:"));
  assert.equal(await answer("cgroupns"), existsSync("/proc/self/ns/cgroup"));
  assert.equal(await answer("autofs"), readFileSync("/proc/filesystems", "utf8").includes("autofs"));
  assert.equal(await answer("seccomp_filters"), status.includes("Seccomp_filters:"));
  for (const ofCriuItself of ["compat_cr", "external_net_ns", "nftables", "network_lock_nftables"])
    assert.equal(await answer(ofCriuItself), false);
});

test("the whole list says what it says one by one; what is always needed decides", {
  skip: OFF_LINUX,
}, async () => {
  const { status, stdout } = await command("check", "--json");
  const found = JSON.parse(stdout.toString()) as { name: string; required: boolean; supported: boolean }[];
  assert.deepEqual(
    found.map(({ name }) => name),
    FEATURES.map(({ name }) => name),
  );
  const missing = found.filter(({ supported }) => !supported);
  assert.equal(status, missing.some(({ name }) => REQUIRED.has(name)) ? 1 : 0);
  assert.equal((await command("check", "--all", "--json")).status, missing.length > 0 ? 1 : 0);
  for (const { name } of missing) assert.equal((await command("check", "--feature", name)).status, 1, name);
  if (process.getuid?.() === 0) assert.equal(status, 0, "root can do all that is always needed");
  assert.match((await command("check")).stdout.toString(), /needed always:\n {4}yes {2}ptrace/);
});

test("an unknown feature is wrong usage; --feature wants a name", async () => {
  const unknown = await command("check", "--feature", "frobnication");
  assert.equal(unknown.status, 1);
  if (!OFF_LINUX) assert.match(unknown.stderr, /check: unknown feature frobnication \(--feature list/);
  assert.match((await command("check", "--feature")).stderr, /argument missing/);
});

test("as a process of its own, with one dash, as zdtm asks", { skip: OFF_LINUX }, async () => {
  const ask = (name: string) => runCli(["check", "--no-default-config", "-verbosity=0", "--feature", name]);
  assert.deepEqual(await ask("mnt_id"), { status: 0, stdout: "mnt_id is supported\n", stderr: "" });
  assert.deepEqual(await ask("compat_cr"), { status: 1, stdout: "", stderr: "" });
});
