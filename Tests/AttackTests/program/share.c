/// What all tasks take from: processes, memory, the kernel's tables, and the agent's ear.
#include "attack.h"
#include <mqueue.h>
#include <pthread.h>
#include <sys/shm.h>

static void *wait_forever(void *unused) {
    for (;;) pause();
    return unused;
}

/// Threads count as processes do, cost little, and all end with the first.
ATTACK(share, processes_beyond_the_limit) {
    struct rlimit own;
    getrlimit(RLIMIT_NPROC, &own);
    // Where no control group counts them, those of the user namespace count together.
    unsigned long limit = fact("pids") ? number("pids") : own.rlim_cur, made = 0;
    if (limit > 20000) skipped("there is no limit, or one above what is tried");
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN);
    pthread_attr_setguardsize(&attributes, 0);
    int reason = 0;
    pthread_t thread;
    while (made < limit + 64 && (reason = pthread_create(&thread, &attributes, wait_forever, NULL)) == 0) made++;
    if (made >= limit + 64) succeeded("%lu threads with a limit of %lu", made, limit);
    contained("after %lu of %lu: %s", made, limit, strerror(reason));
}

/// That it can't take more than its group has is the host tier's to try, where groups have one.
ATTACK(share, memory_beyond_the_limit) {
    struct rlimit data;
    getrlimit(RLIMIT_DATA, &data);
    if (!fact("memory") && data.rlim_cur < (rlim_t)1 << 46) {
        // Only mapped: it takes nothing.
        if (mmap(NULL, data.rlim_cur * 2, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) == MAP_FAILED) REFUSED();
        succeeded("%llu MB with a limit of half of it", (unsigned long long)data.rlim_cur >> 19);
    }
    size_t limit = number("memory"), size = limit * 2;
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        write_text("/proc/self/oom_score_adj", "1000");
        char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (memory == MAP_FAILED) _exit(1);
        for (size_t offset = 0; offset < size; offset += 4096) memory[offset] = 1;
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) succeeded("%zu MB with a limit of %zu", size >> 20, limit >> 20);
    contained("it ended at the limit");
}

/// The kernel counts them for the user who made the namespace, too: that is the host's root (docs/security.md).
ATTACK(share, instances_of_inotify) { skipped("by design: tasks share those of the host's root"); }

ATTACK(share, open_files_beyond_the_limit) {
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_max > 20000) limit.rlim_max = 20000;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) broken("set a limit: %s", strerror(errno));
    unsigned long made = 0;
    while (made <= limit.rlim_max && open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0) made++;
    int reason = errno;
    if (made >= limit.rlim_max) succeeded("%lu with a limit of %lu", made, (unsigned long)limit.rlim_max);
    contained("%lu of %lu: %s", made, (unsigned long)limit.rlim_max, strerror(reason));
}

static int setting(const char *path) {
    char text[32];
    return read_text(path, text, sizeof text) < 0 ? -1 : atoi(text);
}

/// The kernel keeps some terminals for the host's own instance of devpts.
ATTACK(share, terminals_of_the_host) {
    int most = setting("/proc/sys/kernel/pty/max"), kept = setting("/proc/sys/kernel/pty/reserve"), made = 0;
    if (most < 0 || kept <= 0 || most - kept > 20000) skipped("none are kept for the host");
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    while (made < most && open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC) >= 0) made++;
    int reason = errno;
    if (made == 0) REFUSED();
    if (made > most - kept) succeeded("%d, and %d of %d are the host's", made, kept, most);
    if (reason == EMFILE) contained("%d are as many as it can open", made);
    contained("%d, %d of %d are left: %s", made, kept, most, strerror(reason));
}

ATTACK(share, shared_memory_of_the_host) {
    if (is_initial("ipc")) succeeded("the task shares the host's IPC");
    int segment = shmget(0xA77AC, 4096, IPC_CREAT | 0600);
    if (segment < 0) REFUSED();
    shmctl(segment, IPC_RMID, NULL);
    contained("the task's own");
}

ATTACK(share, message_queues) {
    if (is_initial("ipc")) succeeded("the task shares the host's IPC");
    mqd_t queue = mq_open("/attack", O_CREAT | O_RDWR, 0600, NULL);
    if (queue < 0) REFUSED();
    mq_unlink("/attack");
    contained("the task's own");
}

ATTACK(share, user_namespaces) {
    int depth = 0;
    while (depth < 40 && unshare(CLONE_NEWUSER) == 0) depth++;
    if (!depth) REFUSED();
    contained("%d deep: %s", depth, strerror(errno));
}

/// The files of control groups that are above the task, or its own limits.
ATTACK(share, raise_own_limits) {
    const char *const files[] = {"pids.max", "memory.max", "memory.limit_in_bytes", "cpu.max", "cpu.cfs_quota_us", "memory.min", "io.max",
                                 "cgroup.procs", "devices.allow", "memory.oom_control"};
    const char *const roots[] = {"/sys/fs/cgroup", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/memory",
                                 "/sys/fs/cgroup/devices", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"};
    char own[8192] = "";
    read_text("/proc/self/cgroup", own, sizeof own);
    int own_ones = 0;
    for (size_t root = 0; root < sizeof roots / sizeof *roots; root++) {
        for (size_t index = 0; index < sizeof files / sizeof *files; index++) {
            char path[PATH_MAX];
            snprintf(path, sizeof path, "%s/%s", roots[root], files[index]);
            int file = open(path, O_WRONLY | O_CLOEXEC);
            if (file < 0) continue;
            close(file);
            // Moving processes to the root of what was delegated is the task's right.
            bool is_limit = strstr(files[index], ".max") || strstr(files[index], ".min");
            char value[256] = "";
            // The kernel says no to the write where that is a group that was delegated.
            if (is_limit && (read_text(path, value, sizeof value) < 0 || write_back(path) < 0)) continue;
            // Where none is set, the task's limits are those of a group above.
            bool is_unset = is_limit && (!*value || !strncmp(value, "max", 3) || !strcmp(value, "0\n"));
            if (is_unset || !strcmp(files[index], "cgroup.procs")) own_ones++;
            else succeeded("%s can be written", path);
        }
    }
    if (own_ones) contained("%d files of the task's own tree, which have no limit of its", own_ones);
    REFUSED();
}

/// How many levels all groups of a process are above the roots of its cgroup namespace.
static int levels_above(const char *groups) {
    int count = 0;
    while ((groups = strstr(groups, "/.."))) count++, groups++;
    return count;
}

ATTACK(share, leave_the_cgroup) {
    const char *const paths[] = {"/sys/fs/cgroup/../cgroup.procs", "/sys/fs/cgroup/unified/cgroup.procs", "/sys/fs/cgroup/pids/cgroup.procs",
                                 "/sys/fs/cgroup/memory/cgroup.procs", "/sys/fs/cgroup/devices/cgroup.procs", "/sys/fs/cgroup/cgroup.procs",
                                 "/sys/fs/cgroup/memory/tasks", "/sys/fs/cgroup/devices/tasks"};
    char text[32], line[8192];
    snprintf(text, sizeof text, "%d", getpid());
    int before = read_text("/proc/self/cgroup", line, sizeof line) == 0 ? levels_above(line) : 0;
    for (size_t index = 0; index < sizeof paths / sizeof *paths; index++) {
        if (write_text(paths[index], text) < 0) continue;
        if (read_text("/proc/self/cgroup", line, sizeof line) == 0 && levels_above(line) > before) succeeded("moved by %s", paths[index]);
    }
    contained("it is still in the task's own");
}

static void tell(const char *path, const char *message, bool descriptors) {
    int datagram = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    strncpy(name.sun_path, path, sizeof name.sun_path - 1);
    if (path[0] == '@') name.sun_path[0] = 0;
    struct iovec bytes = {(void *)message, strlen(message)};
    int passed[64];
    union {
        char space[CMSG_SPACE(sizeof passed)];
        struct cmsghdr head;
    } control = {.head = {.cmsg_len = CMSG_LEN(sizeof passed), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    for (int index = 0; index < 64; index++) passed[index] = datagram;
    memcpy(CMSG_DATA(&control.head), passed, sizeof passed);
    struct msghdr head = {.msg_name = &name, .msg_namelen = sizeof name, .msg_iov = &bytes, .msg_iovlen = 1};
    if (descriptors) head.msg_control = &control, head.msg_controllen = sizeof control.space;
    sendmsg(datagram, &head, MSG_NOSIGNAL | MSG_DONTWAIT);
    close(datagram);
}

/// What nspawn and systemd tell by sd_notify(3). Whoever believes it takes another process for the task's first.
ATTACK(share, forged_notices) {
    const char *const paths[] = {getenv("NOTIFY_SOCKET") ?: "/none", "/run/host/notify", "/run/systemd/nspawn/notify", "/run/notify"};
    static char longest[60000];
    memset(longest, 'X', sizeof longest - 1);
    int there = 0;
    for (int index = 0; index < 4; index++) {
        struct stat status;
        if (paths[index][0] == '/' && stat(paths[index], &status) < 0) continue;
        there++;
        const char *const messages[] = {"X_NSPAWN_LEADER_PID=1\nREADY=1", "X_NSPAWN_LEADER_PID=-1", "X_NSPAWN_LEADER_PID=99999999999999999999",
                                        "X_NSPAWN_SYSTEMD_UNIT=attack", "MAINPID=1", "ERRNO=5", "WATCHDOG=trigger", "WATCHDOG_USEC=1",
                                        "FDSTORE=1\nFDNAME=attack", "STATUS=\033]0;attack\007", "=", "\n\n\n=\n", longest};
        for (size_t message = 0; message < sizeof messages / sizeof *messages; message++)
            for (int time = 0; time < 20; time++) tell(paths[index], messages[message], time == 1);
    }
    if (!there) refused("there is no socket");
    contained("told %d sockets; the task must stay what it is", there);
}
