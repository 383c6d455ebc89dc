#ifndef PGLOCK_CLIBPQ_SHIM_H
#define PGLOCK_CLIBPQ_SHIM_H

#include <libpq-fe.h>

#endif
