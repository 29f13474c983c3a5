"""Refusals in DigitalOcean's form."""

import steps
from azure.core.exceptions import HttpResponseError
from steps import equal


def refused(status, slug):
    """The call inside must be refused with exactly this error."""

    def check(refusal):
        equal(refusal.status_code, status, "status of the refusal")
        equal(refusal.response.json()["id"], slug, "the refusal")

    return steps.refused(HttpResponseError, check)
