/** ELF files and what a core dump has in its notes (linux/elf.h, sys/procfs.h). */
import { bytes, struct } from "./layout.ts";
import { timeval } from "./time.ts";

export const ET_CORE = 4;
export const PT_LOAD = 1;
export const PT_NOTE = 4;
export const PF_X = 1;
export const PF_W = 2;
export const PF_R = 4;
/** In the place of the number of program headers, which then is in the first section header. */
export const PN_XNUM = 0xffff;
export const EM_X86_64 = 62;
export const EM_AARCH64 = 183;
export const EV_CURRENT = 1;

export const NT_PRSTATUS = 1;
export const NT_PRFPREG = 2;
export const NT_PRPSINFO = 3;
export const NT_AUXV = 6;
export const NT_SIGINFO = 0x53494749;
export const NT_FILE = 0x46494c45;
export const NT_X86_XSTATE = 0x202;
export const NT_ARM_TLS = 0x401;

export const elfHeader = struct("elf64_hdr", {
  e_ident: bytes(16),
  e_type: "u16",
  e_machine: "u16",
  e_version: "u32",
  e_entry: "u64",
  e_phoff: "u64",
  e_shoff: "u64",
  e_flags: "u32",
  e_ehsize: "u16",
  e_phentsize: "u16",
  e_phnum: "u16",
  e_shentsize: "u16",
  e_shnum: "u16",
  e_shstrndx: "u16",
});

export const programHeader = struct("elf64_phdr", {
  p_type: "u32",
  p_flags: "u32",
  p_offset: "u64",
  p_vaddr: "u64",
  p_paddr: "u64",
  p_filesz: "u64",
  p_memsz: "u64",
  p_align: "u64",
});

export const sectionHeader = struct("elf64_shdr", {
  sh_name: "u32",
  sh_type: "u32",
  sh_flags: "u64",
  sh_addr: "u64",
  sh_offset: "u64",
  sh_size: "u64",
  sh_link: "u32",
  sh_info: "u32",
  sh_addralign: "u64",
  sh_entsize: "u64",
});

export const elfSiginfo = struct("elf_siginfo", { si_signo: "i32", si_code: "i32", si_errno: "i32" });

/** As it is on x86-64; other machines differ in the size of the registers alone. */
export const elfPrstatus = struct("elf_prstatus", {
  pr_info: elfSiginfo,
  pr_cursig: "u16",
  pr_sigpend: "u64",
  pr_sighold: "u64",
  pr_pid: "i32",
  pr_ppid: "i32",
  pr_pgrp: "i32",
  pr_sid: "i32",
  pr_utime: timeval,
  pr_stime: timeval,
  pr_cutime: timeval,
  pr_cstime: timeval,
  pr_reg: bytes(27 * 8),
  pr_fpvalid: "i32",
});

export const elfPrpsinfo = struct("elf_prpsinfo", {
  pr_state: "u8",
  pr_sname: "u8",
  pr_zomb: "u8",
  pr_nice: "u8",
  pr_flag: "u64",
  pr_uid: "u32",
  pr_gid: "u32",
  pr_pid: "i32",
  pr_ppid: "i32",
  pr_pgrp: "i32",
  pr_sid: "i32",
  pr_fname: bytes(16),
  pr_psargs: bytes(80),
});
