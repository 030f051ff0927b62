// Stands between a worker and the program of a command job, so that no process outlives its job,
// nor its worker.
//
//   warren-shepherd --lifeline FIFO --grace-ms N -- program argument...
//
// The program runs in a process group of its own. It ends
//   - by itself;
//   - on SIGTERM (or SIGINT, SIGHUP, SIGQUIT) to the shepherd: SIGTERM to the group, N ms later
//     SIGKILL;
//   - on a second such signal, or on SIGUSR1: SIGKILL at once;
//   - when the last writer of the FIFO is gone, which is the worker's death, however it died:
//     SIGKILL at once;
//   - when the shepherd itself is killed: SIGKILL to the program, by the kernel; its children then
//     have nobody to end them.
// Everything that descends from it, in other groups and sessions too, is killed before the shepherd
// ends. The shepherd then ends as the program did: with its exit code, or by the same signal. Its
// own codes are those of env(1) and timeout(1): 125 it could not do its work, 126 the program
// cannot be run, 127 there is no such program.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "descendants.h"

enum { shepherd_failed = 125, cannot_run = 126, not_found = 127 };

/// What has not died this long after SIGKILL hangs in the kernel, and is left to it.
static const int64_t kill_limit_ms = 10000;
static const long long longest_grace_ms = 24LL * 60 * 60 * 1000;

struct options {
  const char *lifeline;
  int64_t grace_ms;
  char **program;
};

static _Noreturn void fail(const char *what) {
  fprintf(stderr, "warren-shepherd: %s: %s\n", what, strerror(errno));
  _exit(shepherd_failed);
}

static _Noreturn void usage(const char *problem) {
  fprintf(stderr, "warren-shepherd: %s\n", problem);
  fputs("usage: warren-shepherd --lifeline FIFO --grace-ms N -- program argument...\n", stderr);
  exit(shepherd_failed);
}

static struct options parse(int argc, char **argv) {
  static const struct option known[] = {
    {"lifeline", required_argument, NULL, 'l'}, {"grace-ms", required_argument, NULL, 'g'}, {0},
  };
  struct options options = {.grace_ms = -1};
  // "+": the first word that is no option ends them; what follows belongs to the program.
  for (int found; (found = getopt_long(argc, argv, "+", known, NULL)) != -1;) {
    if (found == 'l') {
      options.lifeline = optarg;
    } else if (found == 'g') {
      char *end = NULL;
      errno = 0;
      long long grace = strtoll(optarg, &end, 10);
      if (errno != 0 || end == optarg || *end != '\0' || grace < 0 || grace > longest_grace_ms) {
        usage("--grace-ms takes milliseconds, from 0 to 86400000 (a day)");
      }
      options.grace_ms = grace;
    } else {
      usage("unknown option");
    }
  }
  if (options.lifeline == NULL) usage("--lifeline is missing");
  if (options.grace_ms < 0) usage("--grace-ms is missing");
  if (optind >= argc) usage("no program given");
  options.program = argv + optind;
  return options;
}

/// Opens the FIFO whose writer is the worker. A worker that is dead already never gave us a reason
/// to start.
static int open_lifeline(const char *path) {
  int lifeline = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (lifeline < 0) fail(path);
  struct stat kind;
  if (fstat(lifeline, &kind) != 0) fail(path);
  if (!S_ISFIFO(kind.st_mode)) usage("--lifeline is no FIFO");
  // Without a writer poll() says nothing until there has been one, whereas read() tells at once.
  char byte;
  ssize_t count = read(lifeline, &byte, 1);
  if (count == 0) {
    fprintf(stderr, "warren-shepherd: nobody holds %s open: the worker is gone\n", path);
    exit(shepherd_failed);
  }
  if (count < 0 && errno != EAGAIN && errno != EINTR) fail(path);
  return lifeline;
}

/// The child's side of fork(): becomes the program.
static _Noreturn void become(char **program, pid_t shepherd) {
  if (setpgid(0, 0) != 0) fail("setpgid");
  // Survives exec, except of set-user-id programs. A shepherd that died before this line is told by
  // getppid().
  if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) fail("prctl(PR_SET_PDEATHSIG)");
  if (getppid() != shepherd) _exit(shepherd_failed);
  // Not every number is a signal that can be set; those that are not have nothing to reset.
  for (int number = 1; number < NSIG; number++) (void)signal(number, SIG_DFL);
  sigset_t none;
  (void)sigemptyset(&none);
  if (sigprocmask(SIG_SETMASK, &none, NULL) != 0) fail("sigprocmask");
  execvp(program[0], program);
  const int reason = errno;
  fprintf(stderr, "warren-shepherd: cannot run \"%s\": %s\n", program[0], strerror(reason));
  _exit(reason == ENOENT || reason == ENOTDIR ? not_found : cannot_run);
}

static pid_t start(char **program) {
  const pid_t shepherd = getpid();
  const pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) become(program, shepherd);
  // Both sides set the group, so that it exists for whichever comes first; EACCES says that the
  // child was quicker.
  if (setpgid(child, child) != 0 && errno != EACCES && errno != ESRCH) {
    fprintf(stderr, "warren-shepherd: setpgid: %s\n", strerror(errno));
  }
  return child;
}

/// Reaps orphans that have ended. Returns whether the program has; it is left unreaped, so that its
/// pid stays taken.
static bool program_has_ended(pid_t program) {
  for (;;) {
    siginfo_t ended = {0};
    if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0) {
      if (errno == EINTR) continue;
      return true;
    }
    if (ended.si_pid == 0) return false;
    if (ended.si_pid == program) return true;
    (void)waitpid(ended.si_pid, NULL, WNOHANG);
  }
}

/// Returns once the program has ended or must be killed.
static void watch(pid_t program, int lifeline, int signals, int64_t grace_ms) {
  int64_t deadline = -1;
  for (;;) {
    const int64_t left = deadline < 0 ? -1 : deadline - now_ms();
    if (deadline >= 0 && left <= 0) return;
    // No events are asked of the lifeline, so bytes in it wake nobody; a hang-up is told all the
    // same.
    struct pollfd sources[2] = {{.fd = signals, .events = POLLIN}, {.fd = lifeline}};
    if (poll(sources, 2, (int)left) < 0 && errno != EINTR) {
      fprintf(stderr, "warren-shepherd: poll: %s\n", strerror(errno));
      return;
    }
    if (sources[1].revents != 0) return;
    struct signalfd_siginfo received;
    while (read(signals, &received, sizeof received) == (ssize_t)sizeof received) {
      if (received.ssi_signo == SIGCHLD) {
        if (program_has_ended(program)) return;
      } else if (received.ssi_signo == SIGUSR1 || deadline >= 0) {
        return;
      } else {
        deadline = now_ms() + grace_ms;
        (void)kill(-program, SIGTERM);
        // A stopped process would get to see SIGTERM only once continued.
        (void)kill(-program, SIGCONT);
      }
    }
  }
}

/// Ends as the program did, so that the worker can tell an exit code from a signal.
static int leave_like(int status) {
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  const int number = WTERMSIG(status);
  // The program has left its core dump, if it was to; a second one of the shepherd would mislead.
  (void)prctl(PR_SET_DUMPABLE, 0);
  (void)signal(number, SIG_DFL);
  sigset_t only;
  (void)sigemptyset(&only);
  (void)sigaddset(&only, number);
  (void)sigprocmask(SIG_UNBLOCK, &only, NULL);
  (void)raise(number);
  return 128 + number;
}

int main(int argc, char **argv) {
  const struct options options = parse(argc, argv);
  // A writing end of the lifeline that came along would hide the worker's death from us.
  (void)close_range(3, ~0U, 0);
  static const int handled[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1};
  sigset_t set;
  (void)sigemptyset(&set);
  for (size_t i = 0; i < sizeof handled / sizeof *handled; i++) (void)sigaddset(&set, handled[i]);
  if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) fail("sigprocmask");
  // Were SIGCHLD ignored, children would be reaped behind our back.
  if (signal(SIGCHLD, SIG_DFL) == SIG_ERR) fail("signal(SIGCHLD)");
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) fail("prctl(PR_SET_CHILD_SUBREAPER)");
  const int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0) fail("signalfd");
  const int lifeline = open_lifeline(options.lifeline);

  const pid_t program = start(options.program);
  watch(program, lifeline, signals, options.grace_ms);
  int status = -1;
  if (!end_descendants(program, &status, kill_limit_ms)) {
    fputs("warren-shepherd: a process of this job survives SIGKILL; it is left behind\n", stderr);
  }
  return status < 0 ? shepherd_failed : leave_like(status);
}
