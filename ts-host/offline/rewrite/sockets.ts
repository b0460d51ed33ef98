/** Addresses and ports of internet sockets. A connection to outside of the checkpoint cannot be moved: its peer would not know. */
import { UnsupportedError, UsageError } from "../../errors.ts";
import type { InetSkEntry } from "../../generated/messages.ts";
import type { ImageName, ImageRecord } from "../../images/checkpoint.ts";
import { imageFileName } from "../../images/framing.ts";
import { address as shown } from "../../images/json/to-json.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { describeFile, endpoint } from "../describe-file.ts";
import { on, type Replacement, type Transform } from "./transform.ts";

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

function socketsOf(checkpoint: Checkpoint): InetSkEntry[] {
  return [...checkpoint.files.values()].flatMap(({ isk }) => isk ?? []);
}

/** Whether the remote end of a socket is a socket of the checkpoint, too. */
function hasPeerInside({ dst_addr, dst_port, proto }: InetSkEntry, sockets: readonly InetSkEntry[]): boolean {
  return sockets.some(
    (other) => other.proto === proto && other.src_port === dst_port && sameWords(other.src_addr, dst_addr),
  );
}

function refuseOutside(isk: InetSkEntry, sockets: readonly InetSkEntry[]): void {
  if (isk.dst_port === 0 || isk.state === LISTENING || hasPeerInside(isk, sockets)) return;
  const line = describeFile({ type: 4, id: isk.id, isk });
  throw new UnsupportedError(
    `${line}: the other end is not in the checkpoint, and would not know of the change`,
  );
}

type ChangeSocket = (socket: InetSkEntry, record: number) => void;

/** Every socket's own end, and the other end of those whose peer is a socket of the checkpoint too. */
function changeEnds(
  name: ImageName,
  records: ImageRecord[],
  change: { source: ChangeSocket; destination: ChangeSocket },
): void {
  on("FILES", name, records, (files) => {
    // As they are before the change: it is by these that ends find each other.
    const sockets = files.flatMap(({ message }) => message.isk ?? []).map((socket) => ({ ...socket }));
    for (const [record, { message }] of files.entries()) {
      const { isk } = message;
      if (isk === undefined) continue;
      const peerInside = hasPeerInside(isk, sockets);
      change.source(isk, record);
      if (peerInside) change.destination(isk, record);
    }
  });
}

export function changeAddress(replacement: Replacement): Transform {
  const [from, to] = [replacement.from, replacement.to].map(wordsOf);
  if (from.length !== to.length)
    throw new UsageError(`${replacement.from} and ${replacement.to} are of two families`);
  return {
    name: `address ${replacement.from}=${replacement.to}`,
    check(checkpoint) {
      const sockets = socketsOf(checkpoint);
      for (const socket of sockets) if (sameWords(socket.src_addr, from)) refuseOutside(socket, sockets);
      for (const name of checkpoint.list()) {
        if (name.kind !== "IFADDR" || !holdsAddress(checkpoint.read(name)[0]?.payload, from)) continue;
        throw new UnsupportedError(
          `the network namespace itself has ${replacement.from}: its interfaces cannot be changed`,
          {
            file: imageFileName(name),
          },
        );
      }
    },
    image(name, records, note) {
      changeEnds(name, records, {
        source(isk, record) {
          if (!sameWords(isk.src_addr, from)) return;
          note(record, "isk.src_addr", shown(from), shown(to));
          isk.src_addr = [...to];
        },
        destination(isk, record) {
          if (!sameWords(isk.dst_addr, from)) return;
          note(record, "isk.dst_addr", shown(from), shown(to));
          isk.dst_addr = [...to];
        },
      });
    },
  };
}

/** Whether the raw dump of a namespace's addresses has this one: its bytes stand there in order. */
function holdsAddress(dump: Uint8Array | undefined, words: readonly number[]): boolean {
  const wanted = new Uint8Array(new Uint32Array(words).buffer);
  for (let at = 0; dump !== undefined && at + wanted.length <= dump.length; at += 4) {
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
        const taken = sockets.find(
          ({ proto, src_port, src_addr }) =>
            proto === socket.proto && src_port === to && sameWords(src_addr, socket.src_addr),
        );
        if (taken)
          throw new UnsupportedError(
            `${endpoint(taken.family, taken.src_addr, to)} is taken by another socket of the checkpoint`,
          );
      }
    },
    image(name, records, note) {
      changeEnds(name, records, {
        source(isk, record) {
          if (isk.src_port !== from) return;
          note(record, "isk.src_port", from, to);
          isk.src_port = to;
        },
        destination(isk, record) {
          if (isk.dst_port !== from) return;
          note(record, "isk.dst_port", from, to);
          isk.dst_port = to;
        },
      });
    },
  };
}
