#define _GNU_SOURCE
#include "descendants.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/// How long to wait for a child's end before looking for children again: the kernel's list may miss
/// one.
static const long look_again_ms = 20;

int64_t now_ms(void) {
  struct timespec now = {0};
  // Fails only for a clock that does not exist.
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/// Kills the children that the kernel lists (CONFIG_PROC_CHILDREN); false where it keeps no list.
static bool kill_listed_children(void) {
  FILE *list = fopen("/proc/thread-self/children", "re");
  if (list == NULL) return false;
  int child = 0;
  while (fscanf(list, "%d", &child) == 1) {
    // A child that is not ours to kill is told by the limit; nobody else reaps ours, so the pid is
    // still theirs.
    if (child > 0) (void)kill(child, SIGKILL);
  }
  (void)fclose(list);
  return true;
}

/// The parent of a process, or 0 when it is gone. The name in a stat line may hold anything,
/// parentheses too.
static pid_t parent_of(const char *pid) {
  char path[64];
  char line[512];
  if (snprintf(path, sizeof path, "/proc/%s/stat", pid) >= (int)sizeof path) return 0;
  FILE *stat = fopen(path, "re");
  if (stat == NULL) return 0;
  size_t length = fread(line, 1, sizeof line - 1, stat);
  (void)fclose(stat);
  line[length] = '\0';
  const char *after_name = strrchr(line, ')');
  int parent = 0;
  if (after_name == NULL || sscanf(after_name + 1, " %*c %d", &parent) != 1) return 0;
  return parent;
}

/// The same from every process of the machine, for kernels without that list.
static void kill_scanned_children(void) {
  DIR *processes = opendir("/proc");
  if (processes == NULL) return;
  for (struct dirent *entry = readdir(processes); entry != NULL; entry = readdir(processes)) {
    if (!isdigit((unsigned char)entry->d_name[0])) continue;
    if (parent_of(entry->d_name) == getpid()) {
      (void)kill((pid_t)strtol(entry->d_name, NULL, 10), SIGKILL);
    }
  }
  (void)closedir(processes);
}

bool end_descendants(pid_t program, int *status, int64_t limit_ms) {
  const int64_t deadline = now_ms() + limit_ms;
  const struct timespec pause = {.tv_nsec = look_again_ms * 1000000};
  sigset_t child_signal;
  (void)sigemptyset(&child_signal);
  (void)sigaddset(&child_signal, SIGCHLD);

  // The whole group in one step, which no fork escapes. Safe before the program is reaped: its pid
  // is still taken.
  (void)kill(-program, SIGKILL);
  for (;;) {
    for (;;) {
      int ended = 0;
      pid_t pid = waitpid(-1, &ended, WNOHANG);
      if (pid == program) *status = ended;
      if (pid == 0) break;
      if (pid < 0 && errno == ECHILD) return true;
      if (pid < 0 && errno != EINTR) return false;
    }
    if (now_ms() >= deadline) return false;
    // The children of one that dies become ours before it can be reaped, so this reaches every
    // generation.
    if (!kill_listed_children()) kill_scanned_children();
    (void)sigtimedwait(&child_signal, NULL, &pause);
  }
}
