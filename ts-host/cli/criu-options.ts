/** CRIU's options, all of them: what a verb here does not know is at least refused by its name. */

/** Those that are on or off: `--no-NAME` switches one off, which is where it is unless it was switched on. */
const SWITCHES = [
  "allow-uprobes",
  "auto-dedup",
  "daemon",
  "deprecated",
  "display-stats",
  "evasive-devices",
  "experimental",
  "extra",
  "file-locks",
  "force-irmap",
  "ghost-fiemap",
  "link-remap",
  "log-pid",
  "mntns-compat-mode",
  "page-server",
  "restore-detached",
  "restore-sibling",
  "shell-job",
  "skip-file-rwx-check",
  "skip-in-flight",
  "stream",
  "tcp-close",
  "tcp-established",
  "tls",
  "track-mem",
  "unprivileged",
  "weak-sysctls",
];

const OTHERS = [
  "action-script",
  "address",
  "all",
  "cgroup-dump-controller",
  "cgroup-props",
  "cgroup-props-file",
  "cgroup-root",
  "cgroup-yard",
  "close",
  "config",
  "cpu-cap",
  "empty-ns",
  "enable-external-masters",
  "enable-external-sharing",
  "enable-fs",
  "exec-cmd",
  "ext-mount-map",
  "ext-unix-sk",
  "external",
  "feature",
  "file-validation",
  "freeze-cgroup",
  "ghost-limit",
  "images-dir",
  "inherit-fd",
  "irmap-scan-path",
  "join-ns",
  "lazy-pages",
  "leave-running",
  "leave-stopped",
  "libdir",
  "log-file",
  "lsm-mount-context",
  "lsm-profile",
  "manage-cgroups",
  "ms",
  "network-lock",
  "no-default-config",
  "pidfile",
  "port",
  "pre-dump-mode",
  "prev-images-dir",
  "ps-socket",
  "root",
  "skip-mnt",
  "status-fd",
  "timeout",
  "tls-cacert",
  "tls-cacrl",
  "tls-cert",
  "tls-key",
  "tls-no-cn-verify",
  "tree",
  "verbosity",
  "veth-pair",
  "work-dir",
];

const SHORT = "dSsRthDovxVrjJlWLM";

/** Whether CRIU has an option `--name`, or `-n`. */
export function isCriuOption(flag: string): boolean {
  if (!flag.startsWith("--")) return SHORT.includes(flag.slice(1, 2));
  const name = flag.slice(2).split("=")[0]!;
  return SWITCHES.includes(name) || OTHERS.includes(name);
}

/** The arguments without `--no-NAME` for CRIU's switches, and without what these take back. */
export function withoutNegations(args: readonly string[]): string[] {
  const kept: string[] = [];
  for (const arg of args) {
    const name = /^--no-(.+)$/.exec(arg)?.[1];
    if (name === undefined || !SWITCHES.includes(name)) kept.push(arg);
    else while (kept.includes(`--${name}`)) kept.splice(kept.indexOf(`--${name}`), 1);
  }
  return kept;
}
