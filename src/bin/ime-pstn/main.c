/* ime-pstn: a phone network for labs, and phones. */
#include "program.h"

#include <stdio.h>
#include <string.h>

static int usage(FILE *out, int status)
{
    fputs(
        "Usage: ime-pstn serve [--config FILE]\n"
        "       ime-pstn pbx [--config FILE]\n"
        "       ime-pstn call FROM TO --via ADDRESS [OPTION]...\n"
        "       ime-pstn answer [NUMBER]... [OPTION]...\n"
        "\n"
        "serve runs a phone network: carriers, trunks, numbers, delays, lost caller IDs, prices. pbx runs a company's\n"
        "PBX: extensions, and a trunk to the outside. call and answer are phones. Each says more with --help; "
        "--version\n",
        out);
    return status;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *word;
        int (*run)(int argc, char **argv);
    } commands[] = {{"serve", serve_main}, {"pbx", pbx_main}, {"call", call_main}, {"answer", answer_main}};
    if (argc < 2)
        return usage(stderr, 2);
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (!strcmp(argv[1], commands[i].word))
            return commands[i].run(argc - 1, argv + 1);
    }
    if (!strcmp(argv[1], "--version")) {
        printf("ime-pstn %s\n", IME_VERSION);
        return 0;
    }
    if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
        return usage(stdout, 0);
    fprintf(stderr, "ime-pstn: no command %s\n", argv[1]);
    return usage(stderr, 2);
}
