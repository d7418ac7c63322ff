-- What the engine does not have: consumers, credentials and CA certificates, in
-- Kong's database. Answers are kept for cache_ttl, absence too, failures never: not
-- in kong.cache, where one that was read before a change can stay after it.
local cjson = require("cjson.safe").new()
local sha256, to_hex = require "resty.sha256", require("resty.string").to_hex

local kong, ngx = kong, ngx

local _M = {}

-- What Kong adds to a plugin's configuration, beside keys that begin with "_".
local ADDED = { route_id = true, service_id = true, consumer_id = true, plugin_instance_name = true }

local function list() return setmetatable({}, cjson.array_mt) end

-- Returns a row or false, and until when that counts; raises what failed.
local function read(cache, conf, key, load, ...)
  local ttl, now = tonumber(conf.cache_ttl) or 60, ngx.now()
  local entry = cache:get(key)
  if not entry or now < entry.at or now >= entry.at + ttl then
    local row, err = load(...)
    if err then error(err, 0) end
    entry = { row = row or false, at = now }
    if ttl > 0 then cache:set(key, entry) end
  end
  return entry.row, entry.at + ttl
end

local function load_consumer(by, value)
  if by == "id" then return kong.db.consumers:select({ id = value }) end
  return kong.db.consumers["select_by_" .. by](kong.db.consumers, value)
end

local function consumer(cache, conf, by, value)
  return read(cache, conf, by .. ":" .. value, load_consumer, by, value)
end

local function load_credential(name, ca)
  local dao = kong.db.mtls_auth_credentials
  return dao and dao:select_by_cache_key(dao:cache_key(name, ca ~= "" and ca or nil))
end

local function said(row, n)
  return { n = n, id = row.id, username = row.username, custom_id = row.custom_id }
end

-- Answers the engine's lookup: all hits, unranked. Returns the answer, the
-- consumers in it by id, and until when all of it counts.
function _M.find(cache, conf, wanted)
  local answer = { op = "found", credentials = list(), consumers = list(), errors = list() }
  local consumers, ends = {}, math.huge
  local function get(what, ...)
    local ok, row, till = pcall(...)
    if ok then ends = math.min(ends, till) else table.insert(answer.errors, what .. ": " .. tostring(row)) end
    return ok and row
  end
  for n, asked in ipairs(wanted.credentials) do
    local name, ca = asked[1], asked[2]
    local row = get("credentials", read, cache, conf, "credential:" .. ca .. ":" .. name, load_credential, name, ca)
    local owner = row and get("consumers", consumer, cache, conf, "id", row.consumer.id)
    if owner then
      consumers[owner.id] = owner
      table.insert(answer.credentials, {
        n = n, id = row.id, subject_name = row.subject_name, consumer = said(owner),
        ca_certificate = row.ca_certificate and row.ca_certificate.id or "",
      })
    elseif owner == false and row then
      table.insert(answer.errors, "the consumer with id " .. row.consumer.id .. " doesn't exist")
    end
  end
  for n, asked in ipairs(wanted.consumers) do
    local row = get("consumers", consumer, cache, conf, asked[1], asked[2])
    if row then
      consumers[row.id] = row
      table.insert(answer.consumers, said(row, n))
    end
  end
  return answer, consumers, ends
end

-- Returns the anonymous consumer; or nil, why, and whether it does not exist.
function _M.anonymous(cache, conf)
  local ref = conf.anonymous
  local questions = { { "username", ref } }
  if ref:find("^" .. ("%x"):rep(8) .. ("%-" .. ("%x"):rep(4)):rep(3) .. "%-" .. ("%x"):rep(12) .. "$") then
    table.insert(questions, 1, { "id", ref:lower() })
  end
  for _, question in ipairs(questions) do
    local by, value = question[1], question[2]
    local ok, row = pcall(consumer, cache, conf, by, value)
    if not ok then return nil, tostring(row) end
    if row and row[by] == value then return row end
  end
  return nil, ("the consumer with %s %s doesn't exist"):format(questions[1][1], questions[1][2]), true
end

-- The policy of a configuration: its definition, for the engine, and the SHA-256 of
-- that. In order and without what Kong has added, so that all workers have the same.
function _M.policy(conf)
  local cas, config = {}, {}
  for _, id in ipairs(conf.ca_certificates) do
    local row, err = kong.db.ca_certificates:select({ id = id })
    if err then error("CA certificate " .. id .. ": " .. err, 0) end
    if row then cas[#cas + 1] = '{"cert":' .. cjson.encode(row.cert) .. ',"id":' .. cjson.encode(row.id) .. "}" end
  end
  for key, value in pairs(conf) do
    if not ADDED[key] and not key:find("^[_$]") and value ~= ngx.null then
      if type(value) == "table" and not next(value) then value = list() end
      config[#config + 1] = cjson.encode(key) .. ":" .. assert(cjson.encode(value))
    end
  end
  table.sort(config)
  local definition = ('{"ca_certificates":[%s],"config":{%s}}'):format(table.concat(cas, ","), table.concat(config, ","))
  local hash = sha256:new()
  hash:update(definition)
  return { id = to_hex(hash:final()), definition = definition }
end

return _M
