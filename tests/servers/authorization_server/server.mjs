// The certified oidc-provider over HTTPS on 127.0.0.1, with the clients that the tests need.
//
// Standard input: one JSON line of settings, then JSON lines {"fault": ..., "times": ...} or {"forget_client": ...};
// its end ends the server. Standard output: one JSON line when ready, and one in response to each line of input.
// Everything else goes to standard error.

import { generateKeyPair } from 'node:crypto';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:https';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

console.log = console.info = console.error;
console.warn = console.error;
const { Provider, errors } = await import('oidc-provider');
const { jwtVerify } = await import('jose');

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const settings = JSON.parse((await lines.next()).value);
const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

const { publicKey, privateKey } = await promisify(generateKeyPair)('rsa', { modulusLength: 2048 });
writeFileSync(settings.private_key_file, privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });

const MAIL_SCOPE = 'urn:ietf:params:oauth:scope:mail'; // of draft-ietf-mailmaint-oauth-public
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code';
const JWT_BEARER = 'urn:ietf:params:oauth:grant-type:jwt-bearer';

/** An installed application: RFC 8252's loopback redirect, where any port matches. */
const native = (client_id, more) => ({
  client_id,
  client_name: `Test client ${client_id}`,
  application_type: 'native',
  redirect_uris: ['', '/', '/callback'].flatMap((path) => [`http://127.0.0.1${path}`, `http://localhost${path}`]),
  grant_types: ['authorization_code', 'refresh_token', DEVICE],
  response_types: ['code'],
  ...more,
});

/** A client that acts for itself. */
const service = (client_id, more) => ({
  client_id,
  redirect_uris: [],
  grant_types: ['client_credentials'],
  response_types: [],
  ...more,
});

const clients = [
  native('native-public', { token_endpoint_auth_method: 'none' }),
  native('native-short', { token_endpoint_auth_method: 'none', access_token_lifetime: 3 }),
  native('native-confidential', { token_endpoint_auth_method: 'client_secret_post' }),
  native('native-basic', { token_endpoint_auth_method: 'client_secret_basic' }),
  service('native-password', { token_endpoint_auth_method: 'none', grant_types: ['password', 'refresh_token'] }),
  service('service-account', { token_endpoint_auth_method: 'none', grant_types: [JWT_BEARER] }),
  service('service-secret', { token_endpoint_auth_method: 'client_secret_post' }),
  service('service-jwt', {
    token_endpoint_auth_method: 'private_key_jwt',
    jwks: { keys: [{ ...publicKey.export({ format: 'jwk' }), use: 'sig', kid: 'service-jwt' }] },
  }),
  service('dovecot', { token_endpoint_auth_method: 'client_secret_basic', grant_types: [] }),
].map((client) => ({ ...client, client_secret: settings.secrets[client.client_id] }));

const accessTokenLifetime = (_ctx, _token, client) => client.access_token_lifetime ?? 3600;

const configuration = {
  clients,
  claims: { openid: ['sub'], email: ['email', 'email_verified'] },
  conformIdTokenClaims: false, // the ID token itself holds the claim `email`
  cookies: { keys: ['only for tests'] },
  expiresWithSession: async () => false,
  extraClientMetadata: { properties: ['access_token_lifetime'] },
  // What Dovecot reads as the user's name in the response of the introspection endpoint.
  extraTokenClaims: async (_ctx, token) => ({ username: token.accountId ?? settings.service_username }),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: true },
    deviceFlow: { enabled: true },
    introspection: { enabled: true },
    registration: { enabled: true },
    registrationManagement: { enabled: true },
    resourceIndicators: { enabled: false },
    revocation: { enabled: true },
  },
  findAccount: async (_ctx, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, email: id, email_verified: true }),
  }),
  issueRefreshToken: async (_ctx, client, source) =>
    client.grantTypeAllowed('refresh_token') && source.scopes.has('offline_access'),
  pkce: { required: () => true },
  rotateRefreshToken: true,
  scopes: ['openid', 'offline_access', 'mail', 'imap', 'smtp', MAIL_SCOPE],
  ttl: {
    AccessToken: accessTokenLifetime,
    ClientCredentials: accessTokenLifetime,
    DeviceCode: 600,
    Grant: 86400,
    IdToken: 3600,
    Interaction: 600,
    RefreshToken: 86400,
    Session: 86400,
  },
};

/** OpenID Connect drops offline_access where prompt=consent is missing; Microsoft and others do not. */
async function offlineAccessWithoutPrompt(ctx, next) {
  const { scope, prompt } = ctx.query;
  if (ctx.path === '/auth' && `${scope}`.split(' ').includes('offline_access') && prompt === undefined) {
    ctx.query = { ...ctx.query, prompt: 'consent' };
  }
  await next();
}

/** Dovecot wants one scope, `mail`: say that a token with the other has it too. */
async function mailByAnotherName(ctx, next) {
  await next();
  const names = `${ctx.body?.scope ?? ''}`.split(' ');
  if (ctx.path === '/token/introspection' && names.includes(MAIL_SCOPE) && !names.includes('mail')) {
    ctx.body.scope += ' mail';
  }
}

/** The grants that oidc-provider leaves to whoever wants them (RFC 6749 section 4.3, RFC 7523 section 2.1). */
function moreGrants(provider) {
  const tokens = async (ctx, accountId, gty, withRefreshToken) => {
    const { client, params } = ctx.oidc;
    const scope = params.scope ?? 'mail';
    const grant = new provider.Grant({ accountId, clientId: client.clientId });
    grant.addOIDCScope(scope);
    const common = { accountId, client, grantId: await grant.save(), gty, scope, expiresWithSession: false };
    const token = new provider.AccessToken(common);
    ctx.body = {
      access_token: await token.save(), expires_in: token.expiration, token_type: token.tokenType, scope,
      ...(withRefreshToken && { refresh_token: await new provider.RefreshToken(common).save() }),
    };
  };
  provider.registerGrantType('password', async (ctx) => {
    const { username, password } = ctx.oidc.params;
    if (password !== settings.password) {
      throw new errors.CustomOIDCProviderError('invalid_grant', `the password ${password} is wrong`);
    }
    await tokens(ctx, username, 'password', true);
  }, ['username', 'password', 'scope']);
  provider.registerGrantType(JWT_BEARER, async (ctx) => {
    const expected = { issuer: settings.service_account, audience: `${provider.issuer}/token`, algorithms: ['RS256'] };
    const { payload } = await jwtVerify(ctx.oidc.params.assertion, publicKey, expected).catch((error) => {
      throw new errors.InvalidGrant(error.message);
    });
    ctx.oidc.params.scope = payload.scope;
    await tokens(ctx, payload.sub, JWT_BEARER, false);
  }, ['assertion', 'scope']);
}

/** An assertion itself says who asks (RFC 7523 section 2.1); oidc-provider wants a client_id beside it. */
async function clientOfAnAssertion(ctx, next) {
  if (ctx.path === '/token' && ctx.method === 'POST' && ctx.get('User-Agent') === 'oauth2-pop3') {
    ctx.req.body = Buffer.concat(await ctx.req.toArray()).toString();
    if (new URLSearchParams(ctx.req.body).get('grant_type') === JWT_BEARER) {
      ctx.req.body += '&client_id=service-account';
    }
  }
  await next();
}

let fault = { name: null, times: null };

/** What is wrong with this request, by the last order; "" when nothing is. */
function takeFault() {
  if (fault.name === null || fault.times === 0) return '';
  if (fault.times !== null) fault.times -= 1;
  return fault.name;
}

async function form(request) {
  const chunks = await request.toArray();
  return new URLSearchParams(Buffer.concat(chunks).toString());
}

/** Commit the fault in hand, and write a line about each request to the token endpoint; never a token. */
async function tokenRequests(ctx, next) {
  if (ctx.path !== '/token' || ctx.method !== 'POST') return next();
  const name = takeFault();
  const [kind, seconds] = name.split(':');
  let parameters;
  if (['', 'slow', 'lost', 'late'].includes(kind)) {
    if (kind === 'slow') await sleep(seconds * 1000);
    await next();
    const { grant_type } = ctx.oidc.params ?? {};
    parameters = { grant_type, client_id: ctx.oidc.client?.clientId };
  } else {
    const sent = await form(ctx.req);
    parameters = { grant_type: sent.get('grant_type'), client_id: sent.get('client_id') };
    if (kind !== 'drop') {
      ctx.status = Number(kind);
      ctx.body = `${kind}, as the test ordered`;
      if (kind === '429') ctx.set('Retry-After', seconds ?? '7');
    }
  }
  const dropped = kind === 'drop' || kind === 'lost';
  const line = { ...parameters, status: dropped ? 0 : ctx.status, error: ctx.body?.error, fault: name || undefined };
  appendFileSync(settings.token_request_log, `${JSON.stringify(line)}\n`);
  while (kind === 'late' && fault.name === name) await sleep(10);
  if (dropped) {
    ctx.respond = false;
    ctx.req.socket.destroy();
  }
}

const server = createServer({ cert: readFileSync(settings.certificate), key: readFileSync(settings.key) });
server.listen(settings.port, '127.0.0.1', async () => {
  const issuer = `https://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, configuration);
  provider.use(offlineAccessWithoutPrompt);
  moreGrants(provider);
  provider.use(tokenRequests);
  provider.use(clientOfAnAssertion);
  provider.use(mailByAnotherName);
  server.on('request', provider.callback());
  say({ issuer });
  for await (const line of { [Symbol.asyncIterator]: () => lines }) {
    const order = JSON.parse(line);
    if ('forget_client' in order) await provider.Client.adapter.destroy(order.forget_client);
    else fault = { name: order.fault, times: order.times };
    say(order);
  }
  process.exit(0);
});
