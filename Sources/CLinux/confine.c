#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

// A program of the host that parses what others wrote: one directory, or one open file. It has a root of its own, in memory, with the
// host's programs and libraries and that directory, read-only; ids of its own, for which the directory's owners are mapped; no network,
// no other processes, no terminal, no keyring, no system calls that a parser doesn't need; and limits. Linux 5.15 has all of it on Btrfs.
//
// In a child nothing may wait for a lock that other threads of the caller held: only calls of signal-safety(7) and system calls.

#ifndef MOUNT_ATTR_RDONLY
#define MOUNT_ATTR_RDONLY 0x00000001
#define MOUNT_ATTR_NOSUID 0x00000002
#define MOUNT_ATTR_NODEV 0x00000004
#define MOUNT_ATTR_NOEXEC 0x00000008
#define MOUNT_ATTR_IDMAP 0x00100000
#endif
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#define OPEN_TREE_CLOEXEC O_CLOEXEC
#endif
#ifndef MOVE_MOUNT_F_EMPTY_PATH
#define MOVE_MOUNT_F_EMPTY_PATH 0x00000004
#endif

// struct mount_attr of linux/mount.h, which can't be included beside sys/mount.h.
struct attributes {
    uint64_t set, clear, propagation, user_namespace;
};

static int open_clone(int directory, const char *path, unsigned flags) {
    return (int)syscall(SYS_open_tree, directory, path, flags | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
}

static int set_attributes(int tree, uint64_t set, int user_namespace) {
    struct attributes attributes = {.set = set, .user_namespace = (uint64_t)user_namespace};
    return (int)syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes);
}

static int put(int tree, const char *path) {
    return (int)syscall(SYS_move_mount, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH);
}

// A path of the host at the same place below the working directory, which is the new root: a directory or file as a read-only
// mount, a link as a link. One that the host hasn't got is left out.
static int show(const char *path) {
    const char *inside = path + 1;
    struct stat status;
    if (lstat(path, &status) < 0) return errno == ENOENT ? 0 : -1;
    if (S_ISLNK(status.st_mode)) {
        char target[4096];
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length < 0) return -1;
        target[length] = 0;
        return symlink(target, inside);
    }
    if (S_ISDIR(status.st_mode)) {
        if (mkdir(inside, 0755) < 0) return -1;
    } else {
        int file = open(inside, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        if (file < 0) return -1;
        close(file);
    }
    int tree = open_clone(AT_FDCWD, path, 0);
    if (tree < 0) return -1;
    int result = set_attributes(tree, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0);
    if (result == 0) result = put(tree, inside);
    close(tree);
    return result;
}

static int write_map(pid_t process, const char *name, uint32_t first) {
    char path[64], map[64];
    snprintf(path, sizeof path, "/proc/%d/%s", process, name);
    int length = snprintf(map, sizeof map, "0 %u 65536", first);
    int file = open(path, O_WRONLY | O_CLOEXEC);
    if (file < 0) return -1;
    int result = write(file, map, (size_t)length) == length ? 0 : -1;
    int saved = errno;
    close(file);
    errno = saved;
    return result;
}

// A new user namespace with 65536 ids, which lasts as long as the descriptor.
static int make_user_namespace(uint32_t first) {
    pid_t holder = (pid_t)syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (holder == 0) {
        // It is killed; should the caller die before, it goes with it.
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) pause();
    }
    if (holder < 0) return -1;
    int result = -1;
    if (write_map(holder, "uid_map", first) == 0 && write_map(holder, "gid_map", first) == 0) {
        char path[64];
        snprintf(path, sizeof path, "/proc/%d/ns/user", holder);
        result = open(path, O_RDONLY | O_CLOEXEC);
    }
    int saved = errno;
    kill(holder, SIGKILL);
    while (waitpid(holder, NULL, 0) < 0 && errno == EINTR) {}
    errno = saved;
    return result;
}

static int limit(int resource, uint64_t value) {
    struct rlimit limit = {value, value};
    return setrlimit(resource, &limit);
}

// Only the capability that reads files whatever their mode is; over nothing but files of its own ids.
static int keep_reading_only(void) {
    for (int capability = 0; capability < 64; capability++) {
        if (capability != CAP_DAC_READ_SEARCH && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0 && errno != EINVAL) return -1;
    }
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {{0}};
    sets[0].permitted = sets[0].effective = 1U << CAP_DAC_READ_SEARCH;
    return (int)syscall(SYS_capset, &header, sets);
}

#if defined(__x86_64__)
#define NATIVE_ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCHITECTURE AUDIT_ARCH_AARCH64
#else
#error "the number of this architecture is missing: linux/audit.h"
#endif

// What no parser needs, and what much of the kernel is reached by. Calls of other architectures are refused altogether.
static int refuse_calls(void) {
    static const uint32_t refused[] = {
        SYS_unshare, SYS_setns, SYS_keyctl, SYS_add_key, SYS_request_key, 425 /* io_uring_setup */, 426 /* io_uring_enter */,
        427 /* io_uring_register */, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev, SYS_bpf, SYS_perf_event_open,
        SYS_userfaultfd, SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, 428 /* open_tree */, 429 /* move_mount */,
        430 /* fsopen */, 431 /* fsconfig */, 432 /* fsmount */, 433 /* fspick */, 442 /* mount_setattr */, 467 /* open_tree_attr */,
        SYS_open_by_handle_at, SYS_fanotify_init, SYS_socket, SYS_socketpair, 438 /* pidfd_getfd */, SYS_kcmp, SYS_kexec_load,
        SYS_init_module, SYS_finit_module, SYS_delete_module, SYS_swapon, SYS_swapoff, SYS_reboot, SYS_quotactl, SYS_acct, SYS_syslog,
        SYS_personality, SYS_mbind, SYS_migrate_pages, SYS_move_pages,
    };
    static const uint32_t requests[] = {
        0x5412 /* TIOCSTI */, 0x541c /* TIOCLINUX */, (uint32_t)DISH_BTRFS_SUBVOL_CREATE_V2, (uint32_t)DISH_BTRFS_SNAP_CREATE_V2,
    };
    enum { calls = sizeof refused / sizeof *refused, controls = sizeof requests / sizeof *requests };
    const uint32_t refusal = SECCOMP_RET_ERRNO | EPERM;
    const uint32_t number = offsetof(struct seccomp_data, nr);
    // The lower halves of arguments: both architectures are little-endian.
    const uint32_t first = offsetof(struct seccomp_data, args[0]), second = offsetof(struct seccomp_data, args[1]);
    const uint32_t namespaces = CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS
        | CLONE_NEWCGROUP;
    struct sock_filter program[2 * (calls + controls) + 20];
    unsigned short length = 0;
#define DO(code, value) program[length++] = (struct sock_filter)BPF_STMT(code, value)
#define UNLESS(code, value, skipped) program[length++] = (struct sock_filter)BPF_JUMP(code, value, 0, skipped)
    DO(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    program[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCHITECTURE, 1, 0);
    DO(BPF_RET | BPF_K, refusal);
    DO(BPF_LD | BPF_W | BPF_ABS, number);
    // x32 has the architecture of x86_64.
    UNLESS(BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 1);
    DO(BPF_RET | BPF_K, refusal);
    for (int i = 0; i < calls; i++) {
        UNLESS(BPF_JMP | BPF_JEQ | BPF_K, refused[i], 1);
        DO(BPF_RET | BPF_K, refusal);
    }
    // No filter sees its flags; without it libraries use clone(2).
    UNLESS(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone3, 1);
    DO(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS);
    UNLESS(BPF_JMP | BPF_JEQ | BPF_K, SYS_clone, 4);
    DO(BPF_LD | BPF_W | BPF_ABS, first);
    UNLESS(BPF_JMP | BPF_JSET | BPF_K, namespaces, 1);
    DO(BPF_RET | BPF_K, refusal);
    DO(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    UNLESS(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 1 + 2 * controls);
    DO(BPF_LD | BPF_W | BPF_ABS, second);
    for (int i = 0; i < controls; i++) {
        UNLESS(BPF_JMP | BPF_JEQ | BPF_K, requests[i], 1);
        DO(BPF_RET | BPF_K, refusal);
    }
    DO(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
#undef DO
#undef UNLESS
    struct sock_fprog filter = {length, program};
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
}

// Gives up the session keyring of whoever called. Kernels without keyrings and outer sandboxes that refuse the call have nothing to
// give up.
static int leave_keyring(void) {
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0) return 0;
    return errno == ENOSYS || errno == EPERM ? 0 : -1;
}

struct failed {
    int error;
    const char *step;
};

// The text is one of the program's own, so that its address means the same to the parent.
__attribute__((noreturn)) static void fail(int report, const char *step) {
    struct failed failed = {errno, step};
    ssize_t ignored = write(report, &failed, sizeof failed);
    (void)ignored;
    _exit(127);
}

static void run(const struct dish_confined_request *request, int tree, int namespace, int report) {
    static const char *const shown[] = {
        "/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/localtime", NULL};
    setsid();
    if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0) fail(report, "make namespaces");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) fail(report, "make mounts private");
    // Its place is one that every host has; what is there isn't needed any more.
    if (mount("tmpfs", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755,size=64k") < 0 || chdir("/proc") < 0) {
        fail(report, "make a root");
    }
    umask(022);
    if (mkdir("etc", 0755) < 0 || mkdir("proc", 0755) < 0 || mkdir("tree", 0755) < 0) fail(report, "make a root");
    // Of its own PID namespace, and of nothing but processes: sd-journal(3) watches directories by /proc/self/fd.
    if (mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "subset=pid") < 0) fail(report, "mount its /proc");
    for (const char *const *path = shown; *path; path++) {
        if (show(*path) < 0) fail(report, "show the host's programs");
    }
    if (tree >= 0 && put(tree, "tree") < 0) fail(report, "mount the directory");
    if (syscall(SYS_pivot_root, ".", ".") < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0) fail(report, "change the root");
    if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0) {
        fail(report, "make the root read-only");
    }
    // An end of nothing is as good as /dev/null to one that never reads.
    int given = request->input;
    if (given < 0) {
        int empty[2];
        if (pipe2(empty, O_CLOEXEC) < 0) fail(report, "open an input");
        close(empty[1]);
        given = empty[0];
    }
    int output = fcntl(request->output, F_DUPFD_CLOEXEC, 10), errors = fcntl(request->errors, F_DUPFD_CLOEXEC, 10);
    int input = fcntl(given, F_DUPFD_CLOEXEC, 10), high = fcntl(report, F_DUPFD_CLOEXEC, 10);
    int users = fcntl(namespace, F_DUPFD_CLOEXEC, 10);
    if (output < 0 || errors < 0 || input < 0 || high < 0 || users < 0) fail(report, "pass descriptors on");
    if (dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(errors, 2) < 0) fail(high, "pass descriptors on");
    syscall(SYS_close_range, 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */);
    report = high;
    if (limit(RLIMIT_AS, request->memory * 4) < 0 || limit(RLIMIT_DATA, request->memory) < 0
        || limit(RLIMIT_CPU, request->processor_seconds) < 0 || limit(RLIMIT_CORE, 0) < 0 || limit(RLIMIT_MEMLOCK, 0) < 0) {
        fail(report, "set limits");
    }
    if (leave_keyring() < 0) fail(report, "leave the session keyring");
    if (setns(users, CLONE_NEWUSER) < 0) fail(report, "enter the user namespace");
    if (syscall(SYS_setgroups, 0, NULL) < 0 || syscall(SYS_setresgid, 0, 0, 0) < 0 || syscall(SYS_setresuid, 0, 0, 0) < 0) {
        fail(report, "take an id");
    }
    if (limit(RLIMIT_NPROC, 16) < 0 || keep_reading_only() < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        fail(report, "give up privileges");
    }
    if (refuse_calls() < 0) fail(report, "refuse system calls");
    // Last, because changing credentials clears it.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t none;
    sigemptyset(&none);
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    execve(request->program, request->arguments, request->environment);
    fail(report, "run the program");
}

static int start(const struct dish_confined_request *request, int namespace, const char **step) {
    *step = "clone the directory's mount";
    int tree = -1;
    if (request->directory >= 0 && (tree = open_clone(request->directory, "", AT_EMPTY_PATH)) < 0) return -1;
    *step = "map the directory's owners";
    uint64_t wanted = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_IDMAP;
    int report[2] = {-1, -1};
    if ((tree >= 0 && set_attributes(tree, wanted, namespace) < 0) || pipe2(report, O_CLOEXEC) < 0) {
        int saved = errno;
        if (tree >= 0) close(tree);
        errno = saved;
        return -1;
    }
    sigset_t all, saved_mask;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &saved_mask);
    // The first process of a PID namespace takes all others along.
    pid_t child = (pid_t)syscall(SYS_clone, CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
    if (child == 0) {
        close(report[0]);
        run(request, tree, namespace, report[1]);
        _exit(127);
    }
    int saved = errno;
    pthread_sigmask(SIG_SETMASK, &saved_mask, NULL);
    if (tree >= 0) close(tree);
    close(report[1]);
    *step = "make a process";
    struct failed failed = {saved, *step};
    ssize_t count = 0;
    if (child >= 0) {
        do {
            count = read(report[0], &failed, sizeof failed);
        } while (count < 0 && errno == EINTR);
    }
    close(report[0]);
    if (child >= 0 && count != sizeof failed) return child;
    if (child >= 0) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
    }
    *step = failed.step;
    errno = failed.error;
    return -1;
}

int dish_spawn_confined(const struct dish_confined_request *request, const char **step) {
    *step = "make a user namespace";
    int namespace = make_user_namespace(request->first_id);
    if (namespace < 0) return -1;
    pid_t child = start(request, namespace, step);
    int saved = errno;
    close(namespace);
    errno = saved;
    return child;
}
