#ifndef WARREN_SHEPHERD_DESCENDANTS_H
#define WARREN_SHEPHERD_DESCENDANTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/// Milliseconds of a clock that never jumps.
int64_t now_ms(void);

/// Kills and reaps the program, its process group and everything else that descends from this
/// process.
///
/// This process must be a child subreaper (so that each orphan becomes its child), have SIGCHLD
/// blocked, and not have reaped the program yet. *status becomes the program's wait status, and
/// stays as it is when the program cannot be killed.
///
/// Returns false when something is left after limit_ms: a process that hangs in the kernel, or that
/// has another owner.
bool end_descendants(pid_t program, int *status, int64_t limit_ms);

#endif
