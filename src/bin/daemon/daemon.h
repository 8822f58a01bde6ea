/* What all daemons have in common: command line, configuration file, log, loop, store, listeners, control socket, signals, start and end.
 * A program describes itself once, embeds a struct daemon in an object of its own, and hands both over:
 *
 *     struct host {
 *         struct daemon daemon;
 *         struct agent *agent;
 *         …
 *     };
 *
 *     int main(int argc, char **argv)
 *     {
 *         static struct host host;
 *         return daemon_main(&host.daemon, &program, &host, argc, argv);
 *     }
 *
 * The life of a daemon: its options; hardening (no core dumps, umask 077); the configuration, which is checked as a whole; `start`; turns of the
 * loop; `stop`, `fini`. A turn: sockets, timers and signals call in; `turn` drains the core's effects; the store commits and calls the
 * completions; streams send (io/loop.h). The process stays in the foreground and logs to standard error. Who started it is told when it is up, reads its configuration
 * again, and begins to end, if that one listens (io/notify.h). */
#ifndef BIN_DAEMON_DAEMON_H
#define BIN_DAEMON_DAEMON_H

#include "base/entropy.h"
#include "base/log.h"
#include "conf/conf.h"
#include "ctl/session.h"
#include "io/control.h"
#include "io/loop.h"
#include "io/stream.h"
#include "store/sqlite.h"

struct host; /* each program's own: its core, and what of the kernel that needs. Static, all zero at the beginning */
struct settings; /* each program's own: what it has made of its configuration file */

/* Exit codes; part of the interface (the programs' manual pages). */
enum daemon_exit { DAEMON_GOOD = 0, DAEMON_FAILED = 1, DAEMON_USAGE = 2, DAEMON_CONFIGURATION = 3 };

/* A program in words and functions. Those that may be NULL say so. */
struct daemon_program {
    const char *name; /* "ime-agent" */
    const char
        *word; /* "agent": /etc/ime/agent.conf, agent.conf(5), and the section of the file with the keys of keys.h */
    const char *about; /* what it does: whole lines of --help */
    const char *notes; /* more lines of --help, for example commands of its own; NULL: none */
    enum ctl_program ctl;
    const struct conf_table *table;

    /* Makes settings of a file whose single keys are good. What is wrong beyond them goes to `errors`, a line each: what, where, and what to
     * do; then an error is returned and nothing is left to unload. conf outlives the settings: they may refer to its texts. */
    int (*load)(const struct conf *conf, struct buf *errors, struct settings **ret_settings);
    void (*unload)(struct settings *s);

    /* For --check: what a start needs besides the file, with errors as above. NULL: nothing. */
    int (*check)(const struct settings *s, const char *path, struct buf *errors);

    /* SIGHUP reads the file again. True if settings may follow others while the program runs; else the key in the way is told. NULL, and
     * `reload` as well: SIGHUP ends the process. `data` and `control` are looked after. */
    bool (*may_follow)(const struct settings *now, const struct settings *next, const char **ret_key);

    /* daemon.settings are new ones, `old` goes away afterwards. An error is what could not be done about them, and is logged. */
    int (*reload)(struct host *h, const struct settings *old);

    /* Makes what it needs, opens what others connect to, at last the control socket: whoever finds that takes the daemon to be up. On an
     * error, which it has logged, `stop` and `fini` follow all the same. */
    int (*start)(struct host *h);

    /* Closes connections and frees the core. What was written is durable, and answers to it are sent. */
    void (*stop)(struct host *h);

    /* Frees what sockets may have used until their end, for example TLS contexts; the store is closed and the loop has no more turns. */
    void (*fini)(struct host *h);

    /* Takes what the core wants until there is nothing left, and returns its next deadline; MONO_NEVER: none. Called in the turn in which
     * daemon_wake was called. */
    struct mono (*turn)(struct host *h, struct now now);

    /* So much later than they say may deadlines be kept that are not due yet: those that are close together are kept in one turn, and most turns need
     * not set the timer. Lines of the log leave together, too, twice as late at most; warnings and errors, and the last lines, at once. 0: each for
     * itself. */
    int64_t slack_us;

    /* The loop stands still while the store commits. Commits come a hundred times as long after one another as the last one took, but not later than
     * this: so the disk, however slow, takes a hundredth of the time, and a busy daemon's turns share a transaction. Whoever waits for what he
     * wrote waits so much longer. 0: each turn commits for itself. */
    int64_t commit_gap_max_us;

    /* Of rows that may be replaced or removed before they are worth a place in the table (store/sqlite.h). 0: none. */
    size_t recent_octets_max;

    /* It has much memory, and looks at all of it in turn (io/large_pages.h). */
    bool large_pages;

    /* The deadline has come; `turn` follows. NULL: there never is one. */
    void (*tick)(struct host *h, struct now now);

    /* Handlers of commands and completions of the store are about to run: they have no other way to know the time. NULL: they need none. */
    void (*set_now)(struct host *h, struct now now);

    /* SIGTERM, SIGINT: begins to end in good order, and calls daemon_stop when that is done. A second signal does not wait for it. NULL: there
     * is nothing to wait for. */
    void (*end)(struct host *h);
};

#define DAEMON_LISTENERS_MAX 64

/* The programs read log, entropy, loop, store and settings; everything is the daemon's to change. */
struct daemon {
    const struct daemon_program *program;
    struct host *host;
    struct settings *settings;
    struct log log;
    struct entropy entropy; /* the kernel's */
    struct loop *loop;
    struct sqlite_store *store; /* NULL before daemon_open_store */

    const char *path; /* of the configuration file */
    struct conf *conf;
    int lock; /* of the data folder; 0: none */
    struct loop_task work, commit;
    struct loop_timer *timer, *commit_timer, *log_timer;
    struct mono commit_at; /* not before */
    struct listener *listeners[DAEMON_LISTENERS_MAX];
    size_t listener_count;
    struct ctl_server ctl;
    struct control *control;
    bool runs;          /* from the end of `start` to the beginning of `stop` */
    bool ending;        /* `end` was called */
    bool told_stopping; /* the service manager was */
};

/* All of it, from the command line to the exit code, which it returns. */
int daemon_main(struct daemon *d, const struct daemon_program *program, struct host *host, int argc, char **argv);

/* ---- steps of a start; each logs what is wrong and what to do about it ---- */

/* Makes and locks the data folder, the key `data`, and opens the database of that name in it. Nobody else may use the folder. */
int daemon_open_store(struct daemon *d, const char *file);

/* Opens a listener and keeps it: it is closed when the daemon begins to end. service: its name in the log. */
int daemon_listen(struct daemon *d, const char *service, const struct listener_options *options,
                  listener_accept_fn *accept, void *arg);

/* The same for a listener that the program closes itself. */
int daemon_open_listener(struct daemon *d, const char *service, const struct listener_options *options,
                         listener_accept_fn *accept, void *arg, struct listener **ret_listener);

/* For sockets of other kinds: logs whether opening one worked. Returns err. */
int daemon_log_listening(const struct daemon *d, const char *service, const struct addr *address, int err);

/* Opens the control socket, the key `control`, with a handler for each command of the program, and heeds signals from now on. core: the
 * handlers' context. The array must outlive the daemon. */
int daemon_open_control(struct daemon *d, const struct ctl_handler *handlers, size_t count, void *core);

/* ---- while it runs ---- */

/* The time of this turn. */
struct now daemon_now(const struct daemon *d);

/* Something has happened to the core: `turn` is called before this turn of the loop ends. Cheap, and harmless if it was called before. */
void daemon_wake(struct daemon *d);

/* What SIGHUP does, for programs with a `reload`. What is different, or why it was refused, goes to report, a line each, and whether
 * anything has changed. */
int daemon_reload(struct daemon *d, struct buf *report);

/* The process ends with this turn, in good order. */
void daemon_stop(struct daemon *d);

/* The path of a file in the data folder. Returns path. */
#define DAEMON_PATH_OCTETS 4096
const char *daemon_path(const struct daemon *d, const char *name, char path[DAEMON_PATH_OCTETS]);

#endif
