/* Argon2id by libargon2, in the calling thread: whoever does not want to wait calls it from a thread of its own. */
#include "crypt/digest.h"

#include <argon2.h>

int argon2id(struct slice password, struct slice salt, struct argon2_cost cost, uint8_t *ret_hash, size_t octets)
{
    if (password.n > UINT32_MAX || salt.n < ARGON2_MIN_SALT_LENGTH || salt.n > UINT32_MAX ||
        octets < ARGON2_MIN_OUTLEN || octets > UINT32_MAX)
        return ERR_RANGE;
    if (cost.passes == 0 || cost.passes > ARGON2_PASSES_MAX || cost.lanes == 0 || cost.lanes > ARGON2_LANES_MAX ||
        cost.memory_kib > ARGON2_MEMORY_KIB_MAX || cost.memory_kib < 8 * cost.lanes)
        return ERR_RANGE;
    /* The library takes password and salt without const, but writes to them only when asked to clear them. */
    union {
        const uint8_t *in;
        uint8_t *context;
    } pwd = {password.p}, slt = {salt.p};
    argon2_context context = {
        .out = ret_hash,
        .outlen = (uint32_t)octets,
        .pwd = pwd.context,
        .pwdlen = (uint32_t)password.n,
        .salt = slt.context,
        .saltlen = (uint32_t)salt.n,
        .t_cost = cost.passes,
        .m_cost = cost.memory_kib,
        .lanes = cost.lanes,
        .threads = 1,
        .version = ARGON2_VERSION_13,
        .flags = ARGON2_DEFAULT_FLAGS,
    };
    switch (argon2id_ctx(&context)) {
    case ARGON2_OK:
        return 0;
    case ARGON2_MEMORY_ALLOCATION_ERROR:
        return ERR_NO_MEMORY;
    default:
        return ERR_CRYPTO;
    }
}
