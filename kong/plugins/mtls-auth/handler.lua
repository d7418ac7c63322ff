-- mtls-auth: clients authenticate with a certificate. The engine decides; this is the
-- plugin in Kong's own process that asks it, and acts on what it says.
local base = (...):match("^(.+%.)handler$")
local decisions, engine, lookups = require(base .. "decisions"), require(base .. "engine"), require(base .. "lookups")
local handshake, log, verdict = require(base .. "handshake"), require(base .. "log"), require(base .. "verdict")
local cjson = require "cjson.safe"

local Handler = { PRIORITY = 1600, VERSION = engine.VERSION, certificate = handshake.certificate }

local JSON = { ["Content-Type"] = "application/json; charset=utf-8" }

-- An answer with this message, written as the program writes JSON.
local function body(message)
  local text = cjson.encode({ message = message }):gsub("\\/", "/")
  return (text:gsub("[<>&]", function(c) return ("\\u%04x"):format(c:byte()) end))
end

local NONE_SENT, UNEXPECTED = body("No required TLS certificate was sent"), body("An unexpected error occurred")

local ours = {} -- headers, by name in lower case, and what they are about
for name, about in pairs(verdict.headers) do ours[name:lower()] = about end

-- Whether any of them came, which is seldom: a variable of nginx's has a header in any
-- spelling, also with "_" for "-". To make a table of all headers costs more than all
-- else about a request that was decided before.
local function any_came(var)
  return var.http_x_consumer_id or var.http_x_consumer_custom_id or var.http_x_consumer_username
    or var.http_x_credential_identifier or var.http_x_anonymous_consumer
    or var.http_x_client_cert_dn or var.http_x_client_cert_san
end

-- Drops what came in as one of the plugin's headers, also with "_" for "-", for which
-- many upstreams take it. With keep, those of an earlier plugin's consumer stay.
local function clear_headers(keep)
  if not any_came(ngx.var) then return end
  for sent in pairs(ngx.req.get_headers(0)) do -- all there are, in lower case
    local about = ours[sent:gsub("_", "-")]
    if about and not (keep and about == "consumer" and not sent:find("_", 1, true)) then ngx.req.clear_header(sent) end
  end
end

-- Kong's ngx.req.set_header also has the worker forget, for good, that it keeps a
-- header's variable by index: that is needed once for each name, and dearer than the
-- rest.
local set_header, forgotten = require("resty.core.request").set_req_header or ngx.req.set_header, {}

local function set_headers(list)
  for i = 1, #list do
    local name, value = list[i][1], list[i][2]
    if not forgotten[name] then
      ngx.req.set_header(name, nil)
      forgotten[name] = true
    end
    if value ~= "" then set_header(name, value, true) end
  end
end

-- The decision where no certificate was sent.
local function none_sent(conf)
  if not conf.anonymous then
    log.write("info", log.line("reason", "none_sent"), "none_sent")
    return { status = 401, body = NONE_SENT, verify = "NONE" }
  end
  local cas = {}
  for i, id in ipairs(conf.ca_certificates) do cas[i] = id:lower() end
  table.sort(cas)
  cas = table.concat(cas, ",")
  local ok, found, what = pcall(lookups.anonymous, decisions.lookups(), conf)
  if not ok or not found then
    local missing = ok and ('the consumer with %s "%s" doesn\'t exist'):format(what, conf.anonymous)
    local resumed = ({ r = "true", ["."] = "false" })[ngx.var.ssl_session_reused] or "unknown"
    log.write("err", log.line("reason", "lookup_failed", "ca_certificates", cas, "chain", "false", "resumed", resumed,
      "error", "anonymous: " .. tostring(missing or found)), "lookup_failed")
    local text = ok and body("anonymous consumer " .. conf.anonymous .. " is configured but doesn't exist")
    return { status = 500, body = text or UNEXPECTED, verify = "FAILED:lookup_failed" }
  end
  local line = log.line("reason", "none_sent", "ca_certificates", cas, "consumer", found.id, "anonymous", "true")
  log.write("info", line, "none_sent")
  return {
    verify = "NONE", consumer = found,
    headers = {
      { "X-Consumer-ID", found.id }, { "X-Consumer-Custom-ID", found.custom_id or "" },
      { "X-Consumer-Username", found.username or "" }, { "X-Anonymous-Consumer", "true" },
    },
  }
end

-- Returns the status and body that end the request, nothing when it may go on.
local function authenticate(conf)
  if conf.anonymous and kong.client.get_credential() then -- logical OR: it goes on as it is
    log.write("debug", log.line("reason", "passed"))
    return clear_headers(true)
  end
  local d, earlier = decisions.find(conf)
  if not d then
    d = none_sent(conf)
  elseif earlier and d.again then
    log.write(d.again[1], d.again[2], d.reason)
  end
  ngx.ctx.CLIENT_VERIFY_OVERRIDE = d.verify -- for Kong's log serializer
  if d.status then return d.status, d.body end
  clear_headers()
  set_headers(d.headers)
  kong.client.authenticate(d.consumer, d.credential)
  if d.groups then kong.ctx.shared.authenticated_groups = { unpack(d.groups) } end
end

-- Fails closed: an error on the way is never a pass, with anonymous neither.
function Handler:access(conf)
  local ok, status, text = pcall(authenticate, conf)
  if not ok then
    log.write("err", log.line("reason", "internal", "error", status), "internal")
    ngx.ctx.CLIENT_VERIFY_OVERRIDE = "FAILED:internal"
    status, text = 500, UNEXPECTED
  end
  if status then return kong.response.exit(status, text, JSON) end
end

-- Since Kong 3.5 called with all configurations, at first and when they have changed.
function Handler:configure(configs)
  if ngx.config.subsystem ~= "http" then return end
  decisions.drop()
  lookups.find_doubled(decisions.drop)
  handshake.configure(configs or {})
end

local DECIDE = { consumers = true, mtls_auth_credentials = true, ca_certificates = true, plugins_iterator = true }
local ASK = { router = true, plugins_iterator = true, ca_certificates = true }

-- Kong has changed what this key of its caches stands for; without one, everything.
local function changed(key)
  local of = type(key) == "string" and key:match("^[^:]+")
  if not of or DECIDE[of] then decisions.drop() end
  if not of or ASK[of] then handshake.later() end
end

function Handler:init_worker()
  if ngx.config.subsystem ~= "http" or kong.configuration.role == "control_plane" then return end
  handshake.install()
  handshake.later()
  engine.watch(decisions.drop)
  -- All workers of all nodes are told, whoever made the change.
  for _, event in ipairs({ "invalidations:kong_db_cache", "invalidations:kong_core_db_cache",
    "purge:kong_db_cache", "purge:kong_core_db_cache" }) do
    kong.worker_events.register(changed, "mlcache", "mlcache:" .. event)
  end
  kong.worker_events.register(function() changed() end, "declarative", "reconfigure")
end

return Handler
