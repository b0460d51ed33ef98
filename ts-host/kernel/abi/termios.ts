/** Terminals (asm-generic/ioctls.h, asm-generic/termbits.h, linux/tty.h). */
import { bytes, struct } from "./layout.ts";

export const TCGETS = 0x5401;
export const TCSETS = 0x5402;
export const TIOCGPGRP = 0x540f;
export const TIOCSPGRP = 0x5410;
export const TIOCGWINSZ = 0x5413;
export const TIOCGSID = 0x5429;
export const TIOCGLCKTRMIOS = 0x5456;
export const TIOCGEXCL = 0x80045440;

/** Control characters of a struct termios. */
export const NCCS = 19;

export const termios = struct("termios", {
  c_iflag: "u32",
  c_oflag: "u32",
  c_cflag: "u32",
  c_lflag: "u32",
  c_line: "u8",
  c_cc: bytes(NCCS),
});

export const winsize = struct("winsize", {
  ws_row: "u16",
  ws_col: "u16",
  ws_xpixel: "u16",
  ws_ypixel: "u16",
});
