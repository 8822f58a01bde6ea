"""An authority for TLS that lives as long as a test: certificates for domains and addresses."""
import os
import subprocess

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
DAYS = ("-days", "30")


class Authority:
    """Its files and those of whom it certified lie in a folder; `ca` is its certificate."""

    def __init__(self, directory, name="authority"):
        self.directory, self.name = directory, name
        os.makedirs(directory, exist_ok=True)
        self.ca = self.file(name + ".pem")
        self.openssl("req", "-x509", *KEY, "-keyout", name + ".key", "-out", name + ".pem", "-subj", f"/CN=lab {name}", *DAYS)

    def file(self, name):
        """The path of one of its files."""
        return os.path.join(self.directory, name)

    def openssl(self, *words):
        """One command; files are in the folder."""
        subprocess.run(["openssl", *words], cwd=self.directory, check=True, capture_output=True, timeout=60)

    def issue(self, name, *subjects):
        """A certificate for subjects, as "DNS:a.example" or "IP:127.0.0.1": the paths of it and of its key."""
        certificate, key = name + ".pem", name + ".key"
        with open(self.file(name + ".ext"), "w") as out:
            out.write(f"subjectAltName={','.join(subjects)}\nextendedKeyUsage=serverAuth,clientAuth\n")
        self.openssl("req", "-new", *KEY, "-keyout", key, "-out", name + ".csr", "-subj", f"/CN={subjects[0].split(':', 1)[1]}")
        self.openssl("x509", "-req", "-in", name + ".csr", "-CA", self.name + ".pem", "-CAkey", self.name + ".key", "-CAcreateserial",
                     "-extfile", name + ".ext", "-out", certificate, *DAYS)
        os.chmod(self.file(key), 0o600)
        return self.file(certificate), self.file(key)
