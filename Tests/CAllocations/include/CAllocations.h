#ifndef WARREN_CALLOCATIONS_H
#define WARREN_CALLOCATIONS_H

#include <stdint.h>

/// How many blocks of memory this process has asked for, on all its threads. A block that is resized counts again.
///
/// Whatever is linked with this target is counted, with all its shared libraries: link it into nothing else than the meter.
uint64_t allocations_count(void);

#endif
