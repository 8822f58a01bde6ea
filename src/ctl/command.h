/* The commands that imectl knows and the daemons answer: one table, shared by both, so that help, checks and completion work without a
 * daemon, and a daemon believes nothing that the table does not allow. */
#ifndef CTL_COMMAND_H
#define CTL_COMMAND_H

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

/* Who answers a command; a bit set. */
enum ctl_program { CTL_SERVER = 1, CTL_ENROLL = 2, CTL_AGENT = 4, CTL_PSTN = 8, CTL_EDGE = 16, CTL_IMPAIR = 32 };

struct ctl_program_info {
    enum ctl_program program;
    const char *name; /* "ime-server" */
    const char *word; /* "server": its control socket is server.sock */
};

/* In the order in which imectl looks for one that runs; ends with a NULL name. */
extern const struct ctl_program_info ctl_programs[];

/* "ime-server, ime-enroll and ime-agent"; `last` is what stands before the last one: " and ". */
void ctl_program_names(unsigned programs, const char *last, struct buf *out);

enum ctl_type {
    CTL_INTEGER,  /* min … max */
    CTL_DURATION, /* "1h30m" (base/duration.h); min … max in milliseconds */
    CTL_NUMBER,   /* +E.164 */
    CTL_NODE_ID,  /* 32 hexadecimal digits */
    CTL_DOMAIN,
    CTL_HOST,   /* a domain, or an IP address without a port */
    CTL_HEX,    /* min … max octets, two digits each */
    CTL_TEXT,   /* min … max octets of printable ASCII */
    CTL_SWITCH, /* there or not; takes no value */
    CTL_SECRET, /* as CTL_TEXT, without spaces; never on a command line: asked for, read from standard input, or from --file */
    CTL_FILE, /* the contents of a file whose name stands on the command line ("-": standard input), min … max octets of text */
};

enum ctl_arg_flag {
    CTL_OPTION = 1,   /* "--name VALUE" at any place, instead of by position */
    CTL_OPTIONAL = 2, /* may be absent */
    CTL_REPEATED = 4, /* may occur several times; a positional one takes all that is left */
};

struct ctl_arg {
    const char *name; /* without dashes; the key in the request's "args" */
    enum ctl_type type;
    unsigned flags;
    int64_t min, max; /* both 0: 1 … 255 octets for texts, no bounds for numbers, 1 … CTL_FILE_OCTETS_MAX for files */
    const char *help; /* a phrase */
};

/* How imectl shows the result to people: the members of the result that are not listed here are printed as "label: value", the rows of
 * the array `rows` as a table. What a value is follows from its key: "…_at" is a time in UTC ("2026-03-01T12:00:00Z"), "…_ms" a duration
 * in milliseconds, "…_octets" a size. */
struct ctl_column {
    const char *key;
    const char *title;
};

struct ctl_command {
    const char *words;                /* "show pools"; also the name under which a daemon registers its handler */
    unsigned programs;                /* enum ctl_program */
    const struct ctl_arg *args;       /* ends with a NULL name; may be NULL */
    const char *help;                 /* one line */
    const char *detail;               /* paragraphs for the long help; may be NULL */
    const char *rows;                 /* the array in the result; NULL: none */
    const struct ctl_column *columns; /* ends with a NULL key; may be NULL */
    const char *empty;                /* what to say when there are no rows */
    const char *raw; /* the member of the result that is shown as it stands, instead of all others; NULL: none */
    const char *
        failed; /* the member of the result that counts what failed though the rest is done: imectl ends with 1 then; NULL: none */
};

#define CTL_ARGS_MAX 8   /* arguments that a command may declare */
#define CTL_WORDS_MAX 64 /* words of a command line */
#define CTL_FILE_OCTETS_MAX (256 * 1024)

/* The commands that help shows together: one file of the table. */
struct ctl_chapter {
    const char *title;
    const struct ctl_command *commands;
    size_t count;
};

/* The table, in the order of the help. NULL behind its end. */
const struct ctl_chapter *ctl_chapter_at(size_t i);
const struct ctl_command *ctl_command_at(size_t i);

/* The command whose words are the first of these words (the longest match); NULL if there is none. The number of words that are its
 * own goes to ret_words. */
const struct ctl_command *ctl_command_find(const char *const *words, size_t n, size_t *ret_words);

/* The word of a command at that place, from 0; an empty slice behind its end. */
struct slice ctl_command_word(const struct ctl_command *command, size_t place);

/* Calls for each word that may stand at a place behind these words, once, in the order of the table. The text is valid during the call. */
typedef void ctl_choice_fn(void *arg, struct slice word);
void ctl_command_choices(const char *const *words, size_t place, ctl_choice_fn *fn, void *arg);

/* What to say about words that are no command: "no command `show pols`; did you mean `show pools`?", or what may follow. */
void ctl_command_explain_unknown(const char *const *words, size_t n, struct buf *out);

#endif
