-- Asks clients for a certificate in the TLS handshake, where a route needs one, and
-- names the CAs to them. It asks too often rather than too seldom: a client that is not
-- asked sends no certificate and is refused.
local base, plugin = (...):match("^(.-([^.]+)%.)handshake$")
local log, lookups, server = require(base .. "log"), require(base .. "lookups"), require(base .. "server")
local resume = require(base .. "resume")
local digest_of = require(base .. "digest")
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
  local mine, new = builds, { entries = {}, pems = {}, asked = {} }
  local ok, err = pcall(function()
    local all = configs or read_configs()
    local by_id, by_service
    if all[1] then by_id, by_service = read_routes() end
    for _, conf in ipairs(all) do
      each_name(conf, by_id, by_service, function(name)
        local entry = new.entries[name] or { name = name, ids = {} }
        new.entries[name], entry.unnamed = entry, entry.unnamed or not conf.send_ca_dn
        for _, id in ipairs(conf.ca_certificates or {}) do
          entry.ids[id] = true
          if conf.send_ca_dn then new.pems[id] = new.pems[id] or lookups.ca(id) or { cert = "" } end
        end
      end)
    end
  end)
  if mine ~= builds then return end -- a later one was faster
  map = ok and new or nil
  if not ok then
    failed("server names unknown, so every client is asked", err)
    _M.later(RETRY)
  end
end

-- Builds the map again a little later: once for all that changes at the same time.
function _M.later(delay)
  -- Before Kong 3.5, whose configurations are read late: the map is of earlier ones.
  if not configs then map, builds = nil, builds + 1 end
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

-- Returns what clients with this server name are asked for, if they are: chain, the CA
-- certificates whose names they are told if all configurations want that, and a digest
-- that differs where anything about it does.
local UNKNOWN = { digest = "" }
local function wanted(name)
  if not map then return UNKNOWN end
  local entries, keys = {}, {}
  local function add(key)
    local entry = map.entries[key]
    if entry then entries[#entries + 1], keys[#keys + 1] = entry, key end
  end
  add(EVERY)
  if name then
    name = name:lower():gsub("%.$", "")
    add(name)
    for dot in name:gmatch("()%.") do
      add("*" .. name:sub(dot))
      add(name:sub(1, dot) .. "*")
    end
  end
  if not entries[1] then return nil end
  local key = table.concat(keys, ",")
  local asked = map.asked[key]
  if asked then return asked end

  local set, ids, pems, unnamed = {}, {}, {}, false
  for _, entry in ipairs(entries) do
    unnamed = unnamed or entry.unnamed
    for id in pairs(entry.ids) do
      if not set[id] then set[id], ids[#ids + 1] = true, id end
    end
  end
  table.sort(ids)
  for i, id in ipairs(unnamed and {} or ids) do pems[i] = map.pems[id].cert end
  asked = { digest = digest_of(table.concat({ key, table.concat(ids, ","), table.concat(pems, "\n") }, "|")) }
  map.asked[key] = asked
  if not unnamed then
    local chain, err = ssl.parse_pem_cert(table.concat(pems, "\n"))
    if not chain then failed("CA names", err) end
    asked.chain = chain
  end
  return asked
end

-- What fails must not stop the handshake.
local function tls(call, ...)
  local called, done, err = pcall(kong.client.tls[call], ...)
  if not called or not done then failed(call, called and err or done) end
end

local function ask()
  local ok, asked = pcall(wanted, ssl.server_name())
  if not ok then
    failed("looking up the server name", asked)
    asked = UNKNOWN
  end
  if not asked then return end
  tls("request_client_certificate", asked.chain)
  if not resume.installed then tls("disable_session_reuse") end
end

-- Sessions are resumed where the same is asked for under the same name as when they were
-- made, as long as the server knows the chains that came with their certificates.
local handshakes = 0
local function context(name)
  local asked = wanted(name)
  if not asked then return nil end
  handshakes = handshakes + 1
  local known = server.sessions or table.concat({ ngx.worker.pid(), ngx.now(), handshakes }, "/")
  return digest_of(table.concat({ name or "", asked.digest, known }, "|"))
end

-- Kong calls this phase for global plugins only: for where nothing could be wrapped.
function _M.certificate()
  if not wrapped then ask() end
end

-- Wraps what Kong does in every handshake.
function _M.install()
  local certificate = require "kong.runloop.certificate"
  local execute = certificate.execute
  wrapped = type(execute) == "function"
  resume.install(context, failed)
  if not wrapped then return failed("kong.runloop.certificate", "no execute: only global entries ask") end
  certificate.execute = function(...)
    execute(...)
    ask()
  end
end

return _M
