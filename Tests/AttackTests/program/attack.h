/// What the attacks stand on. Each is a function that ends with one of five verdicts; it runs in a process of its own, so it may
/// change namespaces, hang or crash.
#ifndef ATTACK_H
#define ATTACK_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/// The kernel or the agent said no.
_Noreturn void refused(const char *format, ...) __attribute__((format(printf, 1, 2)));
/// It worked, and ends at what is the task's own.
_Noreturn void contained(const char *format, ...) __attribute__((format(printf, 1, 2)));
/// It reached the host, the agent or another task.
_Noreturn void succeeded(const char *format, ...) __attribute__((format(printf, 1, 2)));
/// It can't be tried here.
_Noreturn void skipped(const char *format, ...) __attribute__((format(printf, 1, 2)));

/// It didn't do what it is for, and says nothing of the wall.
_Noreturn void broken(const char *format, ...) __attribute__((format(printf, 1, 2)));

/// Refused, with the reason of the last system call.
#define REFUSED() refused("%s", strerror(errno))

void attack_add(const char *kind, const char *name, void (*run)(void));

/// Defines an attack of a kind.
#define ATTACK(kind, name)                                                                    \
    static void name(void);                                                                   \
    __attribute__((constructor)) static void add_##name(void) { attack_add(#kind, #name, name); } \
    static void name(void)

/// A fact about the host that the test gave as `KEY=VALUE`; NULL when it didn't.
const char *fact(const char *key);
unsigned long long number(const char *key);
/// The same, or the attack is skipped.
const char *need(const char *key);

/// Who started the program; 0 when that is outside.
pid_t parent_of_the_program(void);

/// Writes a text into an existing file; -1 and errno when that is refused.
int write_text(const char *path, const char *text);
/// Reads the beginning of a file as a text; -1 and errno when that is refused.
int read_text(const char *path, char *text, size_t size);
/// Writes back what a file has: proves that it could be changed, and changes nothing.
int write_back(const char *path);

/// Whether a namespace of this process ("user", "pid", …) is the one that the kernel began with.
bool is_initial(const char *kind);
/// Whether this process's user namespace owns its network namespace.
bool owns_network(void);

/// Makes namespaces by whatever way works: unshare, with a user namespace, or by clone, in which case a child goes on.
/// Returns -1 and errno when none does.
int enter_namespaces(int flags);

/// Whether the host's canary can be read below a directory.
bool reaches_host(int directory);
/// The name of a setting of the whole machine that can be opened for writing below a mount of procfs; NULL when there is none.
const char *writable_setting(const char *proc);

/// A new empty directory of this attack's own.
const char *scratch(void);

#endif
