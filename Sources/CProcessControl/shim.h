#ifndef PGLOCK_CPROCESSCONTROL_SHIM_H
#define PGLOCK_CPROCESSCONTROL_SHIM_H

#ifdef __linux__

#include <sys/prctl.h>

/// Has the system send this process a signal when the thread that has started it ends. -1 if the system refuses.
///
/// Here because Swift can't call functions with a variable number of arguments.
static inline int pglock_set_parent_death_signal(int signal) { return prctl(PR_SET_PDEATHSIG, (unsigned long)signal, 0UL, 0UL, 0UL); }

#endif

#endif
