"""A small library system on the foreign package pysip2: two patrons, a login, and nothing else.

Prints the port that it listens on, then serves until its standard input ends.
"""

import sys

import anyio
import anyio.to_thread
from pysip2 import (
    LOGIN,
    PATRON_INFORMATION,
    LoginResponse,
    PatronInformationResponse,
    SIP2Server,
)

PATRONS = {
    "21234000000017": ("4711", "Ottilie Wildermuth", " " * 14),
    "21234000000025": ("0815", "Jakob Käsbohrer", "YYYY      Y   "),
}

app = SIP2Server(
    institution_id="FOREIGN", error_detection="required", login_required=True
)


@app.route(LOGIN)
def login(req, ctx):
    known = req.login_user_id == "terminal" and req.login_password == "foreign-secret"
    return LoginResponse(ok="1" if known else "0")


@app.route(PATRON_INFORMATION)
def patron_information(req, ctx):
    pin, name, status = PATRONS.get(req.patron_identifier, (None, "", "Y" * 4 + " " * 10))
    known = pin is not None
    return PatronInformationResponse(
        patron_status=status,
        language=req.language,
        transaction_date=ctx.now_18(),
        hold_items_count="0000",
        overdue_items_count="0000",
        charged_items_count="0000",
        fine_items_count="0000",
        recall_items_count="0000",
        unavailable_holds_count="0000",
        institution_id=req.institution_id,
        patron_identifier=req.patron_identifier,
        personal_name=name,
        valid_patron="Y" if known else "N",
        valid_patron_password=("Y" if req.patron_password == pin else "N") if known else None,
        home_address="Marktplatz 1" if known else None,
    )


async def main() -> None:
    async with app.start() as port:
        print(port, flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)


anyio.run(main)
