/** How fields of images are written for people, by the attribute `show` of the schema: names of bits and values. */

/** Names of bits, by the dictionary that the attribute names. */
export const FLAGS: Record<string, readonly (readonly [name: string, bit: bigint])[]> = {
  "mmap.prot": [
    ["PROT_READ", 0x1n],
    ["PROT_WRITE", 0x2n],
    ["PROT_EXEC", 0x4n],
  ],
  "mmap.flags": [
    ["MAP_SHARED", 0x1n],
    ["MAP_PRIVATE", 0x2n],
    ["MAP_DROPPABLE", 0x8n],
    ["MAP_ANON", 0x20n],
    ["MAP_GROWSDOWN", 0x100n],
  ],
  "mmap.status": [
    ["VMA_AREA_REGULAR", 0x1n],
    ["VMA_AREA_STACK", 0x2n],
    ["VMA_AREA_VSYSCALL", 0x4n],
    ["VMA_AREA_VDSO", 0x8n],
    ["VMA_AREA_HEAP", 0x20n],
    ["VMA_FILE_PRIVATE", 0x40n],
    ["VMA_FILE_SHARED", 0x80n],
    ["VMA_ANON_SHARED", 0x100n],
    ["VMA_ANON_PRIVATE", 0x200n],
    ["VMA_AREA_SYSVIPC", 0x400n],
    ["VMA_AREA_SOCKET", 0x800n],
    ["VMA_AREA_VVAR", 0x1000n],
    ["VMA_AREA_AIORING", 0x2000n],
    ["VMA_AREA_MEMFD", 0x4000n],
    ["VMA_AREA_SHSTK", 0x8000n],
    ["VMA_AREA_UPROBES", 0x20000n],
    ["VMA_UNSUPP", 0x80000000n],
  ],
  "rfile.flags": [
    ["O_WRONLY", 0o1n],
    ["O_RDWR", 0o2n],
    ["O_CREAT", 0o100n],
    ["O_EXCL", 0o200n],
    ["O_NOCTTY", 0o400n],
    ["O_TRUNC", 0o1000n],
    ["O_APPEND", 0o2000n],
    ["O_NONBLOCK", 0o4000n],
    ["O_DSYNC", 0o10000n],
    ["FASYNC", 0o20000n],
    ["O_DIRECT", 0o40000n],
    ["O_LARGEFILE", 0o100000n],
    ["O_DIRECTORY", 0o200000n],
    ["O_NOFOLLOW", 0o400000n],
    ["O_NOATIME", 0o1000000n],
    ["O_CLOEXEC", 0o2000000n],
  ],
  "pmap.flags": [
    ["PE_PARENT", 1n],
    ["PE_LAZY", 2n],
    ["PE_PRESENT", 4n],
  ],
  "seals.flags": [
    ["F_SEAL_SEAL", 0x1n],
    ["F_SEAL_SHRINK", 0x2n],
    ["F_SEAL_GROW", 0x4n],
    ["F_SEAL_WRITE", 0x8n],
    ["F_SEAL_FUTURE_WRITE", 0x10n],
  ],
};

/** Names of values, by the dictionary that the attribute names, then by the field. */
export const NAMES: Record<string, Record<string, Record<number, string>>> = {
  // The words of crit 4.2, which mixes up 3, a stopped task, and 6, a zombie: its JSON and ours mean the same.
  gen: { task_state: { 1: "Alive", 3: "Zombie", 6: "Stopped" } },
  sk: {
    family: { 1: "UNIX", 2: "INET", 10: "INET6", 16: "NETLINK", 17: "PACKET" },
    type: { 1: "STREAM", 2: "DGRAM", 3: "RAW", 5: "SEQPACKET", 10: "PACKET" },
    state: {
      1: "ESTABLISHED",
      2: "SYN_SENT",
      3: "SYN_RECV",
      4: "FIN_WAIT1",
      5: "FIN_WAIT2",
      6: "TIME_WAIT",
      7: "CLOSE",
      8: "CLOSE_WAIT",
      9: "LAST_ACK",
      10: "LISTEN",
    },
    proto: { 0: "IP", 6: "TCP", 17: "UDP", 136: "UDPLITE" },
  },
};
