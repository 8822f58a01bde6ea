"""Kamailio as the PBX of a company: phones register with a password, extensions find each other, everything else goes to the call agent with what was dialed."""
import contextlib
import glob
import secrets
import socket

from world import WorldError

MODULES = "/usr/lib/*/kamailio/modules"
REALM = "lab"
ANSWER_SECONDS = 0.2
TEXT = """#!KAMAILIO
debug=2
log_stderror=yes
children=2
auto_aliases=no
disable_tcp=yes
listen=udp:{address}:{port}
mpath="{modules}/"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"
modparam("registrar", "gruu_enabled", 0)

request_route {{
    if (!mf_process_maxfwd_header("10")) {{
        sl_send_reply("483", "Too Many Hops");
        exit;
    }}
    if (is_method("CANCEL")) {{
        if (t_check_trans())
            t_relay();
        exit;
    }}
    if (has_totag()) {{
        if (loose_route() || (is_method("ACK") && t_check_trans()))
            t_relay();
        else if (!is_method("ACK"))
            sl_send_reply("481", "No Such Dialog");
        exit;
    }}
    t_check_trans();
    if (is_method("OPTIONS")) {{
        sl_send_reply("200", "OK");
        exit;
    }}
    if (is_method("REGISTER")) {{
        if (!pv_www_authenticate("{realm}", "{password}", "0")) {{
            www_challenge("{realm}", "1");
            exit;
        }}
        save("location");
        exit;
    }}
    if (src_ip != {agent} && is_method("INVITE")) {{
        if (!pv_proxy_authenticate("{realm}", "{password}", "0")) {{
            proxy_challenge("{realm}", "1");
            exit;
        }}
        consume_credentials();
    }}
    record_route();
    if (!lookup("location")) {{
        if (src_ip == {agent}) {{
            sl_send_reply("404", "Not Found");
            exit;
        }}
        $rd = "{agent}";
        $rp = {port};
    }}
    t_relay();
}}
"""


def configuration(address, port, agent, password):
    """What it is told."""
    found = glob.glob(MODULES)
    if not found:
        raise WorldError("Kamailio's modules are not installed: apt-get install kamailio")
    return TEXT.format(address=address, port=port, agent=agent, password=password, realm=REALM, modules=found[0])


def argv(home, path):
    """The command that runs it."""
    return ["kamailio", "-f", path, "-DD", "-E", "-w", home, "-Y", home, "-m", "32", "-M", "4"]


def answers(address, port):
    """Whether it is there: it is asked for its options."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sock:
        sock.settimeout(ANSWER_SECONDS)
        sock.bind((address, 0))
        here = ":".join(map(str, sock.getsockname()))
        mark = secrets.token_hex(8)
        text = (f"OPTIONS sip:{address}:{port} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{mark}\r\nMax-Forwards: 70\r\nFrom: <sip:lab@{here}>;tag={mark}\r\n"
                f"To: <sip:{address}:{port}>\r\nCall-ID: {mark}\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n")
        sock.sendto(text.encode(), (address, port))
        try:
            return sock.recv(4096).startswith(b"SIP/2.0 200")
        except OSError:
            return False
