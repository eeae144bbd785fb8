"""A service provider on python3-saml, used as its manual says, and strict in everything."""

import base64

from onelogin.saml2.auth import OneLogin_Saml2_Auth
from onelogin.saml2.authn_request import OneLogin_Saml2_Authn_Request
from onelogin.saml2.constants import OneLogin_Saml2_Constants as Constants
from onelogin.saml2.idp_metadata_parser import OneLogin_Saml2_IdPMetadataParser as Parser
from onelogin.saml2.settings import OneLogin_Saml2_Settings
from onelogin.saml2.utils import OneLogin_Saml2_Utils as Utils
from sites import Refused, saml_certificate, saml_key, serve

CONTEXT = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"


def bare(path):
    with open(path, encoding="ascii") as file:
        return "".join(line.strip() for line in file if "-----" not in line)


class Site:
    def __init__(self, about):
        self.about, self.known, self.waiting, self.signed_in = about, {}, set(), {}

    def settings(self):
        origin = self.about["origin"]
        return {
            "strict": True,
            "debug": False,
            "sp": {
                "entityId": origin + "/metadata",
                "assertionConsumerService": {"url": origin + "/acs", "binding": Constants.BINDING_HTTP_POST},
                "singleLogoutService": {"url": origin + "/slo", "binding": Constants.BINDING_HTTP_REDIRECT},
                "NameIDFormat": self.about.get("format", Constants.NAMEID_TRANSIENT),
                "x509cert": bare(saml_certificate),
                "privateKey": bare(saml_key),
            },
            "security": {
                "authnRequestsSigned": True,
                "logoutRequestSigned": True,
                "logoutResponseSigned": True,
                "wantMessagesSigned": True,
                "wantAssertionsSigned": True,
                "wantAssertionsEncrypted": bool(self.about.get("encrypted")),
                "wantNameId": True,
                "wantNameIdEncrypted": False,
                "wantAttributeStatement": True,
                "requestedAuthnContext": [CONTEXT],
                "failOnAuthnContextMismatch": True,
                "rejectUnsolicitedResponsesWithInResponseTo": True,
                "rejectDeprecatedAlgorithm": True,
                "signatureAlgorithm": Constants.RSA_SHA256,
                "digestAlgorithm": Constants.SHA256,
            },
        }

    def metadata(self):
        made = OneLogin_Saml2_Settings(self.settings(), sp_validation_only=True)
        text = made.get_sp_metadata()
        return text.decode() if isinstance(text, bytes) else text

    def learn(self, idp):
        with open(idp, encoding="utf-8") as file:
            # The first certificate that it names is the one that this library goes by where there are several.
            self.known = Parser.merge_settings(self.settings(), Parser.parse(file.read()))
        # What this site wants of names is its own, whatever the provider names first.
        self.known["sp"]["NameIDFormat"] = self.settings()["sp"]["NameIDFormat"]
        self.known["security"] = self.settings()["security"]

    def auth(self, visit):
        about = {
            "https": "on",
            "http_host": visit.host,
            "script_name": visit.path,
            "get_data": visit.query,
            "post_data": visit.form,
            "query_string": visit.query_string,
        }
        return OneLogin_Saml2_Auth(about, self.known)

    def page_start(self, visit):
        wanted = visit.query.get("wanted", "/here?a=1&b=\"<é>'")
        auth = self.auth(visit)
        passive, force = visit.query.get("is_passive") == "true", visit.query.get("force_authn") == "true"
        if self.about.get("binding") == "post":
            made = OneLogin_Saml2_Authn_Request(auth.get_settings(), force, passive, True)
            text = Utils.add_sign(
                made.get_xml(), auth.get_settings().get_sp_key(), auth.get_settings().get_sp_cert(),
                sign_algorithm=Constants.RSA_SHA256, digest_algorithm=Constants.SHA256,
            )
            text = text if isinstance(text, bytes) else text.encode()
            self.waiting.add(made.get_id())
            visit.post(auth.get_sso_url(), {"SAMLRequest": base64.b64encode(text).decode(), "RelayState": wanted})
            return
        to = auth.login(return_to=wanted, force_authn=force, is_passive=passive)
        self.waiting.add(auth.get_last_request_id())
        visit.redirect(to)

    def page_acs(self, visit):
        auth = self.auth(visit)
        # Which request it answers, to look it up; the library compares it again.
        unread = auth.get_settings()
        ident = OneLogin_Saml2_Auth.response_class(unread, visit.form["SAMLResponse"]).get_in_response_to()
        auth.process_response(request_id=ident)
        errors = auth.get_errors()
        if errors:
            reason = auth.get_last_error_reason() or ""
            if "status code of the Response was not Success" in reason:
                visit.json({"status": reason, "relay_state": visit.form.get("RelayState")})
                return
            raise Refused(f"{errors}: {reason}")
        if ident is not None:
            self.waiting.remove(ident)
        if not auth.is_authenticated():
            raise Refused("not authenticated")
        name, fields = visit.begin_session()
        told = {
            "signed_in": True,
            "issuer": self.known["idp"]["entityId"],
            "name_id": auth.get_nameid(),
            "format": auth.get_nameid_format(),
            "name_qualifier": auth.get_nameid_nq(),
            "sp_name_qualifier": auth.get_nameid_spnq(),
            "session_index": auth.get_session_index(),
            "context": auth.get_last_authn_contexts()[0],
            "session_ends": auth.get_session_expiration(),
            "attributes": auth.get_attributes(),
        }
        self.signed_in[name] = told
        visit.json({**told, "relay_state": visit.form.get("RelayState"), "solicited": ident is not None}, **fields)

    def page_session(self, visit):
        visit.json(self.signed_in.get(visit.cookie) or {"signed_in": False})

    def page_logout(self, visit):
        told = self.signed_in.pop(visit.cookie)
        auth = self.auth(visit)
        to = auth.logout(
            return_to="/left?by=itself",
            name_id=told["name_id"],
            session_index=told["session_index"],
            nq=told["name_qualifier"],
            name_id_format=told["format"],
            spnq=told["sp_name_qualifier"],
        )
        self.waiting.add(auth.get_last_request_id())
        visit.redirect(to)

    def page_slo(self, visit):
        auth = self.auth(visit)
        was_request = "SAMLRequest" in visit.query
        ended = []

        def end():
            ended.append(self.signed_in.pop(visit.cookie, None))

        to = auth.process_slo(delete_session_cb=end)
        errors = auth.get_errors()
        if errors:
            raise Refused(f"{errors}: {auth.get_last_error_reason()}")
        if was_request:
            visit.redirect(to)
        else:
            visit.json({"left": True, "relay_state": visit.query.get("RelayState")})


serve(Site)
