/**
 * Files: open, fcntl, locks, the *at calls, modes (linux/fcntl.h, asm-generic/fcntl.h, linux/stat.h).
 */

import { struct } from "./layout.ts";

export const O_ACCMODE = 3;
export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_CREAT = 0x40;
export const O_EXCL = 0x80;
export const O_NOCTTY = 0x100;
export const O_TRUNC = 0x200;
export const O_APPEND = 0x400;
export const O_NONBLOCK = 0x800;
export const O_DSYNC = 0x1000;
export const O_DIRECT = 0x4000;
export const O_LARGEFILE = 0x8000;
export const O_DIRECTORY = 0x10000;
export const O_NOFOLLOW = 0x20000;
export const O_NOATIME = 0x40000;
export const O_CLOEXEC = 0x80000;
export const O_SYNC = 0x101000;
export const O_PATH = 0x200000;
export const O_TMPFILE = 0x410000;
export const FASYNC = 0x2000;

export const F_DUPFD = 0;
export const F_GETFD = 1;
export const F_SETFD = 2;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const F_GETLK = 5;
export const F_SETLK = 6;
export const F_SETLKW = 7;
export const F_SETOWN = 8;
export const F_GETOWN = 9;
export const F_SETSIG = 10;
export const F_GETSIG = 11;
export const F_SETOWN_EX = 15;
export const F_GETOWN_EX = 16;
export const F_GETOWNER_UIDS = 17;
export const F_OFD_GETLK = 36;
export const F_OFD_SETLK = 37;
export const F_OFD_SETLKW = 38;
export const F_SETLEASE = 1024;
export const F_GETLEASE = 1025;
export const F_CANCELLK = 1029;
export const F_DUPFD_CLOEXEC = 1030;
export const F_NOTIFY = 1026;
export const F_SETPIPE_SZ = 1031;
export const F_GETPIPE_SZ = 1032;
export const F_ADD_SEALS = 1033;
export const F_GET_SEALS = 1034;
export const F_GET_RW_HINT = 1035;
export const F_SET_RW_HINT = 1036;
export const F_GET_FILE_RW_HINT = 1037;
export const F_SET_FILE_RW_HINT = 1038;

/** For F_SETOWN_EX. */
export const F_OWNER_TID = 0;
export const F_OWNER_PID = 1;
export const F_OWNER_PGRP = 2;

export const F_SEAL_SEAL = 1;
export const F_SEAL_SHRINK = 2;
export const F_SEAL_GROW = 4;
export const F_SEAL_WRITE = 8;
export const F_SEAL_FUTURE_WRITE = 16;
export const F_SEAL_EXEC = 32;

/** Kinds of a struct flock. */
export const F_RDLCK = 0;
export const F_WRLCK = 1;
export const F_UNLCK = 2;

/** For flock(). */
export const LOCK_SH = 1;
export const LOCK_EX = 2;
export const LOCK_NB = 4;
export const LOCK_UN = 8;
export const LOCK_MAND = 32;
export const LOCK_READ = 64;
export const LOCK_WRITE = 128;
export const LOCK_RW = 192;

export const FD_CLOEXEC = 1;

export const AT_FDCWD = -100;
export const AT_SYMLINK_NOFOLLOW = 0x100;
export const AT_EACCESS = 0x200;
export const AT_REMOVEDIR = 0x200;
export const AT_SYMLINK_FOLLOW = 0x400;
export const AT_NO_AUTOMOUNT = 0x800;
export const AT_EMPTY_PATH = 0x1000;
export const AT_RECURSIVE = 0x8000;

export const SEEK_SET = 0;
export const SEEK_CUR = 1;
export const SEEK_END = 2;
export const SEEK_DATA = 3;
export const SEEK_HOLE = 4;
export const RENAME_NOREPLACE = 1;
export const RENAME_EXCHANGE = 2;

export const S_IFMT = 0xf000;
export const S_IFSOCK = 0xc000;
export const S_IFLNK = 0xa000;
export const S_IFREG = 0x8000;
export const S_IFBLK = 0x6000;
export const S_IFDIR = 0x4000;
export const S_IFCHR = 0x2000;
export const S_IFIFO = 0x1000;
export const S_ISUID = 0x800;
export const S_ISGID = 0x400;
export const S_ISVTX = 0x200;
export const S_IWUSR = 0o200;

/** For F_SETLK and F_OFD_SETLK. */
export const flock = struct("flock", {
  l_type: "u16",
  l_whence: "u16",
  l_start: "i64",
  l_len: "i64",
  l_pid: "i32",
});

export const fOwnerEx = struct("f_owner_ex", { type: "i32", pid: "i32" });
