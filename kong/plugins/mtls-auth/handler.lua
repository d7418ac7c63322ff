-- mtls-auth: clients authenticate with a certificate. What is decided, the engine
-- decides; this is the plugin in Kong's own process that asks it and acts on it.
local base = (...):match("^(.+%.)handler$")
local decisions, engine, lookups = require(base .. "decisions"), require(base .. "engine"), require(base .. "lookups")
local handshake, headers, log = require(base .. "handshake"), require(base .. "headers"), require(base .. "log")
local cjson = require "cjson.safe"

local kong, ngx = kong, ngx
local set_header = ngx.req.set_header

local Handler = { PRIORITY = 1600, VERSION = engine.VERSION }

local JSON = { ["Content-Type"] = "application/json; charset=utf-8" }

-- The answer with this message, written as the program writes JSON.
local function body(message)
  local text = cjson.encode({ message = message }):gsub("\\/", "/")
  return (text:gsub("[<>&]", function(c) return ("\\u%04x"):format(c:byte()) end))
end

local NONE_SENT, UNEXPECTED = body("No required TLS certificate was sent"), body("An unexpected error occurred")

-- The decision where no certificate was sent, for which nobody has to be asked.
local function none_sent(conf)
  if not conf.anonymous then
    log.counted("info", "none_sent", log.line("reason", "none_sent"))
    return { status = 401, body = NONE_SENT, verify = "NONE" }
  end
  local cas = {}
  for i, id in ipairs(conf.ca_certificates) do cas[i] = id:lower() end
  table.sort(cas)
  cas = table.concat(cas, ",")
  local consumer, err, missing = lookups.anonymous(decisions.lookups(), conf)
  if not consumer then
    log.counted("err", "lookup_failed",
      log.line("reason", "lookup_failed", "ca_certificates", cas, "error", "anonymous: " .. err))
    local text = missing and body("anonymous consumer " .. conf.anonymous .. " is configured but doesn't exist")
    return { status = 500, body = text or UNEXPECTED, verify = "FAILED:lookup_failed" }
  end
  log.counted("info", "none_sent",
    log.line("reason", "none_sent", "ca_certificates", cas, "consumer", consumer.id, "anonymous", "true"))
  return {
    verify = "NONE", consumer = consumer,
    headers = {
      { "X-Consumer-ID", consumer.id }, { "X-Consumer-Custom-ID", consumer.custom_id },
      { "X-Consumer-Username", consumer.username }, { "X-Anonymous-Consumer", "true" },
    },
  }
end

-- Returns the status and body that end the request, nothing when it may go on.
local function authenticate(conf)
  local ctx, var = ngx.ctx, ngx.var
  if conf.anonymous and kong.client.get_credential() then -- logical OR: it goes on as it is
    headers.clear(var, false, true)
    return log.write("debug", log.line("reason", "passed"))
  end
  local d, earlier = decisions.find(conf)
  if not d then
    d = none_sent(conf)
  elseif earlier and d.again then
    log.counted(d.again[1], d.reason, d.again[2])
  end
  ctx.CLIENT_VERIFY_OVERRIDE = d.verify -- for Kong's log serializer
  if d.status then return d.status, d.body end
  headers.clear(var, ctx.authenticated_consumer or ctx.authenticated_credential)
  for _, header in ipairs(d.headers) do
    if header[2] then set_header(header[1], header[2]) end
  end
  kong.client.authenticate(d.consumer, d.credential)
  if d.groups then kong.ctx.shared.authenticated_groups = { unpack(d.groups) } end
end

-- Fails closed: an error on the way is never a pass, with anonymous neither.
function Handler:access(conf)
  local ok, status, text = pcall(authenticate, conf)
  if not ok then
    log.counted("err", "internal", log.line("reason", "internal", "error", status))
    ngx.ctx.CLIENT_VERIFY_OVERRIDE = "FAILED:internal"
    status, text = 500, UNEXPECTED
  end
  if status then return kong.response.exit(status, text, JSON) end
end

Handler.certificate = handshake.certificate

-- Since Kong 3.5 called with all configurations whenever they have changed.
function Handler:configure(configs)
  if ngx.config.subsystem ~= "http" then return end
  decisions.drop()
  handshake.configure(configs or {})
end

local DECIDES = { consumers = true, mtls_auth_credentials = true, ca_certificates = true }
local ASKS = { router = true, plugins_iterator = true, ca_certificates = true }

-- Kong has changed what this key of its caches stands for; "" is everything.
local function changed(key)
  local of = type(key) == "string" and key:match("^[^:]+")
  if not of or DECIDES[of] then decisions.drop() end
  if not of or ASKS[of] then handshake.later() end
end

function Handler:init_worker()
  if ngx.config.subsystem ~= "http" or kong.configuration.role == "control_plane" then return end
  handshake.install()
  engine.watch(decisions.drop)
  -- Every worker of every node gets these, whoever made the change.
  for _, cache in ipairs({ "kong_db_cache", "kong_core_db_cache" }) do
    kong.worker_events.register(changed, "mlcache", "mlcache:invalidations:" .. cache)
    kong.worker_events.register(changed, "mlcache", "mlcache:purge:" .. cache)
  end
  kong.worker_events.register(decisions.drop, "declarative", "reconfigure")
end

return Handler
