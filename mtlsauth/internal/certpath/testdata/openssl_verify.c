/*
 * Asks OpenSSL's X509_verify_cert for its verdict on certification paths, as
 * `openssl verify -purpose sslclient` does. Reads questions from stdin until
 * its end, writes one line per question to stdout.
 *
 * A question is, all numbers being 32 bits, big-endian: the time in seconds
 * since 1970; the number of certificates presented and of those configured;
 * then each certificate, the leaf first, as its length and its DER. Configured
 * certificates that are self-signed are trusted, the others are untrusted like
 * those presented.
 *
 * A line is the verdict (X509_V_OK is 0; -1 where the leaf cannot be read),
 * whether OpenSSL cannot read one of the certificates (2), cannot decode a part
 * of one (1) or can (0), and the text of the verdict.
 */
#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

static int number(uint32_t *n) {
    unsigned char b[4];
    if (fread(b, 1, 4, stdin) != 4)
        return 0;
    *n = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    return 1;
}

/* certificate reads one; *cert is NULL where OpenSSL cannot. */
static int certificate(X509 **cert) {
    uint32_t length;
    if (!number(&length))
        return 0;
    unsigned char *der = malloc(length + 1);
    if (der == NULL || fread(der, 1, length, stdin) != length)
        return 0;
    const unsigned char *at = der;
    *cert = d2i_X509(NULL, &at, length);
    if (*cert != NULL && at != der + length) {
        X509_free(*cert);
        *cert = NULL;
    }
    free(der);
    return 1;
}

static int cannotDecode(X509 *cert) {
    if (cert == NULL)
        return 2;
    return (X509_get_extension_flags(cert) & EXFLAG_INVALID) != 0;
}

int main(void) {
    uint32_t seconds;
    while (number(&seconds)) {
        uint32_t presented, configured;
        int odd = 0;
        X509 *leaf;
        if (!number(&presented) || !number(&configured) || !certificate(&leaf))
            return 2;
        X509_STORE *trusted = X509_STORE_new();
        STACK_OF(X509) *untrusted = sk_X509_new_null();
        for (uint32_t i = 0; i < presented + configured; i++) {
            X509 *cert;
            if (!certificate(&cert))
                return 2;
            odd |= cannotDecode(cert);
            if (cert == NULL)
                continue;
            if (i >= presented && X509_self_signed(cert, 1) == 1) {
                X509_STORE_add_cert(trusted, cert);
                X509_free(cert);
            } else {
                sk_X509_push(untrusted, cert);
            }
        }
        if (leaf == NULL) {
            printf("-1 2 unreadable\n");
        } else {
            X509_STORE_CTX *ctx = X509_STORE_CTX_new();
            X509_STORE_CTX_init(ctx, trusted, leaf, untrusted);
            X509_STORE_CTX_set_default(ctx, "default");
            X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT);
            X509_STORE_CTX_set_time(ctx, 0, (time_t)seconds);
            int verdict = X509_verify_cert(ctx) == 1 ? 0 : X509_STORE_CTX_get_error(ctx);
            if (verdict == 0 && X509_STORE_CTX_get_error(ctx) != 0)
                verdict = X509_STORE_CTX_get_error(ctx);
            odd |= cannotDecode(leaf);
            printf("%d %d %s\n", verdict, odd, X509_verify_cert_error_string(verdict));
            X509_STORE_CTX_free(ctx);
            X509_free(leaf);
        }
        sk_X509_pop_free(untrusted, X509_free);
        X509_STORE_free(trusted);
        ERR_clear_error();
    }
    return fflush(stdout) == 0 ? 0 : 2;
}
