"""A service provider on pysaml2, used as its manual says: it wants responses and assertions signed."""

from sites import Refused, saml_certificate, saml_key, serve
from saml2 import BINDING_HTTP_POST, BINDING_HTTP_REDIRECT
from saml2.client import Saml2Client
from saml2.config import SPConfig
from saml2.metadata import create_metadata_string
from saml2.response import StatusError
from saml2.xmldsig import DIGEST_SHA256, SIG_RSA_SHA256

BINDINGS = {"redirect": BINDING_HTTP_REDIRECT, "post": BINDING_HTTP_POST}


class Site:
    def __init__(self, about):
        self.about, self.client, self.waiting, self.signed_in = about, None, {}, {}
        self.binding = BINDINGS[about.get("binding", "redirect")]
        self.logout_binding = BINDINGS[about.get("logout_binding", "redirect")]

    def configured(self, idp=None):
        origin = self.about["origin"]
        settings = {
            "entityid": origin + "/metadata",
            "service": {
                "sp": {
                    "endpoints": {
                        "assertion_consumer_service": [(origin + "/acs", BINDING_HTTP_POST)],
                        "single_logout_service": [
                            (origin + "/slo", self.logout_binding),
                        ],
                    },
                    "signing_algorithm": SIG_RSA_SHA256,
                    "digest_algorithm": DIGEST_SHA256,
                    "authn_requests_signed": True,
                    "logout_requests_signed": True,
                    "logout_responses_signed": True,
                    "want_response_signed": True,
                    "want_assertions_signed": True,
                    "allow_unsolicited": False,
                    "allow_unknown_attributes": True,
                }
            },
            "key_file": saml_key,
            "cert_file": saml_certificate,
            "xmlsec_binary": "/usr/bin/xmlsec1",
            "allow_unknown_attributes": True,
        }
        if self.about.get("encrypted"):
            settings["encryption_keypairs"] = [{"key_file": saml_key, "cert_file": saml_certificate}]
        if idp:
            settings["metadata"] = {"local": [idp]}
        return SPConfig().load(settings)

    def metadata(self):
        text = create_metadata_string(None, config=self.configured(), sign=False)
        return text.decode() if isinstance(text, bytes) else text

    def learn(self, idp):
        client = Saml2Client(config=self.configured(idp))
        if self.client:
            client.users = self.client.users
        self.client = client
        (self.idp,) = client.metadata.with_descriptor("idpsso")

    def page_start(self, visit):
        # What a reader wants to see goes along and comes back.
        wanted = visit.query.pop("wanted", "/here?a=1&b=\"<é>'")
        more = {name: value for name, value in visit.query.items() if name in ("is_passive", "force_authn")}
        if "nameid_format" in visit.query:
            more["nameid_format"] = visit.query["nameid_format"]
        if "context" in visit.query:
            more["requested_authn_context"] = {"authn_context_class_ref": [visit.query["context"]], "comparison": "exact"}
        ident, binding, sent = self.client.prepare_for_negotiated_authenticate(
            entityid=self.idp, relay_state=wanted, binding=self.binding, sign=True, **more
        )
        assert binding == self.binding
        self.waiting[ident] = wanted
        self.send(visit, sent)

    def send(self, visit, sent, **fields):
        if sent["method"] == "GET":
            visit.redirect(dict(sent["headers"])["Location"], **fields)
        else:
            visit.answer(200, "text/html; charset=utf-8", "".join(sent["data"]), **fields)

    def page_acs(self, visit):
        try:
            answer = self.client.parse_authn_request_response(
                visit.form["SAMLResponse"], BINDING_HTTP_POST, outstanding=self.waiting
            )
        except StatusError as error:
            visit.json({"status": type(error).__name__, "relay_state": visit.form.get("RelayState")})
            return
        if answer is None:
            raise Refused("no answer")
        wanted = self.waiting.pop(answer.in_response_to)
        name, fields = visit.begin_session()
        self.signed_in[name] = answer
        told = self.told(answer)
        told["relay_state"], told["wanted"] = visit.form.get("RelayState"), wanted
        visit.json(told, **fields)

    @staticmethod
    def told(answer):
        assertion, name_id = answer.assertion, answer.name_id
        statement = assertion.authn_statement[0]
        attributes = {}
        for each in assertion.attribute_statement[0].attribute:
            attributes[each.name] = [
                value.text if value.text and value.text.strip() else value.extension_elements[0].text
                for value in each.attribute_value
            ]
        return {
            "signed_in": True,
            "issuer": assertion.issuer.text,
            "name_id": name_id.text,
            "format": name_id.format,
            "name_qualifier": name_id.name_qualifier,
            "sp_name_qualifier": name_id.sp_name_qualifier,
            "session_index": statement.session_index,
            "context": statement.authn_context.authn_context_class_ref.text,
            "session_ends": statement.session_not_on_or_after,
            "attributes": attributes,
        }

    def page_session(self, visit):
        answer = self.signed_in.get(visit.cookie)
        visit.json(self.told(answer) if answer else {"signed_in": False})

    def page_logout(self, visit):
        answer = self.signed_in.pop(visit.cookie)
        sent = self.client.do_logout(
            answer.name_id, [self.idp], reason="", expire=None, sign=True, expected_binding=self.logout_binding
        )
        (_, http) = sent[self.idp]
        self.send(visit, http)

    def page_slo(self, visit):
        binding = BINDING_HTTP_POST if visit.form else BINDING_HTTP_REDIRECT
        came = visit.form or visit.query
        if "SAMLResponse" in came:
            self.check(visit, came, binding, "SAMLResponse")
            answer = self.client.parse_logout_request_response(came["SAMLResponse"], binding)
            status = answer.response.status.status_code
            second = status.status_code.value if status.status_code else None
            visit.json({"left": True, "status": status.value, "second": second})
            return
        self.check(visit, came, binding, "SAMLRequest")
        answer = self.signed_in.pop(visit.cookie, None)
        if answer is None:
            raise Refused("nobody is signed in")
        sent = self.client.handle_logout_request(
            came["SAMLRequest"], answer.name_id, binding, sign=True, relay_state=came.get("RelayState", ""),
        )
        self.send(visit, sent)

    def check(self, visit, came, binding, name):
        """pysaml2 leaves the signature of a query to whoever calls it."""
        if binding != BINDING_HTTP_REDIRECT:
            return
        from saml2.sigver import verify_redirect_signature

        certificates = self.client.metadata.certs(self.idp, "any", "signing")
        good = any(verify_redirect_signature(came, self.client.sec.sec_backend, text) for _, text in certificates)
        if not good:
            raise Refused("the signature of the query")


serve(Site)
