// What the clients in JavaScript share: an HTTPS server on a free port of this machine, which serves several clients by the
// first label of the host's name (or, at `localhost`, by the first part of the path), and keeps what it heard.
//
// Arguments: the certificate, its key, and a file for what was heard. Prints the port; then takes one line of JSON on
// standard input, `{"issuer": …, "clients": {NAME: {…}}}`, and answers `ready`. It ends when its standard input does.
'use strict';
const dns = require('node:dns');
const fs = require('node:fs');
const https = require('node:https');
const readline = require('node:readline');

const [certificate, key, heard] = process.argv.slice(2);

// Names below `.localhost` are this machine, as RFC 6761 says; not every resolver knows.
const lookup = dns.lookup;
dns.lookup = (name, options, done) => {
  const [how, then] = typeof options === 'function' ? [{}, options] : [options, done];
  if (!name.endsWith('.localhost')) return lookup(name, how, then);
  if (how && how.all) return process.nextTick(then, null, [{ address: '127.0.0.1', family: 4 }]);
  return process.nextTick(then, null, '127.0.0.1', 4);
};

const keep = (text) => fs.appendFileSync(heard, `${text}\n`);

/** As `fetch`, and keeps what came back. */
async function fetchAndKeep(url, options) {
  const response = await fetch(url, options);
  const body = await response.clone().text();
  keep(`${options?.method ?? 'GET'} ${url} -> ${response.status}\n${body}`);
  return response;
}

async function body(request) {
  let text = '';
  for await (const piece of request.setEncoding('utf8')) text += piece;
  return text;
}

/** Which client a request is for. */
function whose(request) {
  const [label] = request.headers.host.split('.');
  if (!request.headers.host.startsWith('localhost')) return label;
  const [, name, ...rest] = request.url.split('/');
  request.url = `/${rest.join('/')}`;
  return name;
}

/** Serves with `make(issuer, clients)`, which gives, perhaps later, a function of a client's name, request and response. */
function serve(make) {
  let handle;
  const options = { cert: fs.readFileSync(certificate), key: fs.readFileSync(key) };
  const server = https.createServer(options, (request, response) => {
    handle(whose(request), request, response);
  });
  server.on('secureConnection', (socket) => socket.on('data', (piece) => fs.appendFileSync(heard, piece)));
  server.listen(0, '127.0.0.1', () => console.log(server.address().port));
  const lines = readline.createInterface({ input: process.stdin });
  lines.once('line', async (line) => {
    const { issuer, clients } = JSON.parse(line);
    handle = await make(issuer, clients);
    console.log('ready');
  });
  lines.once('close', () => process.exit(0));
}

module.exports = { body, fetchAndKeep, serve };
