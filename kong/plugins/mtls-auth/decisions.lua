-- The decisions that a worker keeps, for as long as the engine has said.
local base = (...):match("^(.+%.)decisions$")
local engine, lookups, log = require(base .. "engine"), require(base .. "lookups"), require(base .. "log")
local lrucache, sha256, semaphore = require "resty.lrucache", require "resty.sha256", require "ngx.semaphore"

local kong, ngx = kong, ngx
local weak = { __mode = "k" }

local _M = {}

local MAX_KEPT = 10000
local MAX_CONNECTIONS = 16384 -- in each of two tables
local MAX_CHAIN = 65536 -- bytes: the program reads no more
local DEAD = 15 -- s without a sign of life: twice what an engine or a database may take

-- All that is kept, until drop. Whoever still decides when it is dropped puts what
-- comes of it here, where nobody finds it any more.
local kept

function _M.drop()
  kept = {
    policies = setmetatable({}, weak), -- by the plugin's configuration
    decisions = lrucache.new(MAX_KEPT), -- by what was presented
    lookups = lrucache.new(MAX_KEPT),
    flights = {},
    -- By connection, and on it by configuration. nginx never gives a connection's
    -- number again, and a certificate does not change on a connection.
    recent = {}, older = {}, connections = 0,
  }
end
_M.drop()

local function stands(d, now) return now >= d.from and now < d.till and engine.near(now) end

-- Calls make once for all that ask for the same thing at once; who comes later
-- waits for the first. Says too whether one has waited.
local function share(flights, key, make, ...)
  local flight = flights[key]
  if not flight or ngx.now() - flight.alive > DEAD then
    flight = { alive = ngx.now(), waiting = 0, done = semaphore.new() }
    flights[key] = flight
    flight.ok, flight.result = pcall(make, flight, ...)
    if flights[key] == flight then flights[key] = nil end
    if flight.waiting > 0 then flight.done:post(flight.waiting) end
    if not flight.ok then error(flight.result, 0) end
    return flight.result, false
  end
  flight.waiting = flight.waiting + 1
  repeat
    local ok, err = flight.done:wait(1)
    if flight.ok then return flight.result, true end
    if flight.ok == false then error(flight.result, 0) end
    if not ok and err ~= "timeout" then error("waiting for a decision: " .. err, 0) end
  until ngx.now() - flight.alive > DEAD -- its request was ended by nginx
  return share(flights, key, make, ...)
end

local function presented_chain()
  local chain, err = kong.client.tls.get_full_client_certificate_chain()
  if err then error("get_full_client_certificate_chain: " .. err, 0) end
  if chain and #chain > MAX_CHAIN then
    chain = chain:sub(1, MAX_CHAIN):match("^.*%-%-%-%-%-END CERTIFICATE%-%-%-%-%-\n") -- whole ones
  end
  return chain
end

local function make_policy(_, mine, conf)
  local policy = lookups.policy(conf)
  mine.policies[conf] = policy
  return policy
end

local function decide(flight, mine, conf, policy, digest, leaf, chain)
  local ends = math.huge -- of the first lookup that it rests on
  local function find(wanted)
    local answer, consumers
    answer, consumers, ends = lookups.find(mine.lookups, conf, wanted)
    return answer, consumers
  end
  local question = { policy = policy.id, leaf = leaf, chain = chain, resumed = ngx.var.ssl_session_reused or "" }
  local d = engine.decide(question, policy.definition, find, flight)
  for _, line in ipairs(d.lines) do log.write(line[1], line[2]) end
  d.from, d.lines = ngx.now(), nil
  d.till = math.min(d.from + d.ttl, ends)
  if d.epoch ~= engine.epoch then d.till = d.from end
  if d.from < d.till then mine.decisions:set(digest, d) end
  return d
end

-- Returns the decision about the request, and whether it was made for an earlier
-- one; nil when no certificate was sent.
function _M.find(conf)
  local mine, var, now = kept, ngx.var, ngx.now()
  local connection = var.connection
  local here = mine.recent[connection] or mine.older[connection]
  local d = here and here[conf]
  if d and stands(d, now) then return d, true end

  local leaf = var.ssl_client_raw_cert
  if not leaf or leaf == "" then return nil end
  local chain = presented_chain()
  local policy = mine.policies[conf] or share(mine.flights, conf, make_policy, mine, conf)
  local hash = sha256:new()
  hash:update(policy.id .. #leaf .. ":" .. leaf .. (chain or ""))
  local digest, earlier = hash:final(), true
  d = mine.decisions:get(digest)
  if not d or not stands(d, now) then
    d, earlier = share(mine.flights, digest, decide, mine, conf, policy, digest, leaf, chain)
  end
  if d.from < d.till then
    if not mine.recent[connection] then
      if mine.connections == MAX_CONNECTIONS then mine.older, mine.recent, mine.connections = mine.recent, {}, 0 end
      mine.recent[connection], mine.connections = {}, mine.connections + 1
    end
    mine.recent[connection][conf] = d
  end
  return d, earlier
end

-- Consumer lookups that are made for no decision are kept with the others.
function _M.lookups() return kept.lookups end

return _M
