// Keeps a second copy of a directory's files beside it, with only what was synced: what a disk would
// still have after a power cut. Loaded into the program with LD_PRELOAD.
//
// A write or a new length waits until its file is synced. A removal or a new name waits until anything is
// synced, since file systems with a journal make names durable in their order. What is done also stands in
// a log, so that a part of what waits can be kept after all: a line that says what is done to which file,
// and the bytes. POWER_LIVE is the directory, POWER_KEPT the one with the second copy, POWER_LOG the log.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

enum kind { WRITE, LENGTH, RENAME, REMOVE };

struct step {
  struct step *next;
  enum kind kind;
  char name[NAME_MAX + 1];
  char to[NAME_MAX + 1];
  off64_t at;
  size_t size;
  char *bytes;
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct step *first;
static struct step **last = &first;

// The real function of this name.
#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

// The name of a file in the directory, "." for itself; NULL for everything else.
static const char *name_of(const char *path) {
  const char *live = getenv("POWER_LIVE");
  size_t length = live ? strlen(live) : 0;
  if (!length || strncmp(path, live, length)) return NULL;
  if (!path[length]) return ".";
  const char *name = path + length + 1;
  // The index of SQLite's log is memory that processes share, and means nothing to the next start.
  size_t end = strlen(name);
  int is_shared = end > 4 && !strcmp(name + end - 4, "-shm");
  if (path[length] != '/' || !*name || strchr(name, '/') || strchr(name, ' ') || is_shared) return NULL;
  return name;
}

static const char *name_of_open(int file, char path[PATH_MAX]) {
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  ssize_t length = readlink(link, path, PATH_MAX - 1);
  if (length < 0) return NULL;
  path[length] = 0;
  return name_of(path);
}

static void kept_path(char path[PATH_MAX], const char *name) {
  snprintf(path, PATH_MAX, "%s/%s", getenv("POWER_KEPT"), name);
}

static void write_down(const char *kind, const char *name, const char *to, off64_t at,
                       const void *bytes, size_t size) {
  static int log = -1;
  if (log < 0) log = open64(getenv("POWER_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  char line[2 * NAME_MAX + 64];
  int length =
      snprintf(line, sizeof line, "%s %s %s %lld %zu\n", kind, name, to, (long long)at, size);
  struct iovec pieces[2] = {{line, (size_t)length}, {(void *)bytes, size}};
  if (REAL(writev)(log, pieces, 2) != (ssize_t)(length + size)) abort();
}

static void wait_for_sync(enum kind kind, const char *name, const char *to, const void *bytes,
                          size_t size, off64_t at) {
  struct step *step = calloc(1, sizeof *step);
  if (!step) abort();
  step->kind = kind;
  snprintf(step->name, sizeof step->name, "%s", name);
  snprintf(step->to, sizeof step->to, "%s", to ? to : "");
  step->at = at;
  step->size = size;
  if (bytes) {
    step->bytes = malloc(size);
    if (!step->bytes) abort();
    memcpy(step->bytes, bytes, size);
  }
  pthread_mutex_lock(&mutex);
  static const char *const kinds[] = {"write", "length", "rename", "remove"};
  write_down(kinds[kind], name, to ? to : "-", at, bytes, size);
  // What waits for the file goes with it.
  for (struct step *one = first; one; one = one->next) {
    int is_content = one->kind == WRITE || one->kind == LENGTH;
    if (is_content && kind == RENAME && !strcmp(one->name, name)) strcpy(one->name, step->to);
    else if (is_content && kind == REMOVE && !strcmp(one->name, name)) one->name[0] = 0;
  }
  *last = step;
  last = &step->next;
  pthread_mutex_unlock(&mutex);
}

static void take_step(const struct step *step) {
  char path[PATH_MAX], to[PATH_MAX];
  kept_path(path, step->name);
  if (step->kind == REMOVE) {
    REAL(unlink)(path);
  } else if (step->kind == RENAME) {
    kept_path(to, step->to);
    REAL(rename)(path, to);
  } else {
    int file = open64(path, O_RDWR | O_CREAT, 0600);
    if (file < 0) abort();
    int failed = step->kind == LENGTH
                     ? REAL(ftruncate64)(file, step->at) != 0
                     : REAL(pwrite64)(file, step->bytes, step->size, step->at) != (ssize_t)step->size;
    if (failed) abort();
    close(file);
  }
}

// Takes the steps that wait for this sync: names first, then the content of the file.
static void take_steps(const char *synced) {
  pthread_mutex_lock(&mutex);
  for (int of_content = 0; of_content < 2; of_content++) {
    struct step **link = &first;
    while (*link) {
      struct step *step = *link;
      int is_content = step->kind == WRITE || step->kind == LENGTH;
      if (is_content != of_content || (is_content && strcmp(step->name, synced))) {
        link = &step->next;
        continue;
      }
      take_step(step);
      *link = step->next;
      free(step->bytes);
      free(step);
    }
    last = link;
  }
  write_down("sync", synced, "-", 0, NULL, 0);
  pthread_mutex_unlock(&mutex);
}

ssize_t pwrite64(int file, const void *bytes, size_t size, off64_t at) {
  char path[PATH_MAX];
  const char *name = name_of_open(file, path);
  ssize_t written = REAL(pwrite64)(file, bytes, size, at);
  if (name && written > 0) wait_for_sync(WRITE, name, NULL, bytes, (size_t)written, at);
  return written;
}

ssize_t write(int file, const void *bytes, size_t size) {
  char path[PATH_MAX];
  const char *name = name_of_open(file, path);
  off64_t at = name ? lseek64(file, 0, SEEK_CUR) : 0;
  ssize_t written = REAL(write)(file, bytes, size);
  if (name && written > 0) wait_for_sync(WRITE, name, NULL, bytes, (size_t)written, at);
  return written;
}

int ftruncate64(int file, off64_t length) {
  char path[PATH_MAX];
  const char *name = name_of_open(file, path);
  int failed = REAL(ftruncate64)(file, length);
  if (name && !failed) wait_for_sync(LENGTH, name, NULL, NULL, 0, length);
  return failed;
}

int unlink(const char *path) {
  const char *name = name_of(path);
  int failed = REAL(unlink)(path);
  if (name && !failed) wait_for_sync(REMOVE, name, NULL, NULL, 0, 0);
  return failed;
}

int rename(const char *from, const char *to) {
  const char *name = name_of(from), *next = name_of(to);
  int failed = REAL(rename)(from, to);
  if (name && next && !failed) wait_for_sync(RENAME, name, next, NULL, 0, 0);
  return failed;
}

static int sync_with(int (*real)(int), int file) {
  char path[PATH_MAX];
  const char *name = name_of_open(file, path);
  int failed = real(file);
  if (name && !failed) take_steps(name);
  return failed;
}

int fsync(int file) { return sync_with(REAL(fsync), file); }

int fdatasync(int file) { return sync_with(REAL(fdatasync), file); }

// Ways to write that this file does not follow. Nothing may take them unnoticed.
ssize_t writev(int file, const struct iovec *pieces, int count) {
  char path[PATH_MAX];
  if (name_of_open(file, path)) abort();
  return REAL(writev)(file, pieces, count);
}
