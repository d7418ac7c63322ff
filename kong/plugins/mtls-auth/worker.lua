-- What runs in a worker for both plugins: the server, and what Kong's events drop.
local base = (...):match("^(.+%.)worker$")
local decisions, lookups = require(base .. "decisions"), require(base .. "lookups")
local metrics, process, server = require(base .. "metrics"), require(base .. "process"), require(base .. "server")

local _M = {}

local configured = false -- Kong has called configure, as it does since 3.5
local asking = {} -- called when what clients are asked for in the handshake may have changed

-- Configurations have changed. Tells whether there are requests that they are for.
function _M.configure()
  if ngx.config.subsystem ~= "http" then return false end
  configured = true
  decisions.drop()
  lookups.find_doubled(decisions.drop)
  return true
end

local DECIDE = {
  consumers = true, mtls_auth_credentials = true, header_cert_auth_credentials = true,
  ca_certificates = true, plugins_iterator = true,
}
local ASK = { router = true, plugins_iterator = true, ca_certificates = true }

-- Kong has changed what this key of its caches stands for; without one, everything.
local function changed(key)
  local of = type(key) == "string" and key:match("^[^:]+")
  if not of or DECIDE[of] then decisions.drop() end
  if not of and not configured then lookups.find_doubled(decisions.drop) end
  if not of or ASK[of] then
    for _, f in ipairs(asking) do f() end
  end
end

-- Tells whether this process serves requests.
function _M.runs() return ngx.config.subsystem == "http" and kong.configuration.role ~= "control_plane" end

local started = false

-- Starts it, once for both plugins. ask, if given, is called when what clients are asked
-- for may have changed, and now.
function _M.start(ask)
  asking[#asking + 1] = ask
  changed()
  if started then return end
  started = true
  process.keep()
  server.watch(decisions.drop_decisions, metrics)
  metrics.keep()
  -- All workers of all nodes are told, wherever the change was made.
  for _, event in ipairs({ "invalidations:kong_db_cache", "invalidations:kong_core_db_cache",
    "purge:kong_db_cache", "purge:kong_core_db_cache" }) do
    kong.worker_events.register(changed, "mlcache", "mlcache:" .. event)
  end
  kong.worker_events.register(function() changed() end, "declarative", "reconfigure")
end

return _M
