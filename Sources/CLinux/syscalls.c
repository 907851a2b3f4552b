#define _GNU_SOURCE
#include "clinux.h"

#include <fcntl.h>
#include <errno.h>
#include <linux/capability.h>
#include <linux/fs.h>
#include <linux/fsverity.h>
#include <malloc.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>

int dish_openat2(int directory, const char *path, const struct open_how *how) {
    return (int)syscall(SYS_openat2, directory, path, how, sizeof *how);
}

int dish_pidfd_open(int pid) { return (int)syscall(SYS_pidfd_open, pid, 0); }

int dish_pidfd_send_signal(int pidfd, int signal) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, signal, NULL, 0);
}

int dish_renameat2(int from, const char *source, int to, const char *target, unsigned flags) {
    return (int)syscall(SYS_renameat2, from, source, to, target, flags);
}

long dish_getdents64(int fd, void *buffer, unsigned long size) { return syscall(SYS_getdents64, fd, buffer, size); }

int dish_unshare(int flags) { return unshare(flags); }
int dish_setns(int fd, int type) { return setns(fd, type); }
int dish_open(const char *path, int flags, unsigned mode) { return open(path, flags, mode); }
int dish_openat(int at, const char *path, int flags, unsigned mode) { return openat(at, path, flags, mode); }
int dish_ioctl(int fd, unsigned long request, void *argument) { return ioctl(fd, request, argument); }
int dish_ioctl_int(int fd, unsigned long request, long argument) { return ioctl(fd, request, argument); }
int dish_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

void dish_share_arenas(void) { mallopt(M_ARENA_MAX, 2); }

void dish_trim_heap(void) { malloc_trim(0); }

void dish_unmap_code(void) {
    // The linker's: where the program's file begins in memory, and where its code ends.
    extern const char __executable_start, etext;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t start = (uintptr_t)&__executable_start & ~(page - 1);
    madvise((void *)start, (uintptr_t)&etext - start, MADV_DONTNEED);
}
int dish_fcntl(int fd, int command, long argument) { return fcntl(fd, command, argument); }

int dish_reserve(int fd, int64_t offset, int64_t length) { return fallocate(fd, FALLOC_FL_KEEP_SIZE, offset, length); }
int dish_memory_file(const char *name) { return memfd_create(name, MFD_CLOEXEC); }
int dish_fstatfs(int fd, struct dish_statfs *result) {
    struct statfs status;
    if (fstatfs(fd, &status) < 0) return -1;
    result->type = (uint32_t)status.f_type;
    result->block_size = (uint64_t)status.f_bsize;
    result->blocks = status.f_blocks;
    result->available = status.f_bavail;
    return 0;
}

long dish_listxattr(const char *path, char *list, unsigned long size, int follow) {
    return follow ? listxattr(path, list, size) : llistxattr(path, list, size);
}

long dish_getxattr(const char *path, const char *name, void *value, unsigned long size, int follow) {
    return follow ? getxattr(path, name, value, size) : lgetxattr(path, name, value, size);
}

int dish_setxattr(const char *path, const char *name, const void *value, unsigned long size, int follow) {
    return follow ? setxattr(path, name, value, size, 0) : lsetxattr(path, name, value, size, 0);
}

int dish_removexattr(const char *path, const char *name, int follow) {
    return follow ? removexattr(path, name) : lremovexattr(path, name);
}

int dish_fallocate(int fd, int mode, int64_t offset, int64_t length) { return fallocate(fd, mode, offset, length); }

int dish_clone_range(int target, uint64_t offset, int source, uint64_t source_offset, uint64_t length) {
    struct file_clone_range range = {
        .src_fd = source, .src_offset = source_offset, .src_length = length, .dest_offset = offset};
    return ioctl(target, FICLONERANGE, &range);
}

long dish_encoded_write(int fd, const void *bytes, unsigned long count, int64_t offset, uint64_t file_length,
                        uint64_t length, uint64_t start, uint32_t compression, uint32_t encryption) {
    struct iovec vector = {.iov_base = (void *)bytes, .iov_len = count};
    struct btrfs_ioctl_encoded_io_args arguments = {
        .iov = &vector, .iovcnt = 1, .offset = offset, .len = file_length, .unencoded_len = length,
        .unencoded_offset = start, .compression = compression, .encryption = encryption};
    return ioctl(fd, BTRFS_IOC_ENCODED_WRITE, &arguments);
}

int dish_enable_verity(int fd, uint32_t algorithm, uint32_t block_size, const void *salt, uint32_t salt_size,
                       const void *signature, uint32_t signature_size) {
    struct fsverity_enable_arg arguments = {
        .version = 1, .hash_algorithm = algorithm, .block_size = block_size, .salt_size = salt_size,
        .salt_ptr = (uintptr_t)salt, .sig_size = signature_size, .sig_ptr = (uintptr_t)signature};
    return ioctl(fd, FS_IOC_ENABLE_VERITY, &arguments);
}

int dish_get_file_flags(int fd, uint32_t *flags) {
    // The kernel reads and writes an int, whatever the macro says.
    int value = 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &value) < 0) return -1;
    *flags = (uint32_t)value;
    return 0;
}

int dish_set_file_flags(int fd, uint32_t flags) {
    int value = (int)flags;
    return ioctl(fd, FS_IOC_SETFLAGS, &value);
}

int dish_open_inode(int mount, uint64_t tree, uint64_t inode, uint64_t generation, int flags) {
    // struct btrfs_fid: objectid, root_objectid, gen.
    enum { SIZE = 20, TYPE = 0x4d };
    union {
        struct file_handle handle;
        unsigned char space[sizeof(struct file_handle) + SIZE];
    } file = {0};
    file.handle.handle_bytes = SIZE;
    file.handle.handle_type = TYPE;
    uint32_t shortened = (uint32_t)generation;
    memcpy(file.handle.f_handle, &inode, 8);
    memcpy(file.handle.f_handle + 8, &tree, 8);
    memcpy(file.handle.f_handle + 16, &shortened, 4);
    return open_by_handle_at(mount, &file.handle, flags | O_CLOEXEC);
}

int dish_link_descriptor(int fd, int directory, const char *name) {
    return linkat(fd, "", directory, name, AT_EMPTY_PATH);
}

int64_t dish_seek_data(int fd, int64_t offset) { return lseek(fd, offset, SEEK_DATA); }
int64_t dish_seek_hole(int fd, int64_t offset) { return lseek(fd, offset, SEEK_HOLE); }
int dish_start_writeback(int fd) { return sync_file_range(fd, 0, 0, SYNC_FILE_RANGE_WRITE); }

int dish_set_times(int at, const char *name, int64_t access_seconds, uint32_t access_nanoseconds, int64_t seconds,
                   uint32_t nanoseconds) {
    struct timespec times[2] = {
        {.tv_sec = access_seconds, .tv_nsec = access_nanoseconds}, {.tv_sec = seconds, .tv_nsec = nanoseconds}};
    return name[0] == 0 ? futimens(at, times) : utimensat(at, name, times, AT_SYMLINK_NOFOLLOW);
}

int dish_set_mtime(int at, const char *name, int64_t seconds) {
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = seconds}};
    return name[0] == 0 ? futimens(at, times) : utimensat(at, name, times, AT_SYMLINK_NOFOLLOW);
}

int dish_signalfd(void) {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0) return -1;
    return signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

int dish_open_terminal(int *terminal) {
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (master < 0) return -1;
    if (unlockpt(master) < 0 || (*terminal = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC)) < 0) {
        close(master);
        return -1;
    }
    return master;
}

int dish_set_window_size(int terminal, uint16_t rows, uint16_t columns) {
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    return ioctl(terminal, TIOCSWINSZ, &size);
}

int dish_get_window_size(int terminal, uint16_t *rows, uint16_t *columns) {
    struct winsize size;
    if (ioctl(terminal, TIOCGWINSZ, &size) < 0) return -1;
    *rows = size.ws_row;
    *columns = size.ws_col;
    return 0;
}

int dish_prctl(int option, unsigned long argument) { return prctl(option, argument, 0, 0, 0); }

int dish_own_new_files(uint32_t uid, uint32_t gid) {
    setfsgid(gid);
    setfsuid(uid);
    // Both answer with the id there was before: only asking again tells whether it changed.
    if ((uint32_t)setfsgid((gid_t)-1) != gid || (uint32_t)setfsuid((uid_t)-1) != uid) {
        errno = EPERM;
        return -1;
    }
    // Leaving 0 took the capabilities for files out of the effective set.
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2];
    if (syscall(SYS_capget, &header, sets) < 0) return -1;
    sets[0].effective = sets[0].permitted;
    sets[1].effective = sets[1].permitted;
    return (int)syscall(SYS_capset, &header, sets);
}

int dish_accept(int listener) { return accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK); }

int dish_wait_exited(int status) { return WIFEXITED(status); }
int dish_wait_exit_code(int status) { return WEXITSTATUS(status); }
int dish_wait_signal(int status) { return WTERMSIG(status); }
unsigned dish_major(uint64_t device) { return major(device); }
unsigned dish_minor(uint64_t device) { return minor(device); }
uint64_t dish_makedev(unsigned major, unsigned minor) { return makedev(major, minor); }

int dish_ask_for_senders(int socket) {
    int yes = 1;
    return setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes);
}

long dish_receive_from(int socket, void *buffer, unsigned long size, int *sender) {
    // Room for the credentials alone: the kernel closes descriptors that it has no room for.
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct iovec vector = {buffer, size};
    struct msghdr message = {0};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.space;
    message.msg_controllen = sizeof control.space;
    *sender = 0;
    ssize_t received;
    do {
        received = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (received < 0 && errno == EINTR);
    if (received < 0) return -1;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header != NULL; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET) continue;
        if (header->cmsg_type == SCM_CREDENTIALS && header->cmsg_len >= CMSG_LEN(sizeof(struct ucred))) {
            struct ucred credentials;
            memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
            *sender = credentials.pid;
        } else if (header->cmsg_type == SCM_RIGHTS) {
            int count = (int)((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            for (int index = 0; index < count; index++) {
                int descriptor;
                memcpy(&descriptor, CMSG_DATA(header) + index * sizeof(int), sizeof descriptor);
                close(descriptor);
            }
        }
    }
    return received;
}
