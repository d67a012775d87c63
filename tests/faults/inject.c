/* Preloaded into a process: counts its changes to files below one folder, and lets one of them go wrong.

   A change is a write, rename, sync, creation, removal or new length. It is seen where the C library is called, so that
   those of SQLite, Arrow and safetensors are seen as well as Python's. Nothing is counted before `fault_arm`. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { COUNT, DIE_BEFORE, DIE_AFTER, FULL, BROKEN };

static char root[PATH_MAX];
static size_t root_length;
static long at;
static int kind;
static atomic_long seen;

/* Fault number `k` (from 1) of this kind below `folder`; kind 0 only counts. */
void fault_arm(const char *folder, long k, int fault) {
    root_length = strlen(folder);
    memcpy(root, folder, root_length + 1);
    at = k, kind = fault, seen = 0;
}

long fault_count(void) { return seen; }

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

static int is_below(const char *path) {
    return root_length && !strncmp(path, root, root_length) && (path[root_length] == '/' || !path[root_length]);
}

static int fd_is_below(int fd) {
    char link[64], path[PATH_MAX];
    if (!root_length) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return is_below(path);
}

static int path_is_below(int folder, const char *path) {
    char here[PATH_MAX];
    if (!root_length) return 0;
    if (path[0] == '/') return is_below(path);
    if (folder != AT_FDCWD) return fd_is_below(folder);
    return getcwd(here, sizeof here) && is_below(here);
}

/* A folder that is there is not made. */
static int is_absent(int folder, const char *path) { return faccessat(folder, path, F_OK, AT_SYMLINK_NOFOLLOW) != 0; }

/* Count a change; return the error that it is to fail with, or 0. A disk that is full stays full for what needs room. */
static int begin(int needs_room) {
    long number = ++seen;
    if (kind == DIE_BEFORE && number == at) die();
    if (kind == FULL && number >= at && (needs_room || number == at)) return ENOSPC;
    if (kind == BROKEN && number == at) return EIO;
    return 0;
}

static void end(void) {
    if (kind == DIE_AFTER && seen == at) die();
}

#define NEXT(name) static __typeof__(&name) next; if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)
#define CHANGE(counted, room, result, call) do { \
    int is_counted = (counted), error; \
    if (is_counted && (error = begin(room))) { errno = error; return -1; } \
    result = call; \
    if (is_counted) end(); \
} while (0)
#define WRAP(type, name, room, counted, parameters, arguments) \
    type name parameters { NEXT(name); type result; CHANGE(counted, room, result, next arguments); return result; }

WRAP(ssize_t, write, 1, fd_is_below(fd), (int fd, const void *data, size_t size), (fd, data, size))
WRAP(ssize_t, pwrite, 1, fd_is_below(fd), (int fd, const void *data, size_t size, off_t place), (fd, data, size, place))
WRAP(ssize_t, pwrite64, 1, fd_is_below(fd), (int fd, const void *data, size_t size, off64_t place),
     (fd, data, size, place))
WRAP(ssize_t, writev, 1, fd_is_below(fd), (int fd, const struct iovec *parts, int count), (fd, parts, count))
WRAP(ssize_t, pwritev, 1, fd_is_below(fd), (int fd, const struct iovec *parts, int count, off_t place),
     (fd, parts, count, place))
WRAP(ssize_t, sendfile, 1, fd_is_below(to), (int to, int from, off_t *place, size_t size), (to, from, place, size))
WRAP(ssize_t, sendfile64, 1, fd_is_below(to), (int to, int from, off64_t *place, size_t size), (to, from, place, size))
WRAP(ssize_t, copy_file_range, 1, fd_is_below(to),
     (int from, off64_t *read, int to, off64_t *place, size_t size, unsigned flags),
     (from, read, to, place, size, flags))
WRAP(int, fsync, 0, fd_is_below(fd), (int fd), (fd))
WRAP(int, fdatasync, 0, fd_is_below(fd), (int fd), (fd))
WRAP(int, ftruncate, 0, fd_is_below(fd), (int fd, off_t size), (fd, size))
WRAP(int, ftruncate64, 0, fd_is_below(fd), (int fd, off64_t size), (fd, size))
WRAP(int, rename, 0, path_is_below(AT_FDCWD, to), (const char *from, const char *to), (from, to))
WRAP(int, renameat, 0, path_is_below(b, to), (int a, const char *from, int b, const char *to), (a, from, b, to))
WRAP(int, renameat2, 0, path_is_below(b, to), (int a, const char *from, int b, const char *to, unsigned flags),
     (a, from, b, to, flags))
WRAP(int, link, 1, path_is_below(AT_FDCWD, to), (const char *from, const char *to), (from, to))
WRAP(int, symlink, 1, path_is_below(AT_FDCWD, to), (const char *from, const char *to), (from, to))
WRAP(int, unlink, 0, path_is_below(AT_FDCWD, path), (const char *path), (path))
WRAP(int, unlinkat, 0, path_is_below(folder, path), (int folder, const char *path, int flags), (folder, path, flags))
WRAP(int, rmdir, 0, path_is_below(AT_FDCWD, path), (const char *path), (path))
WRAP(int, mkdir, 1, path_is_below(AT_FDCWD, path) && is_absent(AT_FDCWD, path), (const char *path, mode_t mode), (path, mode))
WRAP(int, mkdirat, 1, path_is_below(folder, path) && is_absent(folder, path), (int folder, const char *path, mode_t mode),
     (folder, path, mode))

#define MODE mode_t mode = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); mode = va_arg(rest, mode_t); va_end(rest); }
#define OPEN(name, room, counted, parameters, arguments) \
    int name parameters { NEXT(name); MODE int result; CHANGE(counted, room, result, next arguments); return result; }
#define CREATES(folder) ((flags & (O_CREAT | O_TRUNC | O_TMPFILE) & ~O_DIRECTORY) && path_is_below(folder, path))

OPEN(open, 1, CREATES(AT_FDCWD), (const char *path, int flags, ...), (path, flags, mode))
OPEN(open64, 1, CREATES(AT_FDCWD), (const char *path, int flags, ...), (path, flags, mode))
OPEN(openat, 1, CREATES(folder), (int folder, const char *path, int flags, ...), (folder, path, flags, mode))
OPEN(openat64, 1, CREATES(folder), (int folder, const char *path, int flags, ...), (folder, path, flags, mode))
