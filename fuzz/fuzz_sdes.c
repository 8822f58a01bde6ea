/* a=crypto, one value a line: what is read is written and read again as the same, and what is refused says where. The best line of all is one
 * that can be read. */
#include "media/sdes.h"

#include "base/text.h"

#include <stdlib.h>

static void need(bool good)
{
    if (!good)
        abort();
}

static bool check_line(struct slice value)
{
    struct sdes_crypto crypto, again;
    struct fault fault = {0, NULL};
    int err = sdes_parse(value, &crypto, &fault);
    if (err) {
        need(fault.rule && fault.octet <= value.n && (err == ERR_SYNTAX || err == ERR_UNSUPPORTED));
        return false;
    }
    struct buf text;
    buf_init(&text, 256);
    need(sdes_format(&crypto, &text) == 0 && sdes_parse(buf_slice(&text), &again, NULL) == 0);
    need(crypto.tag == again.tag && srtp_master_equal(&crypto.master, &again.master));
    buf_fini_secret(&text);
    return true;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const enum srtp_suite order[] = {SUITE_AEAD_AES_256_GCM, SUITE_AEAD_AES_128_GCM, SUITE_AES_CM_128_HMAC_SHA1_80,
                                     SUITE_AES_CM_128_HMAC_SHA1_32};
    struct slice rest = slice_of(data, size), values[SDES_LINES_MAX + 2] = {{NULL, 0}};
    size_t count = 0, readable = 0;
    while (rest.p && count < SDES_LINES_MAX + 2) {
        values[count] = text_cut(&rest, '\n');
        readable += check_line(values[count]) && count < SDES_LINES_MAX;
        count++;
    }
    struct sdes_crypto chosen, answer;
    struct fault fault = {0, NULL};
    int err = sdes_choose(values, count, order, 4, &chosen, &fault);
    need(err ? fault.rule != NULL : readable > 0);
    need(err == 0 || err == ERR_SYNTAX || (err == ERR_NOT_FOUND && readable == 0));
    size_t index = SIZE_MAX;
    for (size_t i = 0; !err && i < count; i++)
        if (sdes_check_answer(&chosen, 1, values[i], &index, &answer, NULL) == 0)
            need(index == 0 && answer.tag == chosen.tag && answer.master.suite == chosen.master.suite);
    need(err || index == 0);
    return 0;
}
