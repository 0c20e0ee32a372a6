/* A disk that loses what was not synced, for tests: preloaded into a process, it counts what the process does to files
 * below CUT_DIR, and at the CUT_AT-th such step it does to them what a loss of power may do, and kills the process.
 * Without CUT_AT it writes the number of steps to CUT_TOTAL when the process ends. Not a test.
 *
 * CUT_MODE: kill   nothing is lost, as with kill -9
 *           drop   bytes after the last sync of a file are gone, and so are names that no sync of their directory made last
 *           tear   half of those bytes are there, and not what was written; names are as with drop
 *
 * Removals and replacements of names count as durable at once, and with a replacement all names that were made in its
 * directory before, as file systems keep that order: the opposite leaves files that were there before. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILES_MAX 16384

struct file { ino_t inode; off_t synced; };
struct name { char *path; int synced; };

static struct file files[FILES_MAX];
static struct name names[FILES_MAX];
static int files_count, names_count, steps, at;
static const char *dir, *mode;
static size_t dir_length;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static __thread int inside;

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

__attribute__((constructor)) static void begin(void) {
    dir = getenv("CUT_DIR");
    mode = getenv("CUT_MODE");
    at = getenv("CUT_AT") ? atoi(getenv("CUT_AT")) : 0;
    dir_length = dir ? strlen(dir) : 0;
}

__attribute__((destructor)) static void end(void) {
    const char *total = getenv("CUT_TOTAL");
    if (!dir || at || !total) return;
    dir = NULL;
    FILE *out = fopen(total, "w");
    if (!out) return;
    fprintf(out, "%d", steps);
    fclose(out);
}

static int below(const char *path) {
    if (!dir || !path || strncmp(path, dir, dir_length) || path[dir_length] != '/') return 0;
    const char *base = strrchr(path, '/') + 1;
    /* RocksDB's own log is nobody's state. */
    return strncmp(base, "LOG", 3) != 0;
}

static int path_of(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    return below(path) || !strcmp(path, dir);
}

static void absolute(int at_dir, const char *path, char *out) {
    char parent[PATH_MAX];
    if (path[0] == '/') { snprintf(out, PATH_MAX, "%s", path); return; }
    if (at_dir == AT_FDCWD) { if (!getcwd(parent, sizeof parent)) parent[0] = 0; }
    else {
        char link[64];
        snprintf(link, sizeof link, "/proc/self/fd/%d", at_dir);
        ssize_t length = readlink(link, parent, PATH_MAX - 1);
        parent[length > 0 ? length : 0] = 0;
    }
    if (snprintf(out, PATH_MAX, "%s/%s", parent, path) >= PATH_MAX) out[0] = 0;
}

static struct file *file(ino_t inode, off_t synced) {
    for (int i = 0; i < files_count; i++) if (files[i].inode == inode) return &files[i];
    if (files_count == FILES_MAX) abort();
    files[files_count] = (struct file){inode, synced};
    return &files[files_count++];
}

static struct name *named(const char *path) {
    for (int i = 0; i < names_count; i++) if (names[i].path && !strcmp(names[i].path, path)) return &names[i];
    return NULL;
}

static void name_made(const char *path) {
    struct name *known = named(path);
    if (known) { known->synced = 0; return; }
    if (names_count == FILES_MAX) abort();
    names[names_count++] = (struct name){strdup(path), 0};
}

static void name_gone(const char *path) {
    struct name *known = named(path);
    if (known) { free(known->path); known->path = NULL; }
}

static int lose_bytes(const char *path, const struct stat *found, int kind, struct FTW *walk) {
    (void)walk;
    if (kind != FTW_F) return 0;
    off_t synced = -1;
    for (int i = 0; i < files_count; i++) if (files[i].inode == found->st_ino) synced = files[i].synced;
    if (synced < 0 || found->st_size <= synced) return 0;
    if (!strcmp(mode, "drop")) return truncate(path, synced);
    off_t kept = synced + (found->st_size - synced + 1) / 2;
    if (truncate(path, kept)) return 1;
    int fd = open(path, O_WRONLY);
    for (off_t byte = synced; fd >= 0 && byte < kept; byte++) {
        unsigned char garbage = (unsigned char)(byte * 31 + 7);
        if (pwrite(fd, &garbage, 1, byte) != 1) break;
    }
    if (fd >= 0) close(fd);
    return 0;
}

static int lose_all(const char *path, const struct stat *found, int kind, struct FTW *walk) {
    (void)found; (void)kind; (void)walk;
    return remove(path);
}

static void lose(void) {
    if (!strcmp(mode, "kill")) return;
    nftw(dir, lose_bytes, 16, FTW_PHYS);
    for (int i = 0; i < names_count; i++)
        if (names[i].path && !names[i].synced) nftw(names[i].path, lose_all, 16, FTW_PHYS | FTW_DEPTH);
}

/* Before something is done to what is below the directory. */
static void step(void) {
    steps++;
    if (at && steps == at) {
        lose();
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
}

static void enter(void) { pthread_mutex_lock(&lock); inside = 1; step(); }
static void leave(void) { inside = 0; pthread_mutex_unlock(&lock); }

#define WRITES(name, ...) \
    char path[PATH_MAX]; \
    if (inside || !dir || !path_of(fd, path)) return REAL(name)(__VA_ARGS__); \
    enter(); \
    __auto_type done = REAL(name)(__VA_ARGS__); \
    int error = errno;

#define DONE leave(); errno = error; return done;

ssize_t write(int fd, const void *bytes, size_t count) { WRITES(write, fd, bytes, count) DONE }
ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t from) { WRITES(pwrite64, fd, bytes, count, from) DONE }

/* The names in a directory, whose own name is so long. */
static void names_last(const char *path, size_t length) {
    for (int i = 0; i < names_count; i++) {
        char *known = names[i].path;
        if (known && !strncmp(known, path, length) && known[length] == '/' && !strchr(known + length + 1, '/'))
            names[i].synced = 1;
    }
}

static void synced(int fd, const char *path) {
    struct stat found;
    if (fstat(fd, &found)) return;
    if (S_ISDIR(found.st_mode)) names_last(path, strlen(path));
    else file(found.st_ino, 0)->synced = found.st_size;
}

int fsync(int fd) { WRITES(fsync, fd) if (!done) synced(fd, path); DONE }
int fdatasync(int fd) { WRITES(fdatasync, fd) if (!done) synced(fd, path); DONE }

static void shortened(int fd, off_t length) {
    struct stat found;
    if (!fstat(fd, &found)) {
        struct file *known = file(found.st_ino, found.st_size);
        if (known->synced > length) known->synced = length;
    }
}

int ftruncate(int fd, off_t length) { WRITES(ftruncate, fd, length) if (!done) shortened(fd, length); DONE }
int ftruncate64(int fd, off64_t length) { WRITES(ftruncate64, fd, length) if (!done) shortened(fd, length); DONE }

static int opened(int (*real)(int, const char *, int, ...), int at_dir, const char *given, int flags, mode_t bits) {
    char path[PATH_MAX];
    if (inside || !dir || !(flags & (O_WRONLY | O_RDWR))) return real(at_dir, given, flags, bits);
    absolute(at_dir, given, path);
    if (!below(path)) return real(at_dir, given, flags, bits);
    struct stat found;
    pthread_mutex_lock(&lock);
    inside = 1;
    int is_new = stat(path, &found) != 0;
    if (is_new && (flags & O_CREAT)) step();
    off_t size = is_new ? 0 : found.st_size;
    int fd = real(at_dir, given, flags, bits), error = errno;
    if (fd >= 0 && !fstat(fd, &found)) {
        struct file *known = file(found.st_ino, (flags & O_TRUNC) ? 0 : size);
        if (is_new || (flags & O_TRUNC)) known->synced = 0;
        if (is_new) name_made(path);
    }
    leave();
    errno = error;
    return fd;
}

#define OPEN(name, real, at_dir) \
    mode_t bits = 0; \
    if (flags & (O_CREAT | O_TMPFILE)) { va_list rest; va_start(rest, flags); bits = va_arg(rest, mode_t); va_end(rest); } \
    return opened(REAL(real), at_dir, path, flags, bits);

int open(const char *path, int flags, ...) { OPEN(open, openat, AT_FDCWD) }
int open64(const char *path, int flags, ...) { OPEN(open64, openat64, AT_FDCWD) }
int openat(int at_dir, const char *path, int flags, ...) { OPEN(openat, openat, at_dir) }
int openat64(int at_dir, const char *path, int flags, ...) { OPEN(openat64, openat64, at_dir) }

/* RocksDB makes some files with stdio. */
FILE *fopen(const char *path, const char *how) {
    FILE *made = REAL(fopen)(path, how);
    if (!inside && dir && made && how[0] != 'r' && below(path)) {
        struct stat found;
        pthread_mutex_lock(&lock);
        inside = 1;
        if (!fstat(fileno(made), &found)) file(found.st_ino, 0)->synced = 0;
        name_made(path);
        leave();
    }
    return made;
}

#define NAMES(name, path, ...) \
    if (inside || !dir || !below(path)) return REAL(name)(__VA_ARGS__); \
    enter(); \
    int done = REAL(name)(__VA_ARGS__), error = errno;

int unlink(const char *path) { NAMES(unlink, path, path) if (!done) name_gone(path); DONE }
int rmdir(const char *path) { NAMES(rmdir, path, path) if (!done) name_gone(path); DONE }
int mkdir(const char *path, mode_t bits) { NAMES(mkdir, path, path, bits) if (!done) name_made(path); DONE }

int unlinkat(int at_dir, const char *given, int flags) {
    char path[PATH_MAX];
    absolute(at_dir, given, path);
    NAMES(unlinkat, path, at_dir, given, flags) if (!done) name_gone(path); DONE
}

int link(const char *from, const char *to) { NAMES(link, to, from, to) if (!done) name_made(to); DONE }
int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags) {
    char path[PATH_MAX];
    absolute(to_dir, to, path);
    NAMES(linkat, path, from_dir, from, to_dir, to, flags) if (!done) name_made(path); DONE
}

/* What replaces a name that lasts, lasts: the file system has the one or the other. What is below a directory moves. */
int rename(const char *from, const char *to) {
    struct stat found;
    if (inside || !dir || !below(to)) return REAL(rename)(from, to);
    int replaces = lstat(to, &found) == 0 && S_ISREG(found.st_mode) && (!named(to) || named(to)->synced);
    enter();
    int done = REAL(rename)(from, to), error = errno;
    if (!done) {
        size_t length = strlen(from);
        name_gone(from);
        for (int i = 0; i < names_count; i++) {
            char *known = names[i].path, moved[PATH_MAX];
            if (!known || strncmp(known, from, length) || known[length] != '/') continue;
            snprintf(moved, sizeof moved, "%s%s", to, known + length);
            names[i].path = strdup(moved);
            free(known);
        }
        if (!replaces) name_made(to);
        else names_last(to, (size_t)(strrchr(to, '/') - to));
    }
    DONE
}
