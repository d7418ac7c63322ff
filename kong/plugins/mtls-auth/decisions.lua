-- The decisions that a worker caches, for as long as the server says.
local base = (...):match("^(.+%.)decisions$")
local digest_of, lookups, server = require(base .. "digest"), require(base .. "lookups"), require(base .. "server")
local metrics = require(base .. "metrics")
local lrucache, semaphore = require "resty.lrucache", require "ngx.semaphore"

local _M = {}

local MAX_CACHED, MAX_ENTRIES = 10000, 4096 -- the latter by key, in each of two tables
local ENTRY = 2048 -- bytes of a key that count as one of these entries
local MAX_LARGE, WEIGHT = 1000, 4096 -- decisions with more bytes of headers than the latter, at most 32 KiB each
local ALONE = 5 -- s for which decisions outlive the server
local DEAD = 15 -- s without a sign of life of the request that asks

local RESULTS = { [401] = "refuse", [500] = "fault", passed = "pass" } -- else it went on as anonymous

-- All that is cached. A request that is still asking when it is dropped puts the result
-- into the dropped tables, where it is not found.
local kept

function _M.drop()
  kept = {
    policies = {}, -- by the plugin's configuration, which is another table when it changes
    flights = {},
    -- By the key of the evidence, and in it by configuration. Refusals are not here: any
    -- client can cause them.
    recent = {}, older = {}, entries = 0,
  }
end
_M.drop()

-- Drops decisions alone: the server's evidence was replaced, Kong's database was not.
function _M.drop_decisions()
  kept = { policies = kept.policies, lookups = kept.lookups, flights = {}, recent = {}, older = {}, entries = 0 }
end

-- Returns a cache: decisions, by digest of what was presented, large ones apart, or
-- lookups. It is made when there is something to keep: much may change before there is.
local function cache(mine, of)
  mine[of] = mine[of] or lrucache.new(of == "large" and MAX_LARGE or MAX_CACHED)
  return mine[of]
end

-- How many entries a decision counts as, by the bytes of its headers.
local function weight(d)
  local bytes = 0
  for _, header in ipairs(d.headers or {}) do bytes = bytes + #header[2] end
  return 1 + math.floor(bytes / WEIGHT)
end

local function is_fresh(d)
  local now, lost = ngx.now(), server.lost
  return d and now >= d.from and now < d.till and (not lost or now >= lost and now < lost + ALONE)
end

-- Calls make once for all that want the same at the same time; the others wait for the
-- result. Says too whether another request made it.
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

local function make_policy(_, mine, source, conf)
  mine.policies[conf] = lookups.policy(source, conf)
  return mine.policies[conf]
end

local function decide(flight, mine, source, conf, policy, digest, evidence)
  local ends = math.huge -- of the first lookup that it rests on
  local function find(wanted)
    local answer, consumers
    answer, consumers, ends = lookups.find(cache(mine, "lookups"), conf, policy, wanted)
    return answer, consumers
  end
  evidence.policy = policy.id
  local asked = ngx.now() -- cached from then on: the worker may stand still before it reads on
  local d = server.decide(evidence, policy.definition, find, flight)
  for _, line in ipairs(d.lines) do source.log.write(line[1], line[2]) end
  if source.passed and not d.status then source.passed(evidence, d) end
  d.lines, d.chain = nil, nil
  d.counts = metrics.of(source.plugin, RESULTS[d.status or d.reason] or "anonymous", d.reason)
  d.from, d.till = asked, d.epoch == server.epoch and math.min(asked + d.ttl, ends) or asked
  d.weight = weight(d)
  if d.till > d.from then cache(mine, d.weight > 1 and "large" or "decisions"):set(digest, d) end
  return d
end

-- Returns the decision about the request, and where it comes from: connection and worker are
-- caches, server is the server. The source has the evidence: key returns what stands for
-- it, if anything, and read the evidence itself (presented.lua).
function _M.find(source, conf)
  local mine, key = kept, source.key(conf)
  local here = key and (mine.recent[key] or mine.older[key])
  if here and is_fresh(here[conf]) then return here[conf], "connection" end

  local evidence, text, keep = source.read(conf)
  local policy = mine.policies[conf] or share(mine.flights, conf, make_policy, mine, source, conf)
  -- Names are those of a workspace.
  local digest = digest_of((ngx.ctx.workspace or "") .. ":" .. policy.id .. text)
  local d, from = cache(mine, "decisions"):get(digest) or mine.large and mine.large:get(digest), "worker"
  if not is_fresh(d) then
    local earlier
    d, earlier = share(mine.flights, digest, decide, mine, source, conf, policy, digest, evidence)
    from = earlier and "worker" or "server"
  end
  if d.till > d.from and key and keep and not d.status then
    if mine.entries >= MAX_ENTRIES then mine.older, mine.recent, mine.entries = mine.recent, {}, 0 end
    here = mine.recent[key] or {}
    if not here[conf] then mine.entries = mine.entries + d.weight + math.floor(#key / ENTRY) end
    mine.recent[key], here[conf] = here, d
  end
  return d, from
end

return _M
