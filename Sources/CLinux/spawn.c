#define _GNU_SOURCE
#include "clinux.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

// In a child nothing may wait for a lock: other threads of the caller, which the child hasn't got, may have held it. So there are
// only calls of signal-safety(7), and _Fork(3), which fork(3) isn't: it takes malloc's locks.
struct failure {
    int step;
    int error;
};

__attribute__((noreturn)) static void fail(int report, int step) {
    struct failure failure = {step, errno};
    ssize_t ignored = write(report, &failure, sizeof failure);
    (void)ignored;
    _exit(127);
}

// Raw system calls: glibc's would pass the change on to all threads, and in a vforked child those are
// the caller's.
static int become(uint32_t uid, uint32_t gid, const uint32_t *groups, int group_count) {
    if (syscall(SYS_setgroups, group_count, groups) < 0 || syscall(SYS_setresgid, gid, gid, gid) < 0) return -1;
    return (int)syscall(SYS_setresuid, uid, uid, uid);
}

static int enter_network(const char *path) {
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    int result = setns(fd, CLONE_NEWNET);
    int saved = errno;
    close(fd);
    errno = saved;
    return result;
}

static int write_own_pid(const char *path) {
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return -1;
    int result = write(fd, "0", 1) == 1 ? 0 : -1;
    int saved = errno;
    close(fd);
    errno = saved;
    return result;
}

// Moves the caller's descriptors to 0, 1, 2, ... without one overwriting another that is still
// to be moved: first all of them above the target range, then down.
static int place_descriptors(const int *descriptors, int count, int *report) {
    int moved[count > 0 ? count : 1];
    int high = fcntl(*report, F_DUPFD_CLOEXEC, count + 3);
    if (high < 0) return -1;
    *report = high;
    for (int i = 0; i < count; i++) {
        int source = descriptors[i];
        if (source < 0) {
            source = open("/dev/null", O_RDWR | O_CLOEXEC);
            if (source < 0) return -1;
        }
        moved[i] = fcntl(source, F_DUPFD_CLOEXEC, count + 3);
        if (moved[i] < 0) return -1;
    }
    for (int i = 0; i < count; i++) {
        if (dup2(moved[i], i) < 0) return -1;
    }
    // Nothing else of the caller's reaches the program, whether or not it was opened close-on-exec.
    return syscall(SYS_close_range, count > 3 ? count : 3, ~0U, 4 /* CLOSE_RANGE_CLOEXEC */) < 0 ? -1 : 0;
}

// A pipe is its maker's, whom a user namespace may not know: opening it again, through /proc/self/fd, asks for its owner and mode.
static int give_pipes(const int *descriptors, int count, uint32_t owner) {
    for (int i = 0; i < count; i++) {
        struct stat status;
        if (descriptors[i] < 0) continue;
        if (fstat(descriptors[i], &status) < 0) return -1;
        if (!S_ISFIFO(status.st_mode)) continue;
        if (fchown(descriptors[i], owner, -1) < 0 || fchmod(descriptors[i], 0666) < 0) return -1;
    }
    return 0;
}

int dish_send_descriptor(int socket, int descriptor) {
    char byte = 0;
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    memset(&control, 0, sizeof control);
    struct iovec vector = {&byte, 1};
    struct msghdr message = {0};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.space;
    message.msg_controllen = sizeof control.space;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    return sendmsg(socket, &message, MSG_NOSIGNAL) < 0 ? -1 : 0;
}

int dish_receive_descriptor(int socket) {
    char byte;
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec vector = {&byte, 1};
    struct msghdr message = {0};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.space;
    message.msg_controllen = sizeof control.space;
    ssize_t received;
    do {
        received = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    } while (received < 0 && errno == EINTR);
    if (received < 0) return -1;
    struct cmsghdr *header = received > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header == NULL || header->cmsg_type != SCM_RIGHTS) {
        errno = ECONNRESET;
        return -1;
    }
    int descriptor;
    memcpy(&descriptor, CMSG_DATA(header), sizeof descriptor);
    return descriptor;
}

static int open_unlinked(int directory, const char *path, uint64_t flags, uint64_t resolve) {
    struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    return (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
}

// The master of a new pseudo-terminal of the joined mount namespace. The container may have put anything at that path: only the
// multiplexer itself, in the root of a devpts, is opened.
static int open_multiplexer(void) {
    int terminals = open_unlinked(AT_FDCWD, "/dev/pts", O_PATH | O_DIRECTORY, 0);
    if (terminals < 0) return -1;
    struct statfs system;
    struct stat status;
    int master = -1, saved = ENODEV;
    if (fstatfs(terminals, &system) == 0 && system.f_type == DEVPTS_SUPER_MAGIC
        && fstatat(terminals, "ptmx", &status, AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT) == 0 && S_ISCHR(status.st_mode)
        && status.st_rdev == makedev(5, 2)) {
        master = open_unlinked(terminals, "ptmx", O_RDWR | O_NOCTTY, RESOLVE_BENEATH | RESOLVE_NO_XDEV);
        saved = errno;
    }
    close(terminals);
    errno = saved;
    return master;
}

// A pseudo-terminal of the mount namespace the child has joined, so that `tty` and job control
// work inside; the master goes to the caller.
static int take_terminal(int socket) {
    int master = open_multiplexer();
    if (master < 0) return -1;
    int unlock = 0;
    if (ioctl(master, TIOCSPTLCK, &unlock) < 0) return -1;
    int terminal = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (terminal < 0) return -1;
    if (dish_send_descriptor(socket, master) < 0) return -1;
    close(master);
    return terminal;
}

// To a process that leads a session, or soon will, and to its process group.
static void signal_group(pid_t leader, int number) {
    if (kill(-leader, number) < 0) kill(leader, number);
}

// A joined PID namespace holds only the children of the process that joined it. That process stays, passes signals on to the child's
// process group and the child's exit to the caller, and takes the child along when it is itself killed. All signals are blocked here.
__attribute__((noreturn)) static void wait_and_pass_on(pid_t child) {
    static const int passed[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    // For programs such as su(1), which end what they have started elsewhere.
    static const struct timespec moment = {0, 100000000};
    sigset_t awaited;
    sigemptyset(&awaited);
    sigaddset(&awaited, SIGCHLD);
    sigaddset(&awaited, DISH_SPAWN_END_SIGNAL);
    for (unsigned i = 0; i < sizeof passed / sizeof *passed; i++) sigaddset(&awaited, passed[i]);
    int ends = 0, options = WNOHANG;
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_PID, child, &info, WEXITED | WNOWAIT | options) < 0) {
            if (errno == EINTR) continue;
            _exit(127);
        }
        if (info.si_pid == child) break;
        // Eight bytes: the kernel's sigset_t.
        int number = (int)syscall(SYS_rt_sigtimedwait, &awaited, NULL, ends ? &moment : NULL, 8);
        if (number == DISH_SPAWN_END_SIGNAL) {
            ends = 1;
            signal_group(child, SIGTERM);
        } else if (number < 0 && errno == EAGAIN) {
            signal_group(child, SIGKILL);
        } else if (number < 0 && errno != EINTR) {
            // The container's filter refuses it: then nothing is passed on.
            options = 0;
        } else if (number > 0 && number != SIGCHLD) {
            signal_group(child, number);
        }
    }
    // Not reaped yet: the number is still its own.
    if (ends) kill(-child, SIGKILL);
    int status;
    while (waitpid(child, &status, 0) < 0) {
        if (errno != EINTR) _exit(127);
    }
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

// Asks for a signal at the parent's death, and ends when that came before.
static void follow(pid_t parent, int number) {
    prctl(PR_SET_PDEATHSIG, number);
    pid_t now = getppid();
    // 0: a parent outside of this PID namespace.
    if (now != parent && now != 0) _exit(127);
}

// fork(2) of a child that is born into a cgroup. Moving a process between cgroups instead waits for an RCU
// grace period: some 15 ms.
static pid_t fork_into(const char *cgroup) {
    int fd = open(cgroup, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return -1;
    struct clone_args arguments = {0};
    arguments.flags = CLONE_INTO_CGROUP;
    arguments.exit_signal = SIGCHLD;
    arguments.cgroup = fd;
    pid_t child = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    int saved = errno;
    close(fd);
    errno = saved;
    return child;
}

// Whether the child may borrow the caller's memory until its exec (vfork(2)), which spares copying
// the page tables of a big program. Joining or making a user namespace needs memory of its own.
static int shares_memory(const struct dish_spawn_request *request) {
    return request->join_flags == 0 && request->unshare_flags == 0 && request->birth_cgroup == NULL;
}

// Whoever starts a program may be spared when memory runs out (oom_score_adj, proc(5)): that isn't inherited.
static void be_killable(void) {
    int score = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    if (score < 0) return;
    char sign = 0;
    if (read(score, &sign, 1) == 1 && sign == '-') {
        ssize_t ignored = pwrite(score, "0", 1, 0);
        (void)ignored;
    }
    close(score);
}

// Sets the OOM score of this process, from -1000 to 1000. Only before a namespace is joined: /proc is another's then.
static int set_oom_score(int value) {
    char text[8];
    int start = sizeof text;
    unsigned rest = value < 0 ? -value : value;
    do {
        text[--start] = '0' + rest % 10;
        rest /= 10;
    } while (rest > 0);
    if (value < 0) text[--start] = '-';
    int score = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (score < 0) return -1;
    ssize_t length = sizeof text - start;
    int result = write(score, text + start, length) == length ? 0 : -1;
    int saved = errno;
    close(score);
    errno = saved;
    return result;
}

static int set_limits(const struct dish_spawn_limit *limits, int count) {
    for (int i = 0; i < count; i++) {
        struct rlimit64 limit = {limits[i].soft, limits[i].hard};
        if (syscall(SYS_prlimit64, 0, limits[i].resource, &limit, NULL) < 0) return -1;
    }
    return 0;
}

// Gives up the session keyring that the caller had. Kernels without keyrings and outer sandboxes that refuse the call leave nothing
// that the program could reach.
static int leave_keyring(void) {
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) >= 0) return 0;
    return errno == ENOSYS || errno == EPERM ? 0 : -1;
}

static int install_filters(const struct dish_spawn_filter *filters, int count) {
    for (int i = 0; i < count; i++) {
        struct sock_fprog program = {filters[i].count, (struct sock_filter *)filters[i].instructions};
        if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0) return -1;
    }
    return 0;
}

static int limit_bounding_set(uint64_t kept) {
    for (int capability = 0; capability < 64; capability++) {
        if (kept >> capability & 1) continue;
        // Beyond the last one that the kernel knows.
        if (prctl(PR_CAPBSET_READ, capability, 0, 0, 0) < 0) return 0;
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) return -1;
    }
    return 0;
}

// Leaves no more than these capabilities permitted and effective, none inheritable or ambient.
static int limit_capabilities(uint64_t kept) {
    struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
    struct __user_cap_data_struct data[2];
    if (syscall(SYS_capget, &header, data) < 0) return -1;
    for (int half = 0; half < 2; half++) {
        data[half].permitted &= (uint32_t)(kept >> 32 * half);
        data[half].effective = data[half].permitted;
        data[half].inheritable = 0;
    }
    if (syscall(SYS_capset, &header, data) < 0) return -1;
    // Not known before Linux 4.3; without permitted and inheritable capabilities there are no ambient ones.
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    return 0;
}

// Takes the filters, identity and capabilities of the program.
//
// A filter needs CAP_SYS_ADMIN or no_new_privs, which would keep set-user-id programs from working. So the filters come before the
// capabilities go, and must allow what follows: prctl, capget, capset, setgroups, setresgid, setresuid.
static void confine(const struct dish_spawn_request *request, int report) {
    if (request->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) fail(report, DISH_SPAWN_CAPABILITIES);
    if (install_filters(request->filters, request->filter_count) < 0) fail(report, DISH_SPAWN_FILTER);
    if (request->set_capabilities && limit_bounding_set(request->capabilities) < 0) fail(report, DISH_SPAWN_CAPABILITIES);
    if (request->set_identity) {
        if (become(request->uid, request->gid, request->groups, request->group_count) < 0) fail(report, DISH_SPAWN_IDENTITY);
    }
    if (request->set_capabilities) {
        uint64_t kept = request->set_identity && request->uid != 0 ? 0 : request->capabilities;
        if (limit_capabilities(kept) < 0) fail(report, DISH_SPAWN_CAPABILITIES);
    }
}

// Enters the namespaces of another process and gives up there whatever the program isn't to have. Only then is a child made: other
// programs of that PID namespace can see it, and could take over what it still had.
//
// Returns the terminal, or -1 for none.
static int join(const struct dish_spawn_request *request, int report, pid_t parent) {
    // Not readable by others, whoever they are (ptrace(2)), until the program is executed.
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) fail(report, DISH_SPAWN_SETNS);
    if (setns(request->join_pidfd, request->join_flags) < 0) fail(report, DISH_SPAWN_SETNS);
    // After joining a user namespace this process has no identity in it until it takes one.
    if (become(0, 0, NULL, 0) < 0) fail(report, DISH_SPAWN_IDENTITY);
    umask(022);
    if (personality(PER_LINUX) < 0) fail(report, DISH_SPAWN_SETNS);
    if (leave_keyring() < 0) fail(report, DISH_SPAWN_KEYRING);
    int terminal = -1;
    if (request->terminal_socket) {
        terminal = take_terminal(request->terminal_socket);
        if (terminal < 0) fail(report, DISH_SPAWN_TERMINAL);
        // Its user opens it again, as /dev/stdout.
        if (request->uid != 0 && fchown(terminal, request->uid, -1) < 0) fail(report, DISH_SPAWN_TERMINAL);
    }
    if (chdir("/") < 0) fail(report, DISH_SPAWN_DIRECTORY);
    confine(request, report);
    // As the program's user, who may not enter every directory.
    if (request->directory && chdir(request->directory) < 0 && !(request->directory_is_optional && errno == EACCES)) {
        fail(report, DISH_SPAWN_DIRECTORY);
    }
    // A change of user or capabilities has reset it.
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) fail(report, DISH_SPAWN_CAPABILITIES);
    if (request->death_signal) follow(parent, request->death_signal);
    // An ignored one isn't sent, and ends of children would go unheard.
    signal(SIGCHLD, SIG_DFL);
    return terminal;
}

// Makes the child of a joined process its own: a session away from the process that waits for it, whose end is its own, too.
static void follow_joined(int waiting) {
    setsid();
    // From inside the parent has no number: whether it has ended is asked of its pidfd.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    struct pollfd ended = {waiting, POLLIN, 0};
    if (poll(&ended, 1, 0) > 0) _exit(127);
    close(waiting);
}

// Becomes the program. Never returns, but isn't declared so: then it could take its caller's frame over, and that may be in
// use by a process that lent its memory.
__attribute__((noinline)) static void run_program(
    const struct dish_spawn_request *request, int report, const sigset_t *mask, pid_t parent) {
    for (const char *const *cgroup = request->cgroups; cgroup && *cgroup; cgroup++) {
        if (write_own_pid(*cgroup) < 0) fail(report, DISH_SPAWN_CGROUP);
    }
    if (!request->set_oom_score) {
        be_killable();
    } else if (set_oom_score(request->oom_score) < 0) {
        fail(report, DISH_SPAWN_LIMITS);
    }
    if (request->set_pipe_owner && give_pipes(request->descriptors, request->descriptor_count, request->pipe_owner) < 0) {
        fail(report, DISH_SPAWN_DESCRIPTORS);
    }
    int terminal = -1;
    if (request->join_flags) {
        int own = (int)syscall(SYS_pidfd_open, getpid(), 0);
        if (own < 0) fail(report, DISH_SPAWN_SETNS);
        terminal = join(request, report, parent);
        // The child borrows this process's memory, which waits here until the program is executed.
        pid_t inner = vfork();
        if (inner < 0) fail(report, DISH_SPAWN_FORK);
        if (inner > 0) {
            // Keep nothing open that would hide the end of the child's output.
            syscall(SYS_close_range, 0, ~0U, 0);
            wait_and_pass_on(inner);
        }
        follow_joined(own);
    }
    int terminals[3] = {terminal, terminal, terminal};
    if (terminal >= 0) {
        if (ioctl(terminal, TIOCSCTTY, 0) < 0) fail(report, DISH_SPAWN_TERMINAL);
        if (place_descriptors(terminals, 3, &report) < 0) fail(report, DISH_SPAWN_DESCRIPTORS);
    } else if (place_descriptors(request->descriptors, request->descriptor_count, &report) < 0) {
        fail(report, DISH_SPAWN_DESCRIPTORS);
    }
    if (!request->join_flags) {
        if (request->network_namespace && enter_network(request->network_namespace) < 0) fail(report, DISH_SPAWN_NETWORK);
        if (request->unshare_flags && unshare(request->unshare_flags) < 0) fail(report, DISH_SPAWN_UNSHARE);
        if (request->directory && chdir(request->directory) < 0) fail(report, DISH_SPAWN_DIRECTORY);
        confine(request, report);
    }
    // After the descriptors: the caller may have more open than the program may.
    if (set_limits(request->limits, request->limit_count) < 0) fail(report, DISH_SPAWN_LIMITS);
    // Last, because changing credentials clears it.
    if (!request->join_flags && request->death_signal) follow(parent, request->death_signal);
    for (int number = 1; number < NSIG; number++) signal(number, SIG_DFL);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execve(request->program, request->arguments, request->environment);
    fail(report, DISH_SPAWN_EXEC);
}

// The child of the caller: the program itself, or its parent for a moment.
//
// What borrows memory runs in frames below those of the lender: nothing here changes after vfork().
__attribute__((noinline)) static void run_child(
    const struct dish_spawn_request *request, int report, const sigset_t *mask, pid_t parent) {
    if (request->new_session) setsid();
    if (request->detached) {
        pid_t second = shares_memory(request) ? vfork() : _Fork();
        if (second < 0) fail(report, DISH_SPAWN_FORK);
        if (second > 0) {
            // The process id that the caller learns is the second child's.
            struct failure started = {DISH_SPAWN_NONE, second};
            ssize_t ignored = write(report, &started, sizeof started);
            (void)ignored;
            _exit(0);
        }
    }
    run_program(request, report, mask, request->detached ? getppid() : parent);
    _exit(127);
}

// Ends a child that doesn't get as far as its program. One that can't even be killed, of a frozen cgroup, is left behind.
static void give_up(pid_t child) {
    kill(child, SIGKILL);
    for (int attempt = 0; attempt < 100; attempt++) {
        if (waitpid(child, NULL, WNOHANG) != 0 && errno != EINTR) return;
        struct timespec moment = {0, 10000000};
        nanosleep(&moment, NULL);
    }
}

// Waits until a descriptor can be read, at most so many milliseconds (0: without end). Returns 0 when the time is over.
static int is_readable_within(int descriptor, int milliseconds) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    int64_t end = now.tv_sec * 1000LL + now.tv_nsec / 1000000 + milliseconds;
    for (;;) {
        struct pollfd polled = {descriptor, POLLIN, 0};
        clock_gettime(CLOCK_MONOTONIC, &now);
        int64_t left = end - (now.tv_sec * 1000LL + now.tv_nsec / 1000000);
        int count = poll(&polled, 1, milliseconds == 0 ? -1 : left > 0 ? (int)left : 0);
        if (count > 0) return 1;
        if (count == 0 || errno != EINTR) return 0;
    }
}

int dish_spawn(const struct dish_spawn_request *request, int *step, int *error) {
    *step = DISH_SPAWN_NONE;
    *error = 0;
    int report[2];
    if (pipe2(report, O_CLOEXEC) < 0) {
        *step = DISH_SPAWN_FORK;
        *error = errno;
        return -1;
    }
    // No handler of the caller's may run in the child; the program starts with an empty mask.
    sigset_t all, saved, none;
    sigfillset(&all);
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &all, &saved);
    pid_t caller = getpid();
    pid_t child = request->birth_cgroup ? fork_into(request->birth_cgroup) : shares_memory(request) ? vfork() : _Fork();
    int fork_step = request->birth_cgroup ? DISH_SPAWN_CGROUP : DISH_SPAWN_FORK;
    if (child == 0) {
        close(report[0]);
        run_child(request, report[1], &none, caller);
        _exit(127);
    }
    int fork_error = errno;
    pthread_sigmask(SIG_SETMASK, &saved, NULL);
    close(report[1]);
    if (child < 0) {
        close(report[0]);
        *step = fork_step;
        *error = fork_error;
        return -1;
    }
    pid_t result = child;
    struct failure failure;
    for (;;) {
        if (!is_readable_within(report[0], request->start_limit)) {
            close(report[0]);
            give_up(child);
            *step = DISH_SPAWN_FORK;
            *error = ETIMEDOUT;
            return -1;
        }
        ssize_t count = read(report[0], &failure, sizeof failure);
        if (count < 0 && errno == EINTR) continue;
        if (count != sizeof failure) break;
        if (failure.step == DISH_SPAWN_NONE) {
            result = failure.error;
        } else {
            *step = failure.step;
            *error = failure.error;
        }
    }
    close(report[0]);
    if (request->detached || *step != DISH_SPAWN_NONE) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {}
    }
    return *step == DISH_SPAWN_NONE ? result : -1;
}
