// Clients on the package openid-client, which verify the signatures of their ID tokens. Each has `client_id`, `origin`,
// `algorithm` (of ID tokens), `authentication`, `secret`, and maybe `par`, `dpop`, `scope`, `parameters` (of requests),
// `assertion` (its own algorithm) and `issuer_path`.
//
// /start signs in (`?prompt=…` and the like go on), /callback shows what the client was told; /session, /userinfo, /refresh,
// /introspect, /revoke, /logout; /initiate is for sign-in that the provider begins; /age begins anew with the kept keys, two
// minutes older; /NAME/jwks, /NAME/backchannel at localhost and /frontchannel are for the provider.
'use strict';
const crypto = require('node:crypto');
const jose = require('jose');
const oidc = require('openid-client');
const { body, fetchAndKeep, serve } = require('./served.cjs');

class Client {
  constructor(issuer, settings) {
    Object.assign(this, settings, { issuer: issuer + (settings.issuer_path ?? ''), sessions: new Map(), ended: [] });
    this.jtis = new Set();
  }

  /** What the provider says of itself, asked once. */
  async provider() {
    this.found ??= this.discover();
    return this.found;
  }

  async discover() {
    const metadata = { id_token_signed_response_alg: this.algorithm };
    const configuration = await oidc.discovery(
      new URL(this.issuer), this.client_id, metadata, await this.authenticated(), { [oidc.customFetch]: fetchAndKeep },
    );
    oidc.enableNonRepudiationChecks(configuration);
    if (this.dpop) this.proof = oidc.getDPoPHandle(configuration, await oidc.randomDPoPKeyPair(this.dpop));
    return configuration;
  }

  async authenticated() {
    switch (this.authentication) {
      case 'client_secret_basic': return oidc.ClientSecretBasic(this.secret);
      case 'client_secret_post': return oidc.ClientSecretPost(this.secret);
      case 'private_key_jwt': return oidc.PrivateKeyJwt({ key: (await this.pair()).privateKey, kid: 'first' });
      default: return oidc.None();
    }
  }

  pair() {
    this.keys ??= jose.generateKeyPair(this.assertion ?? 'ES256');
    return this.keys;
  }

  get options() {
    return this.proof ? { DPoP: this.proof } : {};
  }

  /** The visitor's session, by a cookie that also comes along with a form from the provider's page. */
  session(request, response) {
    const [, id] = /(?:^|; )rp=([\w-]+)/.exec(request.headers.cookie ?? '') ?? [];
    if (this.sessions.has(id)) return this.sessions.get(id);
    const [fresh, session] = [crypto.randomUUID(), { asked: new Map() }];
    this.sessions.set(fresh, session);
    response.setHeader('Set-Cookie', `rp=${fresh}; Path=/; Secure; HttpOnly; SameSite=None`);
    return session;
  }

  async start(session, wishes, target) {
    const provider = await this.provider();
    const [verifier, state, nonce] = [oidc.randomPKCECodeVerifier(), oidc.randomState(), oidc.randomNonce()];
    session.asked.set(state, { verifier, nonce, target });
    const parameters = {
      redirect_uri: `${this.origin}/callback`,
      scope: this.scope ?? 'openid',
      code_challenge: await oidc.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
      state,
      nonce,
      ...this.parameters,
      ...wishes,
    };
    return this.par
      ? oidc.buildAuthorizationUrlWithPAR(provider, parameters, this.options)
      : oidc.buildAuthorizationUrl(provider, parameters);
  }

  async callback(session, url, form) {
    const provider = await this.provider();
    const state = (form ? new URLSearchParams(form) : url.searchParams).get('state');
    const asked = session.asked.get(state);
    session.asked.delete(state);
    const answer = form === undefined ? url : new Request(url, {
      method: 'POST', body: form, headers: { 'content-type': 'application/x-www-form-urlencoded' },
    });
    const checks = { pkceCodeVerifier: asked?.verifier, expectedNonce: asked?.nonce, expectedState: state, idTokenExpected: true };
    session.tokens = await oidc.authorizationCodeGrant(provider, answer, checks, undefined, this.options);
    session.by = form === undefined ? 'query' : 'form_post';
    session.target = asked.target;
    return this.told(session);
  }

  /** What a signed-in visitor's client was told. */
  async told(session) {
    const { tokens } = session;
    return {
      signed_in: true,
      claims: tokens.claims(),
      header: jose.decodeProtectedHeader(tokens.id_token),
      token: { names: Object.keys(tokens).sort(), token_type: tokens.token_type, expires_in: tokens.expires_in, scope: tokens.scope },
      userinfo: await this.userinfo(tokens),
      by: session.by,
      target: session.target,
    };
  }

  async userinfo(tokens) {
    return oidc.fetchUserInfo(await this.provider(), tokens.access_token, tokens.claims().sub, this.options);
  }

  async refresh(session) {
    const [provider, old] = [await this.provider(), session.tokens];
    session.tokens = await oidc.refreshTokenGrant(provider, old.refresh_token, undefined, this.options);
    session.old = old;
    return { ...(await this.told(session)), rotated: old.refresh_token !== session.tokens.refresh_token };
  }

  /** The refresh token of before the last refresh, once more. */
  async reuse(session) {
    return oidc.refreshTokenGrant(await this.provider(), session.old.refresh_token, undefined, this.options);
  }

  async introspect(session) {
    return oidc.tokenIntrospection(await this.provider(), session.tokens.access_token);
  }

  async revoke(session) {
    await oidc.tokenRevocation(await this.provider(), session.tokens.access_token);
    return { revoked: true };
  }

  async leave(session) {
    const parameters = { post_logout_redirect_uri: `${this.origin}/left`, id_token_hint: session.tokens.id_token, state: 'farewell' };
    delete session.tokens;
    return oidc.buildEndSessionUrl(await this.provider(), parameters);
  }

  /** Ends the sessions that a logout token names, once it is found to be good. */
  async backchannel(form) {
    const provider = (await this.provider()).serverMetadata();
    const fields = [...new URLSearchParams(form)];
    const keys = jose.createRemoteJWKSet(new URL(provider.jwks_uri), { [jose.customFetch]: fetchAndKeep });
    const { payload, protectedHeader } = await jose.jwtVerify(new URLSearchParams(form).get('logout_token'), keys, {
      issuer: provider.issuer, audience: this.client_id, typ: 'logout+jwt', algorithms: [this.algorithm], maxTokenAge: '1m',
      requiredClaims: ['iat', 'exp', 'jti', 'sid', 'events'],
    });
    const event = payload.events?.['http://schemas.openid.net/event/backchannel-logout'];
    if (typeof event !== 'object' || 'nonce' in payload || this.jtis.has(payload.jti)) throw new Error('no logout token');
    this.jtis.add(payload.jti);
    const count = this.end(payload.sid);
    this.ended.push({ by: 'backchannel', claims: payload, header: protectedHeader, fields: fields.map(([name]) => name), count });
  }

  frontchannel({ searchParams }) {
    const [iss, sid] = [searchParams.get('iss'), searchParams.get('sid')];
    const count = iss === this.issuer ? this.end(sid) : 0;
    this.ended.push({ by: 'frontchannel', iss, names: [...searchParams.keys()], count });
  }

  end(sid) {
    const theirs = [...this.sessions.values()].filter(({ tokens }) => tokens?.claims().sid === sid);
    theirs.forEach((session) => delete session.tokens);
    return theirs.length;
  }

  /** Begins anew with the keys that were kept, two minutes older, as nobody wants to wait that long. */
  async age() {
    const kept = oidc.getJwksCache(await this.provider());
    this.found = this.discover();
    if (kept) oidc.setJwksCache(await this.found, { ...kept, uat: kept.uat - 120 });
    return { aged: Boolean(kept) };
  }

  async answer(request, response, url) {
    const session = this.session(request, response);
    const wishes = Object.fromEntries(url.searchParams);
    switch (url.pathname) {
      case '/start': return this.start(session, wishes);
      case '/initiate':
        if (wishes.iss !== this.issuer) throw new Error('another issuer');
        return this.start(session, {}, wishes.target_link_uri);
      case '/callback': return this.callback(session, url, request.method === 'POST' ? await body(request) : undefined);
      case '/session': return session.tokens ? this.told(session) : { signed_in: false };
      case '/userinfo': return this.userinfo(session.tokens);
      case '/refresh': return this.refresh(session);
      case '/reuse': return this.reuse(session);
      case '/introspect': return this.introspect(session);
      case '/revoke': return this.revoke(session);
      case '/logout': return this.leave(session);
      case '/left': return { left: true, state: wishes.state };
      case '/ended': return this.ended;
      case '/age': return this.age();
      case '/jwks': return { keys: [{ ...(await jose.exportJWK((await this.pair()).publicKey)), kid: 'first', use: 'sig' }] };
      case '/backchannel': return this.backchannel(await body(request));
      case '/frontchannel': return this.frontchannel(url);
      default: throw Object.assign(new Error('no such page'), { status: 404 });
    }
  }
}

/** Errors as the client saw them. */
function refusal(error) {
  const { code, error: name, error_description: description, status, message, cause } = error;
  const why = cause instanceof Error ? cause.message : cause;
  return { error: name ?? code ?? error.name, description, message, status, cause: why };
}

serve((issuer, settings) => {
  const clients = new Map(Object.entries(settings).map(([name, each]) => [name, new Client(issuer, each)]));
  return async (name, request, response) => {
    response.setHeader('Cache-Control', 'no-store');
    try {
      const client = clients.get(name);
      const answer = await client.answer(request, response, new URL(request.url, client.origin));
      if (answer instanceof URL) response.writeHead(303, { location: answer.href }).end();
      else response.setHeader('Content-Type', 'application/json').end(JSON.stringify(answer ?? {}));
    } catch (error) {
      response.writeHead(error.status === 404 ? 404 : 400, { 'content-type': 'application/json' }).end(JSON.stringify(refusal(error)));
    }
  };
});
