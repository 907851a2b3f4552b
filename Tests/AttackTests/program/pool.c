/// What Btrfs can be asked to do with the pool or with others' subvolumes.
#include "attack.h"
#include <linux/btrfs.h>
#include <linux/btrfs_tree.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/vfs.h>

static int root(void) {
    struct statfs status;
    int file = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file < 0 || fstatfs(file, &status) < 0 || status.f_type != BTRFS_SUPER_MAGIC) skipped("the root isn't on Btrfs");
    return file;
}

/// A directory on Btrfs.
static int place(char *path) {
    strcpy(path, scratch());
    struct statfs status;
    int file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fstatfs(file, &status) < 0 || status.f_type != BTRFS_SUPER_MAGIC) {
        strcpy(path, "/srv/attack-XXXXXX");
        if (!mkdtemp(path)) skipped("no directory on Btrfs: %s", strerror(errno));
        file = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fstatfs(file, &status) < 0 || status.f_type != BTRFS_SUPER_MAGIC) skipped("no directory on Btrfs");
    }
    return file;
}

/// Asks for what needs rights on the whole file system. The argument is one that does nothing, or that is none.
static void whole(unsigned long request, void *argument) {
    if (ioctl(root(), request, argument) == 0) succeeded("it worked");
    if (errno == EPERM || errno == EACCES || errno == ENOTTY || errno == EOPNOTSUPP) REFUSED();
    succeeded("it was allowed, and failed for another reason: %s", strerror(errno));
}

static struct btrfs_ioctl_search_args search = {
    .key = {.tree_id = BTRFS_ROOT_TREE_OBJECTID, .max_objectid = -1ULL, .max_offset = -1ULL, .max_transid = -1ULL, .max_type = 255,
            .nr_items = 10}};
ATTACK(pool, search_the_root_tree) { whole(BTRFS_IOC_TREE_SEARCH, &search); }
ATTACK(pool, search_the_file_tree) {
    search.key.tree_id = 5;
    whole(BTRFS_IOC_TREE_SEARCH, &search);
}
ATTACK(pool, search_the_root_tree_v2) {
    struct {
        struct btrfs_ioctl_search_args_v2 head;
        char space[4096];
    } given = {.head = {.key = search.key, .buf_size = 4096}};
    whole(BTRFS_IOC_TREE_SEARCH_V2, &given);
}
ATTACK(pool, look_an_inode_up) {
    struct btrfs_ioctl_ino_lookup_args given = {.treeid = 5, .objectid = 257};
    whole(BTRFS_IOC_INO_LOOKUP, &given);
}
ATTACK(pool, paths_of_an_inode) {
    char space[4096];
    struct btrfs_ioctl_ino_path_args given = {.inum = 256, .size = sizeof space, .fspath = (uintptr_t)space};
    whole(BTRFS_IOC_INO_PATHS, &given);
}
ATTACK(pool, owner_of_an_extent) {
    char space[4096];
    struct btrfs_ioctl_logical_ino_args given = {.logical = 1 << 20, .size = sizeof space, .inodes = (uintptr_t)space};
    whole(BTRFS_IOC_LOGICAL_INO, &given);
}
ATTACK(pool, turn_quotas_off) {
    // No command has this number.
    struct btrfs_ioctl_quota_ctl_args given = {.cmd = 99};
    whole(BTRFS_IOC_QUOTA_CTL, &given);
}
ATTACK(pool, make_a_quota_group) {
    struct btrfs_ioctl_qgroup_create_args given = {.create = 1, .qgroupid = 9ULL << 48 | 0xA77AC};
    whole(BTRFS_IOC_QGROUP_CREATE, &given);
}
ATTACK(pool, assign_a_quota_group) {
    struct btrfs_ioctl_qgroup_assign_args given = {.assign = 1, .src = 256, .dst = fact("group") ? number("group") : 1ULL << 48 | 1};
    whole(BTRFS_IOC_QGROUP_ASSIGN, &given);
}
ATTACK(pool, raise_the_limit) {
    struct btrfs_ioctl_qgroup_limit_args given = {.lim = {.flags = BTRFS_QGROUP_LIMIT_MAX_RFER, .max_rfer = -1ULL}};
    whole(BTRFS_IOC_QGROUP_LIMIT, &given);
}
ATTACK(pool, count_quotas_again) {
    struct btrfs_ioctl_quota_rescan_args given = {.flags = 99};
    whole(BTRFS_IOC_QUOTA_RESCAN, &given);
}
ATTACK(pool, send_a_subvolume) {
    struct btrfs_ioctl_send_args given = {.send_fd = -1};
    whole(BTRFS_IOC_SEND, &given);
}
ATTACK(pool, resize_the_pool) {
    struct btrfs_ioctl_vol_args given = {.name = "cancel"};
    whole(BTRFS_IOC_RESIZE, &given);
}
ATTACK(pool, add_a_device) {
    struct btrfs_ioctl_vol_args given = {.name = "/none"};
    whole(BTRFS_IOC_ADD_DEV, &given);
}
ATTACK(pool, remove_a_device) {
    struct btrfs_ioctl_vol_args given = {.name = "/none"};
    whole(BTRFS_IOC_RM_DEV, &given);
}
ATTACK(pool, remove_a_device_v2) {
    struct btrfs_ioctl_vol_args_v2 given = {.name = "/none"};
    whole(BTRFS_IOC_RM_DEV_V2, &given);
}
ATTACK(pool, replace_a_device) {
    static struct btrfs_ioctl_dev_replace_args given = {.cmd = BTRFS_IOCTL_DEV_REPLACE_CMD_STATUS};
    whole(BTRFS_IOC_DEV_REPLACE, &given);
}
ATTACK(pool, errors_of_a_device) {
    static struct btrfs_ioctl_get_dev_stats given = {.devid = 1, .nr_items = BTRFS_DEV_STAT_VALUES_MAX};
    if (ioctl(root(), BTRFS_IOC_GET_DEV_STATS, &given) == 0) contained("numbers to read; they change nothing");
    REFUSED();
}
ATTACK(pool, device_of_the_pool) {
    static struct btrfs_ioctl_dev_info_args given = {.devid = 1};
    if (ioctl(root(), BTRFS_IOC_DEV_INFO, &given) == 0) contained("its name and size can be read, by everybody");
    REFUSED();
}
ATTACK(pool, cancel_a_scrub) { whole(BTRFS_IOC_SCRUB_CANCEL, NULL); }
ATTACK(pool, progress_of_a_scrub) {
    static struct btrfs_ioctl_scrub_args given = {.devid = 1};
    whole(BTRFS_IOC_SCRUB_PROGRESS, &given);
}
ATTACK(pool, cancel_a_balance) { whole(BTRFS_IOC_BALANCE_CTL, (void *)(uintptr_t)BTRFS_BALANCE_CTL_CANCEL); }
ATTACK(pool, progress_of_a_balance) {
    static struct btrfs_ioctl_balance_args given;
    whole(BTRFS_IOC_BALANCE_PROGRESS, &given);
}
ATTACK(pool, set_the_default_subvolume) {
    uint64_t given = 5;
    whole(BTRFS_IOC_DEFAULT_SUBVOL, &given);
}
ATTACK(pool, set_the_label) {
    char label[256] = "";
    if (ioctl(root(), FS_IOC_GETFSLABEL, label) < 0) REFUSED();
    whole(FS_IOC_SETFSLABEL, label);
}
ATTACK(pool, set_features) {
    static struct btrfs_ioctl_feature_flags given[2];
    whole(BTRFS_IOC_SET_FEATURES, given);
}
ATTACK(pool, thaw) { whole(_IOWR('X', 120, int), NULL); }
ATTACK(pool, discard_free_space) {
    struct fstrim_range given = {.start = -1ULL, .len = 0, .minlen = -1ULL};
    whole(FITRIM, &given);
}
ATTACK(pool, write_encoded_extents) {
    struct btrfs_ioctl_encoded_io_args given = {.iovcnt = 0};
    whole(BTRFS_IOC_ENCODED_WRITE, &given);
}
ATTACK(pool, read_encoded_extents) {
    struct btrfs_ioctl_encoded_io_args given = {.iovcnt = 0};
    whole(BTRFS_IOC_ENCODED_READ, &given);
}

ATTACK(pool, subvolume_in_the_tasks_group) {
    char path[PATH_MAX];
    struct btrfs_ioctl_vol_args given = {.name = "nested"};
    if (ioctl(place(path), BTRFS_IOC_SUBVOL_CREATE, &given) < 0) REFUSED();
    contained("it counts as the task's");
}

static struct {
    struct btrfs_qgroup_inherit head;
    uint64_t groups[1];
} inherit;

static void made(unsigned long request, uint64_t group, const char *what) {
    char path[PATH_MAX];
    int directory = place(path);
    inherit.head.num_qgroups = group != 0;
    inherit.groups[0] = group;
    struct btrfs_ioctl_vol_args_v2 given = {.flags = BTRFS_SUBVOL_QGROUP_INHERIT, .qgroup_inherit = &inherit.head,
                                            .size = sizeof inherit.head + inherit.head.num_qgroups * sizeof inherit.groups[0],
                                            .name = "nested"};
    struct btrfs_ioctl_vol_args source = {.name = "source"};
    if (request == BTRFS_IOC_SNAP_CREATE_V2) {
        if (ioctl(directory, BTRFS_IOC_SUBVOL_CREATE, &source) < 0) REFUSED();
        given.fd = openat(directory, "source", O_RDONLY | O_DIRECTORY);
    }
    if (ioctl(directory, request, &given) < 0) REFUSED();
    succeeded("%s", what);
}
ATTACK(pool, subvolume_in_no_group) { made(BTRFS_IOC_SUBVOL_CREATE_V2, 0, "nobody is billed for it"); }
ATTACK(pool, subvolume_in_anothers_group) { made(BTRFS_IOC_SUBVOL_CREATE_V2, number("group"), "another task is billed for it"); }
ATTACK(pool, snapshot_in_no_group) { made(BTRFS_IOC_SNAP_CREATE_V2, 0, "nobody is billed for it"); }
ATTACK(pool, snapshot_in_anothers_group) { made(BTRFS_IOC_SNAP_CREATE_V2, number("group"), "another task is billed for it"); }
ATTACK(pool, subvolume_with_a_copied_limit) {
    char path[PATH_MAX];
    struct {
        struct btrfs_qgroup_inherit head;
        uint64_t groups[2];
    } copied = {.head = {.num_ref_copies = 1}, .groups = {number("group"), 256}};
    struct btrfs_ioctl_vol_args_v2 given = {.flags = BTRFS_SUBVOL_QGROUP_INHERIT, .size = sizeof copied, .qgroup_inherit = &copied.head,
                                            .name = "nested"};
    if (ioctl(place(path), BTRFS_IOC_SUBVOL_CREATE_V2, &given) < 0) REFUSED();
    succeeded("numbers of another's group were copied");
}

/// The subvolume is there only to be destroyed.
ATTACK(pool, destroy_anothers_subvolume) {
    struct btrfs_ioctl_vol_args_v2 given = {.flags = BTRFS_SUBVOL_SPEC_BY_ID, .subvolid = number("victim")};
    if (ioctl(root(), BTRFS_IOC_SNAP_DESTROY_V2, &given) < 0) REFUSED();
    succeeded("destroyed");
}
ATTACK(pool, destroy_a_subvolume_by_path) {
    char path[PATH_MAX];
    int directory = place(path);
    struct btrfs_ioctl_vol_args given = {.name = "nested"};
    if (ioctl(directory, BTRFS_IOC_SUBVOL_CREATE, &given) < 0) REFUSED();
    if (ioctl(directory, BTRFS_IOC_SNAP_DESTROY, &given) < 0) REFUSED();
    contained("the task's own");
}
ATTACK(pool, mark_the_root_as_received) {
    static struct btrfs_ioctl_received_subvol_args given;
    if (ioctl(root(), BTRFS_IOC_SET_RECEIVED_SUBVOL, &given) < 0) REFUSED();
    contained("the task's own root");
}
ATTACK(pool, snapshot_of_the_root) {
    char path[PATH_MAX];
    struct btrfs_ioctl_vol_args given = {.fd = root(), .name = "snapshot"};
    if (ioctl(place(path), BTRFS_IOC_SNAP_CREATE, &given) < 0) REFUSED();
    contained("of the task's own root; it counts as the task's");
}
ATTACK(pool, names_of_others) {
    // For everybody: subvolumes below the given one, by what can be looked at.
    static struct btrfs_ioctl_get_subvol_rootref_args given;
    if (ioctl(root(), BTRFS_IOC_GET_SUBVOL_ROOTREF, &given) < 0) REFUSED();
    contained("%u of the task's own", given.num_items);
}
ATTACK(pool, defragment_another) {
    struct btrfs_ioctl_defrag_range_args given = {.len = -1ULL};
    int file = open("/etc/os-release", O_RDWR | O_CLOEXEC);
    if (file < 0 || ioctl(file, BTRFS_IOC_DEFRAG_RANGE, &given) < 0) REFUSED();
    contained("the copy counts as the task's");
}
