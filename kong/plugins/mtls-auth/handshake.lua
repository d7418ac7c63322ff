-- Asks clients for a certificate in the TLS handshake, where a route needs one, and
-- names the CAs to them. It asks too often rather than too seldom: where it does not,
-- a client is refused for having sent none.
local base, plugin = (...):match("^(.-([^.]+)%.)handshake$")
local log = require(base .. "log")
local ssl = require "ngx.ssl"

local kong, ngx = kong, ngx

local _M = {}

local ALL_WORKSPACES = { workspace = ngx.null }
local EVERY = "*" -- for any server name, and for none
local SOON, RETRY = 0.1, 5 -- s

local configs -- of the plugin, as Kong gives them; nil before Kong 3.5
local map -- what to ask by server name; nil when it is not known
local builds, scheduled = 0, false
local wrapped = false

local function failed(what, err) log.write("err", log.line("handshake", what, "error", tostring(err))) end

local function read_configs()
  local list = {}
  for row, err in kong.db.plugins:each(nil, ALL_WORKSPACES) do
    if err then error(err, 0) end
    if row.name == plugin and row.enabled then
      local config = row.config
      list[#list + 1] = {
        route_id = row.route and row.route.id, service_id = row.service and row.service.id,
        send_ca_dn = config.send_ca_dn, ca_certificates = config.ca_certificates,
      }
    end
  end
  return list
end

-- The server names that clients of a configuration's routes come with.
local function server_names(conf)
  local names = {}
  local function add(route, err)
    if err then error(err, 0) end
    local snis, hosts = route.snis or {}, route.hosts or {}
    for _, name in ipairs(snis[1] and snis or hosts[1] and hosts or { EVERY }) do
      -- An address is sent as no server name.
      name = name:lower():gsub("^[%d.:]+$", EVERY):gsub("^%[.*", EVERY):gsub(":%d+$", ""):gsub("%.$", "")
      names[#names + 1] = name
    end
  end
  if conf.route_id then
    local route, err = kong.db.routes:select({ id = conf.route_id }, ALL_WORKSPACES)
    if route or err then add(route, err) end
  elseif conf.service_id then
    local service = { id = conf.service_id }
    for route, err in kong.db.routes:each_for_service(service, nil, ALL_WORKSPACES) do add(route, err) end
  else
    names[1] = EVERY
  end
  return names
end

local function build()
  builds = builds + 1
  local mine, new = builds, { entries = {}, pems = {}, chains = {} }
  local ok, err = pcall(function()
    for _, conf in ipairs(configs or read_configs()) do
      for _, name in ipairs(server_names(conf)) do
        local entry = new.entries[name] or { ids = {} }
        new.entries[name] = entry
        entry.unnamed = entry.unnamed or not conf.send_ca_dn
        for _, id in ipairs(conf.send_ca_dn and conf.ca_certificates or {}) do
          entry.ids[id] = true
          if new.pems[id] == nil then
            local row, failure = kong.db.ca_certificates:select({ id = id }, ALL_WORKSPACES)
            if failure then error(failure, 0) end
            new.pems[id] = row and row.cert or ""
          end
        end
      end
    end
  end)
  if mine ~= builds then return end -- a later one knows more
  map = ok and new or nil
  if not ok then
    failed("which server names need certificates is not known, so all are asked", err)
    _M.later(RETRY)
  end
end

-- Builds the map anew a little later: what changes at once is looked at once.
function _M.later(delay)
  if scheduled then return end
  local ok, err = ngx.timer.at(delay or SOON, function(premature)
    scheduled = false
    if not premature then build() end
  end)
  scheduled = ok and true
  if not ok then failed("timer", err) end
end

function _M.configure(all)
  configs = all
  build()
end

-- Returns whether clients that come with this server name are asked, and the CA
-- certificates whose names they are told, if all that ask want that.
local function wanted(name)
  if not map then return true end
  local entries = { map.entries[EVERY] }
  local function add(key) entries[#entries + 1] = map.entries[key] end
  if name then
    name = name:lower():gsub("%.$", "")
    add(name)
    for dot in name:gmatch("()%.") do
      add("*" .. name:sub(dot))
      add(name:sub(1, dot) .. "*")
    end
  end
  local ids, seen = {}, {}
  for _, entry in ipairs(entries) do
    if entry.unnamed then return true end
    for id in pairs(entry.ids) do
      if not seen[id] then ids[#ids + 1], seen[id] = id, true end
    end
  end
  if not entries[1] then return false end
  table.sort(ids)
  local key = table.concat(ids, ",")
  if map.chains[key] == nil then
    local pems = {}
    for i, id in ipairs(ids) do pems[i] = map.pems[id] end
    local chain, err = ssl.parse_pem_cert(table.concat(pems, "\n"))
    if not chain then failed("CA names", err) end
    map.chains[key] = chain or false
  end
  return true, map.chains[key] or nil
end

local function ask()
  local asked, cas = wanted(ssl.server_name())
  if not asked then return end
  local ok, err = kong.client.tls.request_client_certificate(cas)
  if not ok then failed("request_client_certificate", err) end
  -- A TLS session has the client's certificate, but not the chain above it.
  ok, err = kong.client.tls.disable_session_reuse()
  if not ok then failed("disable_session_reuse", err) end
end

-- What fails here must not stop the handshake.
local function try()
  local ok, err = pcall(ask)
  if not ok then failed("asking", err) end
end

-- Kong calls this phase of global plugins only: it is for where there is no wrapping.
function _M.certificate()
  if not wrapped then try() end
end

-- Wraps what Kong does for every handshake.
function _M.install()
  local certificate = require "kong.runloop.certificate"
  local execute = certificate.execute
  wrapped = type(execute) == "function"
  if wrapped then
    certificate.execute = function(...)
      execute(...)
      try()
    end
  else
    failed("kong.runloop.certificate", "no function execute: only a global entry of the plugin asks")
  end
  if not configs then _M.later() end
end

return _M
