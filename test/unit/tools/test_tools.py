#!/usr/bin/env python3
"""Tests of the tools that judge the others: a check that finds nothing would be worse than none. Prints TAP."""
import importlib.machinery
import importlib.util
import os
import subprocess
import sys
import tempfile

SOURCE = os.environ["IME_SOURCE"]


def load(name):
    loader = importlib.machinery.SourceFileLoader(name.replace("-", "_"), os.path.join(SOURCE, "tools", name))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    sys.dont_write_bytecode = True
    loader.exec_module(module)
    return module


layers = load("lint-layers")
tests = load("run-tests")
lint = load("lint")


def include_complaints(module, text):
    complaints = []
    with tempfile.NamedTemporaryFile("w", suffix=".c", dir=os.environ["IME_BUILD"]) as f:
        f.write(text)
        f.flush()
        layers.check_file(layers.read_table(), module, f.name, complaints.append)
    return len(complaints)


def test_includes():
    assert include_complaints("vap", '#include "base/buf.h"\n#include "tlv/tlv.h"\n#include "vap/x.h"\n#include "x.h"\n') == 0
    assert include_complaints("vap", '#include "pvp/pool.h"\n') == 1, "a neighbor"
    assert include_complaints("vap", '#include "server/server.h"\n') == 1, "a module above"
    assert include_complaints("base", '#include "tlv/tlv.h"\n') == 1, "a module above base"
    assert include_complaints("vap", '# include "nonsense/a.h"\n') == 1, "an unknown module"
    assert include_complaints("store", '#include "server/store.h"\n') == 0, "a port below"


def test_symbols():
    table = layers.read_table()
    for module in ("tlv", "reload", "pvp", "server"):
        for symbol in ("socket", "clock_gettime", "time", "rand", "getrandom", "malloc", "free", "open", "read", "pthread_create",
                       "printf", "stderr", "localtime", "getenv", "RAND_bytes"):
            assert not layers.allowed(symbol, table[module][1]), f"{module} {symbol}"
        for symbol in ("memcpy", "snprintf", "qsort", "__stack_chk_fail", "__asan_load4"):
            assert layers.allowed(symbol, table[module][1]), f"{module} {symbol}"
    assert layers.allowed("EVP_Digest", table["crypt"][1]) and not layers.allowed("RAND_bytes", table["crypt"][1])
    assert layers.allowed("calloc", table["base"][1]) and not layers.allowed("calloc", table["crypt"][1])
    assert layers.plain_name("__memcpy_chk") == "memcpy" and layers.plain_name("__stack_chk_fail") == "__stack_chk_fail"
    assert layers.plain_name("__isoc99_sscanf") == "sscanf"


def compile_archive(build, module, text):
    folder = os.path.join(build, "src", module)
    os.makedirs(folder)
    source = os.path.join(folder, "x.c")
    with open(source, "w", encoding="utf-8") as f:
        f.write(text)
    subprocess.run(["cc", "-c", source, "-o", source[:-2] + ".o"], check=True)
    subprocess.run(["ar", "rcs", os.path.join(folder, f"lib{module}.a"), source[:-2] + ".o"], check=True)


def test_archives():
    with tempfile.TemporaryDirectory(dir=os.environ["IME_BUILD"]) as build:
        compile_archive(build, "base", "void *calloc(unsigned long, unsigned long); void *mem_alloc(void) { return calloc(1, 1); }")
        compile_archive(build, "tlv", "void *mem_alloc(void); int tlv(void) { return mem_alloc() != 0; }")
        compile_archive(build, "crypt", "int tlv(void); long time(long *); int crypt_it(void) { return tlv() + (int)time(0); }")
        complaints = []
        assert layers.check_symbols(layers.read_table(), build, complaints.append) == 3
        assert len(complaints) == 2, complaints
        assert "uses time" in "".join(complaints) and "uses tlv of tlv" in "".join(complaints)


def test_names():
    with tempfile.TemporaryDirectory(dir=os.environ["IME_BUILD"]) as build:
        compile_archive(build, "vap", "int vap_x; int vap(void) { return 0; } static int own(void) { return vap_x; } int vap_own(void) { return own(); }")
        compile_archive(build, "tlv", "int tlvx; int deliver(void) { return 0; } int tlv_deliver(void) { return deliver(); }")
        complaints = []
        names = layers.read_names()
        assert names["vap"] == ["vap"] and "chord" in names["reload"], "listed, or the module's own"
        layers.check_names(names, build, complaints.append)
        assert len(complaints) == 2, complaints
        assert "src/tlv: deliver " in complaints[0] and "src/tlv: tlvx " in complaints[1]
        complaints.clear()
        layers.check_names({"vap": ["vap", "peer"], "tlv": ["tlv", "tlvx", "deliver", "peer"]}, build, complaints.append)
        assert len(complaints) == 1 and "peer" in complaints[0], complaints


def test_counting():
    assert tests.count("1..2\nok 1 - a\nok 2 - b\n", True) == (2, [], 0)
    assert tests.count("1..2\nok 1 - a\nnot ok 2 - b\n", False) == (1, ["b"], 0)
    assert tests.count("1..3\nok 1 - a\nnot ok 2 # SKIP b\nok 3 - c\n", True) == (2, [], 1)
    assert tests.count("1..3\nok 1 - a\n", False)[0] == 1 and len(tests.count("1..3\nok 1 - a\n", False)[1]) == 1, "it crashed"
    assert len(tests.count("1..1\nok 1 - a\n", False)[1]) == 1, "it leaked after its cases"
    assert tests.count("no plan\n", True) == (1, [], 0)
    assert len(tests.count("", False)[1]) == 1


def test_lint():
    def complaints(path, text):
        lint.complaints.clear()
        lint.check_text(path, text)
        return len(lint.complaints)
    assert complaints("a.c", "/* What it is. */\nint x;\n") == 0
    assert complaints("a.c", "int x;\n") == 1, "no comment at the top"
    assert complaints("a.c", "/* x */\nint x; \n") == 1, "trailing space"
    assert complaints("a.c", "/* x */\n\tint x;\n") == 1, "tab"
    assert complaints("a.c", "/* x */\nint x;") == 1, "no newline at the end"
    assert complaints("a.c", "/* " + "TO" + "DO */\n") == 1
    assert complaints("a.md", "see /ho" + "me/me/file\n") == 1
    assert complaints("a.md", "see $HOME/ho" + "me/me/file and ~/wo" + "rk/x\n") == 0
    assert complaints("a.c", "/* x */\n" * 1001) == 1
    assert complaints("a.h", "/* x */\n" * 401) == 1
    assert complaints("a.c", "/* x */\nvoid f(void)\n{\n" + "    g();\n" * 101 + "}\n") == 1


def main():
    cases = [(name, function) for name, function in sorted(globals().items()) if name.startswith("test_") and callable(function)]
    failed = 0
    print(f"1..{len(cases)}")
    for number, (name, function) in enumerate(cases, 1):
        try:
            function()
            print(f"ok {number} - {name}")
        except Exception as error:  # every failure is a failed case, whatever it is
            failed += 1
            print(f"not ok {number} - {name}\n# {type(error).__name__}: {error}")
    return failed != 0


if __name__ == "__main__":
    sys.exit(main())
