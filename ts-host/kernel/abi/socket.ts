/** Sockets: families, types, options, and ioctls of any socket (linux/socket.h, linux/tcp.h and others). */

import { bytes, struct } from "./layout.ts";

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;

export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_CLOEXEC = 0o2000000;

export const SOL_SOCKET = 1;
export const SO_PEEK_OFF = 42;
export const SO_BUF_LOCK = 72;

export const IPPROTO_IP = 0;
export const IPPROTO_TCP = 6;
export const IPPROTO_IPV6 = 41;
export const IPPROTO_RAW = 255;

export const IPV6_FREEBIND = 78;

export const TCP_REPAIR = 19;
export const TCP_REPAIR_QUEUE = 20;
export const TCP_QUEUE_SEQ = 21;
export const TCP_RECV_QUEUE = 1;

export const SHUT_WR = 1;

/** The namespace of a socket, as a descriptor. */
export const SIOCGSKNS = 0x894c;
/** The file that a unix socket is bound to, as an O_PATH descriptor. */
export const SIOCUNIXFILE = 0x89e0;

export const sockaddrIn = struct("sockaddr_in", {
  sin_family: "u16",
  sin_port: "u16",
  sin_addr: "u32",
  pad: bytes(8),
});

export const sockaddrUn = struct("sockaddr_un", { sun_family: "u16", sun_path: bytes(108) });
