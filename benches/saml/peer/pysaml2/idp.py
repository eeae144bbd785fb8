"""pysaml2 as an identity provider, in the steps of the example that comes with it: parse the request, look up where the
answer goes, make it, sign it, put it into a form. Readers are signed in as soon as they come.

usage: idp.py PORT BASE FOLDER [CERTIFICATE KEY]"""

import logging
import ssl
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from secrets import token_hex
from urllib.parse import parse_qs, urlsplit

from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.config import IdPConfig
from saml2.saml import NAME_FORMAT_URI, NAMEID_FORMAT_TRANSIENT
from saml2.server import Server
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

PORT, BASE, FOLDER = int(sys.argv[1]), sys.argv[2], sys.argv[3]

IDENTITY = {
    "eduPersonScopedAffiliation": ["member@bench.example.org"],
    "schacHomeOrganization": ["bench.example.org"],
    "pairwise-id": ["mfrggzdfmztwq2lknnwg23tpobyxe43u@bench.example.org"],
}
AUTHENTICATED = {
    "class_ref": "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
    "authn_auth": BASE,
}

logging.disable(logging.CRITICAL)
IDP = Server(
    config=IdPConfig().load(
        {
            "entityid": f"{BASE}/idp",
            "service": {
                "idp": {
                    "endpoints": {"single_sign_on_service": [(f"{BASE}/sso/redirect", BINDING_HTTP_REDIRECT)]},
                    "policy": {
                        "default": {
                            "lifetime": {"minutes": 5},
                            "attribute_restrictions": None,
                            "name_form": NAME_FORMAT_URI,
                        }
                    },
                    "name_id_format": [NAMEID_FORMAT_TRANSIENT],
                    "sign_response": True,
                    "sign_assertion": True,
                    "want_authn_requests_signed": False,
                }
            },
            "key_file": f"{FOLDER}/signing.key",
            "cert_file": f"{FOLDER}/signing.pem",
            "metadata": {"local": [f"{FOLDER}/vendor.xml"]},
            "xmlsec_binary": "/usr/bin/xmlsec1",
            "debug": 0,
        }
    )
)
SESSIONS = set()


class Door(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self):
        session = (self.headers.get("Cookie") or "").removeprefix("session=")
        known = session in SESSIONS
        if not known:
            session = token_hex(16)
            SESSIONS.add(session)
        query = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        asked = IDP.parse_authn_request(query["SAMLRequest"], BINDING_HTTP_REDIRECT).message
        binding, destination = IDP.pick_binding(
            "assertion_consumer_service", entity_id=asked.issuer.text, request=asked
        )
        answer = IDP.create_authn_response(
            dict(IDENTITY),
            userid=session,
            authn=AUTHENTICATED,
            sign_alg=SIG_RSA_SHA256,
            digest_alg=DIGEST_SHA256,
            **IDP.response_args(asked),
        )
        form = IDP.apply_binding(binding, str(answer), destination, query["RelayState"], response=True)
        page = "".join(form["data"]).encode()
        self.send_response(200)
        for name, value in form["headers"]:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(page)))
        if not known:
            self.send_header("Set-Cookie", f"session={session}; Path=/; HttpOnly")
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_):
        pass


class Doors(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


server = Doors(("127.0.0.1", PORT), Door)
if len(sys.argv) > 4:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(sys.argv[4], sys.argv[5])
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
server.serve_forever()
