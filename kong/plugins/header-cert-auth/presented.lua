-- What a proxy hands over in request headers: the evidence of header-cert-auth. It is
-- gathered here, and judged by the server.
local base, plugin = (...):match("^(.-([^.]+)%.)presented$")
local log = require(base:gsub("header%-cert%-auth", "mtls-auth") .. "log").of(plugin)

local _M = { plugin = plugin, entity = "header_cert_auth_credentials", log = log }

local MAX_LINES = 999 -- of all headers: with more, none is believed, as in plugin-server mode
local MAX_KEY = 16384 -- bytes

local function fold(name) return (name:lower():gsub("_", "-")) end

local warned = {} -- of each once

local function warn(setting, text)
  if warned[setting] or ngx.worker.id() ~= 0 then return end
  warned[setting] = true
  log.write("warn", log.line("setting", setting, "error", text))
end

local function has_buffers()
  for _, of in ipairs({ "nginx_http_directives", "nginx_proxy_directives" }) do
    for _, directive in ipairs(kong.configuration[of] or {}) do
      if directive.name == "large_client_header_buffers" then return true end
    end
  end
end

local function warn_of_settings(conf)
  if conf.secure_source and not (kong.configuration.trusted_ips or {})[1] then
    warn("trusted_ips", "it is empty, so that with config.secure_source no certificate in a header is believed")
  end
  if not has_buffers() then
    warn("nginx_proxy_large_client_header_buffers", "it is not set, so that nginx answers 400 to a header over 8 KiB,"
      .. " as a certificate with its chain may be: 8 24k, say, is enough")
  end
end

local prepared = setmetatable({}, { __mode = "k" }) -- by configuration

-- Returns the headers that a configuration is about, in lower case.
function _M.prepare(conf)
  local names = prepared[conf]
  if names then return names end
  names = { lengths = {}, spelled = {}, hidden = {} } -- the latter two by folded name
  for _, field in ipairs({ "certificate", "certificate_chain", "verification" }) do
    local name = conf[field .. "_header_name"]
    if type(name) == "string" then
      name = name:lower()
      names[field], names.lengths[#name], names.spelled[fold(name)] = name, true, name
      names.hidden[fold(name)] = field ~= "verification"
    end
  end
  prepared[conf] = names
  warn_of_settings(conf)
  return names
end

-- Tells whether a TCP peer is among Kong's trusted_ips. An address that a header names, as
-- ngx.var.remote_addr may be, is no proof of anything.
local function is_trusted(peer)
  if peer ~= "unix:" then return kong.ip.is_trusted(peer) end
  for _, trusted in ipairs(kong.configuration.trusted_ips or {}) do -- which kong.ip leaves out
    if trusted == "unix:" then return true end
  end
  return false
end

-- What stands for the evidence: the headers' values, where each came once and as it is
-- spelled in the configuration. nginx's variables do not tell one spelling from another.
-- Returns besides what read needs.
function _M.key(conf)
  local names = _M.prepare(conf)
  local sent, incomplete = ngx.req.get_headers(MAX_LINES)
  local peer = ngx.var.realip_remote_addr or ngx.var.remote_addr
  local trusted = not conf.secure_source or is_trusted(peer)
  local seen = { names = names, sent = sent, incomplete = incomplete and true, peer = peer, trusted = trusted }
  if incomplete or not trusted then return nil, seen end
  for name, value in pairs(sent) do
    local spelled = names.lengths[#name] and names.spelled[fold(name)]
    if spelled and (name ~= spelled or type(value) ~= "string") then return nil, seen end
  end
  local key = rawget(sent, names.certificate) -- not the spelling with "-" where there is none with "_"
  if not key then return nil, seen end
  if names.certificate_chain then key = key .. "\n" .. (rawget(sent, names.certificate_chain) or "") end
  if names.verification then key = key .. "\n" .. (rawget(sent, names.verification) or "\n") end
  return #key <= MAX_KEY and key or nil, seen
end

-- Returns the evidence for the server, as one text, and whether there is a certificate.
-- Headers of a peer that is not trusted are named alone.
function _M.read(_, seen)
  local found, lines = {}, {}
  for name in pairs(seen.sent) do
    if seen.names.lengths[#name] and seen.names.spelled[fold(name)] then found[#found + 1] = name end
  end
  table.sort(found)
  local text = { seen.peer, tostring(seen.trusted), tostring(seen.incomplete) }
  for _, name in ipairs(found) do
    local values = rawget(seen.sent, name)
    for _, value in ipairs(type(values) == "table" and values or { values }) do
      value = seen.trusted and value or ""
      lines[#lines + 1] = { name, value }
      text[#text + 1] = name .. ":" .. value
    end
  end
  local evidence = { headers = lines[1] and lines, peer = seen.peer, trusted = seen.trusted, incomplete = seen.incomplete }
  return evidence, table.concat(text, "\n"), lines[1] ~= nil
end

-- Keeps the headers with certificates from the upstream, in every spelling.
function _M.hide(conf)
  if not conf.hide_certificate_header then return end
  local hidden = _M.prepare(conf).hidden
  for name in pairs(ngx.req.get_headers(0)) do
    if hidden[fold(name)] then ngx.req.clear_header(name) end
  end
end

return _M
