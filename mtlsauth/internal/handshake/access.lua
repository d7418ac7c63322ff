-- mtls-auth: hands the client's chain to the plugin and drops look-alikes of
-- its request headers. Goes into the "access" list of the same global
-- pre-function plugin, which runs before every authentication plugin.

-- The chain, leaf first, on every request: nil too, so that nothing that was
-- put there before stays. Whole certificates, of the first 64 KiB: the plugin
-- reads no more. Without TLS there is none, and asking for it would be an error
-- in the log of every plain request.
local chain, err
if kong.request.get_scheme() == "https" then
  chain, err = kong.client.tls.get_full_client_certificate_chain()
end
if err then
  kong.log.err("mtls-auth: get_full_client_certificate_chain: ", err)
end
if type(chain) ~= "string" then
  chain = nil
elseif #chain > 65536 then
  chain = chain:sub(1, 65536):match("^.*%-%-%-%-%-END CERTIFICATE%-%-%-%-%-\n")
end
kong.ctx.shared.mtls_auth_client_chain = chain

-- Many upstreams take "_" in a header's name for "-". The plugin sets or
-- clears the names below; their other spellings are dropped here.
local ours = {
  ["x-consumer-id"] = true,
  ["x-consumer-custom-id"] = true,
  ["x-consumer-username"] = true,
  ["x-credential-identifier"] = true,
  ["x-anonymous-consumer"] = true,
  ["x-client-cert-dn"] = true,
  ["x-client-cert-san"] = true,
}
local headers, truncated = kong.request.get_headers(1000)
for name in pairs(headers) do
  if name:find("_", 1, true) and ours[(name:lower():gsub("_", "-"))] then
    kong.service.request.clear_header(name)
  end
end

-- Behind a thousand headers more may hide: then every spelling goes.
local function clear(done, rest)
  local word, others = rest:match("^([^-]+)%-(.+)$")
  if word then
    clear(done .. word .. "-", others)
    clear(done .. word .. "_", others)
  else
    kong.service.request.clear_header(done .. rest)
  end
end
if truncated then
  for name in pairs(ours) do
    clear("", name)
  end
end
