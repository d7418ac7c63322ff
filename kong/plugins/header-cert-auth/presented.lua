-- What a proxy hands over in request headers: the evidence of header-cert-auth. It is
-- gathered here, and judged by the server.
local base, plugin = (...):match("^(.-([^.]+)%.)presented$")
local log = require(base:gsub("header%-cert%-auth", "mtls-auth") .. "log").of(plugin)

local _M = { plugin = plugin, entity = "header_cert_auth_credentials", log = log }

local MAX_LINES = 999 -- of all headers: with more, none is believed, as in plugin-server mode
local MAX_KEY, MAX_PEERS = 16384, 1024 -- bytes; addresses
local UNDERSCORE, DASH = ("_"):byte(), ("-"):byte()
local NONE = {}

local function fold(name) return (name:gsub("_", "-")) end

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

-- Returns the headers that a configuration is about: their names in lower case, and lists of
-- them by length. With hidden it must not reach the upstream.
function _M.prepare(conf)
  local names = prepared[conf]
  if names then return names end
  names = { of_length = {} }
  for _, field in ipairs({ "certificate", "certificate_chain", "verification" }) do
    local name = conf[field .. "_header_name"]
    if type(name) == "string" then
      name = name:lower()
      local list = names.of_length[#name] or {}
      names[field], names.of_length[#name] = name, list
      list[#list + 1] = { name = name, folded = fold(name), hidden = field ~= "verification" }
    end
  end
  prepared[conf] = names
  warn_of_settings(conf)
  return names
end

-- Returns which of the headers one that was sent is, in whichever spelling. Byte by byte,
-- because LuaJIT compiles that.
local function header_of(names, sent)
  for _, header in ipairs(names.of_length[#sent] or NONE) do
    local same, folded = sent == header.name, header.folded
    if not same then
      same = true
      for i = 1, #sent do
        local a, b = sent:byte(i), folded:byte(i)
        if a ~= b and (a ~= UNDERSCORE or b ~= DASH) then
          same = false
          break
        end
      end
    end
    if same then return header end
  end
end

local known, peers = {}, 0 -- whether TCP peers are trusted

-- Returns the TCP peer, and whether it may send certificates. An address that a header names,
-- as ngx.var.remote_addr may be, proves nothing.
local function source_of(conf)
  local peer = ngx.var.realip_remote_addr or ngx.var.remote_addr
  if not conf.secure_source then return peer, true end
  if known[peer] == nil then
    if peers >= MAX_PEERS then known, peers = {}, 0 end
    -- On a listener for both, an IPv4 address comes as an IPv6 one (RFC 4291, section 2.5.5.2).
    local ipv4 = peer:match("^::ffff:(%d+%.%d+%.%d+%.%d+)$")
    known[peer] = kong.ip.is_trusted(peer) or ipv4 ~= nil and kong.ip.is_trusted(ipv4)
    peers = peers + 1
    for _, trusted in ipairs(kong.configuration.trusted_ips or NONE) do -- kong.ip leaves it out
      if trusted == "unix:" and peer == trusted then known[peer] = true end
    end
  end
  return peer, known[peer]
end

-- What stands for the evidence: the headers' values, where each came once and as it is
-- spelled in the configuration. nginx's variables do not tell one spelling from another.
function _M.key(conf)
  local names, sent, incomplete = _M.prepare(conf), ngx.req.get_headers(MAX_LINES)
  local _, trusted = source_of(conf)
  if incomplete or not trusted then return nil end
  for name, value in pairs(sent) do
    local header = names.of_length[#name] and header_of(names, name)
    if header and (name ~= header.name or type(value) ~= "string") then return nil end
  end
  local key = rawget(sent, names.certificate) -- not the spelling with "-" where there is none with "_"
  if not key then return nil end
  if names.certificate_chain then key = key .. "\n" .. (rawget(sent, names.certificate_chain) or "") end
  if names.verification then key = key .. "\n" .. (rawget(sent, names.verification) or "\n") end
  return #key <= MAX_KEY and key or nil
end

-- Returns the evidence for the server, as one text, and whether there is a certificate.
-- Headers of a peer that is not trusted are named alone.
function _M.read(conf)
  local names, sent, incomplete = _M.prepare(conf), ngx.req.get_headers(MAX_LINES)
  local peer, trusted = source_of(conf)
  local found, lines = {}, {}
  for name in pairs(sent) do
    if header_of(names, name) then found[#found + 1] = name end
  end
  table.sort(found)
  local text = { peer, tostring(trusted), tostring(incomplete) }
  for _, name in ipairs(found) do
    local values = rawget(sent, name)
    for _, value in ipairs(type(values) == "table" and values or { values }) do
      value = trusted and value or ""
      lines[#lines + 1] = { name, value }
      text[#text + 1] = name .. ":" .. value
    end
  end
  local evidence = { headers = lines[1] and lines, peer = peer, trusted = trusted, incomplete = incomplete and true }
  return evidence, table.concat(text, "\n"), lines[1] ~= nil
end

-- Keeps the headers with certificates from the upstream, in every spelling.
function _M.hide(conf)
  if not conf.hide_certificate_header then return end
  for name in pairs(ngx.req.get_headers(0)) do
    local header = header_of(_M.prepare(conf), name)
    if header and header.hidden then ngx.req.clear_header(name) end
  end
end

return _M
