/* Names and texts of the error codes. */
#include "base/err.h"

static const struct {
    const char *name;
    const char *text;
} errs[] = {
    [-ERR_OK] = {"ok", "success"},
    [-ERR_NO_MEMORY] = {"no_memory", "out of memory"},
    [-ERR_LIMIT] = {"limit", "a limit was reached"},
    [-ERR_TRUNCATED] = {"truncated", "the input ends too early"},
    [-ERR_SYNTAX] = {"syntax", "the input is malformed"},
    [-ERR_RANGE] = {"range", "a value is out of range"},
    [-ERR_UNSUPPORTED] = {"unsupported", "not supported"},
    [-ERR_NOT_FOUND] = {"not_found", "no such object"},
    [-ERR_EXISTS] = {"exists", "already there"},
    [-ERR_AUTH] = {"auth", "authentication failed"},
    [-ERR_FORBIDDEN] = {"forbidden", "not allowed"},
    [-ERR_WRONG_STATE] = {"wrong_state", "not possible in this state"},
    [-ERR_TIMEOUT] = {"timeout", "no answer in time"},
    [-ERR_IO] = {"io", "input or output failed"},
    [-ERR_NO_SPACE] = {"no_space", "the disk is full or read-only"},
    [-ERR_CLOSED] = {"closed", "the connection is closed"},
    [-ERR_EXPIRED] = {"expired", "outside of its validity"},
    [-ERR_CRYPTO] = {"crypto", "the cryptographic library failed"},
    [-ERR_CONFLICT] = {"conflict", "a newer state exists"},
    [-ERR_UNREACHABLE] = {"unreachable", "not reachable"},
};

static size_t err_index(int err)
{
    size_t count = sizeof errs / sizeof errs[0];
    return err <= 0 && (size_t)-err < count ? (size_t)-err : count;
}

const char *err_name(int err)
{
    size_t i = err_index(err);
    return i < sizeof errs / sizeof errs[0] ? errs[i].name : "unknown";
}

const char *err_text(int err)
{
    size_t i = err_index(err);
    return i < sizeof errs / sizeof errs[0] ? errs[i].text : "unknown error";
}
