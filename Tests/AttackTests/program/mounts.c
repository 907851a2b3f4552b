/// Mounts, roots and the ways out of them.
#include "attack.h"
#include <linux/mount.h>

#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

static void own_mounts(void) {
    if (enter_namespaces(CLONE_NEWNS) < 0) REFUSED();
}

static void expect_no_setting(const char *proc, const char *how) {
    const char *path = writable_setting(proc);
    if (path) succeeded("%s: %s can be written", how, path);
}

ATTACK(mount, settings_of_the_machine) {
    expect_no_setting("/proc", "as it is");
    refused("all of procfs's settings are read-only");
}

ATTACK(mount, remount_proc_sys_writable) {
    int worked = mount(NULL, "/proc/sys", NULL, MS_REMOUNT | MS_BIND, NULL) == 0;
    worked += mount(NULL, "/proc/sys/kernel", NULL, MS_REMOUNT | MS_BIND, NULL) == 0;
    worked += mount(NULL, "/proc", NULL, MS_REMOUNT, NULL) == 0;
    expect_no_setting("/proc", "remounted");
    if (worked) contained("remounted; the settings are still the host's");
    REFUSED();
}

ATTACK(mount, unmount_masks) {
    own_mounts();
    const char *const paths[] = {"/proc/sys/kernel", "/proc/sys", "/proc/sysrq-trigger", "/proc/kcore", "/proc/kallsyms", "/proc/kmsg",
                                 "/proc/bus", "/proc/irq", "/proc/acpi", "/proc/apm", "/proc/asound", "/proc/fs", "/proc/scsi", "/sys"};
    int worked = 0;
    for (size_t index = 0; index < sizeof paths / sizeof *paths; index++) worked += umount2(paths[index], MNT_DETACH) == 0;
    expect_no_setting("/proc", "unmounted");
    if (worked) contained("%d masks are gone; the settings are still the host's", worked);
    REFUSED();
}

ATTACK(mount, move_masks) {
    own_mounts();
    const char *target = scratch();
    if (mount("/proc/sys", target, NULL, MS_MOVE, NULL) < 0) REFUSED();
    expect_no_setting("/proc", "moved");
    contained("moved; the settings are still the host's");
}

ATTACK(mount, new_proc) {
    if (enter_namespaces(CLONE_NEWNS | CLONE_NEWPID) < 0) REFUSED();
    const char *target = scratch();
    if (mount("proc", target, "proc", 0, NULL) < 0) REFUSED();
    expect_no_setting(target, "a procfs of its own");
    contained("a procfs of its own, whose settings are the host's");
}

ATTACK(mount, new_sysfs) {
    if (enter_namespaces(CLONE_NEWNS | CLONE_NEWNET) < 0) REFUSED();
    const char *target = scratch();
    if (mount("sysfs", target, "sysfs", 0, NULL) < 0) REFUSED();
    char path[PATH_MAX];
    const char *const names[] = {"kernel/uevent_helper", "power/state", "block/loop0/queue/read_ahead_kb", "module/loop/parameters/max_loop"};
    for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
        snprintf(path, sizeof path, "%s/%s", target, names[index]);
        int file = open(path, O_WRONLY | O_CLOEXEC);
        if (file >= 0) succeeded("%s can be written", names[index]);
    }
    contained("a sysfs of its own, whose settings are the host's");
}

/// File systems of which there is one for the machine.
static void machine_wide(const char *type) {
    own_mounts();
    const char *target = scratch();
    if (mount("none", target, type, 0, NULL) < 0) REFUSED();
    umount2(target, MNT_DETACH);
    succeeded("mounted %s", type);
}
ATTACK(mount, debugfs) { machine_wide("debugfs"); }
ATTACK(mount, tracefs) { machine_wide("tracefs"); }
ATTACK(mount, securityfs) { machine_wide("securityfs"); }
ATTACK(mount, configfs) { machine_wide("configfs"); }
ATTACK(mount, pstore) { machine_wide("pstore"); }
ATTACK(mount, efivarfs) { machine_wide("efivarfs"); }
ATTACK(mount, selinuxfs) { machine_wide("selinuxfs"); }
ATTACK(mount, devtmpfs) { machine_wide("devtmpfs"); }
ATTACK(mount, fusectl) { machine_wide("fusectl"); }

ATTACK(mount, binfmt_misc) {
    own_mounts();
    const char *target = scratch();
    if (mount("none", target, "binfmt_misc", 0, NULL) < 0) REFUSED();
    umount2(target, MNT_DETACH);
    // From Linux 6.7 on a user namespace has its own.
    if (is_initial("user")) succeeded("mounted");
    contained("the user namespace's own");
}

static void release_agent(const char *controllers) {
    if (enter_namespaces(CLONE_NEWNS | CLONE_NEWCGROUP) < 0) REFUSED();
    const char *target = scratch();
    if (mount("cgroup", target, "cgroup", 0, controllers) < 0) REFUSED();
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/release_agent", target);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    umount2(target, MNT_DETACH);
    if (file >= 0) succeeded("release_agent can be written");
    contained("mounted; release_agent can't be written");
}
ATTACK(mount, release_agent_of_memory) { release_agent("memory"); }
ATTACK(mount, release_agent_of_rdma) { release_agent("rdma"); }
ATTACK(mount, release_agent_of_a_name) { release_agent("none,name=attack"); }

ATTACK(mount, cgroup2_root) {
    own_mounts();
    const char *target = scratch();
    if (mount("none", target, "cgroup2", 0, NULL) < 0) REFUSED();
    char path[PATH_MAX], text[256];
    snprintf(path, sizeof path, "%s/dish.slice", target);
    bool above = access(path, F_OK) == 0;
    snprintf(path, sizeof path, "%s/../cgroup.procs", target);
    above |= reaches_host(open(target, O_PATH | O_DIRECTORY));
    if (read_text("/proc/self/cgroup", text, sizeof text) == 0 && strstr(text, "0::/../..")) above = true;
    umount2(target, MNT_DETACH);
    if (above) succeeded("the host's control groups are there");
    contained("it begins at the task's own group");
}

ATTACK(mount, overlay_with_nodes) {
    own_mounts();
    const char *target = scratch();
    char options[400], path[300];
    const char *const names[] = {"lower", "upper", "work", "merged"};
    for (int index = 0; index < 4; index++) {
        snprintf(path, sizeof path, "%s/%s", target, names[index]);
        mkdir(path, 0755);
    }
    snprintf(options, sizeof options, "lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work", target, target, target);
    if (mount("none", path, "overlay", 0, options) < 0) REFUSED();
    char node[400];
    snprintf(node, sizeof node, "%s/node", path);
    if (mknod(node, S_IFBLK | 0600, makedev(7, 0)) == 0 && open(node, O_RDONLY | O_NONBLOCK) >= 0) succeeded("a node in it can be opened");
    umount2(path, MNT_DETACH);
    contained("an overlay of the task's own files");
}

ATTACK(mount, flags_of_the_root) {
    own_mounts();
    struct mount_attr attributes = {.attr_clr = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC};
    int worked = syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &attributes, sizeof attributes) == 0;
    worked += mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0;
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/node", scratch());
    if (mknod(path, S_IFBLK | 0600, makedev(7, 0)) == 0) {
        int file = open(path, O_RDONLY | O_NONBLOCK);
        unlink(path);
        if (file >= 0) succeeded("a node can be opened");
        contained("a node can't be opened");
    }
    if (worked) contained("changed; no node can be made");
    REFUSED();
}

ATTACK(mount, unmapped_copy) {
    own_mounts();
    int tree = syscall(SYS_open_tree, AT_FDCWD, "/", 1 /* OPEN_TREE_CLONE */ | O_CLOEXEC);
    if (tree < 0) REFUSED();
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = open("/proc/self/ns/user", O_RDONLY)};
    if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes) < 0) REFUSED();
    succeeded("a copy of the root with another id map");
}

ATTACK(mount, above_a_cloned_tree) {
    own_mounts();
    int tree = syscall(SYS_open_tree, AT_FDCWD, "/", 1 | O_CLOEXEC);
    if (tree < 0) REFUSED();
    int above = openat(tree, "../../..", O_PATH | O_DIRECTORY);
    if (reaches_host(tree) || reaches_host(above)) succeeded("the host's files are above it");
    contained("there is nothing above it");
}

ATTACK(mount, pivot_root_out) {
    own_mounts();
    const char *target = scratch();
    if (mount("/", target, NULL, MS_BIND | MS_REC, NULL) < 0) REFUSED();
    if (chdir(target) < 0 || syscall(SYS_pivot_root, ".", ".") < 0) REFUSED();
    if (reaches_host(open(".", O_PATH | O_DIRECTORY))) succeeded("the old root is the host's");
    umount2(".", MNT_DETACH);
    if (reaches_host(open("/", O_PATH | O_DIRECTORY)) || reaches_host(open("..", O_PATH | O_DIRECTORY))) succeeded("below it is the host's");
    contained("below the root is the task's own");
}

ATTACK(mount, unmount_the_root) {
    own_mounts();
    int worked = umount2("/", MNT_DETACH) == 0;
    if (reaches_host(open("/", O_PATH | O_DIRECTORY)) || reaches_host(open("..", O_PATH | O_DIRECTORY))) succeeded("below it is the host's");
    if (worked) contained("nothing is below it");
    REFUSED();
}

ATTACK(mount, chroot_and_back) {
    const char *target = scratch();
    int root = open("/", O_RDONLY | O_DIRECTORY);
    if (chroot(target) < 0) REFUSED();
    if (fchdir(root) < 0) REFUSED();
    for (int step = 0; step < 64; step++)
        if (chdir("..") < 0) break;
    if (reaches_host(open(".", O_PATH | O_DIRECTORY))) succeeded("the host's root is above");
    contained("the task's root is the highest");
}

ATTACK(mount, propagation) {
    // Not in a namespace of its own: the test looks for it on the host.
    const char *target = scratch();
    if (mount("dish-attack", target, "tmpfs", 0, "size=4k") < 0) REFUSED();
    contained("mounted on %s; the host must not have it", target);
}

ATTACK(mount, roots_of_processes) {
    DIR *list = opendir("/proc");
    int tried = 0;
    for (struct dirent *entry; list && (entry = readdir(list));) {
        const char *const links[] = {"root", "cwd", "root/..", "cwd/../../../../..", "task/../root", "map_files/../cwd"};
        for (size_t index = 0; index < sizeof links / sizeof *links; index++) {
            char path[PATH_MAX];
            snprintf(path, sizeof path, "/proc/%s/%s", entry->d_name, links[index]);
            int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
            if (directory < 0) continue;
            tried++;
            if (reaches_host(directory)) succeeded("%s is the host's", path);
            close(directory);
        }
    }
    contained("%d lead to the task's own root", tried);
}

ATTACK(mount, the_hosts_paths) {
    if (reaches_host(open("/", O_PATH | O_DIRECTORY))) succeeded("its file can be read by its own path");
    const char *const prefixes[] = {"/run/host", "/run/host/root", "/host", "/mnt", "/proc/1/root", "/run/systemd/nspawn", "/run/host/incoming",
                                    "/.host", "/run/host/os-release/.."};
    for (size_t index = 0; index < sizeof prefixes / sizeof *prefixes; index++)
        if (reaches_host(open(prefixes[index], O_PATH | O_DIRECTORY))) succeeded("it is below %s", prefixes[index]);
    refused("it is at none of the paths");
}

ATTACK(mount, written_run_host) {
    const char *const paths[] = {"/run/host/os-release", "/run/host/container-manager", "/run/host/container-uuid", "/run/host/incoming/attack",
                                 "/run/host/unix-export/attack", "/run/host/inaccessible/reg"};
    int written = 0;
    for (size_t index = 0; index < sizeof paths / sizeof *paths; index++) {
        int file = open(paths[index], O_WRONLY | O_APPEND | (strstr(paths[index], "attack") ? O_CREAT : 0), 0600);
        if (file < 0) continue;
        written++;
        close(file);
        if (strstr(paths[index], "attack")) unlink(paths[index]);
    }
    if (written) contained("%d paths below /run/host can be written; the host reads none", written);
    REFUSED();
}

/// The program that entered the task, or its init, may be the host's file.
ATTACK(mount, programs_of_the_host) {
    DIR *list = opendir("/proc");
    int busy = 0, seen = 0;
    for (struct dirent *entry; list && (entry = readdir(list));) {
        char path[300], target[PATH_MAX];
        snprintf(path, sizeof path, "/proc/%s/exe", entry->d_name);
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length < 0) continue;
        target[length] = 0;
        struct stat real, named;
        if (stat(path, &real) < 0 || (stat(target, &named) == 0 && named.st_ino == real.st_ino && named.st_dev == real.st_dev)) continue;
        seen++;
        int file = open(path, O_WRONLY | O_CLOEXEC);
        if (file >= 0) succeeded("%s (%s) can be written", path, target);
        busy += errno == ETXTBSY;
    }
    if (busy) contained("%d of the host's programs can't be written while they run", busy);
    if (seen) contained("%d of the host's programs run here and can't be written", seen);
    refused("no program of the host runs here");
}
