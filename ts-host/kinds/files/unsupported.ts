/** What a descriptor is that cannot be dumped: the words for the message. */
import { statfsSync } from "node:fs";
import { MQUEUE_MAGIC } from "../../kernel/abi/magic.ts";
import type { HeldFile } from "./file-kind.ts";

/** Beginnings of the magic link of a descriptor, and what it is. */
const BY_LINK: [string, string][] = [
  ["anon_inode:[eventfd]", "an eventfd"],
  ["anon_inode:[eventpoll]", "an epoll instance"],
  ["anon_inode:[timerfd]", "a timerfd"],
  ["anon_inode:[signalfd]", "a signalfd"],
  ["anon_inode:inotify", "an inotify instance"],
  ["anon_inode:[fanotify]", "a fanotify group"],
  ["anon_inode:[pidfd]", "a pidfd"],
  ["pidfd:", "a pidfd"],
  ["anon_inode:[io_uring]", "an io_uring instance"],
  ["anon_inode:[perf_event]", "a perf event"],
  ["anon_inode:bpf", "a bpf object"],
  ["anon_inode:[userfaultfd]", "a userfaultfd"],
  ["anon_inode:seccomp notify", "a seccomp listener"],
  ["anon_inode:[landlock", "a landlock ruleset"],
  ["anon_inode:[fscontext]", "a mount being configured"],
  ["anon_inode:kvm", "a virtual machine"],
  ["anon_inode:dmabuf", "a dma-buf"],
  ["anon_inode:sync_file", "a sync file"],
  ["/secretmem", "secret memory"],
  ["/[aio]", "an aio context"],
  ["/memfd:", "a memfd"],
];

const TYPES_OF_NAMESPACE = /^(cgroup|ipc|mnt|net|pid|time|user|uts)(_for_children)?:\[/;

/** "a pipe", "the pid namespace", "a device (5:0)" … */
export function whatItIs({ link, stat, source }: HeldFile): string {
  const text = link.toString();
  const known = BY_LINK.find(([start]) => text.startsWith(start));
  if (known) return known[1];
  const namespace = TYPES_OF_NAMESPACE.exec(text);
  if (namespace) return `a descriptor of a ${namespace[1]} namespace`;
  if (stat.isFIFO()) return text.startsWith("pipe:") ? "a pipe" : "a FIFO";
  if (stat.isSocket()) return "a socket";
  if (stat.isCharacterDevice() || stat.isBlockDevice()) {
    const [major, minor] = [(stat.rdev >> 8n) & 0xfffn, stat.rdev & 0xffn];
    const isTerminal = (major >= 136n && major <= 143n) || (major >= 3n && major <= 5n) || major === 2n;
    return isTerminal ? "a terminal" : `a device (${major}:${minor})`;
  }
  if (stat.isFile() || stat.isDirectory()) {
    return statfsSync(source).type === MQUEUE_MAGIC
      ? "a message queue"
      : "a file in a mount that is not mounted anywhere";
  }
  if (text.startsWith("anon_inode:")) return text.slice("anon_inode:".length).replace(/^\[|\]$/g, "");
  return `a file of an unknown kind (${text})`;
}
