#ifndef PGLOCK_CLIBCRYPTO_SHIM_H
#define PGLOCK_CLIBCRYPTO_SHIM_H

#include <openssl/evp.h>
#include <openssl/hmac.h>

/// A hash function by its name, looked up among libcrypto's providers; NULL if there is none. Each use of `EVP_sha1()` would look it up anew.
static inline const EVP_MD *pglock_digest(const char *name) {
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
    return EVP_MD_fetch(NULL, name, NULL);
#else
    return EVP_get_digestbyname(name);
#endif
}

#endif
