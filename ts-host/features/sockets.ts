/** Features of sockets and networks. */
import { release } from "node:os";
import { O_CLOEXEC, O_RDWR } from "../kernel/abi/fcntl.ts";
import { _IOR } from "../kernel/abi/ioctl.ts";
import {
  inetDiagReqV2,
  NETLINK_ROUTE,
  NETLINK_SOCK_DIAG,
  NETNSA_PID,
  NLM_F_DUMP,
  NLM_F_REQUEST,
  NLMSG_ERROR,
  nlmsghdr,
  RTM_GETNSID,
  RTM_NEWNSID,
  SOCK_DIAG_BY_FAMILY,
} from "../kernel/abi/netlink.ts";
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  AF_UNIX,
  IPPROTO_IPV6,
  IPPROTO_RAW,
  IPPROTO_TCP,
  IPV6_FREEBIND,
  SHUT_WR,
  SIOCGSKNS,
  SIOCUNIXFILE,
  SO_BUF_LOCK,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
  SOL_SOCKET,
  sockaddrIn,
  sockaddrUn,
  TCP_QUEUE_SEQ,
  TCP_RECV_QUEUE,
  TCP_REPAIR,
  TCP_REPAIR_QUEUE,
} from "../kernel/abi/socket.ts";
import { call } from "../native/calls.ts";
import { cString, type Feature, withDescriptor, withTemporaryPath, works } from "./feature.ts";

const LOOPBACK = 0x0100007f;
const TUNGETFEATURES = _IOR("T".charCodeAt(0), 207, 4);

function word(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32LE(value);
  return bytes;
}

function withSocket<T>(body: (fd: number) => T, family: number, type: number, protocol = 0): T {
  return withDescriptor(body, "socket", family, type | SOCK_CLOEXEC, protocol);
}

/** Whether a connection whose other end has said that it is done can be looked into. */
function repairsHalfClosed(): boolean {
  const address = sockaddrIn.pack({ sin_family: AF_INET, sin_addr: LOOPBACK });
  return withSocket(
    (listener) => {
      call("bind", listener, address, address.length);
      call("listen", listener, 1);
      call("getsockname", listener, address, word(address.length));
      return withSocket(
        (client) => {
          call("connect", client, address, address.length);
          return withDescriptor(
            (server) => {
              call("shutdown", client, SHUT_WR);
              call("setsockopt", server, IPPROTO_TCP, TCP_REPAIR, word(1), 4);
              call("setsockopt", server, IPPROTO_TCP, TCP_REPAIR_QUEUE, word(TCP_RECV_QUEUE), 4);
              return works("getsockopt", server, IPPROTO_TCP, TCP_QUEUE_SEQ, word(0), word(4));
            },
            "accept4",
            listener,
            0,
            0,
            SOCK_CLOEXEC,
          );
        },
        AF_INET,
        SOCK_STREAM,
      );
    },
    AF_INET,
    SOCK_STREAM,
  );
}

/** The type of the first message that answers a request. */
function askKernel(protocol: number, type: number, flags: number, body: Uint8Array): number {
  return withSocket(
    (fd) => {
      const length = nlmsghdr.size + body.length;
      const header = nlmsghdr.pack({
        nlmsg_len: length,
        nlmsg_type: type,
        nlmsg_flags: NLM_F_REQUEST | flags,
      });
      const kernel = Buffer.alloc(12);
      kernel.writeUInt16LE(AF_NETLINK);
      call("sendto", fd, Buffer.concat([header, body]), length, 0, kernel, kernel.length);
      const answer = Buffer.alloc(16384);
      call("recvfrom", fd, answer, answer.length, 0, 0, 0);
      return nlmsghdr.read(answer).nlmsg_type;
    },
    AF_NETLINK,
    SOCK_RAW,
    protocol,
  );
}

function listsRawSockets(family: number): boolean {
  const request = inetDiagReqV2.pack({
    sdiag_family: family,
    sdiag_protocol: IPPROTO_RAW,
    idiag_states: 0xffffffff,
  });
  return askKernel(NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, request) !== NLMSG_ERROR;
}

function numbersNamespaces(): boolean {
  const message = Buffer.alloc(4 + 8);
  message.writeUInt16LE(8, 4);
  message.writeUInt16LE(NETNSA_PID, 6);
  message.writeInt32LE(process.pid, 8);
  return askKernel(NETLINK_ROUTE, RTM_GETNSID, 0, message) === RTM_NEWNSID;
}

function tellsFileOfSocket(): boolean {
  return withTemporaryPath((path) =>
    withSocket(
      (fd) => {
        const address = sockaddrUn.pack({ sun_family: AF_UNIX });
        Buffer.from(path).copy(address, 2);
        call("bind", fd, address, address.length);
        return withDescriptor(() => true, "ioctl", fd, SIOCUNIXFILE, 0);
      },
      AF_UNIX,
      SOCK_DGRAM,
    ),
  );
}

function kernelIsAtLeast(major: number, minor: number): boolean {
  const [ours = 0, oursMinor = 0] = release().split(".").map(Number);
  return ours > major || (ours === major && oursMinor >= minor);
}

export const SOCKET_FEATURES: Feature[] = [
  { name: "tcp_half_closed", use: "half-closed TCP connections", isThere: repairsHalfClosed },
  {
    name: "sk_ns",
    use: "sockets of several network namespaces",
    isThere: () =>
      withSocket((fd) => withDescriptor(() => true, "ioctl", fd, SIOCGSKNS, 0), AF_INET, SOCK_DGRAM),
  },
  { name: "sk_unix_file", use: "unix sockets bound to files that moved", isThere: tellsFileOfSocket },
  {
    name: "net_diag_raw",
    use: "raw sockets",
    isThere: () => listsRawSockets(AF_INET) && listsRawSockets(AF_INET6),
  },
  {
    name: "sockopt_buf_lock",
    use: "sockets whose buffers were sized by the program",
    isThere: () =>
      withSocket(
        (fd) => works("getsockopt", fd, SOL_SOCKET, SO_BUF_LOCK, word(0), word(4)),
        AF_INET,
        SOCK_DGRAM,
      ),
  },
  {
    name: "ipv6_freebind",
    use: "sockets bound to addresses that are not there",
    isThere: () =>
      withSocket(
        (fd) => works("setsockopt", fd, IPPROTO_IPV6, IPV6_FREEBIND, word(1), 4),
        AF_INET6,
        SOCK_STREAM,
      ),
  },
  { name: "nsid", use: "network namespaces that know each other", isThere: numbersNamespaces },
  {
    name: "link_nsid",
    use: "network devices whose peer is in another namespace",
    // Finding out otherwise takes two namespaces and a pair of devices.
    isThere: () => kernelIsAtLeast(4, 3),
  },
  {
    name: "newifindex",
    use: "network devices that move to another namespace",
    isThere: () => kernelIsAtLeast(5, 13),
  },
  {
    name: "tun",
    use: "tun and tap devices",
    isThere: () =>
      withDescriptor(
        (fd) => works("ioctl", fd, TUNGETFEATURES, word(0)),
        "open",
        cString("/dev/net/tun"),
        O_RDWR | O_CLOEXEC,
        0,
      ),
  },
  {
    name: "tun_ns",
    use: "tun and tap devices of other network namespaces",
    isThere: () =>
      withDescriptor(
        (fd) => withDescriptor(() => true, "ioctl", fd, SIOCGSKNS, 0),
        "open",
        cString("/dev/net/tun"),
        O_RDWR | O_CLOEXEC,
        0,
      ),
  },
];
