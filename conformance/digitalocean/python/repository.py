"""Repositories on the git server of `with-sources`, and how pushes to them are reported."""

import hashlib
import hmac
import json
import os
import subprocess

import requests
from steps import equal, holds

ENV = os.environ


def git(repository, *arguments):
    """Runs git in the work tree of a repository."""
    work = os.path.join(ENV["SOURCES_WORK"], repository)
    done = subprocess.run(
        ["git", "-C", work, *arguments], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def head(repository):
    """The newest commit."""
    return git(repository, "rev-parse", "HEAD")


def change(repository, file, before, after):
    """Replaces a text in a file, commits and pushes. Gives the commit."""
    path = os.path.join(ENV["SOURCES_WORK"], repository, file)
    with open(path, encoding="utf-8") as source:
        text = source.read()
    holds(before in text, f"{before!r} in {file}")
    with open(path, "w", encoding="utf-8") as source:
        source.write(text.replace(before, after))
    git(repository, "commit", "--quiet", "--all", "--message", f"{before} to {after}")
    git(repository, "push", "--quiet", "origin", "main")
    return head(repository)


def report_push(repository, commit):
    """Reports a push as GitHub does. Gives the deployments that it started."""
    body = json.dumps(
        {
            "ref": "refs/heads/main",
            "after": commit,
            "deleted": False,
            "repository": {"full_name": f"digitalocean/{repository}"},
            "head_commit": {
                "id": commit,
                "message": "a push",
                "author": {"name": "anna", "username": "anna"},
            },
            "pusher": {"name": "anna"},
        }
    ).encode()
    digest = hmac.new(ENV["WEBHOOK_SECRET"].encode(), body, hashlib.sha256).hexdigest()
    answer = requests.post(
        f"{ENV['WINDLASS_DIGITALOCEAN_API']}/webhooks/github",
        data=body,
        headers={
            "Content-Type": "application/json",
            "X-GitHub-Event": "push",
            "X-Hub-Signature-256": f"sha256={digest}",
        },
        verify=ENV["WINDLASS_CA_FILE"],
        timeout=60,
    )
    equal(answer.status_code, 200, f"status of the report ({answer.text})")
    return answer.json()["deployments"]
