--- Certificates for the specs, made in memory when they run: nothing expires
-- in the repository, and no private key lies in it. Every certificate has its
-- own key. Made with lua-resty-openssl, which every Kong has.

local bn        = require "resty.openssl.bn"
local digest    = require "resty.openssl.digest"
local extension = require "resty.openssl.x509.extension"
local pkey      = require "resty.openssl.pkey"
local x509      = require "resty.openssl.x509"
local x509_name = require "resty.openssl.x509.name"
local ngx_ssl   = require "ngx.ssl"


local HOUR = 3600


local fixtures = {}


local CA_EXTENSIONS = {
  { "basicConstraints", "critical,CA:TRUE" },
  { "keyUsage", "critical,keyCertSign,cRLSign" },
}


local CLIENT_EXTENSIONS = {
  { "basicConstraints", "critical,CA:FALSE" },
  { "keyUsage", "critical,digitalSignature" },
  { "extendedKeyUsage", "clientAuth" },
}


-- The last serial number given out, unlike any other of the same CA.
local serial = 0


-- A name of one attribute, CN.
local function common_name(text)
  return assert(assert(x509_name.new()):add("CN", text))
end


-- Signs a certificate for a new key. Without an issuer it is self-signed.
local function make(cn, issuer, extensions, options)
  local key = assert(pkey.new({ type = "EC", curve = "prime256v1" }))
  local subject = common_name(cn)
  local now = ngx.time()
  serial = serial + 1

  local cert = assert(x509.new())
  assert(cert:set_version(3))
  assert(cert:set_serial_number(assert(bn.new(serial))))
  assert(cert:set_subject_name(subject))
  assert(cert:set_issuer_name(issuer and issuer.subject or subject))
  assert(cert:set_not_before(options.not_before or now - HOUR))
  assert(cert:set_not_after(options.not_after or now + HOUR))
  assert(cert:set_pubkey(key))
  for _, nid_and_value in ipairs(extensions) do
    assert(cert:add_extension(assert(extension.new(nid_and_value[1], nid_and_value[2]))))
  end
  if options.san then
    assert(cert:add_extension(assert(extension.new("subjectAltName", options.san))))
  end
  assert(cert:sign(issuer and issuer.key or key, assert(digest.new("SHA256"))))

  return {
    subject = subject,
    key = key,
    pem = assert(cert:to_PEM()),
    key_pem = assert(key:to_PEM("private")),
  }
end


--- A CA: self-signed, or an intermediate where an issuer is given.
-- @param cn its common name
-- @param issuer (optional) the CA that signs it
function fixtures.ca(cn, issuer)
  return make(cn, issuer, CA_EXTENSIONS, {})
end


--- A client's certificate.
-- @param cn its common name
-- @param issuer the CA that signs it
-- @param options (optional) `san`: subject alternative names in OpenSSL's
-- words, such as "DNS:a,URI:b"; `not_before`, `not_after`: seconds since 1970,
-- an hour ago and in an hour unless given
function fixtures.client(cn, issuer, options)
  return make(cn, issuer, CLIENT_EXTENSIONS, options or {})
end


--- What lua-resty-http needs to show a certificate.
-- @param client from `fixtures.client`
-- @param ... (optional) the intermediates that the client sends along
-- @return a table with `ssl_client_cert` and `ssl_client_priv_key`
function fixtures.credentials(client, ...)
  local chain = { client.pem }
  for i, ca in ipairs({ ... }) do
    chain[i + 1] = ca.pem
  end
  return {
    ssl_client_cert = assert(ngx_ssl.parse_pem_cert(table.concat(chain))),
    ssl_client_priv_key = assert(ngx_ssl.parse_pem_priv_key(client.key_pem)),
  }
end


return fixtures
