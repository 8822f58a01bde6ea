"""Kamailio beside an ime-edge: as the edge of another company (TLS outside, and the tickets that it was given), or as a call agent inside (TCP, and the
routes that it has learned). Phones of either are told by their numbers, and reached over UDP."""
import os

import kamailio
from kamailio import modules
from peers import SIP, SIPS, listens, wait_for

BASE = """#!KAMAILIO
debug=2
log_stderror=yes
children=2
tcp_children=2
auto_aliases=no
tcp_source_ipv4={address}
listen=udp:{address}:{sip}
{listen}
mpath="{modules}"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "maxfwd.so"
"""
ROUTES = """
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
    record_route();
    if (proto == UDP) {{
        remove_hf("Route");
        route(EDGE);
    }} else {{
        route(PEER);
        switch ($rU) {{
{phones}
            default:
                sl_send_reply("404", "Not Found");
                exit;
        }}
    }}
    t_relay();
}}

route[EDGE] {{
    switch ($rU) {{
{calls}
    }}
    $du = "{edge}";
}}

route[PEER] {{
{peer}
    return;
}}
"""
CASE = """            case "{number}":
                {what};
                break;
"""
TLS = """enable_tls=yes
listen=tls:{address}:{sips}
loadmodule "tls.so"
modparam("tls", "config", "{path}")
"""
# With certificates on both sides, and the name that is asked for.
TLS_FILE = kamailio.TLS_FILE.replace("= no\n", "= yes\n") + "server_name = {peer}\n"
PEER = """    if ($tls_peer_san_hostname != "{peer}") {{
        sl_send_reply("403", "Certificate of Somebody Else");
        exit;
    }}"""


def start(lab, name, address, edge, phones, calls, listen, peer=""):
    """edge: the URI of the next hop. phones: number → address. calls: number → header that a call to it gets."""
    home = lab.home(name)

    def cases(what):
        return "".join(CASE.format(number=number, what=text) for number, text in what.items())
    text = BASE.format(address=address, sip=SIP, listen=listen, modules=modules()) + ROUTES.format(
        phones=cases({number: f'$du = "sip:{phone}:{SIP}"' for number, phone in phones.items()}),
        calls=cases({number: f'append_hf("{header}\\r\\n")' for number, header in calls.items()}), edge=edge, peer=peer)
    path = os.path.join(home, "kamailio.cfg")
    with open(path, "w") as out:
        out.write(text)
    lab.spawn(name, ["kamailio", "-f", path, "-DD", "-E", "-w", home, "-Y", home, "-m", "32", "-M", "4"])
    port = SIPS if peer else SIP
    wait_for(lambda: listens("udp", (address, SIP)) and listens("tcp", (address, port)) or not lab.alive(name), lambda: lab.log_tail(name))
    assert lab.alive(name), lab.log_tail(name)


def company(lab, name, address, edge, peer, certificate, key, ca, phones, tickets):
    """The edge of another company. edge: address of ours, peer: its domain. tickets: number → ticket to call it with."""
    path = os.path.join(lab.home(name), "tls.cfg")
    with open(path, "w") as out:
        out.write(TLS_FILE.format(certificate=certificate, key=key, ca=ca, peer=peer))
    start(lab, name, address, f"sip:{edge}:{SIPS};transport=tls", phones,
          {number: f"X-Cisco-ViPR-Ticket: {ticket}" for number, ticket in tickets.items()},
          TLS.format(address=address, sips=SIPS, path=path), PEER.format(peer=peer))


def agent(lab, name, address, edge, phones, routes):
    """A call agent inside. routes: number → (domain, address of its edge)."""
    start(lab, name, address, f"sip:{edge}:{SIP};transport=tcp", phones,
          {number: f"Route: <sip:{domain}:{SIPS};maddr={place};transport=tls;lr>" for number, (domain, place) in routes.items()},
          f"listen=tcp:{address}:{SIP}")
