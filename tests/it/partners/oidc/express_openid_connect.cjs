// Clients on the package express-openid-connect, used as its manual says. Each has `client_id`, `origin`, `secret`,
// `algorithm` and `mode` (the response mode).
//
// /login, /callback, /logout and /NAME/backchannel-logout at localhost are the package's; / shows what the client was told.
'use strict';
const express = require('express');
const { auth } = require('express-openid-connect');
const { fetchAndKeep, serve } = require('./served.cjs');

/** What was logged out over the back channel. */
class Ended {
  constructor() {
    this.kept = new Map();
  }
  get(key, done) {
    done(null, this.kept.get(key));
  }
  set(key, value, done) {
    this.kept.set(key, value);
    done(null);
  }
  destroy(key, done) {
    this.kept.delete(key);
    done(null);
  }
}

function application(issuer, { client_id, origin, secret, algorithm, mode }) {
  const app = express();
  app.use(auth({
    issuerBaseURL: issuer,
    baseURL: origin,
    clientID: client_id,
    clientSecret: secret,
    secret: 'a secret for its own cookies alone, of no consequence',
    idTokenSigningAlg: algorithm,
    authRequired: false,
    idpLogout: true,
    backchannelLogout: { store: new Ended() },
    authorizationParams: { response_type: 'code', response_mode: mode, scope: 'openid' },
    session: { cookie: { sameSite: mode === 'form_post' ? 'None' : 'Lax' } },
    enableTelemetry: false,
    customFetch: fetchAndKeep,
  }));
  app.get('/', async (request, response) => {
    if (!request.oidc.isAuthenticated()) return response.json({ signed_in: false });
    const { idToken, idTokenClaims, user, accessToken } = request.oidc;
    const header = JSON.parse(Buffer.from(idToken.split('.')[0], 'base64url').toString());
    const { token_type, expires_in } = accessToken;
    return response.json({
      signed_in: true, claims: idTokenClaims, user, header, token: { token_type, expires_in }, userinfo: await request.oidc.fetchUserInfo(),
    });
  });
  app.use((error, request, response, next) => {
    if (response.headersSent) return next(error);
    return response.status(error.status ?? 500).json({ error: error.error ?? error.name, message: error.message, description: error.error_description });
  });
  return app;
}

serve((issuer, clients) => {
  const apps = new Map(Object.entries(clients).map(([name, each]) => [name, application(issuer, each)]));
  return (name, request, response) => apps.get(name)(request, response);
});
