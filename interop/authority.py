"""An authority for TLS that lives as long as a test: certificates for domains and addresses."""
import os
import subprocess

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
DAYS = ("-days", "30")
CONF = """[ca]
default_ca = lab
[lab]
database = {name}.index
serial = {name}.serial
certificate = {name}.pem
private_key = {name}.key
new_certs_dir = .
default_md = sha256
default_crl_days = 30
policy = any
unique_subject = no
[any]
commonName = supplied
"""


class Authority:
    """Its files and those of whom it certified lie in a folder; `ca` is its certificate."""

    def __init__(self, directory, name="authority"):
        self.directory, self.name = directory, name
        os.makedirs(directory, exist_ok=True)
        self.ca = self.file(name + ".pem")
        self.openssl("req", "-x509", *KEY, "-keyout", name + ".key", "-out", name + ".pem", "-subj", f"/CN=lab {name}",
                     "-addext", "keyUsage=critical,keyCertSign,cRLSign", *DAYS)

    def file(self, name):
        """The path of one of its files."""
        return os.path.join(self.directory, name)

    def openssl(self, *words):
        """One command; files are in the folder."""
        subprocess.run(["openssl", *words], cwd=self.directory, check=True, capture_output=True, timeout=60)

    def issue(self, name, *subjects, expired=False):
        """A certificate for subjects, as "DNS:a.example" or "IP:127.0.0.1": the paths of it and of its key. expired: it was good once."""
        certificate, key = name + ".pem", name + ".key"
        with open(self.file(name + ".ext"), "w") as out:
            out.write(f"subjectAltName={','.join(subjects)}\nextendedKeyUsage=serverAuth,clientAuth\n"
                      "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n")
        self.openssl("req", "-new", *KEY, "-keyout", key, "-out", name + ".csr", "-subj", f"/CN={subjects[0].split(':', 1)[1]}")
        if expired:
            self.book("-batch", "-notext", "-in", name + ".csr", "-extfile", name + ".ext", "-out", certificate, "-rand_serial",
                      "-startdate", "20200101000000Z", "-enddate", "20210101000000Z")
        else:
            self.openssl("x509", "-req", "-in", name + ".csr", "-CA", self.name + ".pem", "-CAkey", self.name + ".key", "-CAcreateserial",
                         "-extfile", name + ".ext", "-out", certificate, *DAYS)
        os.chmod(self.file(key), 0o600)
        return self.file(certificate), self.file(key)

    def book(self, *words):
        """openssl ca, which keeps a list of what it has issued and revoked."""
        if not os.path.exists(self.file(self.name + ".index")):
            for kind, text in (("conf", CONF.format(name=self.name)), ("index", ""), ("index.attr", "unique_subject = no\n")):
                with open(self.file(f"{self.name}.{kind}"), "w") as out:
                    out.write(text)
        self.openssl("ca", "-config", self.name + ".conf", *words)

    def revoke(self, *certificates):
        """Takes certificates back; the path of the list of all that were, which is written anew."""
        for certificate in certificates:
            self.book("-revoke", certificate)
        self.book("-gencrl", "-out", self.name + ".crl")
        return self.file(self.name + ".crl")
