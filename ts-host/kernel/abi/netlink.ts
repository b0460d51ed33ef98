/** netlink: messages to the kernel and their answers (linux/netlink.h, linux/inet_diag.h, linux/net_namespace.h). */

import { bytes, struct } from "./layout.ts";

export const NETLINK_ROUTE = 0;
export const NETLINK_SOCK_DIAG = 4;

export const NLM_F_REQUEST = 1;
export const NLM_F_DUMP = 0x300;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

export const SOCK_DIAG_BY_FAMILY = 20;
export const RTM_NEWNSID = 88;
export const RTM_GETNSID = 90;
export const NETNSA_PID = 2;

export const nlmsghdr = struct("nlmsghdr", {
  nlmsg_len: "u32",
  nlmsg_type: "u16",
  nlmsg_flags: "u16",
  nlmsg_seq: "u32",
  nlmsg_pid: "u32",
});

/** Request for sockets of one family and protocol; `id` is a socket's, zero in a dump. */
export const inetDiagReqV2 = struct("inet_diag_req_v2", {
  sdiag_family: "u8",
  sdiag_protocol: "u8",
  idiag_ext: "u8",
  pad: "u8",
  idiag_states: "u32",
  id: bytes(48),
});
