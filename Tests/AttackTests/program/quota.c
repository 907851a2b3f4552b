/// Writes as much as it can by every way there is, each until it is refused or has had its share. The test looks at the whole pool.
#include "attack.h"
#include <linux/btrfs.h>
#include <linux/fs.h>
#include <sys/random.h>
#include <sys/xattr.h>
#include <time.h>

enum { BLOCK = 1 << 20 };
static unsigned char block[BLOCK];
static unsigned long long share, total;
static time_t deadline;

/// Bytes that are in no other block.
static void change(void) {
    static uint64_t counter;
    for (int offset = 0; offset < BLOCK; offset += 4096) *(uint64_t *)(block + offset) = ++counter;
}

static bool goes_on(unsigned long long written) { return written < share && time(NULL) < deadline; }

/// Fills a file to the share; returns what it took.
static unsigned long long fill(int directory, const char *name, int flags) {
    unsigned long long written = 0;
    int file = openat(directory, name, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
    while (file >= 0 && goes_on(written)) {
        change();
        ssize_t done = write(file, block, BLOCK);
        if (done <= 0) break;
        written += done;
        if (written % (64 << 20) == 0 && fsync(file) < 0) break;
    }
    if (file >= 0) fsync(file), close(file);
    return written;
}

static int nested(int directory, const char *name) {
    struct btrfs_ioctl_vol_args given = {0};
    strncpy(given.name, name, sizeof given.name - 1);
    if (ioctl(directory, BTRFS_IOC_SUBVOL_CREATE, &given) < 0) return -1;
    return openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static int without_group(int directory, const char *name) {
    static struct btrfs_qgroup_inherit none;
    struct btrfs_ioctl_vol_args_v2 given = {.flags = BTRFS_SUBVOL_QGROUP_INHERIT, .size = sizeof none, .qgroup_inherit = &none};
    strncpy(given.name, name, sizeof given.name - 1);
    if (ioctl(directory, BTRFS_IOC_SUBVOL_CREATE_V2, &given) < 0) return -1;
    return openat(directory, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static unsigned long long plain(int directory) { return fill(directory, "plain", 0); }
static unsigned long long direct(int directory) { return fill(directory, "direct", 0) + fill(directory, "more", O_SYNC); }
static unsigned long long in_subvolume(int directory) {
    int inner = nested(directory, "nested"), deeper = inner < 0 ? -1 : nested(inner, "deeper");
    return inner < 0 ? 0 : fill(inner, "file", 0) + (deeper < 0 ? 0 : fill(deeper, "file", 0));
}
static unsigned long long in_no_group(int directory) {
    int inner = without_group(directory, "none");
    return inner < 0 ? 0 : fill(inner, "file", 0);
}
static unsigned long long in_snapshots(int directory) {
    unsigned long long written = 0;
    int source = nested(directory, "source");
    for (int time = 0; source >= 0 && time < 8; time++) {
        char name[32];
        snprintf(name, sizeof name, "snapshot-%d", time);
        written += fill(source, "file", 0);
        struct btrfs_ioctl_vol_args_v2 given = {.fd = source, .flags = time % 2 ? BTRFS_SUBVOL_RDONLY : 0};
        strncpy(given.name, name, sizeof given.name - 1);
        if (ioctl(directory, BTRFS_IOC_SNAP_CREATE_V2, &given) < 0) break;
    }
    return written;
}
static unsigned long long deleted(int directory) {
    unsigned long long written = 0;
    int file = openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    while (file >= 0 && goes_on(written)) {
        change();
        if (write(file, block, BLOCK) != BLOCK) break;
        written += BLOCK;
    }
    if (file >= 0) fsync(file);
    return written;
}
static unsigned long long allocated(int directory) {
    int file = openat(directory, "allocated", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    unsigned long long written = 0;
    while (file >= 0 && goes_on(written) && fallocate(file, 0, written, 16 << 20) == 0) written += 16 << 20;
    return written;
}
/// A clone shares all; each block that is written over is one more.
static unsigned long long clones(int directory) {
    unsigned long long written = fill(directory, "original", 0);
    int source = openat(directory, "original", O_RDONLY | O_CLOEXEC);
    for (int time = 0; time < 16 && goes_on(written); time++) {
        char name[32];
        snprintf(name, sizeof name, "clone-%d", time);
        int file = openat(directory, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (file < 0 || ioctl(file, FICLONE, source) < 0) break;
        for (off_t offset = 0; offset < 16 << 20; offset += BLOCK) {
            change();
            if (pwrite(file, block, BLOCK, offset) != BLOCK) break;
            written += BLOCK;
        }
        fsync(file);
        close(file);
    }
    return written;
}
/// A byte of an extent holds the whole extent.
static unsigned long long pinned(int directory) {
    unsigned long long written = 0;
    int file = openat(directory, "pinned", O_RDWR | O_CREAT | O_CLOEXEC, 0600), keeper = openat(directory, "keeper", O_RDWR | O_CREAT, 0600);
    for (off_t kept = 0; file >= 0 && keeper >= 0 && goes_on(written); kept += 4096) {
        change();
        if (pwrite(file, block, BLOCK, 0) != BLOCK || fsync(file) < 0) break;
        struct file_clone_range range = {.src_fd = file, .src_length = 4096, .dest_offset = kept};
        if (ioctl(keeper, FICLONERANGE, &range) < 0) break;
        written += BLOCK;
    }
    return written;
}
static unsigned long long inline_files(int directory) {
    unsigned long long written = 0;
    for (int index = 0; index < 40000 && goes_on(written); index++) {
        char name[300];
        memset(name, 'n', 200);
        snprintf(name + 200, 90, "%d", index);
        int file = openat(directory, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (file < 0 || write(file, block, 2000) != 2000) break;
        close(file);
        written += 2500;
    }
    return written;
}
static unsigned long long hard_links(int directory) {
    unsigned long long written = 0;
    close(openat(directory, "linked", O_WRONLY | O_CREAT, 0600));
    for (int index = 0; index < 60000 && goes_on(written); index++) {
        char name[300];
        memset(name, 'l', 220);
        snprintf(name + 220, 70, "%d", index);
        if (linkat(directory, "linked", directory, name, 0) < 0) break;
        written += 600;
    }
    return written;
}
static unsigned long long attributes(int directory) {
    unsigned long long written = 0;
    for (int index = 0; index < 8000 && goes_on(written); index++) {
        char name[64];
        snprintf(name, sizeof name, "a%d", index);
        int file = openat(directory, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        if (file < 0) break;
        for (int part = 0; part < 4; part++) {
            snprintf(name, sizeof name, "user.a%d", part);
            if (fsetxattr(file, name, block, 3800, 0) == 0) written += 3800;
        }
        close(file);
    }
    return written;
}
static unsigned long long links(int directory) {
    static char target[4000];
    unsigned long long written = 0;
    memset(target, 't', sizeof target - 1);
    for (int index = 0; index < 30000 && goes_on(written); index++) {
        char name[64];
        snprintf(name, sizeof name, "s%d", index);
        snprintf(target + 3900, 90, "%d", index);
        if (symlinkat(target, directory, name) < 0) break;
        written += 4000;
    }
    return written;
}

int quota_main(int megabytes) {
    static const struct {
        const char *name;
        unsigned long long (*write)(int);
    } ways[] = {{"nested subvolumes", in_subvolume}, {"subvolumes in no group", in_no_group}, {"snapshots", in_snapshots},
                {"plain files", plain}, {"synchronous files", direct}, {"deleted files", deleted}, {"allocated space", allocated},
                {"clones", clones}, {"pinned extents", pinned}, {"inline files", inline_files}, {"hard links", hard_links},
                {"attributes", attributes}, {"symbolic links", links}};
    const char *const places[] = {"/var/log/journal", "/var/log", "/srv", "/"};
    size_t count = sizeof ways / sizeof *ways;
    getrandom(block, BLOCK, 0);
    // First a little by each way, so that each is tried while there is room; then as much as each can.
    for (int round = 0; round < 2; round++) {
        share = round == 0 ? 3 << 20 : (unsigned long long)megabytes * (1 << 20) / count;
        for (size_t index = 0; index < count; index++) {
            unsigned long long written = 0;
            for (int place = 0; place < 4; place++) {
                char path[PATH_MAX];
                mkdir(places[place], 0755);
                snprintf(path, sizeof path, "%s/quota-%d-%zu", places[place], round, index);
                mkdir(path, 0755);
                int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                if (directory < 0) directory = open(places[place], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                deadline = time(NULL) + 1 + round;
                if (directory >= 0) written += ways[index].write(directory);
            }
            total += written;
            printf("quota %s: %llu MB\n", ways[index].name, written >> 20);
            fflush(stdout);
        }
    }
    sync();
    printf("total %llu MB\n", total >> 20);
    return 0;
}
