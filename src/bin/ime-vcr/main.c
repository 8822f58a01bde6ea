/* ime-vcr: a VAP client for telephone systems that do not speak it themselves. */
#include "commands.h"

#include "crypt/library.h"
#include "io/process.h"

#include <signal.h>
#include <stdio.h>

static void on_signal(void *arg, int signal_number)
{
    const struct command_run *run = arg;
    (void)signal_number;
    if (run->interrupt)
        run->interrupt(run->arg);
}

static enum exit_code run_command(const struct options *o, struct loop *loop, struct command_run *run)
{
    switch (o->command) {
    case COMMAND_PUBLISH:
        return publish_run(o, loop, run);
    case COMMAND_UPLOAD:
        return upload_run(o, loop, run);
    default:
        return watch_run(o, loop, run);
    }
}

int main(int argc, char **argv)
{
    static struct options o; /* large */
    struct command_run run = {0};
    struct loop *loop = NULL;
    int status;
    if (!options_parse(&o, argc, argv, &status)) {
        options_fini(&o);
        return status;
    }
    process_harden();
    int err = loop_new(&loop);
    if (!err)
        err = loop_on_signal(loop, SIGINT, on_signal, &run);
    if (!err)
        err = loop_on_signal(loop, SIGTERM, on_signal, &run);
    if (err) {
        fprintf(stderr, "ime-vcr: %s\n", err_text(err));
        options_fini(&o);
        return EXIT_FAILED;
    }
    enum exit_code code = run_command(&o, loop, &run);
    loop_free(loop);
    options_fini(&o);
    if (fflush(stdout) != 0 && code == EXIT_GOOD) {
        perror("ime-vcr: standard output");
        code = EXIT_FAILED;
    }
    return (int)code;
}
