-- The access phase of both plugins: asks for the decision and carries it out.
local base = (...):match("^(.+%.)request$")
local decisions, headers = require(base .. "decisions"), require(base .. "verdict").headers

local _M = {}

local ours = {} -- headers, by name in lower case, and what they are about
for name, about in pairs(headers) do ours[name:lower()] = about end

-- Whether any of them came, which is seldom: one of nginx's variables has a header in any
-- spelling, also with "_" for "-". A table of all headers would cost more than everything
-- else about a request with a cached decision.
local function any_came(var)
  return var.http_x_consumer_id or var.http_x_consumer_custom_id or var.http_x_consumer_username
    or var.http_x_credential_identifier or var.http_x_anonymous_consumer
    or var.http_x_client_cert_dn or var.http_x_client_cert_san
end

-- Drops what came in as one of the plugin's headers, also with "_" for "-", which many
-- upstreams read as the same. With keep, those of an earlier plugin's consumer stay.
local function clear_headers(keep)
  if not any_came(ngx.var) then return end
  for sent in pairs(ngx.req.get_headers(0)) do -- all there are, in lower case
    local about = ours[sent:gsub("_", "-")]
    if about and not (keep and about == "consumer" and not sent:find("_", 1, true)) then ngx.req.clear_header(sent) end
  end
end

-- Kong drops the headers that the client's Connection header names, after all plugins.
-- The plugin's own are taken out of it: without X-Anonymous-Consumer, say, an upstream
-- would see an authenticated consumer.
local function guard_headers()
  -- Before 3.8 Kong reads the variable, which has the value of when it was read first.
  local variable = (kong.version_num or math.huge) >= 3008000
  local connection = variable and ngx.var.http_connection or not variable and ngx.req.get_headers(0).connection
  if type(connection) == "table" then connection = table.concat(connection, ",") end
  if not connection or not connection:lower():find("x[-_]") then return end
  local left = {}
  for token in connection:gmatch("[^,%s]+") do
    if not ours[token:lower():gsub("_", "-")] then left[#left + 1] = token end
  end
  ngx.req.set_header("Connection", left[1] and table.concat(left, ", ") or "keep-alive")
  ngx.ctx.cached_request_headers = nil -- where Kong 3.9 reads it
end

-- Kong's ngx.req.set_header also makes the worker forget, for good, that it keeps a
-- header's variable by index: needed once for each name, and dearer than the rest.
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

-- What Kong's log serializer tells of the decision, under mtls_auth. A copy, since other
-- plugins may add to it.
local function record(of)
  kong.log.set_serialize_value("mtls_auth", {
    reason = of.reason, subject = of.subject, issuer = of.issuer, serial = of.serial, fingerprint = of.fingerprint,
    not_after = of.not_after, ca_certificate = of.ca_certificate, consumer = of.consumer,
  })
end

-- Returns the status and message that end the request, nothing when it may go on.
local function authenticate(source, conf)
  local log = source.log
  guard_headers()
  if conf.anonymous and kong.client.get_credential() then -- logical OR: it goes on as it is
    log.write("debug", log.line("reason", "passed"))
    record({ reason = "passed" })
    return clear_headers(true)
  end
  local d, earlier = decisions.find(source, conf)
  if earlier and d.again then log.write(d.again[1], d.again[2], d.reason) end
  ngx.ctx.CLIENT_VERIFY_OVERRIDE = d.verify -- for Kong's log serializer
  record(d.record)
  if d.status then return d.status, d.message end
  clear_headers()
  set_headers(d.headers)
  kong.client.authenticate(d.consumer, d.credential)
  if d.groups then kong.ctx.shared.authenticated_groups = { unpack(d.groups) } end
end

-- Returns the access phase of the plugin whose evidence a source has. It fails closed: an
-- error on the way is never a pass, also with anonymous.
function _M.phase(source)
  return function(_, conf)
    local ok, status, message = pcall(authenticate, source, conf)
    if not ok then
      source.log.write("err", source.log.line("reason", "internal", "error", status), "internal")
      ngx.ctx.CLIENT_VERIFY_OVERRIDE = "FAILED:internal"
      record({ reason = "internal" })
      status, message = 500, "An unexpected error occurred"
    end
    if not status then return end
    if (ngx.var.content_type or ""):find("^application/grpc") and ngx.req.http_version() == 2 then
      -- Kong adds grpc-status.
      return kong.response.exit(status, nil, { ["Content-Type"] = "application/grpc", ["grpc-message"] = message })
    end
    return kong.response.exit(status, { message = message })
  end
end

return _M
