/** How ioctl numbers are put together (asm-generic/ioctl.h). */

const WRITE = 1;
const READ = 2;

function ioctl(direction: number, type: number, number: number, size: number): number {
  return ((direction << 30) | (size << 16) | (type << 8) | number) >>> 0;
}

/** An ioctl without an argument. */
export function _IO(type: number, number: number): number {
  return ioctl(0, type, number, 0);
}

/** An ioctl that fills an argument of `size` bytes. */
export function _IOR(type: number, number: number, size: number): number {
  return ioctl(READ, type, number, size);
}

/** An ioctl that takes an argument of `size` bytes. */
export function _IOW(type: number, number: number, size: number): number {
  return ioctl(WRITE, type, number, size);
}

/** An ioctl that takes an argument of `size` bytes and changes it. */
export function _IOWR(type: number, number: number, size: number): number {
  return ioctl(READ | WRITE, type, number, size);
}
