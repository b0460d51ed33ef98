/** Addresses and ports of internet sockets. A connection to outside of the checkpoint cannot be moved: its peer would not know. */
import { UnsupportedError, UsageError } from "../../errors.ts";
import type { ImageKind, InetSkEntry } from "../../generated/messages.ts";
import type { ImageName, ImageRecord } from "../../images/checkpoint.ts";
import { imageFileName } from "../../images/framing.ts";
import { address as shown } from "../../images/json/to-json.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { describeFile, endpoint } from "../describe-file.ts";
import { type Note, onFiles, type Replacement, type Transform } from "./transform.ts";

const LISTENING = 10;

function sameWords(left: readonly number[], right: readonly number[]): boolean {
  return left.length === right.length && left.every((word, index) => word === right[index]);
}

/** An address as the images have it: one word in network order, or four. */
function wordsOf(text: string): number[] {
  const octets = text.includes(":") ? octetsOf6(text) : octetsOf4(text);
  const words: number[] = [];
  for (let at = 0; at < octets.length; at += 4) {
    words.push((octets[at] | (octets[at + 1] << 8) | (octets[at + 2] << 16) | (octets[at + 3] << 24)) >>> 0);
  }
  return words;
}

function octetsOf4(text: string): number[] {
  const octets = text.split(".").map((part) => (/^\d{1,3}$/.test(part) ? Number(part) : 256));
  if (octets.length !== 4 || octets.some((octet) => octet > 255))
    throw new UsageError(`not an IP address: ${text}`);
  return octets;
}

function octetsOf6(text: string): number[] {
  const halves = text.split("::");
  const groups = halves.map((half) => (half === "" ? [] : half.split(":")));
  const given = groups.flat();
  const fits = halves.length === 1 ? given.length === 8 : halves.length === 2 && given.length < 8;
  if (!fits || given.some((group) => !/^[0-9a-f]{1,4}$/i.test(group)))
    throw new UsageError(`not an IP address: ${text}`);
  const zeros = Array<string>(8 - given.length).fill("0");
  const all = halves.length === 1 ? given : [...groups[0], ...zeros, ...groups[1]];
  return all.flatMap((group) => [Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 255]);
}

/** The first three words of an address of IPv4 as sockets of IPv6 have it: ::ffff:a.b.c.d. */
const MAPPED = [0, 0, 0xffff0000];

/** An address of IPv4 as such, whatever the socket's family. */
function plain(words: readonly number[]): readonly number[] {
  return words.length === 4 && sameWords(words.slice(0, 3), MAPPED) ? words.slice(3) : words;
}

function sameAddress(left: readonly number[], right: readonly number[]): boolean {
  return sameWords(plain(left), plain(right));
}

/** `to`, in the form that `words` have. */
function inFormOf(words: readonly number[], to: readonly number[]): number[] {
  return words.length === 4 && to.length === 1 ? [...MAPPED, ...to] : [...to];
}

function socketsOf(checkpoint: Checkpoint): InetSkEntry[] {
  return [...checkpoint.files.values()].flatMap(({ isk }) => isk ?? []);
}

/** Whether the remote end of a socket is a socket of the checkpoint, too. */
function hasPeerInside({ dst_addr, dst_port, proto }: InetSkEntry, sockets: readonly InetSkEntry[]): boolean {
  return sockets.some(
    (other) => other.proto === proto && other.src_port === dst_port && sameAddress(other.src_addr, dst_addr),
  );
}

function refuseOutside(isk: InetSkEntry, sockets: readonly InetSkEntry[]): void {
  if (isk.dst_port === 0 || isk.state === LISTENING || hasPeerInside(isk, sockets)) return;
  const line = describeFile({ type: 4, id: isk.id, isk });
  throw new UnsupportedError(
    `${line}: the other end is not in the checkpoint, and would not know of the change`,
  );
}

type ChangeSocket = (
  socket: InetSkEntry,
  tell: (field: string, before: unknown, after: unknown) => void,
) => void;

/** Every socket's own end, and the other end of those whose peer is a socket of the checkpoint too. */
function changeEnds(
  name: ImageName,
  records: ImageRecord[],
  note: Note,
  change: { source: ChangeSocket; destination: ChangeSocket },
): void {
  // As they are before the change: it is by these that ends find each other.
  const sockets: InetSkEntry[] = [];
  onFiles(name, records, note, ({ isk }) => void (isk && sockets.push({ ...isk })));
  onFiles(name, records, note, ({ isk }, tell) => {
    if (isk === undefined) return;
    const peerInside = hasPeerInside(isk, sockets);
    change.source(isk, tell);
    if (peerInside) change.destination(isk, tell);
  });
}

/** Raw images of a network namespace: what the kernel has dumped, and what programs print. */
const DUMPS: ImageKind[] = ["IFADDR", "ROUTE", "ROUTE6", "RULE", "NETNF_CT", "NETNF_EXP"];
const TEXTS: ImageKind[] = ["IPTABLES", "IP6TABLES", "NFTABLES"];

/** Interfaces, routes and rules of a namespace of the processes' own would still have the old address. */
function refuseNamespaces(checkpoint: Checkpoint, address: string, words: readonly number[]): void {
  for (const name of checkpoint.list()) {
    const isDump = DUMPS.includes(name.kind);
    if (!isDump && !TEXTS.includes(name.kind)) continue;
    const content = checkpoint.read(name)[0]?.payload ?? new Uint8Array(0);
    if (isDump ? !holdsWords(content, words) : !new TextDecoder().decode(content).includes(address)) continue;
    throw new UnsupportedError(`the network namespace itself has ${address}, which cannot be changed`, {
      file: imageFileName(name),
    });
  }
}

export function changeAddress(replacement: Replacement): Transform {
  const [from, to] = [replacement.from, replacement.to].map(wordsOf);
  if (from.length !== to.length)
    throw new UsageError(`${replacement.from} and ${replacement.to} are of two families`);
  return {
    name: `address ${replacement.from}=${replacement.to}`,
    check(checkpoint) {
      const sockets = socketsOf(checkpoint);
      for (const socket of sockets) {
        if (!sameAddress(socket.src_addr, from)) continue;
        refuseOutside(socket, sockets);
        refuseTaken(socket, to, socket.src_port, sockets);
      }
      refuseNamespaces(checkpoint, replacement.from, from);
    },
    image(name, records, note) {
      changeEnds(name, records, note, {
        source(isk, tell) {
          if (!sameAddress(isk.src_addr, from)) return;
          tell("isk.src_addr", shown(from), shown(to));
          isk.src_addr = inFormOf(isk.src_addr, to);
        },
        destination(isk, tell) {
          if (!sameAddress(isk.dst_addr, from)) return;
          tell("isk.dst_addr", shown(from), shown(to));
          isk.dst_addr = inFormOf(isk.dst_addr, to);
        },
      });
    },
  };
}

/** Connections may share their own end; what listens, or waits for datagrams, may not. */
function refuseTaken(
  socket: InetSkEntry,
  address: readonly number[],
  port: number,
  sockets: readonly InetSkEntry[],
): void {
  const taken = sockets.find(
    ({ proto, src_port, src_addr }) =>
      proto === socket.proto && src_port === port && port !== 0 && sameAddress(src_addr, address),
  );
  if (taken === undefined) return;
  throw new UnsupportedError(
    `${endpoint(taken.family, taken.src_addr, port)} is taken by another socket of the checkpoint`,
  );
}

/** Whether a dump, which is made of words, has these one after the other. */
function holdsWords(dump: Uint8Array, words: readonly number[]): boolean {
  const wanted = new Uint8Array(new Uint32Array(words).buffer);
  for (let at = 0; at + wanted.length <= dump.length; at += 4) {
    if (wanted.every((byte, index) => dump[at + index] === byte)) return true;
  }
  return false;
}

const LARGEST_PORT = 65535;

export function changePort(replacement: Replacement): Transform {
  const [from, to] = [replacement.from, replacement.to].map((text) => {
    const port = Number(text);
    if (!Number.isInteger(port) || port < 1 || port > LARGEST_PORT)
      throw new UsageError(`not a port: ${text}`);
    return port;
  });
  return {
    name: `port ${from}=${to}`,
    check(checkpoint) {
      const sockets = socketsOf(checkpoint);
      for (const socket of sockets) {
        if (socket.src_port !== from) continue;
        refuseOutside(socket, sockets);
        refuseTaken(socket, socket.src_addr, to, sockets);
      }
    },
    image(name, records, note) {
      changeEnds(name, records, note, {
        source(isk, tell) {
          if (isk.src_port !== from) return;
          tell("isk.src_port", from, to);
          isk.src_port = to;
        },
        destination(isk, tell) {
          if (isk.dst_port !== from) return;
          tell("isk.dst_port", from, to);
          isk.dst_port = to;
        },
      });
    },
  };
}
