"""Makes the package that the Python sample depends on, as a wheel, without a network.

usage: greeting_wheel.py DIRECTORY
"""

import os
import sys
import zipfile

NAME = "greeting-1.0"
FILES = {
    "greeting.py": "WORDS = 'hello from a vendored wheel'\n",
    f"{NAME}.dist-info/METADATA": "Metadata-Version: 2.1\nName: greeting\nVersion: 1.0\n",
    f"{NAME}.dist-info/WHEEL": (
        "Wheel-Version: 1.0\nGenerator: conformance\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    ),
}
RECORD = f"{NAME}.dist-info/RECORD"

os.makedirs(sys.argv[1], exist_ok=True)
path = os.path.join(sys.argv[1], f"{NAME}-py3-none-any.whl")
with zipfile.ZipFile(path, "w") as wheel:
    for name, content in FILES.items():
        wheel.writestr(name, content)
    wheel.writestr(RECORD, "".join(f"{name},,\n" for name in [*FILES, RECORD]))
