/* Command lines of phones. */
#include "base/text.h"
#include "program.h"

#include <getopt.h>
#include <stdio.h>

#define SECONDS_MAX 86400
#define TALK_MS 5000
#define VOICES 8

enum { GOOD = 0, USAGE = 2 };

static int wrong(const char *what, const char *text)
{
    fprintf(stderr, "ime-pstn: %s %s\n", what, text);
    return USAGE;
}

/* "1.5" */
static bool read_seconds(const char *text, int64_t *ret_ms)
{
    struct slice rest = slice_str(text), whole = text_cut(&rest, '.');
    uint64_t seconds, ms = 0;
    if (u64_parse(whole, SECONDS_MAX, &seconds) < 0 || (rest.p && (rest.n > 3 || u64_parse(rest, 999, &ms) < 0)))
        return false;
    for (size_t i = rest.p ? rest.n : 3; i < 3; i++)
        ms *= 10;
    *ret_ms = (int64_t)(seconds * 1000 + ms);
    return true;
}

/* One address, for others are told it; without a port the kernel chooses one. */
static bool read_listen(const char *text, struct addr *ret_listen)
{
    static const uint8_t any[16];
    struct addr one, other;
    if (addr_parse(slice_str(text), 1, &one) < 0 || addr_parse(slice_str(text), 2, &other) < 0 ||
        !memcmp(one.ip, any, sizeof any))
        return false;
    if (one.port != other.port)
        one.port = 0;
    *ret_listen = one;
    return true;
}

enum option_letter {
    JSON = 'j',
    LISTEN = 'l',
    VIA = 'v',
    SECONDS = 's',
    PATIENCE = 'p',
    DOMAIN = 'd',
    TRANSPORT = 't',
    REGISTER = 'r',
    USER = 'u',
    PASSWORD = 'P',
    TONES = 'T',
    RTP_PORT = 'R',
    VIDEO = 'V',
    VOICES_AT_A_TIME = 'n',
    WATCH = 'w',
    REFUSE_CHANGES = 'x',
    HOLD_AFTER = 'o',
    RESUME_AFTER = 'e',
    DELAY = 'D',
    BUSY = 'b',
    CALLS = 'c',
    HELP = 'h'
};

/* One option into the wishes. False: the value is no good. */
static bool take_option(int option, const char *text, struct wishes *w)
{
    switch (option) {
    case JSON:
        w->json = true;
        return true;
    case BUSY:
        w->phone.is_busy = true;
        return true;
    case DOMAIN:
        w->domain = text;
        return true;
    case LISTEN:
        return read_listen(text, &w->listen);
    case TONES:
        w->tones = true;
        return true;
    case RTP_PORT: {
        uint64_t port;
        w->tones = true;
        const bool good = !u64_parse(slice_str(text), UINT16_MAX - PSTN_PHONE_PORTS_MAX, &port);
        w->first_port = good ? (uint16_t)port : 0;
        return good;
    }
    case VIDEO:
        w->tones = w->phone.has_video = true;
        return true;
    case VOICES_AT_A_TIME:
        w->tones = true;
        return !u64_parse(slice_str(text), PSTN_PHONE_PORTS_MAX, &w->voices) && w->voices;
    case WATCH:
        w->watches = true;
        return true;
    case REFUSE_CHANGES:
        w->phone.refuses_changes = true;
        return true;
    case HOLD_AFTER:
        return read_seconds(text, &w->phone.hold_after_ms);
    case RESUME_AFTER:
        return read_seconds(text, &w->phone.resume_after_ms);
    case USER:
        w->phone.user = text;
        return true;
    case PASSWORD:
        w->password_file = text;
        return true;
    case VIA:
    case REGISTER:
        w->has_via = true;
        return !addr_parse(slice_str(text), SIP_PORT, &w->via);
    case SECONDS:
        w->talks = true;
        return read_seconds(text, &w->talk_ms);
    case PATIENCE:
        return read_seconds(text, &w->patience_ms);
    case DELAY:
        if (!read_seconds(text, &w->phone.ring.low_ms))
            return false;
        w->phone.ring.high_ms = w->phone.ring.low_ms;
        return true;
    case CALLS:
        return !u64_parse(slice_str(text), UINT32_MAX, &w->calls);
    case TRANSPORT:
        w->transport = !strcmp(text, "tcp") ? SIP_TCP : SIP_UDP;
        return w->transport == SIP_TCP || !strcmp(text, "udp");
    default:
        return false;
    }
}

static const struct option call_options[] = {
    {"via", required_argument, NULL, VIA},
    {"seconds", required_argument, NULL, SECONDS},
    {"listen", required_argument, NULL, LISTEN},
    {"patience", required_argument, NULL, PATIENCE},
    {"domain", required_argument, NULL, DOMAIN},
    {"user", required_argument, NULL, USER},
    {"password-file", required_argument, NULL, PASSWORD},
    {"transport", required_argument, NULL, TRANSPORT},
    {"tones", no_argument, NULL, TONES},
    {"rtp-port", required_argument, NULL, RTP_PORT},
    {"video", no_argument, NULL, VIDEO},
    {"watch", no_argument, NULL, WATCH},
    {"refuse-changes", no_argument, NULL, REFUSE_CHANGES},
    {"hold-after", required_argument, NULL, HOLD_AFTER},
    {"resume-after", required_argument, NULL, RESUME_AFTER},
    {"json", no_argument, NULL, JSON},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};
static const struct option answer_options[] = {
    {"listen", required_argument, NULL, LISTEN},
    {"register", required_argument, NULL, REGISTER},
    {"password-file", required_argument, NULL, PASSWORD},
    {"domain", required_argument, NULL, DOMAIN},
    {"transport", required_argument, NULL, TRANSPORT},
    {"seconds", required_argument, NULL, SECONDS},
    {"delay", required_argument, NULL, DELAY},
    {"calls", required_argument, NULL, CALLS},
    {"busy", no_argument, NULL, BUSY},
    {"tones", no_argument, NULL, TONES},
    {"rtp-port", required_argument, NULL, RTP_PORT},
    {"voices", required_argument, NULL, VOICES_AT_A_TIME},
    {"video", no_argument, NULL, VIDEO},
    {"watch", no_argument, NULL, WATCH},
    {"refuse-changes", no_argument, NULL, REFUSE_CHANGES},
    {"hold-after", required_argument, NULL, HOLD_AFTER},
    {"resume-after", required_argument, NULL, RESUME_AFTER},
    {"json", no_argument, NULL, JSON},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

/* GOOD, with helped if there is nothing more to do; else an exit code. */
static int read_options(int argc, char **argv, const struct option *options, const char *help, struct wishes *w,
                        bool *ret_helped)
{
    int option, index = 0;
    *w = (struct wishes){.patience_ms = 60000, .voices = VOICES, .phone = {.ring = {1000, 1000}, .calls_max = 1000}};
    addr_parse(slice_str("127.0.0.1"), SIP_PORT, &w->listen);
    w->listen.port = 0; /* the kernel chooses */
    *ret_helped = false;
    while ((option = getopt_long(argc, argv, "h", options, &index)) != -1) {
        if (option == HELP) {
            fputs(help, stdout);
            *ret_helped = true;
            return GOOD;
        }
        if (option == '?')
            return USAGE;
        if (!take_option(option, optarg, w))
            return wrong("this is no good value:", optarg);
    }
    return GOOD;
}

int call_main(int argc, char **argv)
{
    static const char help[] =
        "Usage: ime-pstn call FROM TO --via ADDRESS [OPTION]...\n"
        "Places one call and says what became of it. Exit codes: 0 it was answered and ended in order, 1 not, 2 wrong "
        "usage.\n"
        "      --via ADDRESS        the PBX, agent or carrier that takes the call: address and port\n"
        "      --seconds N          hangs up so long after the answer (default 5; 0: leaves it to the other side)\n"
        "      --patience N         cancels when nobody has answered in so many seconds (default 60)\n"
        "      --listen ADDRESS     own address (default 127.0.0.1; without a port: a free one)\n"
        "      --domain NAME        host of the URIs (default: the address of --via)\n"
        "      --password-file FILE the password that a PBX asks for\n"
        "      --user NAME          the user that has it (default: FROM)\n"
        "      --transport udp|tcp  (default udp)\n"
        "      --tones              both phones say a tone (RTP, G.711); the other one's must be heard\n"
        "      --rtp-port PORT      where it is heard (default: a free port); implies --tones\n"
        "      --video              shows pictures that are made up; implies --tones\n"
        "      --refuse-changes     refuses what the other side wants to change in the middle of the call (488)\n"
        "      --hold-after N       puts the call on hold so many seconds after the answer\n"
        "      --resume-after N     and takes it up again after so many more\n"
        "      --watch              also tells when media move to another address, and of each pause in the tone\n"
        "      --json               a line of JSON for each event\n";
    struct wishes w;
    bool helped;
    int status = read_options(argc, argv, call_options, help, &w, &helped);
    if (status || helped)
        return status;
    if (argc - optind != 2 || !w.has_via) {
        fputs(help, stderr);
        return USAGE;
    }
    if (!w.talks)
        w.talk_ms = TALK_MS;
    w.from = argv[optind];
    w.to = argv[optind + 1];
    w.calls_out = true;
    return phone_run(&w);
}

int answer_main(int argc, char **argv)
{
    static const char help[] =
        "Usage: ime-pstn answer [NUMBER]... [OPTION]...\n"
        "Answers calls to the numbers (as they stand in the INVITE), or all calls.\n"
        "      --listen ADDRESS      own address (default 127.0.0.1; without a port: a free one)\n"
        "      --register ADDRESS    registers each number as a user of the PBX or carrier there\n"
        "      --password-file FILE  the password of all of them\n"
        "      --domain NAME         host of the URIs (default: the address of --register)\n"
        "      --transport udp|tcp   to register (default udp)\n"
        "      --delay N             rings for so many seconds (default 1)\n"
        "      --seconds N           hangs up so long after the answer (default: never)\n"
        "      --busy                is busy instead\n"
        "      --calls N             ends after so many calls\n"
        "      --tones               says a tone (RTP, G.711), and tells what it heard\n"
        "      --rtp-port PORT       of the first call (default: free ports); implies --tones\n"
        "      --voices N            calls at a time with tones (default 8); implies --tones\n"
        "      --video               shows pictures that are made up; implies --tones\n"
        "      --refuse-changes      refuses what the other side wants to change in the middle of a call (488)\n"
        "      --hold-after N        puts calls on hold so many seconds after the answer\n"
        "      --resume-after N      and takes them up again after so many more\n"
        "      --watch               also tells when media move to another address, and of each pause in the tone\n"
        "      --json                a line of JSON for each event\n";
    struct wishes w;
    bool helped;
    int status = read_options(argc, argv, answer_options, help, &w, &helped);
    if (status || helped)
        return status;
    w.phone.talk_ms = w.talk_ms;
    for (int i = optind; i < argc; i++) {
        if (w.phone.number_count == PSTN_PHONE_NUMBERS_MAX)
            return wrong("too many numbers:", argv[i]);
        w.phone.numbers[w.phone.number_count++] = argv[i];
    }
    if (w.has_via && !w.phone.number_count)
        return wrong("say which numbers are to be registered, before", "--register");
    return phone_run(&w);
}
