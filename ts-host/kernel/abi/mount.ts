/** mount: flags (linux/mount.h). */

export const MS_REC = 0x4000;
export const MS_PRIVATE = 1 << 18;

export const MOVE_MOUNT_SET_GROUP = 0x100;
