"""Folders with the source of apps. The client uploads them; the replay makes the same ones."""

import os
import random
import shutil

ENV = os.environ
# What each folder has beside the program: its settings, or another Procfile.
SETTINGS = {
    "hello": {},
    "first": {"VERSION": "first"},
    "second": {"VERSION": "second"},
    "third": {"VERSION": "third"},
    "deaf": {"VERSION": "deaf", "HEALTH": "deaf"},
    "never": {"HEALTH": "never"},
    "crash": {},
}
# Folders without a program: one file and its text.
TEXTS = {
    "bare": ("readme.txt", "no program\n"),
    "broken": ("requirements.txt", "this is no requirement\n"),
}
# Folders with one file that does not become smaller, the same one each time: its size in MiB.
NOISE = {"large": 5, "one": 3, "two": 3, "three": 3}
PROCFILES = {"crash": "web: ./hello fail\n"}
PROCFILE = "web: ./hello\nworker: ./hello worker\ntask: ./hello task\n"


def folder(chapter, name):
    """The source of an app; the path."""
    directory = empty(chapter, name)
    if name in TEXTS:
        write(directory, *TEXTS[name])
        return directory
    if name in NOISE:
        with open(os.path.join(directory, "noise"), "wb") as file:
            file.write(random.Random(name).randbytes(NOISE[name] * 1024 * 1024))
        return directory
    shutil.copy(ENV["HELLO_BINARY"], os.path.join(directory, "hello"))
    write(directory, "Procfile", PROCFILES.get(name, PROCFILE))
    # They stay with this version; variables would be the whole app's.
    lines = [f"{key}={value}\n" for key, value in SETTINGS[name].items()]
    if lines:
        write(directory, "hello.conf", "".join(lines))
    return directory


def empty(chapter, name):
    """A folder without files."""
    directory = os.path.join(ENV["WINDLASS_SCRATCH"], chapter, name)
    os.makedirs(directory, exist_ok=True)
    return directory


def write(directory, name, text):
    """A file of it; the path."""
    path = os.path.join(directory, name)
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path
