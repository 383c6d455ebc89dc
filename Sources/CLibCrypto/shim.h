#ifndef PGLOCK_CLIBCRYPTO_SHIM_H
#define PGLOCK_CLIBCRYPTO_SHIM_H

#include <openssl/crypto.h>
#include <openssl/evp.h>

/// A hash function by its name; NULL if libcrypto does not have it. To be kept: each use of `EVP_sha1()` would look for it anew.
///
/// From a context of its own, for which no configuration file is read: one that leaves out the default provider, as
/// some systems have it, would leave processes without keys.
static inline const EVP_MD *pglock_digest(const char *name) {
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
    return EVP_MD_fetch(OSSL_LIB_CTX_new(), name, NULL);
#else
    return EVP_get_digestbyname(name);
#endif
}

#endif
