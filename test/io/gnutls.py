"""GnuTLS's client, which proves calls with an implementation of SRP that is not OpenSSL's."""
import shutil
import subprocess

SECONDS = 60
PRIORITY = "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+SRP:-CIPHER-ALL:+AES-128-CBC:-MAC-ALL:+SHA1"


def missing():
    """Why it is of no use here, or None."""
    if not shutil.which("gnutls-cli"):
        return "gnutls-bin is not installed"
    listed = subprocess.run(["gnutls-cli", "--list"], capture_output=True, text=True, timeout=SECONDS, check=True).stdout
    return None if "TLS_SRP_SHA_AES_128_CBC_SHA1" in listed else "this GnuTLS was built without SRP, as Debian 13 has it"


def connect(username, password, host, port, *options, said=""):
    """Its exit status and words; said: what it has to send."""
    done = subprocess.run(["gnutls-cli", "--srpusername", username, "--srppasswd", password, "--priority", PRIORITY, *options, "-p", str(port), host],
                          input=said, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=SECONDS, check=False)
    return done.returncode, done.stdout
