// The peer: oidc-provider as its documentation has it in production, in its fastest reasonable form. It signs in whoever
// asks without a form, for the benchmark measures flows of browsers that have a session. Arguments: port, issuer,
// secret of both clients, their redirect URIs, and, for TLS, the files with certificate and key.
import { createHmac, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { Provider } from 'oidc-provider';

const [port, issuer, secret, rs256, es256, certificate, key] = process.argv.slice(2);

// The adapter that comes with the library forgets all but a thousand entries. This one forgets what has run out: entries
// of one kind live equally long, so the oldest stand first.
const kinds = new Map();
class Memory {
  constructor(name) {
    this.entries = kinds.get(name) ?? new Map();
    kinds.set(name, this.entries);
  }

  async upsert(id, payload, expiresIn) {
    this.entries.delete(id);
    this.entries.set(id, { payload, until: Date.now() + expiresIn * 1000 });
    // As the library's own adapter does: a session is found by its uid as well.
    if (payload.kind === 'Session') {
      this.entries.delete(`uid:${payload.uid}`);
      this.entries.set(`uid:${payload.uid}`, { payload: { of: id }, until: Date.now() + expiresIn * 1000 });
    }
  }

  async find(id) {
    const entry = this.entries.get(id);
    return entry && entry.until > Date.now() ? entry.payload : undefined;
  }

  async findByUid(uid) {
    const entry = await this.find(`uid:${uid}`);
    return entry && this.find(entry.of);
  }

  async findByUserCode() {
    return undefined;
  }

  async consume(id) {
    const entry = this.entries.get(id);
    if (entry) entry.payload.consumed = Math.floor(Date.now() / 1000);
  }

  async destroy(id) {
    this.entries.delete(id);
  }

  async revokeByGrantId(grantId) {
    for (const [id, { payload }] of this.entries) {
      if (payload.grantId === grantId) this.entries.delete(id);
    }
  }
}

setInterval(() => {
  const now = Date.now();
  for (const entries of kinds.values()) {
    for (const [id, { until }] of entries) {
      if (until > now) break;
      entries.delete(id);
    }
  }
}, 5_000).unref();

const jwk = (kind, options, alg) => ({
  ...generateKeyPairSync(kind, options).privateKey.export({ format: 'jwk' }),
  alg,
  use: 'sig',
  kid: alg,
});
const client = (alg, redirect) => ({
  client_id: alg.toLowerCase(),
  client_secret: secret,
  redirect_uris: [redirect],
  response_types: ['code'],
  grant_types: ['authorization_code'],
  subject_type: 'pairwise',
  token_endpoint_auth_method: 'client_secret_basic',
  id_token_signed_response_alg: alg,
});
const salt = randomBytes(32);
const entitlement = ['urn:mace:dir:entitlement:common-lib-terms'];
const affiliation = ['library-walk-in@bench.example.org'];

const provider = new Provider(issuer, {
  adapter: Memory,
  clients: [client('RS256', rs256), client('ES256', es256)],
  jwks: { keys: [jwk('rsa', { modulusLength: 2048 }, 'RS256'), jwk('ec', { namedCurve: 'P-256' }, 'ES256')] },
  cookies: { keys: [randomBytes(32).toString('base64url')] },
  scopes: ['openid'],
  claims: { openid: ['sub', 'eduperson_entitlement', 'eduperson_scoped_affiliation'] },
  // As Vestibule does it: the ID token carries the claims.
  conformIdTokenClaims: false,
  subjectTypes: ['pairwise'],
  pairwiseIdentifier: (_, account, { sectorIdentifier }) =>
    createHmac('sha256', salt).update(sectorIdentifier).update(account).digest('base64url'),
  pkce: { required: () => true },
  features: {
    devInteractions: { enabled: false },
    introspection: { enabled: true },
    pushedAuthorizationRequests: { enabled: true },
    revocation: { enabled: true },
  },
  findAccount: (_, id) => ({
    accountId: id,
    claims: () => ({ sub: id, eduperson_entitlement: entitlement, eduperson_scoped_affiliation: affiliation }),
  }),
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  ttl: { AccessToken: 300, AuthorizationCode: 60, Grant: 28_800, IdToken: 300, Interaction: 600, Session: 28_800 },
});

// Somebody signs in.
provider.use(async (ctx, next) => {
  if (!ctx.path.startsWith('/interaction/')) return next();
  const { params, session } = await provider.interactionDetails(ctx.req, ctx.res);
  const accountId = session?.accountId ?? randomUUID();
  const grant = new provider.Grant({ accountId, clientId: params.client_id });
  grant.addOIDCScope('openid');
  const grantId = await grant.save();
  await provider.interactionFinished(ctx.req, ctx.res, { login: { accountId }, consent: { grantId } });
  ctx.respond = false;
});

const options = { keepAliveTimeout: 600_000 };
const server = certificate
  ? https.createServer({ ...options, cert: readFileSync(certificate), key: readFileSync(key), minVersion: 'TLSv1.3' }, provider.callback())
  : http.createServer(options, provider.callback());
server.maxRequestsPerSocket = 0;
server.listen(Number(port), '127.0.0.1');
