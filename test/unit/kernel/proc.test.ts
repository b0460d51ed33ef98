import assert from "node:assert/strict";
import { test } from "node:test";
import { describe } from "../../../ts-host/errors.ts";
import { AT_PAGESZ, AT_SYSINFO_EHDR } from "../../../ts-host/kernel/abi/auxv.ts";
import { O_CLOEXEC, O_LARGEFILE, O_NONBLOCK, O_RDWR } from "../../../ts-host/kernel/abi/fcntl.ts";
import { PROT_EXEC, PROT_READ, PROT_WRITE } from "../../../ts-host/kernel/abi/mman.ts";
import { RLIM_INFINITY, RLIMIT_NOFILE, RLIMIT_RTTIME } from "../../../ts-host/kernel/abi/resource.ts";
import { SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD_ID } from "../../../ts-host/kernel/abi/signal.ts";
import { auxvValue, parseAuxv } from "../../../ts-host/kernel/proc/auxv.ts";
import { parseCgroup } from "../../../ts-host/kernel/proc/cgroup.ts";
import { parseFdinfo } from "../../../ts-host/kernel/proc/fdinfo.ts";
import { parseLimits } from "../../../ts-host/kernel/proc/limits.ts";
import { parseMaps } from "../../../ts-host/kernel/proc/maps.ts";
import { parseMountinfo } from "../../../ts-host/kernel/proc/mountinfo.ts";
import { parseSmaps } from "../../../ts-host/kernel/proc/smaps.ts";
import { parseStat } from "../../../ts-host/kernel/proc/stat.ts";
import { parseStatus } from "../../../ts-host/kernel/proc/status.ts";
import { ProcFormatError } from "../../../ts-host/kernel/proc/text.ts";
import { parseTimers } from "../../../ts-host/kernel/proc/timers.ts";
import {
  parseChildren,
  parseComm,
  parseDecimalFile,
  parseHexFile,
  parseNamespaceLink,
} from "../../../ts-host/kernel/proc/values.ts";

// All samples were written by Linux 6.18, but where something is said.

const bytes = (text: string) => Buffer.from(text, "latin1");

const STAT = `25204 (a) R
(b \\) S 25183 25183 2859 0 -1 4194304 84 142 0 0 0 3 0 0 20 -5 1 0 223472 2568192 338 18446744073709551615 94868386476032 94868386477761 140721360823296 0 0 0 65536 6 0 1 0 0 17 0 7 1 0 0 0 94868386487760 94868386488464 94868402098176 140721360824882 140721360824887 140721360824887 140721360826355 256
`;

const STATUS = `Name:	a) R\\n(b \\\\
Umask:	0022
State:	S (sleeping)
Tgid:	25204
Ngid:	0
Pid:	25204
PPid:	25183
TracerPid:	0
Uid:	1	2	3	4
Gid:	5	6	7	8
FDSize:	256
Groups:	4 24 4294967294 
NStgid:	25204	1
NSpid:	25204	1
NSpgid:	25183	0
NSsid:	2859	0
Kthread:	0
VmPeak:	    2544 kB
CoreDumping:	0
THP_enabled:	1
untag_mask:	0xffffffffffffffff
Threads:	1
SigQ:	3/96365
SigPnd:	0000000000000000
ShdPnd:	8000000000000000
SigBlk:	0000000000010000
SigIgn:	0000000000000006
SigCgt:	0000000000000000
CapInh:	0000000000000000
CapPrm:	000001fffeffffff
CapEff:	000001fffeffffff
CapBnd:	000001fffeffffff
CapAmb:	0000000000000000
NoNewPrivs:	1
Seccomp:	2
Seccomp_filters:	3
Speculation_Store_Bypass:	vulnerable
SpeculationIndirectBranch:	always enabled
Cpus_allowed:	3
voluntary_ctxt_switches:	6
nonvoluntary_ctxt_switches:	0
x86_Thread_features:	shstk wrss 
x86_Thread_features_locked:	
`;

/** Of a zombie: no memory, no file system context. */
const STATUS_ZOMBIE = STATUS.split("\n")
  .filter((line) => !/^(Umask|VmPeak|CoreDumping|THP_enabled|untag_mask|x86_)/.test(line))
  .join("\n")
  .replace("S (sleeping)", "Z (zombie)");

const MAPS = `5648447a1000-5648447a2000 r--p 00002000 fe:00 2146738                    /tmp/procgen/tm
564845685000-5648456a6000 rw-p 00000000 00:00 0                          [heap]
7f9494360000-7f9494363000 rw-p 00000000 00:00 0 
7f9494546000-7f9494547000 rw-s 00000000 00:01 1039                       /memfd:some mem (deleted)
7f949454b000-7f949454d000 rw-p 00000000 fe:00 2146733                    /tmp/procgen/gone (x) (deleted)
7f949454d000-7f949454e000 r--s 00001000 fe:00 2146396                    /tmp/procgen/new\\012line \xff
7f9494556000-7f9494558000 r-xp 00000000 00:00 0                          [vdso]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
`;

const SMAPS_TAIL = `Size:                  8 kB
KernelPageSize:        4 kB
MMUPageSize:           4 kB
Rss:                   4 kB
Pss:                   4 kB
Pss_Dirty:             4 kB
Shared_Clean:          0 kB
Shared_Dirty:          0 kB
Private_Clean:         0 kB
Private_Dirty:         4 kB
Referenced:            4 kB
Anonymous:             0 kB
KSM:                   0 kB
LazyFree:              0 kB
AnonHugePages:         0 kB
ShmemPmdMapped:        0 kB
FilePmdMapped:         0 kB
Shared_Hugetlb:        0 kB
Private_Hugetlb:       0 kB
Swap:                  0 kB
SwapPss:               0 kB
Locked:                0 kB
THPeligible:           0
`;

const SMAPS = `56484479e000-56484479f000 r--p 00000000 fe:00 2146738                    /tmp/procgen/tm
${SMAPS_TAIL}VmFlags: rd mr mw me 
7f949454b000-7f949454d000 rw-p 00000000 fe:00 2146733                    /tmp/VmFlags: (x) (deleted)
${SMAPS_TAIL.replace("KernelPageSize:        4 kB", "KernelPageSize:     2048 kB")}ProtectionKey:         3
VmFlags: rd wr mr mw me ac ht 
7f949454d000-7f949454e000 rw-p 00000000 00:00 0 
${SMAPS_TAIL}VmFlags: rd mr mw me 
`;

const FDINFO = `pos:	0
flags:	02
mnt_id:	17
ino:	1038
tfd:        6 events:       19 data:               4d  pos:0 ino:40e sdev:10
lock:	1: POSIX  ADVISORY  WRITE 812 fe:00:2146396 0 EOF
`;

const LIMITS = `Limit                     Soft Limit           Hard Limit           Units     
Max cpu time              unlimited            unlimited            seconds   
Max file size             unlimited            unlimited            bytes     
Max data size             unlimited            unlimited            bytes     
Max stack size            8388608              unlimited            bytes     
Max core file size        0                    unlimited            bytes     
Max resident set          unlimited            unlimited            bytes     
Max processes             96365                96365                processes 
Max open files            1024                 20000                files     
Max locked memory         8388608              8388608              bytes     
Max address space         unlimited            unlimited            bytes     
Max file locks            unlimited            unlimited            locks     
Max pending signals       96365                96365                signals   
Max msgqueue size         819200               819200               bytes     
Max nice priority         0                    0                    
Max realtime priority     0                    0                    
Max realtime timeout      18446744073709551614 unlimited            us        
`;

const CGROUP = `9:name=systemd:/
4:memory:/a:b/c (deleted)
2:cpu,cpuacct:/x\xff
0::/../y
`;

/** With lines as proc_pid_mountinfo(5) has them, and one of an empty source. */
const MOUNTINFO = `36 35 98:0 /mnt1 /mnt\\0402\\011\\134 rw,noatime shared:7 master:1 propagate_from:2 - ext3 /dev/root rw,errors=continue
24 27 0:6 / /dev rw,relatime - devtmpfs devtmpfs rw,size=12334460k,nr_inodes=3083615,mode=755
40 27 0:33 / /run/x rw unbindable - fuse.sshfs  rw,user=a b
41 27 0:4 mnt:[4026532500] /run/ns rw - nsfs nsfs rw
`;

const TIMERS = `ID: 2
signal: 60/ffffffffffffffff
notify: signal/tid.25204
ClockID: -6
ID: 1
signal: 60/00007fff86e452a8
notify: none/pid.25204
ClockID: 1
ID: 0
signal: 14/00007fff86e452a8
notify: signal/pid.25204
ClockID: 0
`;

test("stat: the name may hold spaces, parentheses and newlines", () => {
  const stat = parseStat(bytes(STAT), "stat");
  assert.equal(stat.pid, 25204);
  assert.equal(stat.comm.toString(), "a) R\n(b \\");
  assert.equal(stat.state, "S");
  assert.deepEqual(
    [stat.ppid, stat.pgid, stat.sid, stat.ttyNr, stat.tpgid, stat.flags],
    [25183, 25183, 2859, 0, -1, 4194304],
  );
  assert.deepEqual([stat.stime, stat.priority, stat.nice, stat.numThreads], [3n, 20, -5, 1]);
  assert.equal(stat.startTime, 223472n);
  assert.equal(stat.vsize, 2568192n);
  assert.equal(stat.rss, 338n);
  assert.equal(stat.startCode, 94868386476032n);
  assert.equal(stat.endCode, 94868386477761n);
  assert.equal(stat.startStack, 140721360823296n);
  assert.deepEqual([stat.exitSignal, stat.rtPriority, stat.policy], [17, 7, 1]);
  assert.deepEqual(
    [stat.startData, stat.endData, stat.startBrk],
    [94868386487760n, 94868386488464n, 94868402098176n],
  );
  assert.deepEqual([stat.argStart, stat.argEnd], [140721360824882n, 140721360824887n]);
  assert.deepEqual([stat.envStart, stat.envEnd], [140721360824887n, 140721360826355n]);
  assert.equal(stat.exitCode, 256);
});

test("status: ids, masks and namespaces; the name is unescaped", () => {
  const status = parseStatus(bytes(STATUS), "status");
  assert.equal(status.name.toString(), "a) R\n(b \\");
  assert.equal(status.umask, 0o22);
  assert.equal(status.state, "S");
  assert.deepEqual(
    [status.tgid, status.ngid, status.pid, status.ppid, status.tracerPid],
    [25204, 0, 25204, 25183, 0],
  );
  assert.deepEqual(status.uid, { real: 1, effective: 2, saved: 3, fs: 4 });
  assert.deepEqual(status.gid, { real: 5, effective: 6, saved: 7, fs: 8 });
  assert.deepEqual(status.groups, [4, 24, 4294967294]);
  assert.deepEqual(
    [status.nsTgid, status.nsPid, status.nsPgid, status.nsSid],
    [
      [25204, 1],
      [25204, 1],
      [25183, 0],
      [2859, 0],
    ],
  );
  assert.deepEqual([status.fdSize, status.threads], [256, 1]);
  assert.deepEqual(status.sigQ, { queued: 3, limit: 96365 });
  assert.deepEqual(
    [status.sigPnd, status.shdPnd, status.sigBlk, status.sigIgn, status.sigCgt],
    [0n, 1n << 63n, 1n << 16n, 6n, 0n],
  );
  assert.deepEqual([status.capInh, status.capEff, status.capAmb], [0n, 0x1fffeffffffn, 0n]);
  assert.deepEqual([status.noNewPrivs, status.seccomp, status.seccompFilters], [true, 2, 3]);
  assert.equal(status.speculationStoreBypass, "vulnerable");
  assert.equal(status.speculationIndirectBranch, "always enabled");
  assert.deepEqual([status.x86ThreadFeatures, status.x86ThreadFeaturesLocked], [["shstk", "wrss"], []]);
  assert.deepEqual([status.thpEnabled, status.coreDumping], [true, false]);
});

test("status: a zombie has less", () => {
  const status = parseStatus(bytes(STATUS_ZOMBIE), "status");
  assert.equal(status.state, "Z");
  assert.deepEqual(
    [status.umask, status.thpEnabled, status.coreDumping, status.x86ThreadFeatures],
    Array(4).fill(undefined),
  );
});

test("maps: protections, offsets, devices, and paths of any bytes", () => {
  const maps = parseMaps(bytes(MAPS), "maps");
  assert.deepEqual(maps[0], {
    start: 0x5648447a1000n,
    end: 0x5648447a2000n,
    prot: PROT_READ,
    shared: false,
    pgoff: 0x2000n,
    major: 0xfe,
    minor: 0,
    inode: 2146738n,
    path: Buffer.from("/tmp/procgen/tm"),
    deleted: false,
  });
  assert.deepEqual(
    maps.map((vma) => [vma.path.toString("latin1"), vma.deleted, vma.shared]),
    [
      ["/tmp/procgen/tm", false, false],
      ["[heap]", false, false],
      ["", false, false],
      ["/memfd:some mem", true, true],
      ["/tmp/procgen/gone (x)", true, false],
      ["/tmp/procgen/new\nline \xff", false, true],
      ["[vdso]", false, false],
      ["[vsyscall]", false, false],
    ],
  );
  assert.equal(maps[6]!.prot, PROT_READ | PROT_EXEC);
  assert.equal(maps[2]!.prot, PROT_READ | PROT_WRITE);
  assert.equal(maps[7]!.start, 0xffffffffff600000n);
});

test("smaps: flags, page sizes and keys, however the text is cut", () => {
  const whole = bytes(SMAPS);
  for (const size of [1, 7, 100, 1024, whole.length]) {
    const chunks = Array.from({ length: Math.ceil(whole.length / size) }, (_, i) =>
      whole.subarray(i * size, (i + 1) * size),
    );
    const smaps = [...parseSmaps(chunks, "smaps")];
    assert.deepEqual(
      smaps.map((vma) => [
        vma.start,
        vma.path.toString(),
        vma.kernelPageSize,
        vma.protectionKey,
        [...vma.flags].join(" "),
      ]),
      [
        [0x56484479e000n, "/tmp/procgen/tm", 4096, 0, "rd mr mw me"],
        [0x7f949454b000n, "/tmp/VmFlags: (x)", 2 << 20, 3, "rd wr mr mw me ac ht"],
        [0x7f949454d000n, "", 4096, 0, "rd mr mw me"],
      ],
    );
    assert.equal(smaps[0]!.flags, smaps[2]!.flags);
  }
});

test("smaps: 100000 mappings are parsed as they come, in little memory", () => {
  const block = bytes(SMAPS);
  function* chunks() {
    for (let i = 0; i < 33_334; i++) yield block;
  }
  let count = 0;
  for (const vma of parseSmaps(chunks(), "smaps")) count += vma.flags.has("rd") ? 1 : 0;
  assert.equal(count, 100_002);
});

test("smaps: a damaged mapping is named by the line it starts at", () => {
  const hostile = bytes(SMAPS.replace("7f949454d000-7f949454e000", "7f949454d000_7f949454e000"));
  assert.throws(
    () => [...parseSmaps([hostile], "/proc/9/smaps")],
    (error: ProcFormatError) => {
      assert.equal(error.context.file, "/proc/9/smaps:52");
      return true;
    },
  );
  assert.equal(SMAPS.split("\n")[51]!.slice(0, 12), "7f949454d000");
  assert.throws(() => [...parseSmaps([bytes(SMAPS.slice(0, -20))], "smaps")], ProcFormatError);
});

test("fdinfo: what all files have, and the rest line by line", () => {
  const fdinfo = parseFdinfo(bytes(FDINFO), "fdinfo/7");
  assert.deepEqual([fdinfo.pos, fdinfo.flags, fdinfo.mntId, fdinfo.ino], [0n, O_RDWR, 17, 1038n]);
  assert.equal(fdinfo.lines.length, 2);
  assert.match(fdinfo.lines[0]!, /^tfd: +6 events: +19 data: +4d {2}pos:0 ino:40e sdev:10$/);
  const old = parseFdinfo(bytes("pos:\t9223372036854775807\nflags:\t02104002\nmnt_id:\t9\n"), "fdinfo/7");
  assert.deepEqual([old.pos, old.ino, old.lines], [2n ** 63n - 1n, undefined, []]);
  assert.equal(old.flags, O_RDWR | O_NONBLOCK | O_LARGEFILE | O_CLOEXEC);
});

test("limits: by number, with no limit as the largest value", () => {
  const limits = parseLimits(bytes(LIMITS), "limits");
  assert.equal(limits.length, 16);
  assert.deepEqual(limits[RLIMIT_NOFILE], { soft: 1024n, hard: 20000n });
  assert.deepEqual(limits[RLIMIT_RTTIME], { soft: RLIM_INFINITY - 1n, hard: RLIM_INFINITY });
  assert.throws(() => parseLimits(bytes(LIMITS.replace("Max nice", "Max nine")), "limits"), ProcFormatError);
  assert.throws(() => parseLimits(bytes(LIMITS.slice(0, 300)), "limits"), ProcFormatError);
});

test("auxv: keys and values, all words kept", () => {
  const raw = Buffer.from(
    "210000000000000000a0f3d9ff7f000006000000000000000010000000000000" + "00000000000000000000000000000000",
    "hex",
  );
  const words = parseAuxv(raw, "auxv");
  assert.deepEqual(words, [33n, 0x7fffd9f3a000n, 6n, 4096n, 0n, 0n]);
  assert.equal(auxvValue(words, AT_PAGESZ), 4096n);
  assert.equal(auxvValue(words, AT_SYSINFO_EHDR), 0x7fffd9f3a000n);
  assert.equal(auxvValue(words, 4096), undefined);
  assert.throws(() => parseAuxv(raw.subarray(1), "auxv"), ProcFormatError);
});

test("cgroup: both versions, removed groups, paths with colons and any bytes", () => {
  const groups = parseCgroup(bytes(CGROUP), "cgroup");
  assert.deepEqual(
    groups.map((group) => [group.hierarchy, group.controllers, group.path.toString("latin1"), group.deleted]),
    [
      [9, ["name=systemd"], "/", false],
      [4, ["memory"], "/a:b/c", true],
      [2, ["cpu", "cpuacct"], "/x\xff", false],
      [0, [], "/../y", false],
    ],
  );
});

test("mountinfo: propagation, escapes, empty sources", () => {
  const [first, second, third, fourth] = parseMountinfo(bytes(MOUNTINFO), "mountinfo");
  assert.deepEqual(first, {
    mountId: 36,
    parentId: 35,
    major: 98,
    minor: 0,
    root: Buffer.from("/mnt1"),
    mountPoint: Buffer.from("/mnt 2\t\\"),
    options: ["rw", "noatime"],
    shared: 7,
    master: 1,
    propagateFrom: 2,
    unbindable: false,
    fsType: Buffer.from("ext3"),
    source: Buffer.from("/dev/root"),
    superOptions: Buffer.from("rw,errors=continue"),
  });
  assert.deepEqual([second!.shared, second!.master, second!.unbindable], [undefined, undefined, false]);
  assert.deepEqual(
    [third!.unbindable, third!.fsType.toString(), third!.source.length, third!.superOptions.toString()],
    [true, "fuse.sshfs", 0, "rw,user=a b"],
  );
  assert.equal(fourth!.root.toString(), "mnt:[4026532500]");
});

test("timers: all ways of notification, CPU clocks", () => {
  assert.deepEqual(parseTimers(bytes(TIMERS), "timers"), [
    {
      id: 2,
      signal: 60,
      value: 2n ** 64n - 1n,
      notify: SIGEV_SIGNAL | SIGEV_THREAD_ID,
      target: 25204,
      clock: -6,
    },
    { id: 1, signal: 60, value: 0x7fff86e452a8n, notify: SIGEV_NONE, target: 25204, clock: 1 },
    { id: 0, signal: 14, value: 0x7fff86e452a8n, notify: SIGEV_SIGNAL, target: 25204, clock: 0 },
  ]);
  assert.deepEqual(parseTimers(bytes(""), "timers"), []);
});

test("single values", () => {
  assert.equal(parseDecimalFile(bytes("-500\n"), "oom_score_adj"), -500);
  assert.equal(parseDecimalFile(bytes("4294967295"), "loginuid"), 0xffffffff);
  assert.equal(parseHexFile(bytes("00040000\n"), "personality"), 0x40000);
  assert.deepEqual(parseChildren(bytes("25233 25240 "), "children"), [25233, 25240]);
  assert.deepEqual(parseChildren(bytes(""), "children"), []);
  assert.equal(parseComm(bytes("a) R\n(b \xff\n\n")).toString("latin1"), "a) R\n(b \xff\n");
  assert.deepEqual(parseNamespaceLink("mnt:[4026531841]", "ns/mnt"), { type: "mnt", inode: 4026531841 });
});

test("an error says file, line, field and what was found", () => {
  const hostile = bytes(STATUS.replace("SigBlk:\t0000000000010000", "SigBlk:\tzz"));
  assert.throws(
    () => parseStatus(hostile, "/proc/812/status"),
    (error) =>
      describe(error) === '/proc/812/status:26, field SigBlk: a hexadecimal number expected, found "zz"',
  );
  assert.throws(
    () => parseStatus(bytes("Name:\tx\n"), "/proc/812/status"),
    (error) =>
      describe(error) === '/proc/812/status:2, field State: a line with this name expected, found "none"',
  );
});

/** A generator of the same numbers every time (mulberry32), each in [0, 1). */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

test("whatever the bytes are, a parser gives values or a typed error", () => {
  const parsers: [string, (bytes: Uint8Array) => unknown][] = [
    [STAT, (raw) => parseStat(raw, "f")],
    [STATUS, (raw) => parseStatus(raw, "f")],
    [MAPS, (raw) => parseMaps(raw, "f")],
    [SMAPS, (raw) => [...parseSmaps([raw], "f")]],
    [FDINFO, (raw) => parseFdinfo(raw, "f")],
    [LIMITS, (raw) => parseLimits(raw, "f")],
    [CGROUP, (raw) => parseCgroup(raw, "f")],
    [MOUNTINFO, (raw) => parseMountinfo(raw, "f")],
    [TIMERS, (raw) => parseTimers(raw, "f")],
    ["25233 25240 ", (raw) => parseChildren(raw, "f")],
    ["00000033\n", (raw) => parseHexFile(raw, "f")],
    ["-17\n", (raw) => parseDecimalFile(raw, "f")],
    ["pid:[4026531836]", (raw) => parseNamespaceLink(Buffer.from(raw).toString("latin1"), "f")],
  ];
  const next = random(1);
  const interesting = bytes(" \n\t\\:-()/0f\xff\0");
  for (const [sample, parse] of parsers) {
    for (let round = 0; round < 300; round++) {
      const hostile = bytes(sample).subarray(
        0,
        next() < 0.2 ? Math.floor(next() * sample.length) : undefined,
      );
      for (let edits = 1 + Math.floor(next() * 3); edits > 0 && hostile.length > 0; edits--) {
        hostile[Math.floor(next() * hostile.length)] = interesting[Math.floor(next() * interesting.length)]!;
      }
      try {
        parse(hostile);
      } catch (error) {
        assert.ok(
          error instanceof ProcFormatError,
          `${error} from ${JSON.stringify(hostile.toString("latin1"))}`,
        );
      }
    }
  }
});
