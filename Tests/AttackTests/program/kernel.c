/// System calls that act on the machine. Arguments are chosen so that a call which is allowed fails for another reason, or changes nothing.
#include "attack.h"
#include <sys/inotify.h>
#include <linux/fanotify.h>
#include <sys/fanotify.h>
#include <sys/klog.h>
#include <sys/quota.h>
#include <sys/swap.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <sys/xattr.h>

/// The verdict about a call that may fail in no other way than by being forbidden.
static void forbidden(long result) {
    if (result < 0 && (errno == EPERM || errno == EACCES || errno == ENOSYS || errno == EOPNOTSUPP)) REFUSED();
    if (result < 0) succeeded("it was allowed, and failed for another reason: %s", strerror(errno));
    succeeded("it worked");
}

ATTACK(kernel, bpf) {
    char attributes[128] = {0};
    attributes[0] = 2 /* BPF_MAP_TYPE_ARRAY */;
    long map = syscall(SYS_bpf, 0, attributes, sizeof attributes);
    if (map < 0 && errno == EINVAL) succeeded("its arguments were looked at");
    forbidden(map);
}
ATTACK(kernel, perf_events) {
    char attributes[128] = {0};
    *(uint32_t *)(attributes + 4) = sizeof attributes;
    forbidden(syscall(SYS_perf_event_open, attributes, -1, 0, -1, 0));
}
ATTACK(kernel, userfaultfd) { forbidden(syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK | 1 /* UFFD_USER_MODE_ONLY */)); }
ATTACK(kernel, io_uring) {
    char parameters[120] = {0};
    long ring = syscall(SYS_io_uring_setup, 1, parameters);
    if (ring < 0) REFUSED();
    succeeded("a ring, which makes sockets that no filter sees");
}
ATTACK(kernel, kexec_load) { forbidden(syscall(SYS_kexec_load, 0, 0, NULL, 0xFFFFFFFF)); }
ATTACK(kernel, kexec_file_load) { forbidden(syscall(SYS_kexec_file_load, -1, -1, 0, "", 0xFFFFFFFF)); }
ATTACK(kernel, load_module) { forbidden(syscall(SYS_init_module, "", 0, "")); }
ATTACK(kernel, load_module_file) { forbidden(syscall(SYS_finit_module, -1, "", 0)); }
ATTACK(kernel, unload_module) { forbidden(syscall(SYS_delete_module, "dish_attack_none", O_NONBLOCK)); }
#ifdef SYS_iopl
ATTACK(kernel, ports_by_iopl) { forbidden(syscall(SYS_iopl, 3)); }
ATTACK(kernel, ports_by_ioperm) { forbidden(syscall(SYS_ioperm, 0x80, 1, 1)); }
#endif
ATTACK(kernel, swap_on) { forbidden(swapon("/none", 0)); }
ATTACK(kernel, swap_off) { forbidden(swapoff("/none")); }
ATTACK(kernel, accounting) { forbidden(acct("/none")); }
ATTACK(kernel, quota_control) {
    char path[32];
    snprintf(path, sizeof path, "/dev/loop%s", fact("loop") ?: "0");
    long result = quotactl(QCMD(Q_SYNC, USRQUOTA), path, 0, NULL);
    if (result < 0 && (errno == ENOENT || errno == ENOTBLK || errno == ENODEV)) refused("there is no device to name");
    forbidden(result);
}
ATTACK(kernel, set_clock) {
    // By nothing.
    struct timex change = {.modes = ADJ_SETOFFSET | ADJ_NANO};
    forbidden(adjtimex(&change));
}
ATTACK(kernel, set_clock_speed) {
    struct timex change = {.modes = 0};
    if (adjtimex(&change) < 0) REFUSED();
    change.modes = ADJ_TICK;
    forbidden(adjtimex(&change));
}
ATTACK(kernel, set_time_zone) {
    struct timezone zone;
    syscall(SYS_gettimeofday, NULL, &zone);
    forbidden(syscall(SYS_settimeofday, NULL, &zone));
}
ATTACK(kernel, kernel_log) {
    char text[256];
    forbidden(klogctl(3, text, sizeof text));
}
ATTACK(kernel, host_name) {
    char name[256];
    gethostname(name, sizeof name);
    if (sethostname(name, strlen(name)) < 0) REFUSED();
    if (is_initial("uts")) succeeded("the host's name can be set");
    contained("the task's own name");
}
ATTACK(kernel, reboot) {
    // No command has this number.
    long result = syscall(SYS_reboot, 0xfee1dead, 672274793, 0x0BADBAD0, NULL);
    if (result < 0 && errno == EPERM) REFUSED();
    if (is_initial("pid")) succeeded("the machine's would be done");
    contained("it ends the task's own namespace");
}
ATTACK(kernel, hang_up_terminals) {
    // Of a session without one.
    setsid();
    if (syscall(SYS_vhangup) < 0) REFUSED();
    contained("the session's own terminal");
}
ATTACK(kernel, real_time_priority) {
    struct sched_param parameter = {.sched_priority = 1};
    if (sched_setscheduler(0, SCHED_FIFO, &parameter) < 0) REFUSED();
    sched_setscheduler(0, SCHED_OTHER, &(struct sched_param){0});
    succeeded("it runs before everything else of the host");
}
ATTACK(kernel, negative_nice) {
    if (setpriority(PRIO_PROCESS, 0, -20) < 0) REFUSED();
    setpriority(PRIO_PROCESS, 0, 0);
    if (is_initial("user")) contained("within the task's share: CAP_SYS_NICE was given with the host's user namespace");
    succeeded("it runs before others");
}
ATTACK(kernel, real_time_io) {
    if (syscall(SYS_ioprio_set, 1, 0, 1 << 13) < 0) REFUSED();
    if (is_initial("user")) contained("CAP_SYS_NICE was given with the host's user namespace");
    succeeded("its reads come before others");
}
ATTACK(kernel, spared_when_memory_runs_out) {
    char before[32] = "";
    read_text("/proc/self/oom_score_adj", before, sizeof before);
    if (write_text("/proc/self/oom_score_adj", "-1000") < 0) REFUSED();
    write_text("/proc/self/oom_score_adj", before);
    if (is_initial("user")) contained("CAP_SYS_RESOURCE was given with the host's user namespace; the group is killed whole");
    succeeded("it is never chosen");
}
ATTACK(kernel, more_than_the_resource_limits) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    struct rlimit more = {limit.rlim_max, limit.rlim_max + 1};
    if (limit.rlim_max == RLIM_INFINITY) skipped("there is no limit");
    if (setrlimit(RLIMIT_NOFILE, &more) < 0) REFUSED();
    if (is_initial("user")) contained("CAP_SYS_RESOURCE was given with the host's user namespace");
    succeeded("raised");
}
ATTACK(kernel, locked_memory) {
    size_t size = 256 << 20;
    struct rlimit limit;
    getrlimit(RLIMIT_MEMLOCK, &limit);
    if (limit.rlim_cur >= size) skipped("the limit is above %zu MB", size >> 20);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (mlock2(memory, size, MLOCK_ONFAULT) < 0) REFUSED();
    succeeded("256 MB are locked, with a limit of %llu bytes", (unsigned long long)limit.rlim_cur);
}
ATTACK(kernel, watch_the_file_system) {
    int watch = syscall(SYS_fanotify_init, FAN_CLASS_CONTENT, O_RDONLY);
    if (watch < 0) watch = syscall(SYS_fanotify_init, FAN_CLASS_NOTIF | FAN_REPORT_FID, O_RDONLY);
    if (watch < 0) REFUSED();
    unsigned kinds[] = {FAN_MARK_FILESYSTEM, FAN_MARK_MOUNT};
    for (int index = 0; index < 2; index++)
        if (syscall(SYS_fanotify_mark, watch, FAN_MARK_ADD | kinds[index], FAN_OPEN, AT_FDCWD, "/") == 0 && index == 0)
            succeeded("every task's files on this file system are watched");
    contained("the task's own files");
}
ATTACK(kernel, trusted_attributes) {
    // Not on a tmpfs, which may be the task's own.
    const char *path = "/srv/attack-file";
    int file = open(path, O_WRONLY | O_CREAT, 0600);
    if (file < 0) skipped("no file can be made: %s", strerror(errno));
    const char *const names[] = {"trusted.overlay.redirect", "security.selinux", "security.ima", "trusted.attack"};
    for (int index = 0; index < 4; index++)
        if (setxattr(path, names[index], "x", 1, 0) == 0) {
            // What a security module means by one is its own to check.
            if (is_initial("user") || names[index][0] == 's') contained("%s, in the task's own root", names[index]);
            succeeded("%s was set", names[index]);
        }
    REFUSED();
}
ATTACK(kernel, file_capabilities) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/file", scratch());
    close(open(path, O_WRONLY | O_CREAT, 0755));
    // struct vfs_cap_data: revision 2, all capabilities.
    unsigned char value[20] = {1, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0, 0, 0};
    if (setxattr(path, "security.capability", value, sizeof value, 0) < 0) REFUSED();
    contained("in the task's own root, for its own users");
}
ATTACK(kernel, set_user_id_file) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/file", scratch());
    int file = open(path, O_WRONLY | O_CREAT, 0755);
    if (fchmod(file, 06755) < 0) REFUSED();
    contained("of the task's own root, where no user of the host comes");
}
ATTACK(kernel, immutable_file) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/file", scratch());
    int file = open(path, O_RDONLY | O_CREAT, 0644);
    // FS_IOC_SETFLAGS with FS_IMMUTABLE_FL; without it again.
    int flags = 0x10, none = 0;
    if (ioctl(file, 0x40086602, &flags) < 0) REFUSED();
    ioctl(file, 0x40086602, &none);
    contained("a file of the task's own");
}
ATTACK(kernel, file_handle_of_another_root) {
    // BTRFS: {objectid, root, generation}, type FILEID_BTRFS_WITHOUT_PARENT.
    struct {
        struct file_handle head;
        uint64_t object, root;
        uint32_t generation;
    } __attribute__((packed)) handle = {.head = {.handle_bytes = 20, .handle_type = 0x4d}, .object = 256};
    unsigned long long roots[] = {5, fact("root") ? number("root") : 256, 256, 257, 258};
    int own = open("/", O_RDONLY | O_DIRECTORY);
    struct stat here;
    fstat(own, &here);
    for (int index = 0; index < 5; index++) {
        handle.root = roots[index];
        int file = syscall(SYS_open_by_handle_at, own, &handle, O_RDONLY | O_DIRECTORY);
        if (file < 0 && (errno == EPERM || errno == ENOSYS)) REFUSED();
        struct stat status;
        if (file >= 0 && fstat(file, &status) == 0 && status.st_dev != here.st_dev) succeeded("opened the root of subvolume %llu", roots[index]);
    }
    contained("no handle leads out: %s", strerror(errno));
}
ATTACK(kernel, personality) {
    // ADDR_NO_RANDOMIZE and READ_IMPLIES_EXEC are the process's own.
    if (syscall(SYS_personality, 0x0440000) < 0) REFUSED();
    contained("the process's own");
}
ATTACK(kernel, legacy_directory_cookie) {
#ifdef SYS_lookup_dcookie
    char text[64];
    long result = syscall(SYS_lookup_dcookie, 0ULL, text, sizeof text);
    if (result < 0) REFUSED();
    succeeded("it worked");
#else
    skipped("this architecture has none");
#endif
}
