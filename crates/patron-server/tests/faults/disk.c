/* A disk that fails when it is told to: put before the C library by LD_PRELOAD, so that the program
 * under test is the one that is shipped.
 *
 * FAULTY_DISK_DATA     the directory whose files are failed; all others are left alone
 * FAULTY_DISK_CONTROL  a file with one rule, read anew before each call, or empty:
 *
 *     CALL FAULT SUFFIX SKIP TIMES
 *
 *   CALL    fsync, write, read, truncate (a file's length, fallocate included), name (rename,
 *           unlink, mkdir, rmdir), create (opening for writing), open (opening at all), or change:
 *           whatever needs more than reading
 *   FAULT   EIO, ENOSPC, EROFS, EMFILE; SHORT: half of it is done, if it is about more
 *           than a byte; WAIT: as long as the rule stands
 *   SUFFIX  how the file's path ends, or * for any
 *   SKIP    how many such calls succeed before
 *   TIMES   how many fail then; 0 for all
 *
 * FAULTY_DISK_LOG      gets a line for each call that the rule is about: the call, the path, and
 *                      "failed", "cut short" or "waits" where it does
 *
 * Everything goes to the kernel by syscall(), so that nothing here calls itself. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX 256
#define PATH_MAX_HERE 4096

enum fault { NONE, SHORT_COUNT, FAILED };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char rule_before[TEXT_MAX];
static long seen;

static void read_rule(char *rule) {
  rule[0] = 0;
  const char *control = getenv("FAULTY_DISK_CONTROL");
  if (!control) return;
  long fd = syscall(SYS_openat, AT_FDCWD, control, O_RDONLY | O_CLOEXEC, 0);
  if (fd < 0) return;
  long length = syscall(SYS_read, fd, rule, TEXT_MAX - 1);
  syscall(SYS_close, fd);
  rule[length > 0 ? length : 0] = 0;
}

static void note(const char *call, const char *path, const char *outcome) {
  const char *log = getenv("FAULTY_DISK_LOG");
  if (!log) return;
  long fd = syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0) return;
  char line[PATH_MAX_HERE + 64];
  int length = snprintf(line, sizeof line, "%s %s%s\n", call, path, outcome);
  if (length > 0) syscall(SYS_write, fd, line, (size_t)length);
  syscall(SYS_close, fd);
}

static int ends_with(const char *path, const char *suffix) {
  size_t path_length = strlen(path), length = strlen(suffix);
  return length <= path_length && strcmp(path + path_length - length, suffix) == 0;
}

static int is_of_the_data(const char *path) {
  const char *data = getenv("FAULTY_DISK_DATA");
  if (!data || !*data) return 0;
  size_t length = strlen(data);
  return strncmp(path, data, length) == 0 && (path[length] == '/' || path[length] == 0);
}

static int code_of(const char *fault) {
  if (strcmp(fault, "ENOSPC") == 0) return ENOSPC;
  if (strcmp(fault, "EROFS") == 0) return EROFS;
  if (strcmp(fault, "EMFILE") == 0) return EMFILE;
  return EIO;
}

static void wait_while(const char *rule) {
  char now[TEXT_MAX];
  struct timespec pause = {0, 1000000};
  do {
    nanosleep(&pause, NULL);
    read_rule(now);
  } while (strcmp(now, rule) == 0);
}

/* Whether a rule about "which" is about this call. */
static int means(const char *which, const char *call) {
  if (strcmp(which, call) == 0) return 1;
  if (strcmp(which, "open") == 0) return strcmp(call, "create") == 0;
  int only_reads = strcmp(call, "read") == 0 || strcmp(call, "open") == 0;
  return strcmp(which, "change") == 0 && !only_reads;
}

/* What to note of a call that is hit. */
static const char *outcome_of(const char *fault) {
  if (strcmp(fault, "WAIT") == 0) return " waits";
  if (strcmp(fault, "SHORT") == 0) return " cut short";
  return " failed";
}

/* What is to become of this call about so many bytes. On FAILED, errno says why. */
static enum fault judge(const char *call, const char *path, size_t count) {
  if (!is_of_the_data(path)) return NONE;
  char rule[TEXT_MAX], which[16], fault[16], suffix[64];
  long skip, times;
  int kept = errno;
  pthread_mutex_lock(&lock);
  read_rule(rule);
  if (strcmp(rule, rule_before) != 0) {
    strcpy(rule_before, rule);
    seen = 0;
  }
  int is_whole = sscanf(rule, "%15s %15s %63s %ld %ld", which, fault, suffix, &skip, &times) == 5;
  int is_meant = is_whole && means(which, call);
  is_meant = is_meant && (strcmp(suffix, "*") == 0 || ends_with(path, suffix));
  is_meant = is_meant && (count > 1 || strcmp(fault, "SHORT") != 0);
  long number = is_meant ? seen++ : 0;
  int is_hit = is_meant && number >= skip && (times == 0 || number < skip + times);
  if (is_meant) note(call, path, is_hit ? outcome_of(fault) : "");
  pthread_mutex_unlock(&lock);
  errno = kept;
  if (!is_hit) return NONE;
  if (strcmp(fault, "SHORT") == 0) return SHORT_COUNT;
  if (strcmp(fault, "WAIT") == 0) {
    wait_while(rule);
    return NONE;
  }
  errno = code_of(fault);
  return FAILED;
}

static enum fault judge_fd(const char *call, int fd, size_t count) {
  char link[64], path[PATH_MAX_HERE];
  int kept = errno;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  long length = syscall(SYS_readlinkat, AT_FDCWD, link, path, sizeof path - 1);
  errno = kept;
  if (length <= 0) return NONE;
  path[length] = 0;
  return judge(call, path, count);
}

static size_t part(enum fault fault, size_t count) {
  return fault == SHORT_COUNT && count > 1 ? count / 2 : count;
}

int fsync(int fd) {
  return judge_fd("fsync", fd, 0) == FAILED ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd) {
  return judge_fd("fsync", fd, 0) == FAILED ? -1 : (int)syscall(SYS_fdatasync, fd);
}

int ftruncate(int fd, off_t length) {
  return judge_fd("truncate", fd, 0) == FAILED ? -1 : (int)syscall(SYS_ftruncate, fd, length);
}

int ftruncate64(int fd, off64_t length) { return ftruncate(fd, length); }

int fallocate(int fd, int mode, off_t offset, off_t length) {
  if (judge_fd("truncate", fd, 0) == FAILED) return -1;
  return (int)syscall(SYS_fallocate, fd, mode, offset, length);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t length) {
  return fallocate(fd, mode, offset, length);
}

/* These two return what the others leave in errno. */
int posix_fallocate(int fd, off_t offset, off_t length) {
  return fallocate(fd, 0, offset, length) == 0 ? 0 : errno;
}

int posix_fallocate64(int fd, off64_t offset, off64_t length) {
  return posix_fallocate(fd, offset, length);
}

/* Names are given in full by who is tested, so that no directory need be asked for its path. */
int renameat(int from_in, const char *from, int to_in, const char *to) {
  if (judge("name", to, 0) == FAILED) return -1;
  return (int)syscall(SYS_renameat2, from_in, from, to_in, to, 0);
}

int rename(const char *from, const char *to) { return renameat(AT_FDCWD, from, AT_FDCWD, to); }

int unlinkat(int directory, const char *path, int flags) {
  if (judge("name", path, 0) == FAILED) return -1;
  return (int)syscall(SYS_unlinkat, directory, path, flags);
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }

int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int mkdirat(int directory, const char *path, mode_t mode) {
  if (judge("name", path, 0) == FAILED) return -1;
  return (int)syscall(SYS_mkdirat, directory, path, mode);
}

int mkdir(const char *path, mode_t mode) { return mkdirat(AT_FDCWD, path, mode); }

ssize_t write(int fd, const void *from, size_t count) {
  enum fault fault = judge_fd("write", fd, count);
  return fault == FAILED ? -1 : syscall(SYS_write, fd, from, part(fault, count));
}

ssize_t pwrite(int fd, const void *from, size_t count, off_t offset) {
  enum fault fault = judge_fd("write", fd, count);
  return fault == FAILED ? -1 : syscall(SYS_pwrite64, fd, from, part(fault, count), offset);
}

ssize_t pwrite64(int fd, const void *from, size_t count, off64_t offset) {
  return pwrite(fd, from, count, offset);
}

ssize_t writev(int fd, const struct iovec *from, int count) {
  size_t first = count > 0 ? from[0].iov_len : 0;
  enum fault fault = judge_fd("write", fd, first);
  if (fault == SHORT_COUNT && first > 1)
    return syscall(SYS_write, fd, from[0].iov_base, part(fault, first));
  return fault == FAILED ? -1 : syscall(SYS_writev, fd, from, count);
}

ssize_t read(int fd, void *into, size_t count) {
  enum fault fault = judge_fd("read", fd, count);
  return fault == FAILED ? -1 : syscall(SYS_read, fd, into, part(fault, count));
}

ssize_t pread(int fd, void *into, size_t count, off_t offset) {
  enum fault fault = judge_fd("read", fd, count);
  return fault == FAILED ? -1 : syscall(SYS_pread64, fd, into, part(fault, count), offset);
}

ssize_t pread64(int fd, void *into, size_t count, off64_t offset) {
  return pread(fd, into, count, offset);
}

static int opened(int directory, const char *path, int flags, mode_t mode) {
  int writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT);
  if (judge(writes ? "create" : "open", path, 0) == FAILED) return -1;
  return (int)syscall(SYS_openat, directory, path, flags, mode);
}

#define MODE_OF(flags, mode)          \
  mode_t mode = 0;                    \
  if ((flags) & O_CREAT) {            \
    va_list more;                     \
    va_start(more, flags);            \
    mode = va_arg(more, mode_t);      \
    va_end(more);                     \
  }

int open(const char *path, int flags, ...) {
  MODE_OF(flags, mode)
  return opened(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...) {
  MODE_OF(flags, mode)
  return opened(AT_FDCWD, path, flags, mode);
}

int openat(int directory, const char *path, int flags, ...) {
  MODE_OF(flags, mode)
  return opened(directory, path, flags, mode);
}

int openat64(int directory, const char *path, int flags, ...) {
  MODE_OF(flags, mode)
  return opened(directory, path, flags, mode);
}
