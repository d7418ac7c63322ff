-- Asks clients for a certificate in the TLS handshake, where a route needs one, and
-- names the CAs to them. It asks too often rather than too seldom: where it does not,
-- a client is refused for having sent none.
local base, plugin = (...):match("^(.-([^.]+)%.)handshake$")
local log, lookups = require(base .. "log"), require(base .. "lookups")
local ssl = require "ngx.ssl"

local _M = {}

local ALL_WORKSPACES = { workspace = ngx.null }
local EVERY = "*" -- for any server name, and for none
local SOON, RETRY = 0.1, 5 -- s

local configs -- of the plugin, as Kong gives them; nil before Kong 3.5
local map -- what to ask by server name; nil when it is not known
local builds, scheduled, wrapped = 0, false, false

local function failed(what, err) log.write("err", log.line("handshake", what, "error", err)) end

local function got(row, err)
  if err then error(err, 0) end
  return row
end

local function read_configs()
  local all = {}
  for row, err in kong.db.plugins:each(nil, ALL_WORKSPACES) do
    if got(row, err).name == plugin and row.enabled then
      row.config.route_id, row.config.service_id = row.route and row.route.id, row.service and row.service.id
      all[#all + 1] = row.config
    end
  end
  return all
end

-- Returns all routes by id, and lists of them by service. All at once: a worker that
-- starts waits for Postgres 10 ms each time that it asks.
local function read_routes()
  local by_id, by_service = {}, {}
  for route, err in kong.db.routes:each(nil, ALL_WORKSPACES) do
    local service = got(route, err).service and route.service.id or ""
    by_id[route.id], by_service[service] = route, by_service[service] or {}
    table.insert(by_service[service], route)
  end
  return by_id, by_service
end

-- Calls each with the server names that clients of a configuration's routes come with.
local function each_name(conf, by_id, by_service, each)
  local function of_route(route)
    local snis, hosts = route and route.snis or {}, route and route.hosts or {}
    for _, name in ipairs(snis[1] and snis or hosts[1] and hosts or { EVERY }) do
      -- An address is sent as no server name.
      each((name:lower():gsub("^[%d.:]+$", EVERY):gsub("^.*:.*:.*", EVERY):gsub(":%d+$", ""):gsub("%.$", "")))
    end
  end
  if conf.route_id or not conf.service_id then return of_route(by_id[conf.route_id]) end
  for _, route in ipairs(by_service[conf.service_id] or {}) do of_route(route) end
end

local function build()
  builds = builds + 1
  local mine, new = builds, { entries = {}, pems = {}, chains = {} }
  local ok, err = pcall(function()
    local all = configs or read_configs()
    local by_id, by_service
    if all[1] then by_id, by_service = read_routes() end
    for _, conf in ipairs(all) do
      each_name(conf, by_id, by_service, function(name)
        local entry = new.entries[name] or { ids = {} }
        new.entries[name], entry.unnamed = entry, entry.unnamed or not conf.send_ca_dn
        for _, id in ipairs(conf.send_ca_dn and conf.ca_certificates or {}) do
          entry.ids[id], new.pems[id] = true, new.pems[id] or lookups.ca(id) or { cert = "" }
        end
      end)
    end
  end)
  if mine ~= builds then return end -- a later one knows more
  map = ok and new or nil
  if not ok then
    failed("it is not known who is to be asked, so everybody is", err)
    _M.later(RETRY)
  end
end

-- Builds the map anew a little later: for all that changes at once.
function _M.later(delay)
  if scheduled then return end
  scheduled = ngx.timer.at(delay or SOON, function(premature)
    scheduled = false
    if not premature then build() end
  end)
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
  local ids, pems = {}, {}
  for _, entry in ipairs(entries) do
    if entry.unnamed then return true end
    for id in pairs(entry.ids) do ids[#ids + 1] = id end
  end
  table.sort(ids)
  local key = table.concat(ids, ",")
  if #entries > 0 and map.chains[key] == nil then
    for i, id in ipairs(ids) do pems[i] = ids[i - 1] ~= id and map.pems[id].cert or "" end
    local chain, err = ssl.parse_pem_cert(table.concat(pems, "\n"))
    if not chain then failed("CA names", err) end
    map.chains[key] = chain or false
  end
  return #entries > 0, map.chains[key] or nil
end

-- What fails must not stop the handshake.
local function tls(call, ...)
  local called, done, err = pcall(kong.client.tls[call], ...)
  if not called or not done then failed(call, called and err or done) end
end

local function ask()
  local ok, asked, cas = pcall(wanted, ssl.server_name())
  if not ok then
    failed("looking up the server name", asked)
    cas = nil
  end
  if not asked then return end
  tls("request_client_certificate", cas)
  tls("disable_session_reuse") -- a TLS session has the client's certificate, but not the chain above it
end

-- Kong calls this phase of global entries only: it is for where nothing was wrapped.
function _M.certificate()
  if not wrapped then ask() end
end

-- Wraps what Kong does in every handshake.
function _M.install()
  local certificate = require "kong.runloop.certificate"
  local execute = certificate.execute
  wrapped = type(execute) == "function"
  if not wrapped then return failed("kong.runloop.certificate", "no execute: only global entries ask") end
  certificate.execute = function(...)
    execute(...)
    ask()
  end
end

return _M
