#ifndef WARREN_CPROCESS_H
#define WARREN_CPROCESS_H

/// Lets no process of the same user read this one's memory and environment (/proc/<pid>/mem, environ), nor trace it; it
/// leaves no core dump either. Root may do both still.
///
/// prctl(2) takes variable arguments, which Swift cannot pass.
///
/// Returns 0, or the number of the error.
int process_deny_inspection(void);

/// Whether that is so.
int process_denies_inspection(void);

#endif
