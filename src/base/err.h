/* One set of error codes for every module. Functions return 0 or one of these; decoders also fill a struct fault. */
#ifndef BASE_ERR_H
#define BASE_ERR_H

#include <stddef.h>

enum err {
    ERR_OK = 0,
    ERR_NO_MEMORY = -1,    /* the allocator refused */
    ERR_LIMIT = -2,        /* a named limit was reached */
    ERR_TRUNCATED = -3,    /* the input ends before the rule is satisfied */
    ERR_SYNTAX = -4,       /* the input breaks a rule */
    ERR_RANGE = -5,        /* a value is outside of what its field allows */
    ERR_UNSUPPORTED = -6,  /* well formed, but of a kind not handled here */
    ERR_NOT_FOUND = -7,    /* no such object */
    ERR_EXISTS = -8,       /* the object is there already */
    ERR_AUTH = -9,         /* a signature, an integrity value or a password is wrong */
    ERR_FORBIDDEN = -10,   /* known, but not allowed to */
    ERR_WRONG_STATE = -11, /* not in the state that the call needs (ERR_STATE is a type of OpenSSL) */
    ERR_TIMEOUT = -12,     /* no answer in time */
    ERR_IO = -13,          /* the kernel or the disk failed */
    ERR_NO_SPACE = -14,    /* the disk is full or read-only */
    ERR_CLOSED = -15,      /* the connection is gone */
    ERR_EXPIRED = -16,     /* its validity has passed or not begun */
    ERR_CRYPTO = -17,      /* the cryptographic library failed */
    ERR_CONFLICT = -18,    /* a newer state exists */
    ERR_UNREACHABLE = -19  /* nobody there, or no way to them */
};

/* The code's name without its prefix, in lower case ("not_found"); static storage. */
const char *err_name(int err);

/* The code as a sentence part for people ("no such object"); static storage. */
const char *err_text(int err);

/* Where and why a decoder refused its input: "octet 37: forwarding header length, RFC 6940 6.3.2". */
struct fault {
    size_t octet;
    const char *rule; /* static storage; NULL: no fault */
};

#endif
