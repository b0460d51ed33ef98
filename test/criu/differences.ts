/** Where our images differ from CRIU's of the same program, and why. */

interface Difference {
  /** Of the paths that canonical.ts makes. */
  path: RegExp;
  reason: string;
}

export const DIFFERENCES: readonly Difference[] = [
  {
    path: /^INVENTORY\.dump_criu_run_id$/,
    reason: "a random number for each dump",
  },
  {
    path: /^STATS\.dump\.(freezing|frozen|memdump|memwrite)_time$/,
    reason: "times that were measured",
  },
  {
    path: /^STATS\.dump\.(pages_scanned|page_pipes|page_pipe_bufs)$/,
    reason: "numbers about the way in which pages were found and copied, which is another",
  },
  {
    path: /^TIMENS\./,
    reason: "what the clocks said at the time of the dump",
  },
  {
    path: /^CORE\[\d+\]\.thread_core\.cg_set$/,
    reason: "the cgroup of a task is left to the caller of the restore",
  },
  {
    path: /^CORE\[\d+\]\.tc\.flags$/,
    reason: "PF_SUPERPRIV in it: the calls of the first of the two dumps used privileges",
  },
  {
    path: /^GHOST_FILE\[\d+\]\.atim\./,
    reason: "the first of the two dumps has read the file",
  },
  {
    path: /^GHOST_FILE\[\d+\]\.(chunks|size)$/,
    reason: "tiny files are written in chunks too, so that there is one way for all",
  },
  {
    path: /^FILES\[.*\/link_remap\.\d+ .*\]\.reg\.mode$/,
    reason: "the restore has one thing more by which to know the file again",
  },
  {
    path: /^CORE\[\d+\]\.tc\.timers\.(posix\[\d+\]\.v|(real|virt|prof)\.v)(n|u)?sec$/,
    reason: "timers count on between the two dumps",
  },
  {
    path: /^CORE\[\d+\]\.tc\.personality$/,
    reason: "CRIU 4.2 reads the hexadecimal number of /proc as a decimal one",
  },
  {
    path: /^CORE\[\d+\]\.thread_info\.fpregs\.xsave\.cet\.(cet|ssp)$/,
    reason: "0, as shadow stacks are off; CRIU leaves the fields out where the processor has none",
  },
  {
    path: /\.criu_wasm\b/,
    reason: "fields of our own, for what CRIU's messages have no place for; CRIU ignores them",
  },
];

/** Victims that are not the same to the second dump, or of which CRIU leaves something out. */
export const NOT_COMPARED: Readonly<Record<string, string>> = {
  "rseq-section": "the first of the two dumps ends the critical section",
  "timer-signals":
    "CRIU keeps signals of timers that were deleted or set anew, which this kernel would not deliver",
  "signal-flood": "CRIU leaves out a signal that is pending without a siginfo",
};
