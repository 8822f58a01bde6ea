"""Kamailio as a process of a lab: registrar and proxy of a company or of a carrier; with digest, TLS, presence, or redirection as wanted.

What it is asked for and is not registered here goes to its gateway. With `redirect` an agent in redirect mode is asked first where a call should
go: its 302 is followed over TLS with the ticket, its 404 means the gateway.
"""
import glob
import os

from peers import SIP, SIPS, listens, wait_for

MODULES = "/usr/lib/*/kamailio/modules"
REALM = "lab"
BASE = """#!KAMAILIO
debug=2
log_stderror=yes
children=2
auto_aliases=no
listen=udp:{address}:{port}
mpath="{modules}"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
modparam("registrar", "gruu_enabled", 0)
"""
WITHOUT_TLS = "disable_tcp=yes\n"
TLS = """enable_tls=yes
tcp_children=2
tcp_source_ipv4={address}
listen=tls:{address}:{sips}
loadmodule "tls.so"
modparam("tls", "config", "{tls}")
"""
TLS_FILE = """[server:default]
method = TLSv1.2+
certificate = {certificate}
private_key = {key}
ca_list = {ca}
verify_certificate = no
require_certificate = no

[client:default]
method = TLSv1.2+
certificate = {certificate}
private_key = {key}
ca_list = {ca}
verify_certificate = yes
require_certificate = yes
"""
PRESENCE = """loadmodule "presence.so"
loadmodule "presence_xml.so"
modparam("presence", "subs_db_mode", 0)
modparam("presence", "publ_cache", 2)
modparam("presence_xml", "force_active", 1)
modparam("presence_xml", "disable_presence", 0)
"""
DIGEST = """loadmodule "auth.so"
"""
REDIRECT = """loadmodule "acc.so"
loadmodule "uac_redirect.so"
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
        else if (uri == myself && is_method("SUBSCRIBE"))
            route(PRESENCE);
        else if (!is_method("ACK"))
            sl_send_reply("481", "No Such Dialog");
        exit;
    }}
    t_check_trans();
    if (is_method("REGISTER")) {{
        route(REGISTER_DIGEST);
        save("location");
        exit;
    }}
    if (is_method("OPTIONS")) {{
        sl_send_reply("200", "OK");
        exit;
    }}
    route(PROXY_DIGEST);
    if (uri == myself && registered("location") && is_method("SUBSCRIBE|PUBLISH"))
        route(PRESENCE);
    record_route();
    if (uri == myself && !lookup("location")) {{
        if (src_ip == {gateway}) {{
            sl_send_reply("404", "Not Found");
            exit;
        }}
        route(ELSEWHERE);
    }}
    t_relay();
}}

route[GATEWAY] {{
    $rd = "{gateway}";
    $rp = {port};
}}
"""
NO_PRESENCE = """
route[PRESENCE] {
    return;
}
"""
WITH_PRESENCE = """
route[PRESENCE] {
    if (is_method("PUBLISH"))
        handle_publish();
    else
        handle_subscribe();
    exit;
}
"""
NO_DIGEST = """
route[REGISTER_DIGEST] {
    return;
}

route[PROXY_DIGEST] {
    return;
}
"""
WITH_DIGEST = """
route[REGISTER_DIGEST] {{
    if (!pv_www_authenticate("{realm}", "{password}", "0")) {{
        www_challenge("{realm}", "1");
        exit;
    }}
}}

route[PROXY_DIGEST] {{
    if (!is_method("INVITE"))
        return;
    if (!pv_proxy_authenticate("{realm}", "{password}", "0")) {{
        proxy_challenge("{realm}", "1");
        exit;
    }}
    consume_credentials();
}}
"""
TO_GATEWAY = """
route[ELSEWHERE] {
    route(GATEWAY);
}
"""
TO_REDIRECT = """
route[ELSEWHERE] {{
    if (!is_method("INVITE")) {{
        route(GATEWAY);
        return;
    }}
    $avp(dialed) = $rU;
    $rd = "{redirect}";
    $rp = {port};
    t_on_failure("ASKED");
}}

failure_route[ASKED] {{
    if (t_is_canceled())
        exit;
    if (t_check_status("302") && get_redirects("1") > 0) {{
        t_on_branch("DIRECT");
        t_on_failure("DIRECT");
        t_relay();
        exit;
    }}
    route(BACK);
}}

# The agent gives the ticket as a header of the address; it becomes one of the message.
branch_route[DIRECT] {{
    if ($ru =~ "[?]X-Cisco-ViPR-Ticket=") {{
        $var(ticket) = $(ru{{re.subst,/.*X-Cisco-ViPR-Ticket=([^&]*).*/\\1/}});
        append_hf("X-Cisco-ViPR-Ticket: $(var(ticket){{s.unescape.user}})\\r\\n");
        $ru = $(ru{{s.select,0,?}});
    }}
}}

# The far side does not take it: by the phone network after all, if it is not the called person who does not.
failure_route[DIRECT] {{
    if (t_is_canceled() || t_check_status("(48[067])|(60[03])"))
        exit;
    route(BACK);
}}

route[BACK] {{
    $ru = "sip:" + $avp(dialed) + "@{gateway}:{port}";
    t_relay();
}}
"""


def modules():
    """Where Debian has them on this kind of machine."""
    found = glob.glob(MODULES)
    assert found, "Kamailio's modules are not installed"
    return found[0] + "/"


def text(home, address, gateway, tls, password, presence, redirect):
    """Its configuration."""
    values = {"address": address, "gateway": gateway, "port": SIP, "sips": SIPS, "modules": modules(), "realm": REALM,
              "password": password, "redirect": redirect, "tls": os.path.join(home, "tls.cfg")}
    parts = [BASE, TLS if tls else WITHOUT_TLS]
    plain = [PRESENCE] * presence + [DIGEST] * bool(password) + [REDIRECT] * bool(redirect)
    routes = [ROUTES] + [WITH_DIGEST] * bool(password) + [TO_REDIRECT] * bool(redirect)
    fixed = [WITH_PRESENCE if presence else NO_PRESENCE] + [NO_DIGEST] * (not password) + [TO_GATEWAY] * (not redirect)
    return "".join([part.format(**values) for part in parts] + plain + [part.format(**values) for part in routes] + fixed)


def start(lab, name, address, gateway, tls=None, password=None, presence=False, redirect=None):
    """Starts one and waits until it listens. gateway: address of whom it sends to what is not its own, and who sends it what is. tls: the paths of
    its certificate, its key, and its authority. password: of everybody here. redirect: address of an agent in redirect mode."""
    home = lab.home(name)
    path = os.path.join(home, "kamailio.cfg")
    if tls:
        with open(os.path.join(home, "tls.cfg"), "w") as out:
            out.write(TLS_FILE.format(certificate=tls[0], key=tls[1], ca=tls[2]))
    with open(path, "w") as out:
        out.write(text(home, address, gateway, tls, password, presence, redirect))
    lab.spawn(name, ["kamailio", "-f", path, "-DD", "-E", "-w", home, "-Y", home, "-m", "32", "-M", "4"])

    def up():
        return listens("udp", (address, SIP)) and (not tls or listens("tcp", (address, SIPS)))
    wait_for(lambda: up() or not lab.alive(name), lambda: lab.log_tail(name))
    assert lab.alive(name), lab.log_tail(name)
