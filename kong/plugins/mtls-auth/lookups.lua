-- What the engine does not have: consumers, credentials and CA certificates, in
-- Kong's database. Answers are kept for cache_ttl, absence too, failures never: not
-- in kong.cache, where one that was read before a change can stay after it.
local cjson = require("cjson.safe").new()
local sha256, to_hex = require "resty.sha256", require("resty.string").to_hex

local log = require((...):gsub("lookups$", "log"))

local _M = {}

-- What Kong adds to a plugin's configuration, beside keys that begin with "_".
local ADDED = { route_id = true, service_id = true, consumer_id = true, plugin_instance_name = true }

local function list() return setmetatable({}, cjson.array_mt) end

local doubled, walks = {}, 0 -- credentials that are there twice, by Kong's key for them

-- Without a database Kong takes credentials with ids of their own for one subject_name
-- and CA certificate: whose counts would be chance. So nobody's does.
function _M.find_doubled(drop)
  local credentials, seen, found, n = kong.db.mtls_auth_credentials, {}, {}, 0
  if not credentials or kong.configuration.database ~= "off" then return end
  walks = walks + 1
  local mine = walks
  assert(ngx.timer.at(0, function()
    for row, err in credentials:each() do
      if err or mine ~= walks then break end
      local key = credentials:cache_key(row)
      if seen[key] then
        log.write("err", log.line("error", "credential twice, for subject_name " .. row.subject_name))
      end
      seen[key], found[key], n = true, seen[key], n + 1
      if n % 1000 == 0 then ngx.sleep(0) end
    end
    if mine == walks then doubled = found end
    if next(found) then drop() end
  end))
end

-- A value is only what it is asked by: a name that is written like an id is none.
local function load(by, value, ca)
  local consumers, credentials = kong.db.consumers, kong.db.mtls_auth_credentials
  if by == "id" then return consumers:select({ id = value }) end
  if by ~= "credential" then return consumers["select_by_" .. by](consumers, value) end
  local key = credentials and credentials:cache_key(value, ca)
  if doubled[key] then return nil, "it is there twice" end
  return key and credentials:select_by_cache_key(key)
end

-- Returns a row, if there is one, and until when that counts; raises what failed.
local function read(cache, conf, by, value, ca)
  local key = table.concat({ ngx.ctx.workspace or "", by, ca or "", value }, ":")
  local ttl, now = conf.cache_ttl or 60, ngx.now()
  local entry = cache:get(key)
  if not entry or now < entry.at or now >= entry.at + ttl then
    local row, err = load(by, value, ca)
    if err then error(by .. " " .. value .. ": " .. err, 0) end
    entry = { row = row, at = now }
    if ttl > 0 then cache:set(key, entry) end
  end
  return entry.row, entry.at + ttl
end

local function said(row, n) return { n = n, id = row.id, username = row.username, custom_id = row.custom_id } end

-- Answers the engine's lookup: all hits, unranked. Returns the answer, the consumers
-- in it by id, and until when all of it counts.
function _M.find(cache, conf, wanted)
  local answer = { op = "found", credentials = list(), consumers = list(), errors = list() }
  local consumers, ends = {}, math.huge
  local function get(...)
    local ok, row, till = pcall(read, cache, conf, ...)
    ends = ok and math.min(ends, till) or ends
    if not ok then table.insert(answer.errors, tostring(row)) end
    return ok and row
  end
  for n, asked in ipairs(wanted.credentials) do
    local row = get("credential", asked[1], asked[2])
    local owner = row and get("id", row.consumer.id)
    if owner then
      consumers[owner.id] = owner
      table.insert(answer.credentials, {
        n = n, id = row.id, subject_name = row.subject_name, consumer = said(owner),
        ca_certificate = row.ca_certificate and row.ca_certificate.id or "",
      })
    elseif row then
      table.insert(answer.errors, "the consumer with id " .. row.consumer.id .. " doesn't exist")
    end
  end
  for n, asked in ipairs(wanted.consumers) do
    local row = get(asked[1], asked[2])
    if row then
      consumers[row.id] = row
      table.insert(answer.consumers, said(row, n))
    end
  end
  return answer, consumers, ends
end

local UUID = "^%x+%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-%x+$" -- of 36 characters

-- Returns the anonymous consumer: by id, where that can be meant, then by username;
-- or nil, and by what it was looked for. Raises what failed.
function _M.anonymous(cache, conf)
  local name, what, row = conf.anonymous, "username", nil
  if #name == 36 and name:find(UUID) and name:sub(9, 9) == "-" then
    what, row = "id", read(cache, conf, "id", name:lower())
  end
  return row or read(cache, conf, "username", name), what
end

-- Returns a CA certificate, if there is one: ids may be written in capitals.
function _M.ca(id)
  for _, spelling in ipairs(id == id:lower() and { id } or { id:lower(), id }) do
    local row, err = kong.db.ca_certificates:select({ id = spelling })
    if err then error("CA certificate " .. id .. ": " .. err, 0) end
    if row then return row end
  end
end

-- The policy of a configuration: its definition, for the engine, and the SHA-256 of
-- that. In order and without what Kong has added, so that workers mostly have the same.
function _M.policy(conf)
  local cas, config = {}, {}
  for _, id in ipairs(conf.ca_certificates) do
    local row = _M.ca(id)
    if row then cas[#cas + 1] = '{"cert":' .. cjson.encode(row.cert) .. ',"id":' .. cjson.encode(row.id) .. "}" end
  end
  for key, value in pairs(conf) do
    if not ADDED[key] and not key:find("^[_$]") and value ~= ngx.null then
      if type(value) == "table" and not next(value) then value = list() end
      config[#config + 1] = cjson.encode(key) .. ":" .. assert(cjson.encode(value))
    end
  end
  table.sort(config)
  local form, hash = '{"ca_certificates":[%s],"config":{%s}}', sha256:new()
  local definition = form:format(table.concat(cas, ","), table.concat(config, ","))
  hash:update(definition)
  return { id = to_hex(hash:final()), definition = definition }
end

return _M
