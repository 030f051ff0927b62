// Stands between a worker and the program of a command job, so that no process outlives its job,
// nor its worker.
//
//   warren-shepherd --lifeline FIFO --orders FIFO --status FIFO --grace-ms N -- program argument...
//   warren-shepherd --check
//
// The program runs in a process group of its own. It ends
//   - by itself;
//   - on the order T, a byte in the FIFO of orders: SIGTERM to the group, N ms later SIGKILL;
//   - on a second T, on the order K, or on SIGUSR1: SIGKILL at once;
//   - when the last writer of the lifeline or of the orders is gone, which is the worker's death,
//     however it died: SIGKILL at once;
//   - when the shepherd itself is killed: SIGKILL to the program, by the kernel; its children then
//     have nobody to end them.
// SIGTERM, SIGINT, SIGHUP and SIGQUIT do nothing to the shepherd: who signals all processes of a
// service means the worker, which decides about its jobs. It says that it got one, since the
// program got it as well.
//
// Everything that descends from it, in other groups and sessions too, is killed before the shepherd
// ends. What became of the program stands in the FIFO of the status, line by line, so that nobody
// takes the shepherd's own trouble for the program's exit code or the other way round:
//   started                    the program runs
//   failed program ERRNO WHAT  it could not be run: there is none, say
//   failed worker ERRNO WHAT   the shepherd could not do its work
//   ended exit CODE            the program has ended
//   ended signal NUMBER
//   interrupted                before the last line: a signal came from outside, and no order
//   left                       the program survives SIGKILL
// The shepherd ends as the program did: with its exit code, or by the same signal. Its own codes are
// those of env(1) and timeout(1): 125 it could not do its work, 126 the program cannot be run, 127
// there is no such program. --check starts and reaps a child, and ends with 0 or 125.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
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
/// Who signals all processes of a service may reach the program before the shepherd.
static const int64_t signal_lag_ms = 200;

/// Where the status goes; -1 until it is open.
static int status_pipe = -1;

struct options {
  const char *lifeline;
  const char *orders;
  const char *status;
  int64_t grace_ms;
  char **program;
};

/// Why the program could not be started, as its side of fork() tells it.
struct start_failure {
  int number;
  /// Whether it is the program's, and not the shepherd's.
  bool is_program;
};

/// Writes one line of the status. It is shorter than PIPE_BUF, and the pipe has room for all of them.
static void tell(const char *format, ...) {
  char line[512];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(line, sizeof line - 1, format, arguments);
  va_end(arguments);
  if (length < 0 || status_pipe < 0) return;
  if (length > (int)sizeof line - 2) length = sizeof line - 2;
  line[length] = '\n';
  // The worker is gone if this fails, and nobody wants to know.
  if (write(status_pipe, line, (size_t)length + 1) < 0) return;
}

static _Noreturn void fail(const char *what) {
  const int number = errno;
  tell("failed worker %d %s: %s", number, what, strerror(number));
  fprintf(stderr, "warren-shepherd: %s: %s\n", what, strerror(number));
  _exit(shepherd_failed);
}

static _Noreturn void usage(const char *problem) {
  tell("failed worker 0 %s", problem);
  fprintf(stderr, "warren-shepherd: %s\n", problem);
  fputs(
      "usage: warren-shepherd --lifeline FIFO --orders FIFO --status FIFO --grace-ms N -- program "
      "argument...\n",
      stderr);
  exit(shepherd_failed);
}

/// Whether a child can be started: what a worker asks before it takes jobs again.
static _Noreturn void check(void) {
  const pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) _exit(0);
  int status = 0;
  while (waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) fail("waitpid");
  }
  exit(0);
}

static struct options parse(int argc, char **argv) {
  static const struct option known[] = {
    {"lifeline", required_argument, NULL, 'l'},
    {"orders", required_argument, NULL, 'o'},
    {"status", required_argument, NULL, 's'},
    {"grace-ms", required_argument, NULL, 'g'},
    {"check", no_argument, NULL, 'c'},
    {0},
  };
  struct options options = {.grace_ms = -1};
  // "+": the first word that is no option ends them; what follows belongs to the program.
  for (int found; (found = getopt_long(argc, argv, "+", known, NULL)) != -1;) {
    if (found == 'c') check();
    if (found == 'l') {
      options.lifeline = optarg;
    } else if (found == 'o') {
      options.orders = optarg;
    } else if (found == 's') {
      options.status = optarg;
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
  if (options.orders == NULL) usage("--orders is missing");
  if (options.status == NULL) usage("--status is missing");
  if (options.grace_ms < 0) usage("--grace-ms is missing");
  if (optind >= argc) usage("no program given");
  options.program = argv + optind;
  return options;
}

static void require_fifo(int descriptor, const char *path) {
  struct stat kind;
  if (fstat(descriptor, &kind) != 0) fail(path);
  if (S_ISFIFO(kind.st_mode)) return;
  errno = EINVAL;
  fail(path);
}

/// Opens a FIFO whose writer is the worker. A worker that is dead already never gave us a reason to
/// start.
static int open_fifo_of_worker(const char *path) {
  const int fifo = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  if (fifo < 0) fail(path);
  require_fifo(fifo, path);
  // Without a writer poll() says nothing until there has been one. A hang-up is seen at once.
  struct pollfd source = {.fd = fifo, .events = POLLIN};
  char byte;
  if (poll(&source, 1, 0) == 0 && read(fifo, &byte, 1) == 0) {
    fprintf(stderr, "warren-shepherd: nobody holds %s open: the worker is gone\n", path);
    exit(shepherd_failed);
  }
  return fifo;
}

/// The child's side of fork(): becomes the program.
static _Noreturn void become(char **program, pid_t shepherd, int failures) {
  struct start_failure failure = {0};
  sigset_t none;
  (void)sigemptyset(&none);
  // Not every number is a signal that can be set; those that are not have nothing to reset.
  for (int number = 1; number < NSIG; number++) (void)signal(number, SIG_DFL);
  // The death signal survives exec, except of set-user-id programs. A shepherd that died before it
  // was set is told by getppid().
  if (setpgid(0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
      sigprocmask(SIG_SETMASK, &none, NULL) == 0) {
    if (getppid() != shepherd) _exit(shepherd_failed);
    execvp(program[0], program);
    failure.is_program = true;
  }
  failure.number = errno;
  // Its other end is the shepherd, which is there.
  if (write(failures, &failure, sizeof failure) < 0) _exit(shepherd_failed);
  _exit(shepherd_failed);
}

/// - Parameter failures: becomes what tells why the program could not be started, and ends when it
///   was.
static pid_t start(char **program, int *failures) {
  int ends[2];
  // Closed by exec(), so that its end says that the program runs.
  if (pipe2(ends, O_CLOEXEC) != 0) fail("pipe");
  // A child that hangs in the kernel must not hold the shepherd.
  if (fcntl(ends[0], F_SETFL, O_NONBLOCK) != 0) fail("fcntl");
  const pid_t shepherd = getpid();
  const pid_t child = fork();
  if (child < 0) fail("fork");
  if (child == 0) become(program, shepherd, ends[1]);
  (void)close(ends[1]);
  // Both sides set the group, so that it exists for whichever comes first; EACCES says that the
  // child was quicker.
  if (setpgid(child, child) != 0 && errno != EACCES && errno != ESRCH) {
    fprintf(stderr, "warren-shepherd: setpgid: %s\n", strerror(errno));
  }
  *failures = ends[0];
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

/// What happens while the program runs.
struct watch {
  pid_t program;
  int lifeline;
  int orders;
  int signals;
  /// -1 once it is known whether the program has started.
  int failures;
  int64_t grace_ms;
  /// When SIGKILL is due; -1 before there was an order.
  int64_t deadline;
  /// A signal came from outside, and no order.
  bool is_interrupted;
  struct start_failure failure;
};

/// Takes what signals there are. Returns whether the program has ended or must be killed.
static bool take_signals(struct watch *watch) {
  bool is_over = false;
  struct signalfd_siginfo received;
  while (read(watch->signals, &received, sizeof received) == (ssize_t)sizeof received) {
    if (received.ssi_signo == SIGCHLD) {
      if (program_has_ended(watch->program)) is_over = true;
    } else if (received.ssi_signo == SIGUSR1) {
      is_over = true;
    } else if (watch->deadline < 0) {
      watch->is_interrupted = true;
    }
  }
  return is_over;
}

/// Takes what orders there are. Returns whether the program must be killed.
static bool take_orders(struct watch *watch) {
  char order = 0;
  ssize_t count;
  while ((count = read(watch->orders, &order, 1)) == 1) {
    if (order == 'K' || watch->deadline >= 0) return true;
    watch->deadline = now_ms() + watch->grace_ms;
    (void)kill(-watch->program, SIGTERM);
    // A stopped process would get to see SIGTERM only once continued.
    (void)kill(-watch->program, SIGCONT);
  }
  // Its end is the worker's.
  return count == 0;
}

static void take_start(struct watch *watch) {
  const ssize_t count = read(watch->failures, &watch->failure, sizeof watch->failure);
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
  (void)close(watch->failures);
  watch->failures = -1;
  if (count == 0) tell("started");
}

/// Returns once the program has ended or must be killed.
static void run(struct watch *watch) {
  for (;;) {
    const int64_t left = watch->deadline < 0 ? -1 : watch->deadline - now_ms();
    if (watch->deadline >= 0 && left <= 0) return;
    // No events are asked of the lifeline, so bytes in it wake nobody; a hang-up is told all the
    // same. A descriptor of -1 is passed over.
    struct pollfd sources[4] = {
      {.fd = watch->signals, .events = POLLIN},
      {.fd = watch->lifeline},
      {.fd = watch->orders, .events = POLLIN},
      {.fd = watch->failures, .events = POLLIN},
    };
    if (poll(sources, 4, (int)left) < 0 && errno != EINTR) {
      fprintf(stderr, "warren-shepherd: poll: %s\n", strerror(errno));
      return;
    }
    // Before anything can end it: what has ended has started or not, too.
    if (sources[3].revents != 0) take_start(watch);
    if (sources[1].revents != 0) return;
    if (sources[2].revents != 0 && take_orders(watch)) return;
    if (take_signals(watch)) return;
  }
}

/// Whether a program that ended this way may have been told to.
static bool may_be_interrupted(int status) {
  const int number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status) - 128;
  return number == SIGTERM || number == SIGINT || number == SIGHUP || number == SIGQUIT;
}

static void tell_end(struct watch *watch, int status) {
  if (watch->failure.number != 0) {
    tell(
        "failed %s %d %s", watch->failure.is_program ? "program" : "worker", watch->failure.number,
        strerror(watch->failure.number));
    return;
  }
  if (status < 0) {
    tell("left");
    return;
  }
  if (watch->deadline < 0 && !watch->is_interrupted && may_be_interrupted(status)) {
    struct pollfd source = {.fd = watch->signals, .events = POLLIN};
    // What comes may be the end of a child.
    const int64_t limit = now_ms() + signal_lag_ms;
    for (int64_t left = signal_lag_ms; left > 0 && !watch->is_interrupted; left = limit - now_ms()) {
      if (poll(&source, 1, (int)left) > 0) (void)take_signals(watch);
    }
  }
  if (watch->is_interrupted) tell("interrupted");
  if (WIFEXITED(status)) {
    tell("ended exit %d", WEXITSTATUS(status));
  } else {
    tell("ended signal %d", WTERMSIG(status));
  }
}

/// Ends as the program did.
static int leave_like(const struct watch *watch, int status) {
  if (watch->failure.number != 0) {
    if (!watch->failure.is_program) return shepherd_failed;
    const bool is_missing = watch->failure.number == ENOENT || watch->failure.number == ENOTDIR;
    return is_missing ? not_found : cannot_run;
  }
  if (status < 0) return shepherd_failed;
  if (WIFEXITED(status)) return WEXITSTATUS(status);
  const int number = WTERMSIG(status);
  (void)signal(number, SIG_DFL);
  sigset_t only;
  (void)sigemptyset(&only);
  (void)sigaddset(&only, number);
  (void)sigprocmask(SIG_UNBLOCK, &only, NULL);
  (void)raise(number);
  return 128 + number;
}

int main(int argc, char **argv) {
  // Its memory and environment are nobody's business, and a core dump of the shepherd beside its
  // program's would mislead. The program gets its own back by exec().
  (void)prctl(PR_SET_DUMPABLE, 0);
  const struct options options = parse(argc, argv);
  // A writing end of the lifeline that came along would hide the worker's death from us.
  (void)close_range(3, ~0U, 0);
  status_pipe = open(options.status, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
  if (status_pipe < 0) fail(options.status);
  require_fifo(status_pipe, options.status);
  static const int handled[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1};
  sigset_t set;
  (void)sigemptyset(&set);
  for (size_t i = 0; i < sizeof handled / sizeof *handled; i++) (void)sigaddset(&set, handled[i]);
  if (sigprocmask(SIG_BLOCK, &set, NULL) != 0) fail("sigprocmask");
  // Were SIGCHLD ignored, children would be reaped behind our back.
  if (signal(SIGCHLD, SIG_DFL) == SIG_ERR) fail("signal(SIGCHLD)");
  // The worker may be gone when its status is written.
  if (signal(SIGPIPE, SIG_IGN) == SIG_ERR) fail("signal(SIGPIPE)");
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) fail("prctl(PR_SET_CHILD_SUBREAPER)");
  const int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signals < 0) fail("signalfd");

  struct watch watch = {
    .lifeline = open_fifo_of_worker(options.lifeline),
    .orders = open_fifo_of_worker(options.orders),
    .signals = signals,
    .grace_ms = options.grace_ms,
    .deadline = -1,
  };
  watch.program = start(options.program, &watch.failures);
  run(&watch);
  int status = -1;
  if (!end_descendants(watch.program, &status, kill_limit_ms)) {
    fputs("warren-shepherd: a process of this job survives SIGKILL; it is left behind\n", stderr);
  }
  // What ended at once may have been seen to end before it was seen to start.
  if (watch.failures >= 0) take_start(&watch);
  (void)take_signals(&watch);
  tell_end(&watch, status);
  return leave_like(&watch, status);
}
