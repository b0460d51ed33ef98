/** One line for people about an open file: a path, the ends of a connection, a counter. */
import { FdTypes, type FileEntry, type InetSkEntry, type UnixSkEntry } from "../generated/messages.ts";
import { address, text } from "../images/json/to-json.ts";

const AF_INET6 = 10;
const PROTOCOLS: Record<number, string> = { 6: "tcp", 17: "udp", 136: "udplite", 1: "icmp", 58: "icmpv6" };
const STREAM_STATES: Record<number, string> = { 1: "established", 7: "closed", 10: "listening" };
const SOCKET_TYPES: Record<number, string> = { 1: "stream", 2: "datagram", 5: "seqpacket" };
const O_ACCMODE = 3;
const ENDS = ["read end", "write end", "both ends"];

const TYPE_NAMES = new Map(Object.entries(FdTypes).map(([name, value]) => [value as number, name]));

/** Name of a type of file: "REG", "UNIXSK" … */
export function typeName(type: number): string {
  return TYPE_NAMES.get(type) ?? `type ${type}`;
}

/** `127.0.0.1:80`, `[::1]:80`; `*:80` for an address that is not given. */
export function endpoint(family: number, words: readonly number[], port: number): string {
  if (words.length === 0) return `*:${port}`;
  const host = address([...words]);
  return family === AF_INET6 ? `[${host}]:${port}` : `${host}:${port}`;
}

function inetSocket(socket: InetSkEntry): string {
  const { family, proto, state, src_addr, src_port, dst_addr, dst_port } = socket;
  const local = endpoint(family, src_addr, src_port);
  const name = PROTOCOLS[proto] ?? `protocol ${proto}`;
  if (dst_port !== 0) return `${name} ${local} -> ${endpoint(family, dst_addr, dst_port)}`;
  return state === 10 ? `${name} ${local} listening` : `${name} ${local}`;
}

/** The address of a unix socket: `@name` for an abstract one, "" where it has none. */
export function unixName(name: Uint8Array): string {
  if (name.length === 0) return "";
  if (name[0] === 0) return `@${text(name.subarray(1))}`;
  return text(name.at(-1) === 0 ? name.subarray(0, -1) : name);
}

function unixSocket({ type, state, name, name_dir, peer, ino }: UnixSkEntry): string {
  const kind = `unix ${SOCKET_TYPES[type] ?? `type ${type}`}`;
  const path = unixName(name);
  const place = name_dir === undefined || path.startsWith("@") ? path : `${text(name_dir)}/${path}`;
  const named = place === "" ? `${kind} socket:[${ino}]` : `${kind} ${place}`;
  if (peer !== 0) return `${named} -> socket:[${peer}]`;
  return type === 1 ? `${named} ${STREAM_STATES[state] ?? `state ${state}`}` : named;
}

/** What the file is, in one line. Images hold no more than this says for sure: no file is looked up. */
export function describeFile(file: FileEntry): string {
  const { reg, pipe, fifo, isk, usk, efd, epfd, tfd, sgfd, ify, ffy, memfd, tty, ext, nsf, nlsk, psk } = file;
  if (reg) return text(reg.name);
  if (pipe) return `pipe:[${pipe.pipe_id}] ${ENDS[pipe.flags & O_ACCMODE] ?? ""}`.trimEnd();
  if (fifo) return `fifo:[${fifo.pipe_id}]`;
  if (isk) return inetSocket(isk);
  if (usk) return unixSocket(usk);
  if (efd) return `eventfd ${efd.counter}`;
  if (epfd) return `epoll of fds ${epfd.tfd.map(({ tfd: fd }) => fd).join(", ") || "none"}`;
  if (tfd) return `timerfd of clock ${tfd.clockid}`;
  if (sgfd) return `signalfd 0x${sgfd.sigmask.toString(16)}`;
  if (ify) return `inotify of ${ify.wd.length} watches`;
  if (ffy) return `fanotify of ${ffy.mark.length} marks`;
  if (memfd) return `memfd of inode ${memfd.inode_id}`;
  if (tty) return `tty ${tty.tty_info_id}`;
  if (nsf) return `namespace ${nsf.ns_id}`;
  if (nlsk) return `netlink protocol ${nlsk.protocol} port ${nlsk.portid}`;
  if (psk) return `packet socket of protocol 0x${psk.protocol.toString(16)}`;
  if (ext) return "external";
  return typeName(file.type).toLowerCase();
}
