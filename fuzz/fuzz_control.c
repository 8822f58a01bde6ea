/* The control protocol: any octets as a request; what is accepted encodes to a request that is accepted and encodes the same. The same
 * octets as a command line and as an answer. */
#include "ctl/answer.h"
#include "ctl/request.h"

#include <stdio.h>
#include <stdlib.h>

enum { ALL = CTL_SERVER | CTL_ENROLL | CTL_AGENT | CTL_EDGE | CTL_PSTN | CTL_IMPAIR };

static void try_request(struct slice input)
{
    struct ctl_args args, again;
    struct buf why, first, second;
    int64_t id;
    buf_init(&why, 1 << 20);
    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    if (ctl_request_decode(input, ALL, &id, &args, &why) == 0) {
        if (ctl_request_encode(id, &args, &first) || ctl_request_decode(buf_slice(&first), ALL, &id, &again, &why))
            abort();
        if (ctl_request_encode(id, &again, &second) || !slice_eq(buf_slice(&first), buf_slice(&second)))
            abort();
        ctl_args_fini(&args);
        ctl_args_fini(&again);
    } else if (why.n == 0) {
        abort();
    }
    buf_fini(&why);
    buf_fini(&first);
    buf_fini(&second);
}

static void try_line(const char *line, size_t n)
{
    const char *words[CTL_WORDS_MAX];
    const char *file;
    char *storage = malloc(n + 1);
    size_t count;
    struct ctl_args args;
    struct buf why;
    buf_init(&why, 1 << 20);
    if (storage && ctl_split_line(line, storage, words, CTL_WORDS_MAX, &count) == 0 &&
        ctl_args_from_words(&args, words, count, ALL, &file, &why) == 0)
        ctl_args_fini(&args);
    free(storage);
    buf_fini(&why);
}

static void utc(int64_t seconds, char *ret_text, size_t octets)
{
    snprintf(ret_text, octets, "%lld", (long long)seconds);
}

static void try_answer(struct slice input)
{
    struct ctl_answer answer;
    struct buf out;
    buf_init(&out, 1 << 24);
    if (ctl_answer_decode(input, &answer, &out) == 0) {
        for (size_t i = 0; answer.result && ctl_command_at(i); i += 7)
            ctl_render(ctl_command_at(i), answer.result, utc, &out);
        ctl_answer_fini(&answer);
    }
    buf_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = malloc(size + 1);
    if (!line)
        return 0;
    if (size)
        memcpy(line, data, size);
    line[size] = 0;
    try_request(slice_of(data, size));
    try_line(line, strlen(line));
    try_answer(slice_of(data, size));
    free(line);
    return 0;
}
