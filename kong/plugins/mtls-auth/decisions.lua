-- The decisions that a worker keeps, for as long as the engine has said.
local base = (...):match("^(.+%.)decisions$")
local engine, lookups, log = require(base .. "engine"), require(base .. "lookups"), require(base .. "log")
local lrucache, sha256, semaphore = require "resty.lrucache", require "resty.sha256", require "ngx.semaphore"

local _M = {}

local MAX_KEPT, MAX_CONNECTIONS = 10000, 4096 -- the latter in each of two tables
local MAX_CHAIN = 65536 -- bytes: the program reads no more
local ALONE = 5 -- s, that decisions outlive the engine
local DEAD = 15 -- s without a sign of life of who decides

-- All that is kept. Whoever is still deciding when it is dropped puts what comes of
-- it into what was dropped, where nobody finds it.
local kept

function _M.drop()
  kept = {
    policies = {}, -- by the plugin's configuration, which is another table when it changes
    flights = {},
    -- By connection, and on it by configuration: nginx never gives a number twice,
    -- and the certificate of a connection stays the same.
    recent = {}, older = {}, connections = 0,
  }
end
_M.drop()

-- Returns a cache: decisions, by digest of what was presented, or lookups. It is made
-- when there is something to keep: much may change before there is.
local function cache(mine, of)
  mine[of] = mine[of] or lrucache.new(MAX_KEPT)
  return mine[of]
end

local function stands(d)
  local now, lost = ngx.now(), engine.lost
  return d and now >= d.from and now < d.till and (not lost or now >= lost and now < lost + ALONE)
end

-- Calls make once for all that want the same at once; the others wait for what comes
-- of it. Says too whether it was made for somebody else.
local function share(flights, key, make, ...)
  local flight = flights[key]
  if not flight or ngx.now() - flight.alive > DEAD then
    flight = { alive = ngx.now(), waiting = 0, over = semaphore.new() }
    flights[key] = flight
    flight.ok, flight.result = pcall(make, flight, ...)
    if flights[key] == flight then flights[key] = nil end
    if flight.waiting > 0 then flight.over:post(flight.waiting) end
    if not flight.ok then error(flight.result, 0) end
    return flight.result, false
  end
  flight.waiting = flight.waiting + 1
  repeat
    local ok, err = flight.over:wait(1)
    if flight.ok then return flight.result, true end
    if flight.ok == false then error(flight.result, 0) end
    if not ok and err ~= "timeout" then error("waiting for a decision: " .. err, 0) end
  until ngx.now() - flight.alive > DEAD -- nginx ended the request that made it
  return share(flights, key, make, ...)
end

local function make_policy(_, mine, conf)
  mine.policies[conf] = lookups.policy(conf)
  return mine.policies[conf]
end

local function decide(flight, mine, conf, policy, digest, leaf, chain)
  local ends = math.huge -- of the first lookup that it rests on
  local function find(wanted)
    local answer, consumers
    answer, consumers, ends = lookups.find(cache(mine, "lookups"), conf, wanted)
    return answer, consumers
  end
  local question = { policy = policy.id, leaf = leaf, chain = chain, resumed = ngx.var.ssl_session_reused or "" }
  local asked = ngx.now() -- by that time it is kept: the worker may stand still before it reads on
  local d = engine.decide(question, policy.definition, find, flight)
  for _, line in ipairs(d.lines) do log.write(line[1], line[2]) end
  d.lines = nil
  d.from, d.till = asked, d.epoch == engine.epoch and math.min(asked + d.ttl, ends) or asked
  if d.till > d.from then cache(mine, "decisions"):set(digest, d) end
  return d
end

-- Returns the decision about the request, and whether it was made for an earlier
-- one; nil when no certificate was sent, for which the engine need not be asked.
function _M.find(conf)
  local mine, connection = kept, ngx.var.connection
  local here = mine.recent[connection] or mine.older[connection]
  if here and stands(here[conf]) then return here[conf], true end

  local leaf, chain = ngx.var.ssl_client_raw_cert or "", nil
  if leaf ~= "" then
    local err
    chain, err = kong.client.tls.get_full_client_certificate_chain()
    if err then error("get_full_client_certificate_chain: " .. err, 0) end
  elseif not (conf.credentials and conf.credentials[1]) then -- which it may refuse: then nobody goes on
    return nil
  end
  if chain and #chain > MAX_CHAIN then -- whole certificates
    chain = chain:sub(1, MAX_CHAIN):match("^.*%-%-%-%-%-END CERTIFICATE%-%-%-%-%-\n")
  end
  local policy = mine.policies[conf] or share(mine.flights, conf, make_policy, mine, conf)
  local hash = sha256:new()
  -- Names are those of a workspace.
  hash:update((ngx.ctx.workspace or "") .. ":" .. policy.id .. #leaf .. ":" .. leaf .. (chain or ""))
  local digest, earlier = hash:final(), true
  local d = cache(mine, "decisions"):get(digest)
  if not stands(d) then
    d, earlier = share(mine.flights, digest, decide, mine, conf, policy, digest, leaf, chain)
  end
  if d.till > d.from and leaf ~= "" then
    if mine.connections == MAX_CONNECTIONS then mine.older, mine.recent, mine.connections = mine.recent, {}, 0 end
    here = mine.recent[connection]
    if not here then
      here, mine.connections = {}, mine.connections + 1
      mine.recent[connection] = here
    end
    here[conf] = d
  end
  return d, earlier
end

-- Where lookups are kept that are made for no decision.
function _M.lookups() return cache(kept, "lookups") end

return _M
