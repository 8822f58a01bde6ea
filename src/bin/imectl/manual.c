/* The usage and the manual page imectl(1), whose list of commands comes from the table. man/imectl.1 is what `imectl help --man` prints;
 * a test compares them. */
#include "imectl.h"

#include "ctl/help.h"

void print_usage(struct buf *out)
{
    buf_str(
        out,
        "usage: imectl [OPTION]... [COMMAND]\n\n"
        "Asks the OpenIME daemons on this machine, and tells them what to do.\n\n"
        "  --socket PATH    the daemon's control socket (default: IME_CONTROL, or that of the daemon in " CONTROL_FOLDER
        ")\n"
        "  --name NAME      the socket " CONTROL_FOLDER "/NAME.sock\n"
        "  --json           print the result as JSON\n"
        "  --timeout S      wait so many seconds for the answer (default 30)\n"
        "  --help, --version\n\n"
        "Without COMMAND: asks for commands on a terminal, else reads them from standard input, one per line.\n"
        "Exit status: 0 done, 1 refused or failed, 2 wrong usage, 3 no connection to the daemon.\n\n"
        "Commands (imectl help COMMAND says more):\n");
    ctl_help_list(out);
}

static const char manual_head[] = ".TH IMECTL 1 \"\" \"OpenIME\" \"OpenIME\"\n"
                                  ".SH NAME\n"
                                  "imectl \\- ask and control the OpenIME daemons\n"
                                  ".SH SYNOPSIS\n"
                                  ".B imectl\n"
                                  "[\\fB\\-\\-socket\\fR \\fIPATH\\fR | \\fB\\-\\-name\\fR \\fINAME\\fR] "
                                  "[\\fB\\-\\-json\\fR] [\\fB\\-\\-timeout\\fR \\fIS\\fR] "
                                  "[\\fICOMMAND\\fR]\n"
                                  ".SH DESCRIPTION\n"
                                  ".B imectl\n"
                                  "sends one command to a daemon on the same machine, over its control socket, and "
                                  "prints the answer for people or, with\n"
                                  ".BR \\-\\-json ,\n"
                                  "for programs. Without a command it reads commands: from a terminal with line "
                                  "editing, history and completion, else from\n"
                                  "standard input, one per line; there a # begins a comment line.\n"
                                  ".PP\n"
                                  "A word with spaces is put in quotes. A password is never an argument: it is asked "
                                  "for, or read from the first line of standard\n"
                                  "input or of the file of\n"
                                  ".BR \\-\\-file .\n"
                                  ".SH OPTIONS\n"
                                  ".TP\n"
                                  ".BI \\-\\-socket \" PATH\"\n"
                                  "The control socket.\n"
                                  ".TP\n"
                                  ".BI \\-\\-name \" NAME\"\n"
                                  "The socket " CONTROL_FOLDER "/NAME.sock, for one of several daemons.\n"
                                  ".TP\n"
                                  ".B \\-\\-json\n"
                                  "Print the result as JSON. A refusal is printed as an object with the members code, "
                                  "message and hint. Times are UTC; members\n"
                                  "ending in _ms are milliseconds, in _octets octets.\n"
                                  ".TP\n"
                                  ".BI \\-\\-timeout \" S\"\n"
                                  "Wait so many seconds for the answer; 30 by default.\n"
                                  ".SH COMMANDS\n"
                                  ".TP\n"
                                  ".B help \\fR[\\fICOMMAND\\fR | \\fB\\-\\-all\\fR]\n"
                                  "Explain commands, as does \\-\\-help behind their words. Needs no daemon.\n";

static const char manual_tail[] =
    ".SH EXIT STATUS\n"
    ".TP\n"
    "0\n"
    "Done.\n"
    ".TP\n"
    "1\n"
    "The daemon refused, or failed; the message says why and what to do. Or it has done a part of what was asked; the "
    "answer names what failed.\n"
    ".TP\n"
    "2\n"
    "Wrong usage; nothing was sent.\n"
    ".TP\n"
    "3\n"
    "No connection to the daemon, or it did not answer in time.\n"
    ".PP\n"
    "When several commands are read, the highest one.\n"
    ".SH ENVIRONMENT\n"
    ".TP\n"
    "IME_CONTROL\n"
    "The control socket, when neither \\-\\-socket nor \\-\\-name is given.\n"
    ".SH FILES\n"
    ".TP\n" CONTROL_FOLDER "/server.sock, enroll.sock, agent.sock, edge.sock, pstn.sock, impair.sock\n"
    "The control sockets of ime\\-server, ime\\-enroll, ime\\-agent, ime\\-edge, ime\\-pstn and "
    "ime\\-impair: each command goes to the daemon that answers it; one that\n"
    "several answer goes to the first of them, in this order, that runs here, unless\n"
    ".B \\-\\-name\n"
    "says another:\n"
    ".BR \"imectl \\-\\-name agent show status\" .\n"
    ".SH EXAMPLES\n"
    ".nf\n"
    "imectl show routes\n"
    "imectl explain +14085551234\n"
    "imectl \\-\\-json show counters pvp | jq .\n"
    "imectl set ime validator local bucketentropy 24\n"
    "imectl enroll token add \\-\\-server\\-id ime1.example.com \\-\\-name 192.0.2.1 \\-\\-expires 24h\n"
    ".fi\n";

void print_manual(struct buf *out)
{
    buf_str(out, manual_head);
    ctl_help_man(out);
    buf_str(out, manual_tail);
}
