/* What goes wrong between a program and its disk, on purpose (Linux, loaded with LD_PRELOAD).

Calls on files below one folder are counted. At a chosen one the process is killed, or the call fails with a chosen
error. Or every change is written to a log, from which the state of the disk after a power cut is put together
(torn.py). The clock can be moved. Nothing happens before soak_arm is called. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

enum { OFF, COUNT, KILL, FAIL, LOG };
enum { WRITE = 1, READ = 2, SYNC = 4, NAME = 8, OPEN = 16, CREATE = 32 }; /* kinds of calls; also the bits of soak_arm's kinds */
enum { L_WRITE = 1, L_SIZE, L_SYNC, L_CREATE, L_RENAME, L_UNLINK, L_MKDIR, L_RMDIR, L_LINK };

static char prefix[PATH_MAX];
static size_t prefix_length;
static int mode, kinds, error_number, sticky, log_file = -1;
static long at, count;
static int64_t clock_offset;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void soak_arm(const char *folder, int how, int which, long when, int number, int stays, const char *log) {
    snprintf(prefix, sizeof prefix, "%s", folder);
    prefix_length = strlen(prefix);
    kinds = which, at = when, error_number = number, sticky = stays, count = 0;
    if (log[0]) log_file = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    mode = how;
}
void soak_disarm(void) { mode = OFF; }
long soak_count(void) { return count; }
void soak_clock(int64_t seconds) { clock_offset = seconds; }

#define REAL(name) static __typeof__(name) *real; if (!real) real = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static int inside(const char *path) {
    return mode && path && !strncmp(path, prefix, prefix_length);
}
static int inside_fd(int fd, char *path) {
    char link[32];
    if (!mode || fd == log_file) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return inside(path);
}
/* Whether this call fails; errno is set. It is the one place where processes are killed. */
static int strikes(int kind) {
    if (!(kinds & kind)) return 0;
    count++;
    if (mode == KILL && count == at) kill(getpid(), SIGKILL);
    if (mode == FAIL && (count == at || (sticky && count > at))) { errno = error_number; return 1; }
    return 0;
}
static void put(const void *data, size_t size) {
    static ssize_t (*real)(int, const void *, size_t);
    if (!real) real = (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    if (size && real(log_file, data, size) != (ssize_t)size) abort();
}
static void note(uint64_t what, uint64_t inode, uint64_t place, const char *first, const void *data, uint64_t size) {
    if (mode != LOG) return;
    uint64_t head[5] = {what, inode, place, first ? strlen(first) : 0, size};
    put(head, sizeof head);
    if (first) put(first, head[3]);
    put(data, size);
}
static uint64_t inode_of(int fd) {
    struct stat found;
    return fstat(fd, &found) ? 0 : found.st_ino;
}

#define GUARDED(call) pthread_mutex_lock(&lock); call; pthread_mutex_unlock(&lock)

static int opened(const char *path, int flags, mode_t rights, int (*real)(const char *, int, ...)) {
    if (!inside(path)) return real(path, flags, rights);
    int fd = -1;
    GUARDED(int existed = access(path, F_OK) == 0;
    if (!strikes(existed ? OPEN : CREATE)) {
        fd = real(path, flags, rights);
        int kept = errno;
        if (fd >= 0 && !existed && (flags & O_CREAT)) note(L_CREATE, inode_of(fd), 0, path, NULL, 0);
        if (fd >= 0 && existed && (flags & O_TRUNC)) note(L_SIZE, inode_of(fd), 0, NULL, NULL, 0);
        errno = kept;
    });
    return fd;
}
#define OPENS(name) int name(const char *path, int flags, ...) { \
    REAL(name); va_list more; va_start(more, flags); mode_t rights = va_arg(more, mode_t); va_end(more); \
    return opened(path, flags, rights, real); }
OPENS(open)
OPENS(open64)

static void note_write(int fd, off_t place, const void *data, ssize_t done) {
    if (done > 0) note(L_WRITE, inode_of(fd), place, NULL, data, done);
}
ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    char path[PATH_MAX];
    if (!inside_fd(fd, path)) return real(fd, data, size);
    ssize_t done = -1;
    GUARDED(if (!strikes(WRITE)) {
        off_t place = lseek(fd, 0, SEEK_CUR);
        if (fcntl(fd, F_GETFL) & O_APPEND) place = lseek(fd, 0, SEEK_END);
        done = real(fd, data, size);
        note_write(fd, place, data, done);
    });
    return done;
}
#define PWRITES(name) ssize_t name(int fd, const void *data, size_t size, off_t place) { \
    REAL(name); char path[PATH_MAX]; \
    if (!inside_fd(fd, path)) return real(fd, data, size, place); \
    ssize_t done = -1; \
    GUARDED(if (!strikes(WRITE)) { done = real(fd, data, size, place); note_write(fd, place, data, done); }); \
    return done; }
PWRITES(pwrite)
PWRITES(pwrite64)
#define SIZES(name) int name(int fd, off_t size) { \
    REAL(name); char path[PATH_MAX]; \
    if (!inside_fd(fd, path)) return real(fd, size); \
    int done = -1; \
    GUARDED(if (!strikes(WRITE)) { done = real(fd, size); if (!done) note(L_SIZE, inode_of(fd), size, NULL, NULL, 0); }); \
    return done; }
SIZES(ftruncate)
SIZES(ftruncate64)
/* What was written into memory that is a file's: this library does not see it, and a flush makes it safe. */
static void note_content(int fd) {
    static ssize_t (*real)(int, void *, size_t, off_t);
    if (mode != LOG) return;
    if (!real) real = (ssize_t(*)(int, void *, size_t, off_t))dlsym(RTLD_NEXT, "pread");
    struct stat found;
    ssize_t size = fstat(fd, &found) || !S_ISREG(found.st_mode) ? 0 : found.st_size;
    char *data = size > 0 ? malloc(size) : NULL;
    if (data && real(fd, data, size, 0) == size) note(L_WRITE, inode_of(fd), 0, NULL, data, size);
    free(data);
}
#define SYNCS(name) int name(int fd) { \
    REAL(name); char path[PATH_MAX]; \
    if (!inside_fd(fd, path)) return real(fd); \
    int done = -1; /* what a disk does is not needed here, and takes long */ \
    GUARDED(if (!strikes(SYNC)) { done = 0; note_content(fd); note(L_SYNC, inode_of(fd), 0, path, NULL, 0); }); \
    return done; }
SYNCS(fsync)
SYNCS(fdatasync)

ssize_t read(int fd, void *data, size_t size) {
    REAL(read);
    char path[PATH_MAX];
    if (!(mode && (kinds & READ)) || !inside_fd(fd, path)) return real(fd, data, size);
    int failed;
    GUARDED(failed = strikes(READ));
    return failed ? -1 : real(fd, data, size);
}
#define PREADS(name) ssize_t name(int fd, void *data, size_t size, off_t place) { \
    REAL(name); char path[PATH_MAX]; int failed; \
    if (!(mode && (kinds & READ)) || !inside_fd(fd, path)) return real(fd, data, size, place); \
    GUARDED(failed = strikes(READ)); \
    return failed ? -1 : real(fd, data, size, place); }
PREADS(pread)
PREADS(pread64)

int rename(const char *from, const char *to) {
    REAL(rename);
    if (!inside(from) && !inside(to)) return real(from, to);
    int done = -1;
    GUARDED(if (!strikes(NAME)) { done = real(from, to); if (!done) note(L_RENAME, 0, 0, from, to, strlen(to)); });
    return done;
}
#define NAMES(name, what) int name(const char *path) { \
    REAL(name); if (!inside(path)) return real(path); \
    int done = -1; \
    GUARDED(if (!strikes(NAME)) { done = real(path); if (!done) note(what, 0, 0, path, NULL, 0); }); \
    return done; }
NAMES(unlink, L_UNLINK)
NAMES(rmdir, L_RMDIR)
/* With a folder's descriptor, as shutil.rmtree does. */
int unlinkat(int fd, const char *name, int flags) {
    REAL(unlinkat);
    char path[2 * PATH_MAX];
    if (name[0] == '/' || fd == AT_FDCWD) snprintf(path, sizeof path, "%s", name);
    else if (inside_fd(fd, path)) snprintf(path + strlen(path), PATH_MAX, "/%s", name);
    else return real(fd, name, flags);
    if (!inside(path)) return real(fd, name, flags);
    int done = -1, what = flags & AT_REMOVEDIR ? L_RMDIR : L_UNLINK;
    GUARDED(if (!strikes(NAME)) { done = real(fd, name, flags); if (!done) note(what, 0, 0, path, NULL, 0); });
    return done;
}
int symlink(const char *target, const char *path) {
    REAL(symlink);
    if (!inside(path)) return real(target, path);
    int done = -1;
    GUARDED(if (!strikes(NAME)) { done = real(target, path); if (!done) note(L_LINK, 0, 0, path, target, strlen(target)); });
    return done;
}
int mkdir(const char *path, mode_t rights) {
    REAL(mkdir);
    if (!inside(path)) return real(path, rights);
    int done = -1;
    GUARDED(if (!strikes(NAME)) { done = real(path, rights); if (!done) note(L_MKDIR, 0, 0, path, NULL, 0); });
    return done;
}

int clock_gettime(clockid_t which, struct timespec *now) {
    REAL(clock_gettime);
    int done = real(which, now);
    if (!done && which == CLOCK_REALTIME) now->tv_sec += clock_offset;
    return done;
}
int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    REAL(gettimeofday);
    int done = real(now, zone);
    if (!done) now->tv_sec += clock_offset;
    return done;
}
time_t time(time_t *kept) {
    REAL(time);
    time_t now = real(NULL) + clock_offset;
    if (kept) *kept = now;
    return now;
}
