"""Looks for let-chains, which Rust 1.85 does not know.

Clippy's `incompatible_msrv` sees functions that are newer than the `rust-version` of Cargo.toml, but not syntax; and
let-chains are the only new syntax that one writes without noticing.
"""

import pathlib
import re
import sys

STRING_OR_COMMENT = re.compile(r'//[^\n]*|"(?:\\.|[^"\\])*"')
# A condition of several lines has no block, no statement and no match arm before its `&&`.
CHAIN = re.compile(r"\b(?:if|while)\s+let\b[^{};]*?&&|&&\s*let\b")

# The check itself.
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
