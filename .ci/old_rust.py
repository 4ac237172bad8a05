"""Looks for let-chains, which Rust 1.85 does not support.

Clippy's `incompatible_msrv` finds functions that are newer than the `rust-version` of Cargo.toml, but not newer syntax.
Let-chains are the only new syntax that is easy to use without noticing.
"""

import pathlib
import re
import sys

STRING_OR_COMMENT = re.compile(r'//[^\n]*|"(?:\\.|[^"\\])*"')
# A multi-line condition has no block, statement or match arm before its `&&`.
CHAIN = re.compile(r"\b(?:if|while)\s+let\b[^{};]*?&&|&&\s*let\b")

# Tests of the pattern itself.
assert CHAIN.search("if let Some(x) = y && x > 1 {")
assert CHAIN.search("while ready\n    && let Some(x) = y {")
assert not CHAIN.search("if let Some(x) = y { a && b }")

found = 0
for directory in ("src", "tests", "examples", "benches"):
    for path in sorted(pathlib.Path(directory).rglob("*.rs")):
        text = STRING_OR_COMMENT.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), path.read_text())
        for chain in CHAIN.finditer(text):
            found += 1
            print(f"{path}:{text.count(chr(10), 0, chain.end()) + 1}: a let-chain")
print(f"{found} let-chains")
sys.exit(bool(found))
