#!/usr/bin/env python3
"""Three companies with Kamailio as PBX. The phones of two of them, linphone-cli and baresip, call each other directly, and send each other messages
and presence over the learned trunk. The third company's agent is in redirect mode: Kamailio itself follows its 302 to the far agent, over TLS and with
the ticket."""
import json
import os
import secrets
import ssl
import subprocess
import sys
import time
import urllib.request

import kamailio
from company import Companies
from linphonec import Linphone
from peers import SIP, run, wait_for
from phone import Phone

from processes import write_private

POST_PORT = 8443
WATCHER = "+4930020099"
TALK_SECONDS = 1.6
ENTITY = "<presence xmlns=\"urn:ietf:params:xml:ns:pidf\" entity=\"sip:{number}@{host}\">"
OPEN = "<tuple id=\"t1\"><status><basic>open</basic></status></tuple></presence>"


class Directory(Companies):
    """Company 1 has a linphone (14), company 2 a baresip (14), company 3 a baresip (14) and an agent in redirect mode."""

    def __init__(self):
        super().__init__("companies", 3)

    def pbx(self, index):
        """The address of a company's Kamailio."""
        return self.at(index, 13)

    def start_all(self):
        """The wire of the phone network is between 1 and 2; 3 reaches 2 over it, too."""
        kamailio.start(self, "kamailio-a", self.pbx(1), self.at(1, 10), presence=True)
        kamailio.start(self, "kamailio-b", self.pbx(2), self.at(2, 10), presence=True)
        kamailio.start(self, "kamailio-c", self.pbx(3), self.at(2, 11), tls=(*self.files[self.domain(3)], self.authority.ca), redirect=self.at(3, 10))
        token = os.path.join(self.directory, "records-token")
        self.token = secrets.token_urlsafe(24)
        write_private(token, self.token + "\n")
        certificate, key = self.authority.issue("records", "IP:" + self.at(3, 10))
        self.start_company(1)
        self.start_company(2, trunk={"host": self.at(1, 11), "source": self.pbx(3)})
        self.start_company(3, ("records", {"listen": f"{self.at(3, 10)}:{POST_PORT}", "certificate": certificate, "key": key, "token-file": token}),
                           trunk={"host": self.at(2, 11)}, agent={"mode": "redirect"})
        self.linphone = Linphone(self, "linphone", self.at(1, 14), self.number(1), self.pbx(1), register=True)
        self.baresip = Phone(self, "baresip", self.at(2, 14), f"<sip:{self.number(2)}@{self.pbx(2)}>;regint=60")
        self.third = Phone(self, "third", self.at(3, 14), f"<sip:{self.number(3)}@{self.pbx(3)}>;regint=60")

    def registered(self):
        """The phones at their Kamailio."""
        self.linphone.registered()
        for name in ("baresip", "third"):
            wait_for(lambda name=name: self.count(name, "[1 binding]"), lambda name=name: self.log_tail(name))

    # -- calls ---------------------------------------------------------------------------------------------------------------

    def linphone_calls(self, to):
        """baresip takes it; long enough for a record."""
        self.linphone.command(f"call sip:{self.number(2)}@{self.pbx(1)}")
        self.baresip.expect("CALL_INCOMING")
        self.linphone.expect("ringing")
        self.baresip.command("accept")
        self.baresip.expect("CALL_ESTABLISHED")
        self.linphone.expect("connected")
        time.sleep(TALK_SECONDS)
        self.linphone.command("terminate")
        self.baresip.expect("CALL_CLOSED")
        noted = self.newest_call(self.agent(1))
        assert (noted["to"], noted["status"]) == (to, 200), self.why(1, self.number(2))

    def baresip_calls(self, to):
        """linphone takes it."""
        self.baresip.command("dial", f"sip:{self.number(1)}@{self.pbx(2)}")
        self.linphone.expect("Receiving new incoming call")
        self.baresip.expect("CALL_RINGING")
        self.linphone.command("answer")
        self.baresip.expect("CALL_ESTABLISHED")
        self.linphone.expect("connected")
        time.sleep(TALK_SECONDS)
        self.baresip.command("hangup")
        self.linphone.expect("ended")
        noted = self.newest_call(self.agent(2))
        assert (noted["to"], noted["status"]) == (to, 200), self.why(2, self.number(1))

    def by_the_phone_network(self):
        """Nothing is learned yet."""
        self.linphone_calls("PSTN")
        self.baresip_calls("PSTN")

    def learned(self):
        """From the records of these calls."""
        self.learns(1, 2)
        self.learns(2, 1)

    def directly(self):
        """The same calls, over the learned trunk."""
        self.linphone_calls("IME")
        self.baresip_calls("IME")

    # -- messages and presence ---------------------------------------------------------------------------------------------------

    def message(self):
        """linphone's text appears at the baresip."""
        self.linphone.command(f'chat sip:{self.number(2)}@{self.pbx(1)} "Guten Morgen"')
        wait_for(lambda: self.count("baresip", "Guten Morgen"), lambda: self.log_tail("baresip"))

    def message_by_sipsak(self):
        """sipsak's text appears at the linphone."""
        self.send("message", self.pbx(2), 1, "MESSAGE", "text/plain", "Good evening")
        self.linphone.expect("Good evening")

    def send(self, name, pbx, to, method, kind, body, *fields):
        """sipsak sends a request to a company's number by way of a PBX: the answer."""
        path = os.path.join(self.directory, name + ".sip")
        lines = [f"{method} sip:{self.number(to)}@{pbx} SIP/2.0", "Max-Forwards: 70", f"From: <sip:{self.number(2)}@{pbx}>;tag={secrets.token_hex(4)}", f"To: <sip:{self.number(to)}@{pbx}>",
                 f"Call-ID: {secrets.token_hex(8)}", f"CSeq: 1 {method}", *fields, f"Content-Type: {kind}", f"Content-Length: {len(body)}", "", body]
        with open(path, "w", newline="") as out:
            out.write("\r\n".join(lines))
        done = subprocess.run(["sipsak", "-v", "-v", "-v", "-f", path, "-s", f"sip:{pbx}:{SIP}"], capture_output=True, encoding="utf-8",
                              errors="replace", timeout=60, check=False)
        text = done.stdout + done.stderr
        assert "SIP/2.0 20" in text, text
        return text

    def subscribed(self):
        """A baresip at company 2 asks for the presence of company 1's number; Kamailio there answers, and says that nothing is known of it."""
        Phone(self, "watcher", self.at(2, 15), f"<sip:{WATCHER}@{self.pbx(2)}>;regint=60", "module_app presence.so\n",
              f'"Alice" <sip:{self.number(1)}@{self.pbx(2)}>;presence=p2p\n')
        wait_for(lambda: self.count("watcher", "NOTIFY sip:"), lambda: self.log_tail("watcher"))

    def presence(self):
        """Somebody at company 2 publishes for company 1's number: Kamailio there tells the baresip, which has subscribed."""
        body = ENTITY.format(number=self.number(1), host=self.pbx(1)) + OPEN
        answer = self.send("publish", self.pbx(2), 1, "PUBLISH", "application/pidf+xml", body, "Event: presence", "Expires: 600")
        assert "SIP-ETag" in answer, answer
        wait_for(lambda: self.count("watcher", "<basic>open</basic>"), lambda: self.log_tail("watcher"))

    # -- redirect mode --------------------------------------------------------------------------------------------------------------

    def third_calls(self):
        """By Kamailio, which asks the agent: when the talk began and ended."""
        self.third.command("dial", f"sip:{self.number(2)}@{self.pbx(3)}")
        self.baresip.expect("CALL_INCOMING")
        self.third.expect("CALL_RINGING")
        self.baresip.command("accept")
        self.baresip.expect("CALL_ESTABLISHED")
        self.third.expect("CALL_ESTABLISHED")
        begun = time.time()
        time.sleep(TALK_SECONDS)
        self.third.command("hangup")
        self.third.expect("CALL_CLOSED")
        self.baresip.expect("CALL_CLOSED")
        return begun, time.time()

    def post(self, begun, ended):
        """The record of a call, as JSON."""
        record = {"direction": "sent", "calling": self.number(3), "called": self.number(2), "start": begun, "stop": ended}
        request = urllib.request.Request(f"https://{self.at(3, 10)}:{POST_PORT}/records", json.dumps(record).encode(),
                                         {"Authorization": "Bearer " + self.token, "Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=20, context=ssl.create_default_context(cafile=self.authority.ca)) as answer:
            assert answer.status == 200

    def not_redirected(self):
        """No route yet: 404, and Kamailio takes the phone network; what it knows of the call is posted."""
        times = self.third_calls()
        assert self.newest_call(self.agent(3))["status"] == 404, self.why(3, self.number(2))
        assert self.newest_call(self.agent(2))["from"] == "PSTN"
        self.post(*times)

    def redirected(self):
        """302 with the ticket: Kamailio goes to company 2's agent itself."""
        self.learns(3, 2)
        self.third_calls()
        assert self.newest_call(self.agent(3))["status"] == 302, self.why(3, self.number(2))
        noted = self.newest_call(self.agent(2))
        assert (noted["from"], noted["to"], noted["status"]) == ("IME", "PBX", 200), noted

    def steps(self):
        """In this order."""
        yield "phones register at three Kamailios", self.registered
        yield "numbers are published", self.published
        yield "linphone and baresip call each other by the phone network", self.by_the_phone_network
        yield "redirect mode: no route, Kamailio takes the phone network", self.not_redirected
        yield "routes are learned both ways", self.learned
        yield "linphone and baresip call each other directly", self.directly
        yield "MESSAGE from linphone to baresip", self.message
        yield "MESSAGE from sipsak to linphone", self.message_by_sipsak
        yield "SUBSCRIBE from baresip to Kamailio", self.subscribed
        yield "PUBLISH from sipsak to Kamailio, NOTIFY from there to baresip", self.presence
        yield "redirect mode: Kamailio follows the 302, with the ticket", self.redirected


if __name__ == "__main__":
    LAB = Directory()
    sys.exit(run(LAB))
