#define _GNU_SOURCE
#include "clinux.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

// Mounts by descriptor: open_tree(2), mount_setattr(2), move_mount(2).

int dish_clone_mount(int descriptor) {
    return (int)syscall(SYS_open_tree, descriptor, "",
                        OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE);
}

int dish_clone_one_mount(int descriptor) {
    return (int)syscall(SYS_open_tree, descriptor, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
}

int dish_forbid_devices(int mount) {
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_NODEV};
    return (int)syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes);
}

int dish_attach_mount(int mount, const char *target) {
    return (int)syscall(SYS_move_mount, mount, "", AT_FDCWD, target, MOVE_MOUNT_F_EMPTY_PATH);
}
