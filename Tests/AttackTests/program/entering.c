/// What comes in with whoever starts or enters a task: terminals, descriptors, environment, credentials.
#include "attack.h"
#include <termios.h>

#ifndef TIOCLINUX
#define TIOCLINUX 0x541C
#endif

/// Whether a terminal belongs to another instance of devpts than the task's, and isn't its console.
static bool is_outside(int terminal) {
    struct stat own, status;
    if (fstat(terminal, &status) < 0) return false;
    // The controlling terminal, whichever that is.
    if (status.st_rdev == makedev(5, 0)) return getsid(0) == 0;
    if (stat("/dev/console", &own) == 0 && own.st_dev == status.st_dev && own.st_ino == status.st_ino) return false;
    return stat("/dev/pts/ptmx", &own) < 0 || own.st_dev != status.st_dev;
}

/// Calls with every terminal that can be reached by a descriptor or a path.
static int each_terminal(void (*act)(int)) {
    int count = 0;
    for (int number = 0; number < 256; number++)
        if (isatty(number)) count++, act(number);
    const char *const patterns[] = {"/proc", "/dev/pts", "/dev"};
    for (int index = 0; index < 3; index++) {
        DIR *list = opendir(patterns[index]);
        for (struct dirent *entry; list && (entry = readdir(list));) {
            for (int number = 0; number < (index ? 1 : 3); number++) {
                char path[300];
                if (index) snprintf(path, sizeof path, "%s/%s", patterns[index], entry->d_name);
                else snprintf(path, sizeof path, "/proc/%s/fd/%d", entry->d_name, number);
                if (index == 2 && strcmp(entry->d_name, "tty") && strcmp(entry->d_name, "console")) continue;
                int file = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
                if (file < 0) continue;
                if (isatty(file)) count++, act(file);
                close(file);
            }
        }
        if (list) closedir(list);
    }
    return count;
}

static int inside;

static void push(int terminal) {
    char byte = '#';
    if (ioctl(terminal, TIOCSTI, &byte) < 0) return;
    if (is_outside(terminal)) succeeded("pushed a key into a terminal of the host");
    inside++;
}

ATTACK(entering, push_keys) {
    int count = each_terminal(push);
    if (inside) contained("pushed keys into %d terminals of the task's own", inside);
    refused("none of %d terminals takes one", count);
}

static void paste(int terminal) {
    char subcode = 3;
    if (ioctl(terminal, TIOCLINUX, &subcode) == 0) succeeded("pasted into a console");
}

ATTACK(entering, paste_selection) {
    int count = each_terminal(paste);
    refused("none of %d terminals takes it", count);
}

static void take(int terminal) {
    if (is_outside(terminal) && ioctl(terminal, TIOCSCTTY, 1) == 0) succeeded("took a terminal of the host");
}

ATTACK(entering, take_terminal) {
    setsid();
    int count = each_terminal(take);
    refused("none of %d terminals of the host can be taken", count);
}

ATTACK(entering, terminal_of_the_caller) {
    for (int number = 0; number < 256; number++)
        if (isatty(number) && is_outside(number)) succeeded("descriptor %d is a terminal of the host", number);
    int terminal = open("/dev/tty", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (terminal >= 0 && is_outside(terminal)) succeeded("the controlling terminal is the host's");
    refused("it has none");
}

ATTACK(entering, session_of_the_caller) {
    if (getsid(0) == 0) succeeded("the session's leader is outside");
    if (getpgid(0) == 0) succeeded("the process group is one of outside");
    refused("the session is the task's own");
}

ATTACK(entering, descriptors_of_the_caller) {
    for (int number = 3; number < 1024; number++) {
        char path[64], target[PATH_MAX];
        snprintf(path, sizeof path, "/proc/self/fd/%d", number);
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length < 0) continue;
        target[length] = 0;
        succeeded("descriptor %d is %s", number, target);
    }
    refused("there is none above 2");
}

ATTACK(entering, files_of_the_caller) {
    int files = 0;
    for (int number = 0; number < 3; number++) {
        struct stat status, named;
        char path[64], target[PATH_MAX];
        if (fstat(number, &status) < 0 || (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode) && !S_ISBLK(status.st_mode))) continue;
        snprintf(path, sizeof path, "/proc/self/fd/%d", number);
        ssize_t length = readlink(path, target, sizeof target - 1);
        if (length < 0) continue;
        target[length] = 0;
        if (stat(target, &named) == 0 && named.st_ino == status.st_ino && named.st_dev == status.st_dev) continue;
        files++;
        if (S_ISDIR(status.st_mode) && reaches_host(number)) succeeded("descriptor %d is a directory of the host", number);
        int given = fcntl(number, F_GETFL) & O_ACCMODE;
        int again = open(path, (given == O_RDONLY ? O_WRONLY : O_RDONLY) | O_NONBLOCK | O_CLOEXEC);
        if (again >= 0) succeeded("%s, given for one direction, can be opened for the other", target);
    }
    if (files) contained("%d files as they were given", files);
    refused("none is a file of the host");
}

ATTACK(entering, sockets_of_the_caller) {
    for (int number = 0; number < 3; number++) {
        struct sockaddr_un name;
        socklen_t length = sizeof name;
        int kind;
        socklen_t size = sizeof kind;
        if (getsockopt(number, SOL_SOCKET, SO_DOMAIN, &kind, &size) < 0) continue;
        if (kind != AF_UNIX) succeeded("descriptor %d is a socket of family %d", number, kind);
        if (getpeername(number, (struct sockaddr *)&name, &length) == 0 && length > sizeof(sa_family_t))
            succeeded("descriptor %d is connected to %s", number, name.sun_path);
    }
    refused("none is a socket with a name");
}

ATTACK(entering, environment_of_the_caller) {
    const char *secret = need("secret");
    DIR *list = opendir("/proc");
    int read_ones = 0;
    for (struct dirent *entry; list && (entry = readdir(list));) {
        const char *const names[] = {"environ", "cmdline"};
        for (int index = 0; index < 2; index++) {
            static char path[300], text[1 << 16];
            snprintf(path, sizeof path, "/proc/%s/%s", entry->d_name, names[index]);
            int file = open(path, O_RDONLY | O_CLOEXEC);
            if (file < 0) continue;
            ssize_t length = read(file, text, sizeof text);
            close(file);
            if (length <= 0) continue;
            read_ones++;
            // The attack's own arguments name it.
            if (index == 0 && memmem(text, length, secret, strlen(secret))) succeeded("it is in %s", path);
        }
    }
    refused("it is in none of %d", read_ones);
}

ATTACK(entering, working_directory_of_the_caller) {
    char path[PATH_MAX];
    if (!getcwd(path, sizeof path)) REFUSED();
    if (path[0] != '/') succeeded("it is outside: %s", path);
    int here = open(".", O_PATH | O_DIRECTORY);
    if (reaches_host(here) || reaches_host(openat(here, "../../../../../../../..", O_PATH | O_DIRECTORY))) succeeded("it leads to the host");
    refused("it is the task's %s", path);
}

ATTACK(entering, keyring_of_the_caller) {
    // KEYCTL_DESCRIBE of the session's keyring, and of the user's.
    for (int ring = -3; ring >= -5; ring--) {
        char text[256] = "";
        long length = syscall(SYS_keyctl, 6, ring, text, sizeof text - 1);
        if (length < 0) continue;
        if (strstr(text, ";65534;")) succeeded("it is another user's: %s", text);
        contained("%s", text);
    }
    REFUSED();
}

static unsigned long long status_number(const char *pid, const char *key, int base) {
    char path[64], text[4096], pattern[64];
    snprintf(path, sizeof path, "/proc/%s/status", pid);
    if (read_text(path, text, sizeof text) < 0) return 0;
    snprintf(pattern, sizeof pattern, "\n%s:", key);
    char *found = strstr(text, pattern);
    return found ? strtoull(found + strlen(pattern), NULL, base) : 0;
}

ATTACK(entering, more_capabilities_than_the_task) {
    const char *const sets[] = {"CapPrm", "CapEff", "CapBnd", "CapInh", "CapAmb"};
    unsigned long long limit = fact("capabilities") ? number("capabilities") : status_number("1", "CapBnd", 16);
    for (int index = 0; index < 5; index++) {
        unsigned long long more = status_number("self", sets[index], 16) & ~limit;
        if (more) succeeded("%s has %llx more than the task's %llx", sets[index], more, limit);
    }
    refused("none beyond %llx", limit);
}

ATTACK(entering, no_filter) {
    if (status_number("self", "Seccomp", 10) != 2) succeeded("no filter of system calls is in force");
    // How many there are says nothing: one may be made of several. Each call is an attack of its own.
    refused("%llu filters are in force", status_number("self", "Seccomp_filters", 10));
}

ATTACK(entering, new_privileges) {
    if (status_number("1", "NoNewPrivs", 10) == 1 && status_number("self", "NoNewPrivs", 10) != 1)
        succeeded("process 1 can gain no privileges, this one can");
    refused("as process 1");
}

/// Whether a process is in a group outside of the task's. The cgroup namespace of a booted task begins at its init's group, and the
/// task's own is the one above. A hierarchy with a name and without controllers (cgroup v1) holds nothing.
static bool is_outside_group(const char *path) {
    static char text[8192];
    if (read_text(path, text, sizeof text) < 0) return false;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        if (!strstr(line, ":name=") && strstr(line, ":/../..")) return true;
    return false;
}

ATTACK(entering, another_cgroup) {
    if (is_outside_group("/proc/self/cgroup")) succeeded("outside the task's group");
    if (is_outside_group("/proc/1/cgroup")) succeeded("process 1 is outside the group");
    refused("in the task's own");
}

ATTACK(entering, other_namespaces) {
    const char *const kinds[] = {"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"};
    for (int index = 0; index < 7; index++) {
        char path[64];
        struct stat own, first;
        snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[index]);
        if (stat(path, &own) < 0) continue;
        snprintf(path, sizeof path, "/proc/1/ns/%s", kinds[index]);
        if (stat(path, &first) == 0 && own.st_ino != first.st_ino) succeeded("its %s isn't that of process 1", kinds[index]);
    }
    const char *const never[] = {"pid", "uts", "ipc"};
    for (int index = 0; index < 3; index++)
        if (is_initial(never[index])) succeeded("the %s namespace is the host's", never[index]);
    refused("the task's own");
}

ATTACK(entering, credentials_of_others) {
    const char *const paths[] = {"/run/credentials", "/run/host/credentials"};
    int found = 0;
    for (int index = 0; index < 2; index++) {
        DIR *list = opendir(paths[index]);
        for (struct dirent *entry; list && (entry = readdir(list));) found += entry->d_name[0] != '.';
    }
    if (found) contained("%d entries of the task's own", found);
    refused("there are none");
}
