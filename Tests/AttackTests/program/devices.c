/// Nodes of the host's devices: those that can be made, and those that are there.
#include "attack.h"
#include <ftw.h>
#include <linux/if.h>
#include <linux/if_tun.h>

/// Opens a node and closes it; false and errno when that is refused.
static bool opens(const char *path) {
    int modes[] = {O_RDONLY, O_WRONLY, O_RDWR};
    for (int index = 0; index < 3; index++) {
        int file = open(path, modes[index] | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        if (file >= 0) {
            close(file);
            return true;
        }
    }
    return false;
}

/// What is looked for below /dev.
static dev_t wanted;
static mode_t wanted_type;
static char opened[PATH_MAX];

static int look(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)type, (void)walk;
    if ((status->st_mode & S_IFMT) != wanted_type || status->st_rdev != wanted || !opens(path)) return 0;
    snprintf(opened, sizeof opened, "%s", path);
    return 1;
}

static int made;

/// Makes a node in a directory and opens it.
static void make_in(const char *directory) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/attack-node-%d", directory, getpid());
    unlink(path);
    if (mknod(path, wanted_type | 0666, wanted) < 0) return;
    made++;
    bool open = opens(path);
    unlink(path);
    if (open) succeeded("made the node in %s and opened it", directory);
}

static void reach(mode_t type, unsigned major_number, unsigned minor_number) {
    wanted_type = type, wanted = makedev(major_number, minor_number);
    if (nftw("/dev", look, 16, FTW_PHYS) == 1) succeeded("%s can be opened", opened);
    const char *const places[] = {"/tmp", "/var/tmp", "/", "/dev", "/dev/shm", "/run", "/srv", "/var/log/journal", "/mnt/volume"};
    for (size_t index = 0; index < sizeof places / sizeof *places; index++) make_in(places[index]);
    const char *own = scratch();
    if (enter_namespaces(CLONE_NEWNS) == 0) {
        const char *const types[] = {"tmpfs", "ramfs", "devtmpfs"};
        for (int index = 0; index < 3; index++) {
            if (mount("none", own, types[index], 0, NULL) < 0) continue;
            make_in(own);
            // A devtmpfs has it already.
            if (index == 2 && nftw(own, look, 16, FTW_PHYS) == 1) succeeded("%s of a devtmpfs can be opened", opened);
            umount2(own, MNT_DETACH);
        }
        if (mount("/", own, NULL, MS_BIND, NULL) == 0 && mount(NULL, own, NULL, MS_REMOUNT | MS_BIND, "") == 0) make_in(own);
    }
    if (made) contained("%d nodes were made, none could be opened", made);
    refused("no node can be made");
}

ATTACK(device, loop_device) { reach(S_IFBLK, 7, fact("loop") ? number("loop") : 0); }
ATTACK(device, loop_control) { reach(S_IFCHR, 10, 237); }
ATTACK(device, virtio_disk) { reach(S_IFBLK, 254, 0); }
ATTACK(device, uml_disk) { reach(S_IFBLK, 98, 0); }
ATTACK(device, scsi_disk) { reach(S_IFBLK, 8, 0); }
ATTACK(device, nvme_disk) { reach(S_IFBLK, 259, 0); }
ATTACK(device, ram_disk) { reach(S_IFBLK, 1, 0); }
ATTACK(device, device_mapper) { reach(S_IFCHR, 10, 236); }
ATTACK(device, memory) { reach(S_IFCHR, 1, 1); }
ATTACK(device, ports) { reach(S_IFCHR, 1, 4); }
ATTACK(device, kernel_messages) { reach(S_IFCHR, 1, 11); }
ATTACK(device, fuse) { reach(S_IFCHR, 10, 229); }
ATTACK(device, btrfs_control) { reach(S_IFCHR, 10, 234); }
ATTACK(device, kvm) { reach(S_IFCHR, 10, 232); }
ATTACK(device, vhost_net) { reach(S_IFCHR, 10, 238); }
ATTACK(device, uinput) { reach(S_IFCHR, 10, 223); }
ATTACK(device, hardware_random) { reach(S_IFCHR, 10, 183); }
ATTACK(device, snapshot) { reach(S_IFCHR, 10, 231); }
ATTACK(device, real_time_clock) { reach(S_IFCHR, 252, 0); }
ATTACK(device, virtual_terminal) { reach(S_IFCHR, 4, 1); }
ATTACK(device, serial_line) { reach(S_IFCHR, 4, 64); }
ATTACK(device, screen_contents) { reach(S_IFCHR, 7, 0); }
ATTACK(device, scsi_generic) { reach(S_IFCHR, 21, 0); }
ATTACK(device, pci_arbiter) { reach(S_IFCHR, 10, 63); }

/// A node that everybody may have is the proof that a root takes none at all.
ATTACK(device, null_made_in_the_root) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/null", scratch());
    if (mknod(path, S_IFCHR | 0666, makedev(1, 3)) < 0) REFUSED();
    if (opens(path)) contained("it is the null device");
    contained("it was made and can't be opened: %s", strerror(errno));
}

ATTACK(device, tunnel) {
    const char *const places[] = {"/dev/net/tun", "/tmp/attack-tun"};
    mknod(places[1], S_IFCHR | 0666, makedev(10, 200));
    for (int index = 0; index < 2; index++) {
        int file = open(places[index], O_RDWR | O_CLOEXEC);
        if (index == 1) unlink(places[1]);
        if (file < 0) continue;
        struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
        if (ioctl(file, TUNSETIFF, &request) < 0) continue;
        if (owns_network()) contained("an interface in the task's own network");
        succeeded("made the interface %s", request.ifr_name);
    }
    REFUSED();
}

static int found;

static int look_at_node(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)type, (void)walk;
    if (!S_ISCHR(status->st_mode) && !S_ISBLK(status->st_mode)) return 0;
    found++;
    if (!opens(path)) return 0;
    snprintf(opened, sizeof opened, "%s (%u:%u)", path, major(status->st_rdev), minor(status->st_rdev));
    return 1;
}

ATTACK(device, nodes_in_the_image) {
    if (nftw("/", look_at_node, 32, FTW_PHYS | FTW_MOUNT) == 1) succeeded("opened %s", opened);
    if (found) contained("none of %d nodes can be opened", found);
    refused("there is none");
}

static int look_below_dev(const char *path, const struct stat *status, int type, struct FTW *walk) {
    (void)type, (void)walk;
    unsigned major_number = major(status->st_rdev), minor_number = minor(status->st_rdev);
    if (S_ISCHR(status->st_mode)) {
        // Null, zero, full, random, urandom; tty, ptmx; pseudo-terminals; tun, which an attack of its own tries.
        if (major_number == 1 && strchr("\3\5\7\10\11", (int)minor_number)) return 0;
        if (major_number == 5 && minor_number != 1) return 0;
        if (major_number >= 136 && major_number <= 143) return 0;
        if (major_number == 10 && minor_number == 200) return 0;
    } else if (!S_ISBLK(status->st_mode)) {
        return 0;
    }
    if (!opens(path)) return 0;
    snprintf(opened, sizeof opened, "%s (%u:%u)", path, major_number, minor_number);
    return 1;
}

ATTACK(device, nodes_below_dev) {
    if (nftw("/dev", look_below_dev, 16, FTW_PHYS) == 1) succeeded("opened %s", opened);
    refused("only the documented ones are there");
}

/// The file system of the pool, by its own device.
ATTACK(device, mount_the_pool) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "/dev/loop%llu", number("loop"));
    const char *target = scratch();
    bool exists = access(path, F_OK) == 0;
    if (!exists) {
        snprintf(path, sizeof path, "%s/disk", scratch());
        if (mknod(path, S_IFBLK | 0600, makedev(7, number("loop"))) < 0) REFUSED();
    }
    if (enter_namespaces(CLONE_NEWNS) < 0) REFUSED();
    if (mount(path, target, "btrfs", MS_RDONLY, "subvolid=5") < 0) REFUSED();
    umount2(target, MNT_DETACH);
    succeeded("mounted %s", path);
}

/// Attributes of the host's devices.
ATTACK(device, sysfs_attributes) {
    const char *const paths[] = {"/sys/block/loop0/queue/read_ahead_kb", "/sys/kernel/uevent_helper", "/sys/kernel/profiling",
                                 "/sys/module/loop/parameters/max_loop", "/sys/power/state", "/sys/kernel/mm/transparent_hugepage/enabled",
                                 "/sys/devices/system/cpu/cpu1/online", "/sys/bus/pci/rescan", "/sys/kernel/debug/sched/verbose",
                                 "/sys/fs/btrfs/features/supported_rescue_options"};
    for (size_t index = 0; index < sizeof paths / sizeof *paths; index++) {
        int file = open(paths[index], O_WRONLY | O_CLOEXEC);
        if (file >= 0) succeeded("%s can be written", paths[index]);
    }
    REFUSED();
}
