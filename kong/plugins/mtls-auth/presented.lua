-- What clients present in the TLS handshake: the evidence of mtls-auth.
local base, plugin = (...):match("^(.-([^.]+)%.)presented$")
local digest_of = require(base .. "digest")
local lrucache = require "resty.lrucache"

local _M = { plugin = plugin, entity = "mtls_auth_credentials", log = require(base .. "log") }

local MAX_CHAIN = 65536 -- bytes: the server reads no more
local MAX_LEAVES, MAX_KEPT_CHAIN = 2048, 8192 -- of the chains that are kept, 16 MiB in all

-- By SHA-256 of a leaf, the chain that came with it and passed: for connections of
-- resumed TLS sessions, which have none, when another server takes over.
local chains = lrucache.new(MAX_LEAVES)

-- What stands for the evidence: the connection, whose certificate stays the same. nginx
-- never gives a number twice.
function _M.key() return ngx.var.connection end

-- Returns the chain that came above a leaf, if anything.
local function chain_of(leaf)
  if ngx.var.ssl_session_reused == "r" then return (chains:get(digest_of(leaf))) end
  local chain, err = kong.client.tls.get_full_client_certificate_chain()
  if err then error("get_full_client_certificate_chain: " .. err, 0) end
  if chain and #chain > MAX_CHAIN then -- whole certificates
    chain = chain:sub(1, MAX_CHAIN):match("^.*%-%-%-%-%-END CERTIFICATE%-%-%-%-%-\n")
  end
  return chain
end

-- Returns the evidence for the server, as one text, and whether there is a certificate.
function _M.read()
  local leaf = ngx.var.ssl_client_raw_cert or ""
  local chain = leaf ~= "" and chain_of(leaf) or nil
  return { leaf = leaf, chain = chain, resumed = ngx.var.ssl_session_reused or "" },
    #leaf .. ":" .. leaf .. (chain or ""), leaf ~= ""
end

-- Keeps the chain of a certificate that has passed.
function _M.passed(evidence, d)
  local chain = d.chain or evidence.chain
  if chain and #chain <= MAX_KEPT_CHAIN then chains:set(digest_of(evidence.leaf), chain) end
end

return _M
