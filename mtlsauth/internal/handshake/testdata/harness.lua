-- Runs a piece of handshake code with a made-up kong in an environment that
-- holds no more than Kong's sandbox has. Usage: luajit harness.lua FILE CASE
local calls = {}
local function note(...) calls[#calls + 1] = table.concat({ ... }, " ") end

local case = arg[2]
local chain, chain_err = "PEM", nil
if case == "none" then chain = nil end
local one = "-----BEGIN CERTIFICATE-----\n" .. ("x"):rep(1000) .. "\n-----END CERTIFICATE-----\n"
if case == "long" then chain = one:rep(70) end
if case == "endless" then chain = ("x"):rep(65537) end
if case == "most" then chain = ("x"):rep(65536) end
if case == "fails" then chain, chain_err = nil, "broken" end

local shared = { mtls_auth_client_chain = "stale" }
local kong = {
  client = { tls = {
    request_client_certificate = function()
      note("request")
      if case == "fails" then return nil, "broken" end
      return true
    end,
    disable_session_reuse = function()
      note("no-reuse")
      if case == "fails" then return nil, "broken" end
      return true
    end,
    get_full_client_certificate_chain = function()
      if case == "plain" then return nil, "connection is not TLS or TLS support for Nginx not enabled" end
      return chain, chain_err
    end,
  } },
  ctx = { shared = shared },
  log = {
    err = function(...) note("err", ...) end,
    notice = function(...) note("notice", ...) end,
  },
  request = { get_scheme = function() return case == "plain" and "http" or "https" end, get_headers = function(n)
    note("headers " .. n)
    return {
      ["x_consumer_id"] = "1", ["x-consumer-id"] = "2", ["x_client-cert_dn"] = { "3", "4" },
      ["x_other"] = "5", ["host"] = "h", ["X_Anonymous_Consumer"] = "6",
    }, case == "many" and "truncated" or nil
  end },
  service = { request = { clear_header = function(name) note("clear " .. name) end } },
}

local env = { kong = kong, type = type, pairs = pairs, string = string }
local f = assert(loadfile(arg[1]))
setfenv(f, env)
f()
for k in pairs(env) do
  if k ~= "kong" and k ~= "type" and k ~= "pairs" and k ~= "string" then note("global " .. k) end
end
table.sort(calls)
for _, c in ipairs(calls) do print(c) end
local got = shared.mtls_auth_client_chain
print("chain " .. (got and (#got > 10 and #got or got) or "nil"))
