#include <errno.h>
#include <sys/prctl.h>

#include "CProcess.h"

int process_deny_inspection(void) {
  return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0 ? 0 : errno;
}

int process_denies_inspection(void) { return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0; }
