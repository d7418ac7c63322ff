-- The access phase of both plugins: asks for the decision and carries it out.
local base = (...):match("^(.+%.)request$")
local decisions, headers = require(base .. "decisions"), require(base .. "headers")
local metrics = require(base .. "metrics")

local _M = {}

-- What Kong's log serializer tells of the decision, under mtls_auth. A copy, since other
-- plugins may add to it.
local function record(of)
  kong.log.set_serialize_value("mtls_auth", {
    reason = of.reason, subject = of.subject, issuer = of.issuer, serial = of.serial, fingerprint = of.fingerprint,
    not_after = of.not_after, ca_certificate = of.ca_certificate, consumer = of.consumer,
  })
end

-- Returns the counts in which the request is, by where its decision came from; and the
-- status and message that end it, nothing when it may go on.
local function authenticate(source, conf)
  local log, hide = source.log, source.hide
  headers.guard(conf)
  if conf.anonymous and kong.client.get_credential() then -- logical OR: it goes on as it is
    log.write("debug", log.line("reason", "passed"))
    record({ reason = "passed" })
    headers.clear(conf, true)
    if hide then hide(conf) end
    return metrics.of(source.plugin, "pass", "passed"), "none"
  end
  local d, from = decisions.find(source, conf)
  if from ~= "server" and d.again then log.write(d.again[1], d.again[2], d.reason) end
  ngx.ctx.CLIENT_VERIFY_OVERRIDE = d.verify -- for Kong's log serializer
  record(d.record)
  if d.status then return d.counts, from, d.status, d.message end
  headers.clear(conf)
  if hide then hide(conf) end
  headers.set(d.headers)
  kong.client.authenticate(d.consumer, d.credential)
  -- Groups of what an earlier plugin authenticated, a proxy, say, are not this client's.
  if d.credential then kong.ctx.shared.authenticated_groups = d.groups and { unpack(d.groups) } end
  return d.counts, from
end

-- Returns the access phase of the plugin whose evidence a source has. It fails closed: an
-- error on the way is never a pass, also with anonymous.
function _M.phase(source)
  return function(_, conf)
    local ok, counts, from, status, message = pcall(authenticate, source, conf)
    if not ok then
      source.log.write("err", source.log.line("reason", "internal", "error", counts), "internal")
      ngx.ctx.CLIENT_VERIFY_OVERRIDE = "FAILED:internal"
      record({ reason = "internal" })
      counts, from = metrics.of(source.plugin, "fault", "internal"), "none"
      status, message = 500, "An unexpected error occurred"
    end
    counts[from] = counts[from] + 1
    if not status then return end
    if (ngx.var.content_type or ""):find("^application/grpc") and ngx.req.http_version() == 2 then
      -- Kong adds grpc-status.
      return kong.response.exit(status, nil, { ["Content-Type"] = "application/grpc", ["grpc-message"] = message })
    end
    return kong.response.exit(status, { message = message })
  end
end

return _M
