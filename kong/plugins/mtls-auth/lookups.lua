-- What the server does not have: consumers, credentials and CA certificates, in Kong's
-- database. Results are kept for cache_ttl, absence too, failures never: not in
-- kong.cache, where one that was read before a change can stay after it.
local cjson = require("cjson.safe").new()
local to_hex = require("resty.string").to_hex

local base = (...):match("^(.+%.)lookups$")
local digest_of, log = require(base .. "digest"), require(base .. "log")

local _M = {}

-- What Kong adds to a plugin's configuration, beside keys that begin with "_".
local ADDED = { route_id = true, service_id = true, consumer_id = true, plugin_instance_name = true }

local function list() return setmetatable({}, cjson.array_mt) end

-- The plugins' entities, which are there where Kong runs the plugin under its own name.
local ENTITIES = { "mtls_auth_credentials", "header_cert_auth_credentials" }
local function none() return function() end end

-- Credentials that are there twice, by Kong's key for them; nil while they are looked for.
local doubled, walks = {}, 0
local MAX_WALK = 1.8 -- s that a request waits for the end of it: the server waits for 2
local RETRY = 1 -- s until a walk that failed is made again

-- Returns credentials that are there twice; nil when a later walk has begun.
local function walk(mine)
  local seen, found, n = {}, {}, 0
  for _, entity in ipairs(ENTITIES) do
    local credentials = kong.db[entity]
    for row, err in (credentials and credentials.each or none)(credentials) do
      if mine ~= walks then return nil end
      if err then error(err, 0) end
      local key = credentials:cache_key(row)
      if seen[key] then
        log.write("err", log.line("error", "credential twice, for subject_name " .. row.subject_name))
      end
      seen[key], found[key], n = true, seen[key], n + 1
      if n % 1000 == 0 then ngx.sleep(0) end
    end
  end
  return found
end

-- Without a database Kong takes credentials with ids of their own for one subject_name
-- and CA certificate: which of them is found would be chance. So neither counts.
function _M.find_doubled(drop)
  if kong.configuration.database ~= "off" then return end
  walks, doubled = walks + 1, nil
  local mine = walks
  assert(ngx.timer.at(0, function()
    local ok, found = pcall(walk, mine)
    if mine ~= walks then return end -- a later walk knows more
    if not ok then
      log.write("err", log.line("error", "reading credentials: " .. tostring(found)))
      return ngx.timer.at(RETRY, function() if mine == walks then _M.find_doubled(drop) end end)
    end
    doubled = found
    if next(found) then drop() end
  end))
end

local function is_doubled(key)
  local stop = ngx.now() + MAX_WALK
  while not doubled do
    if ngx.now() > stop then error("credentials are still being read", 0) end
    ngx.sleep(0.01)
  end
  return doubled[key]
end

-- Ids are compared without regard to case. Without a database Kong keeps them as they
-- are written: they are looked up in small letters, as written and in capitals.
local function select(dao, id)
  local tried = {}
  for _, spelling in ipairs({ id:lower(), id, id:upper() }) do
    if not tried[spelling] then
      tried[spelling] = true
      local row, err = dao:select({ id = spelling })
      if row or err then return row, err end
    end
    if id:lower() == id:upper() or kong.configuration.database ~= "off" then return nil end
  end
end

-- A value is only what it is asked by: a name that is written like an id is a name.
local function load(entity, by, value, ca)
  local consumers, credentials = kong.db.consumers, kong.db[entity]
  if by == "id" then return select(consumers, value) end
  if by ~= "credential" then return consumers["select_by_" .. by](consumers, value) end
  local key = credentials and credentials:cache_key(value, ca)
  if not key then return nil end
  if is_doubled(key) then return nil, "it is there twice" end
  return credentials:select_by_cache_key(key)
end

-- Returns a row, if there is one, and until when that counts; raises what failed.
local function read(cache, conf, policy, by, value, ca)
  ca, value = policy.written[ca] or ca, by == "id" and policy.written[value] or value
  local from = by == "credential" and policy.entity or by
  local key = table.concat({ ngx.ctx.workspace or "", from, ca or "", value }, ":")
  local ttl, now = conf.cache_ttl or 60, ngx.now()
  local entry = cache:get(key)
  if not entry or now < entry.at or now >= entry.at + ttl then
    local row, err = load(policy.entity, by, value, ca)
    if err then error(by .. " " .. value .. ": " .. err, 0) end
    entry = { row = row, at = now }
    if ttl > 0 then cache:set(key, entry) end
  end
  return entry.row, entry.at + ttl
end

local function said(row, n) return { n = n, id = row.id, username = row.username, custom_id = row.custom_id } end

-- Answers the server's lookup: all hits, unranked. Returns the answer, the consumers in
-- it by id, and until when all of it counts.
function _M.find(cache, conf, policy, wanted)
  local answer = { op = "found", credentials = list(), consumers = list(), errors = list() }
  local consumers, ends = {}, math.huge
  local function get(...)
    local ok, row, till = pcall(read, cache, conf, policy, ...)
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

-- Returns a CA certificate, if there is one.
function _M.ca(id)
  local row, err = select(kong.db.ca_certificates, id)
  if err then error("CA certificate " .. id .. ": " .. err, 0) end
  return row
end

-- The policy of a configuration: its definition, for the server, the SHA-256 of that,
-- and ids as they are written, by the same in small letters. In order and without what
-- Kong has added, so that workers mostly have the same. The source says which plugin it is
-- for, and which entity has its credentials.
function _M.policy(source, conf)
  local cas, config, written = {}, {}, {}
  local function note(id) if id then written[id:lower()] = id end end
  note(conf.anonymous)
  note(conf.default_consumer)
  for _, mapping in ipairs(conf.credentials or {}) do note(mapping.consumer) end
  for _, id in ipairs(conf.ca_certificates) do
    local row = _M.ca(id)
    if row then note(row.id) end
    if row then cas[#cas + 1] = '{"cert":' .. cjson.encode(row.cert) .. ',"id":' .. cjson.encode(row.id) .. "}" end
  end
  for key, value in pairs(conf) do
    if not ADDED[key] and not key:find("^[_$]") and value ~= ngx.null then
      if type(value) == "table" and not next(value) then value = list() end
      config[#config + 1] = cjson.encode(key) .. ":" .. assert(cjson.encode(value))
    end
  end
  table.sort(config)
  local definition = ('{"ca_certificates":[%s],"config":{%s},"plugin":%s}')
    :format(table.concat(cas, ","), table.concat(config, ","), cjson.encode(source.plugin))
  return { id = to_hex(digest_of(definition)), definition = definition, written = written, entity = source.entity }
end

return _M
