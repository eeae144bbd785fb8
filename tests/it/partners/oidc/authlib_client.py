"""A client on Authlib's integration with Flask, used as its manual says.

Arguments: the certificate, its key, and a file for what was heard. Prints the port; then takes one line of JSON on
standard input, `{"issuer": …, "clients": {NAME: {"client_id": …, "secret": …, "origin": …}}}` with one client, and answers
`ready`. It ends when its standard input does.

/start signs in, /callback and /session show what the client was told, /logout leaves.
"""

import base64
import json
import os
import socket
import sys
import threading

import requests
from authlib.integrations.flask_client import OAuth, OAuthError
from flask import Flask, jsonify, request, session
from werkzeug.serving import make_server

certificate, key, heard = sys.argv[1:4]
resolve = socket.getaddrinfo


def loopback(host, *rest, **named):
    """Names below `.localhost` are this machine, as RFC 6761 says; not every resolver knows."""
    name = host.decode() if isinstance(host, bytes) else host
    return resolve("127.0.0.1" if name and name.endswith(".localhost") else host, *rest, **named)


socket.getaddrinfo = loopback
app = Flask(__name__)
app.secret_key = os.urandom(32)
oauth = OAuth(app)
# By session, which the cookie names: tokens are longer than a cookie may be.
signed_in = {}


def keep(text):
    with open(heard, "a", encoding="utf-8") as file:
        file.write(text + "\n")


@app.before_request
def keep_request():
    keep(f"{request.method} {request.url}\n{request.headers}{request.get_data(as_text=True)}")


def send_and_keep(self, *rest, send=requests.Session.send, **named):
    response = send(self, *rest, **named)
    keep(f"{response.request.method} {response.url} -> {response.status_code}\n{response.text}")
    return response


requests.Session.send = send_and_keep


@app.errorhandler(OAuthError)
def refused(error):
    return jsonify(error=error.error, description=error.description), 400


@app.errorhandler(Exception)
def failed(error):
    return jsonify(error=type(error).__name__, message=str(error)), 500


@app.get("/start")
def start():
    return oauth.portal.authorize_redirect(app.config["ORIGIN"] + "/callback", **request.args)


@app.get("/callback")
def callback():
    token = oauth.portal.authorize_access_token()
    session["id"] = os.urandom(16).hex()
    signed_in[session["id"]] = token
    return told(token)


@app.get("/session")
def current():
    token = signed_in.get(session.get("id"))
    return told(token) if token else jsonify(signed_in=False)


def told(token):
    header = json.loads(base64.urlsafe_b64decode(token["id_token"].split(".")[0] + "=="))
    return jsonify(
        signed_in=True,
        claims=token["userinfo"],
        header=header,
        token={"names": sorted(token), "token_type": token["token_type"], "expires_in": token["expires_in"]},
        userinfo=oauth.portal.userinfo(token=token),
    )


@app.get("/logout")
def logout():
    token = signed_in.pop(session.pop("id"))
    return oauth.portal.logout_redirect(app.config["ORIGIN"] + "/left", id_token_hint=token["id_token"])


@app.get("/left")
def left():
    oauth.portal.validate_logout_response()
    return jsonify(left=True)


def main():
    server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context=(certificate, key))
    print(server.port, flush=True)
    told = json.loads(sys.stdin.readline())
    (client,) = told["clients"].values()
    app.config["ORIGIN"] = client["origin"]
    oauth.register(
        name="portal",
        client_id=client["client_id"],
        client_secret=client["secret"],
        server_metadata_url=told["issuer"] + "/.well-known/openid-configuration",
        client_kwargs={"scope": "openid", "code_challenge_method": "S256"},
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    sys.stdin.read()


main()
