"""What the service providers in Python have in common: a server over TLS with several sites, told apart by their hosts.

Arguments: the certificate, its key, a key pair for SAML (certificate, key), a folder for metadata, and a file for what was
heard. Prints the port; then takes lines of JSON on standard input and answers each with one line:

    {"sites": {ID: {"origin": …, …}}}   writes the metadata of each site to FOLDER/ID.xml; `described`
    {"idp": FILE}                        (again) reads the identity provider's metadata; `ready`

It ends when its standard input does. Each site has /start, /acs, /slo, /session and /logout.
"""

import html
import http.server
import json
import os
import ssl
import sys
import threading
import traceback
import urllib.parse

certificate, key, saml_certificate, saml_key, folder, heard = sys.argv[1:7]
lock = threading.Lock()


class Refused(Exception):
    """The service provider does not believe what it was sent."""


class Visit:
    """One request to a site, and how to answer it."""

    def __init__(self, handler, body):
        self.handler, self.body = handler, body
        url = urllib.parse.urlsplit(handler.path)
        self.path, self.query_string = url.path, url.query
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        self.form = dict(urllib.parse.parse_qsl(body, keep_blank_values=True))
        self.host = handler.headers["Host"]
        cookies = [pair.strip().partition("=") for pair in handler.headers.get("Cookie", "").split(";")]
        self.cookie = next((value for name, _, value in cookies if name == "site"), None)

    def answer(self, status, kind, body, **fields):
        data = body.encode()
        self.handler.send_response(status)
        self.handler.send_header("Content-Type", kind)
        self.handler.send_header("Content-Length", str(len(data)))
        for name, value in fields.items():
            self.handler.send_header(name.replace("_", "-"), value)
        self.handler.end_headers()
        self.handler.wfile.write(data)

    def json(self, told, status=200, **fields):
        # A browser shows it, too.
        text = html.escape(json.dumps(told), quote=False)
        if "text/html" in self.handler.headers.get("Accept", ""):
            self.answer(status, "text/html; charset=utf-8", f"<!doctype html><title>Told</title><pre>{text}</pre>", **fields)
        else:
            self.answer(status, "application/json", json.dumps(told), **fields)

    def redirect(self, to, **fields):
        self.answer(303, "text/plain", "", Location=to, **fields)

    def post(self, to, fields, **more):
        inputs = "".join(
            f'<input type="hidden" name="{name}" value="{html.escape(value)}">' for name, value in fields.items()
        )
        page = (
            f'<!doctype html><title>On</title><body><form method="post" action="{html.escape(to)}">{inputs}'
            '<button type="submit">On</button></form><script>document.forms[0].submit()</script>'
        )
        self.answer(200, "text/html; charset=utf-8", page, **more)

    def begin_session(self):
        name = os.urandom(16).hex()
        return name, {"Set_Cookie": f"site={name}; Path=/; Secure; HttpOnly; SameSite=None"}


def serve(make_site):
    sites = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def handle_one(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            with lock:
                with open(heard, "a", encoding="utf-8") as file:
                    file.write(f"{self.command} https://{self.headers['Host']}{self.path}\n{self.headers}{body}\n")
                visit = Visit(self, body)
                try:
                    site = sites[visit.host]
                    page = getattr(site, "page_" + visit.path.strip("/"), None)
                    if page is None:
                        visit.json({"lost": visit.path}, 404)
                    else:
                        page(visit)
                except Refused as refused:
                    traceback.print_exc()
                    visit.json({"refused": str(refused)}, 400)
                except Exception as error:  # noqa: BLE001
                    traceback.print_exc()
                    visit.json({"failed": type(error).__name__, "message": str(error)}, 500)

        do_GET = do_POST = handle_one

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_port, flush=True)
    for line in sys.stdin:
        told = json.loads(line)
        with lock:
            if "sites" in told:
                for name, about in told["sites"].items():
                    site = make_site(about)
                    sites[urllib.parse.urlsplit(about["origin"]).netloc] = site
                    with open(f"{folder}/{name}.xml", "w", encoding="utf-8") as file:
                        file.write(site.metadata())
                print("described", flush=True)
            else:
                for site in sites.values():
                    site.learn(told["idp"])
                print("ready", flush=True)
