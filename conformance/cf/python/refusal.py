"""Refusals in Cloud Foundry's form."""

import steps
from steps import equal


def refused(kind, status, code, detail):
    """The call inside must be refused with exactly this error."""

    def check(refusal):
        equal(int(refusal.status_code), status, "status of the refusal")
        error = refusal.body["errors"][0]
        equal((error["code"], error["detail"]), (code, detail), "the refusal")

    return steps.refused(kind, check)
