/// Processes of the host and of other tasks.
#include "attack.h"
#include <linux/nsfs.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

/// A process outside that the test named. Its number may be one of the task's own, too.
static pid_t outside(void) {
    pid_t pid = (pid_t)number("pid");
    char path[64];
    snprintf(path, sizeof path, "/proc/%d", pid);
    if (access(path, F_OK) == 0 && !is_initial("pid")) skipped("the task has a process %d too", pid);
    return pid;
}

ATTACK(process, signal_outside) {
    if (kill(outside(), 0) < 0) REFUSED();
    succeeded("it can be sent signals");
}
ATTACK(process, pidfd_outside) {
    long file = syscall(SYS_pidfd_open, outside(), 0);
    if (file < 0) REFUSED();
    succeeded("a descriptor of it");
}
ATTACK(process, descriptors_of_outside) {
    long file = syscall(SYS_pidfd_open, outside(), 0);
    if (file < 0) REFUSED();
    if (syscall(SYS_pidfd_getfd, file, 0, 0) < 0) REFUSED();
    succeeded("its standard input");
}
ATTACK(process, trace_outside) {
    if (ptrace(PTRACE_SEIZE, outside(), NULL, NULL) < 0) REFUSED();
    succeeded("traced");
}
ATTACK(process, memory_of_outside) {
    char byte;
    struct iovec own = {&byte, 1}, its = {(void *)0x400000, 1};
    if (process_vm_readv(outside(), &own, 1, &its, 1, 0) < 0 && errno != EFAULT) REFUSED();
    succeeded("read");
}
ATTACK(process, write_memory_of_outside) {
    char byte = 0;
    // Of no length.
    struct iovec own = {&byte, 0}, its = {(void *)0x400000, 0};
    if (process_vm_writev(outside(), &own, 1, &its, 1, 0) < 0) REFUSED();
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/mem", (int)number("pid"));
    if (open(path, O_RDWR) < 0) REFUSED();
    succeeded("could be written");
}
ATTACK(process, limits_of_outside) {
    struct rlimit limit;
    if (prlimit(outside(), RLIMIT_NOFILE, NULL, &limit) < 0) REFUSED();
    succeeded("read");
}
ATTACK(process, priority_of_outside) {
    errno = 0;
    pid_t pid = outside();
    int priority = getpriority(PRIO_PROCESS, pid);
    if (errno || setpriority(PRIO_PROCESS, pid, priority) < 0) REFUSED();
    succeeded("set");
}
ATTACK(process, compare_with_outside) {
    if (syscall(SYS_kcmp, getpid(), outside(), 0, 0, 0) < 0) REFUSED();
    succeeded("compared");
}
ATTACK(process, files_of_outside) {
    char path[64];
    const char *const names[] = {"root", "environ", "maps", "fd/0", "ns/mnt"};
    pid_t pid = outside();
    for (int index = 0; index < 5; index++) {
        snprintf(path, sizeof path, "/proc/%d/%s", pid, names[index]);
        if (open(path, O_RDONLY | O_NONBLOCK) >= 0) succeeded("%s", path);
    }
    REFUSED();
}
ATTACK(process, namespaces_of_process_1) {
    const char *const kinds[] = {"user", "mnt", "net", "pid", "uts", "ipc", "cgroup"};
    int joined = 0;
    for (int index = 0; index < 7; index++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/1/ns/%s", kinds[index]);
        int file = open(path, O_RDONLY | O_CLOEXEC);
        if (file >= 0) joined += setns(file, 0) == 0;
    }
    if (reaches_host(open("/", O_PATH | O_DIRECTORY))) succeeded("its root is the host's");
    if (joined) contained("%d of the task's own", joined);
    REFUSED();
}
ATTACK(process, namespaces_above) {
    const char *const kinds[] = {"user", "pid"};
    for (int index = 0; index < 2; index++) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[index]);
        int own = open(path, O_RDONLY | O_CLOEXEC), parent = ioctl(own, NS_GET_PARENT);
        if (parent >= 0) succeeded("the parent of its %s namespace can be opened", kinds[index]);
    }
    int network = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), owner = ioctl(network, NS_GET_USERNS);
    if (owner >= 0 && !is_initial("user")) {
        if (setns(owner, CLONE_NEWUSER) == 0 && is_initial("user")) succeeded("joined the host's user namespace");
        contained("the network's owner is the task");
    }
    REFUSED();
}
ATTACK(process, thread_in_another_namespace) {
    // A process of a new user namespace that is root there traces one that isn't in it.
    pid_t victim = fork();
    if (victim == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pause();
        _exit(0);
    }
    if (enter_namespaces(CLONE_NEWUSER) < 0) {
        kill(victim, SIGKILL);
        REFUSED();
    }
    long traced = ptrace(PTRACE_SEIZE, victim, NULL, NULL);
    int reason = errno;
    kill(victim, SIGKILL);
    errno = reason;
    if (traced < 0) REFUSED();
    contained("a process of the task's own");
}
ATTACK(process, last_process_id) {
    // A number that is chosen is one that a record of the host's may mean.
    if (write_text("/proc/sys/kernel/ns_last_pid", "1000") < 0) REFUSED();
    if (is_initial("pid")) succeeded("the host's next process has a number of the task's choice");
    contained("numbers of the task's own namespace");
}
ATTACK(process, parent_of_the_task) {
    pid_t parent = parent_of_the_program();
    if (parent == 0) contained("it is outside and has no number here");
    if (kill(parent, 0) < 0 && errno == EPERM) succeeded("the parent is of another user: %d", parent);
    char path[64];
    struct stat its, own;
    const char *const kinds[] = {"pid", "user", "mnt"};
    for (int index = 0; index < 3; index++) {
        snprintf(path, sizeof path, "/proc/%d/ns/%s", parent, kinds[index]);
        if (stat(path, &its) < 0) continue;
        snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[index]);
        if (stat(path, &own) == 0 && own.st_ino != its.st_ino) succeeded("its parent has another %s namespace", kinds[index]);
    }
    snprintf(path, sizeof path, "/proc/%d/root", parent);
    if (reaches_host(open(path, O_PATH | O_DIRECTORY))) succeeded("its parent's root is the host's");
    contained("its own");
}
