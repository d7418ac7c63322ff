-- The request headers that tell an upstream who the client is. They are the
-- plugin's: what a client sends under their names never gets through.
local clear_header = ngx.req.clear_header

local _M = {
  names = {
    "X-Consumer-ID", "X-Consumer-Custom-ID", "X-Consumer-Username", "X-Credential-Identifier", "X-Anonymous-Consumer",
    "X-Client-Cert-Dn", "X-Client-Cert-San",
  },
}

-- Many upstreams take "_" in a header's name for "-": every mixture is a spelling,
-- the one with "-" alone is the first. nginx's variable has the value of any.
local headers = {}
for i, name in ipairs(_M.names) do
  local spellings = { "" }
  for word, mark in name:gmatch("(%a+)(%-?)") do
    local longer = {}
    for _, mixed in ipairs(mark == "" and { "" } or { "-", "_" }) do
      for _, spelling in ipairs(spellings) do longer[#longer + 1] = spelling .. word .. mixed end
    end
    spellings = longer
  end
  headers[i] = { spellings = spellings, var = "http_" .. name:lower():gsub("-", "_"), consumer = i <= 5 }
end

-- Drops them. An earlier plugin may have set those about the consumer: they stay if
-- it is to be its consumer; if not they go, whatever a variable remembers.
function _M.clear(var, authenticated, stays)
  for i = 1, #headers do
    local header = headers[i]
    if authenticated or var[header.var] then
      local spellings = header.spellings
      for j = stays and header.consumer and 2 or 1, #spellings do clear_header(spellings[j]) end
    end
  end
end

return _M
