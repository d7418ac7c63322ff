-- The decisions that a worker caches, for as long as the server says.
local base = (...):match("^(.+%.)decisions$")
local log, lookups, server = require(base .. "log"), require(base .. "lookups"), require(base .. "server")
local lrucache, sha256, semaphore = require "resty.lrucache", require "resty.sha256", require "ngx.semaphore"

local _M = {}

local MAX_CACHED, MAX_ENTRIES = 10000, 4096 -- the latter by connection, in each of two tables
local MAX_CHAIN = 65536 -- bytes: the server reads no more
local MAX_LEAVES, MAX_KEPT_CHAIN = 2048, 8192 -- of the chains that are kept, 16 MiB in all
local ALONE = 5 -- s for which decisions outlive the server
local DEAD = 15 -- s without a sign of life of the request that asks

-- All that is cached. A request that is still asking when it is dropped puts the result
-- into the dropped tables, where it is not found.
local kept

function _M.drop()
  kept = {
    policies = {}, -- by the plugin's configuration, which is another table when it changes
    flights = {},
    -- By connection, and in it by configuration: nginx never gives a number twice, and
    -- the certificate of a connection stays the same. Refusals are not here: any client
    -- can cause them.
    recent = {}, older = {}, entries = 0,
  }
end
_M.drop()

-- Drops decisions alone: the server's evidence was replaced, Kong's database was not.
function _M.drop_decisions()
  kept = { policies = kept.policies, lookups = kept.lookups, flights = {}, recent = {}, older = {}, entries = 0 }
end

-- By SHA-256 of a leaf, the chain that came with it and passed: for connections of
-- resumed TLS sessions, which have none, when another server takes over.
local chains = lrucache.new(MAX_LEAVES)

-- Returns a cache: decisions, by digest of what was presented, or lookups. It is made
-- when there is something to keep: much may change before there is.
local function cache(mine, of)
  mine[of] = mine[of] or lrucache.new(MAX_CACHED)
  return mine[of]
end

local function digest_of(text)
  local hash = sha256:new()
  hash:update(text)
  return hash:final()
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

local function make_policy(_, mine, conf)
  mine.policies[conf] = lookups.policy(conf)
  return mine.policies[conf]
end

local function decide(flight, mine, conf, policy, digest, leaf, chain)
  local ends = math.huge -- of the first lookup that it rests on
  local function find(wanted)
    local answer, consumers
    answer, consumers, ends = lookups.find(cache(mine, "lookups"), conf, policy, wanted)
    return answer, consumers
  end
  local question = { policy = policy.id, leaf = leaf, chain = chain, resumed = ngx.var.ssl_session_reused or "" }
  local asked = ngx.now() -- cached from then on: the worker may stand still before it reads on
  local d = server.decide(question, policy.definition, find, flight)
  for _, line in ipairs(d.lines) do log.write(line[1], line[2]) end
  chain = d.chain or chain
  if chain and #chain <= MAX_KEPT_CHAIN and not d.status then chains:set(digest_of(leaf), chain) end
  d.lines, d.chain = nil, nil
  d.from, d.till = asked, d.epoch == server.epoch and math.min(asked + d.ttl, ends) or asked
  if d.till > d.from then cache(mine, "decisions"):set(digest, d) end
  return d
end

-- Returns what was presented: the leaf, "" for none, and what came above it, if anything.
local function presented()
  local leaf = ngx.var.ssl_client_raw_cert or ""
  if leaf == "" then return leaf end
  if ngx.var.ssl_session_reused == "r" then return leaf, (chains:get(digest_of(leaf))) end
  local chain, err = kong.client.tls.get_full_client_certificate_chain()
  if err then error("get_full_client_certificate_chain: " .. err, 0) end
  if chain and #chain > MAX_CHAIN then -- whole certificates
    chain = chain:sub(1, MAX_CHAIN):match("^.*%-%-%-%-%-END CERTIFICATE%-%-%-%-%-\n")
  end
  return leaf, chain
end

-- Returns the decision about the request, and whether it was made for an earlier one.
function _M.find(conf)
  local mine, connection = kept, ngx.var.connection
  local here = mine.recent[connection] or mine.older[connection]
  if here and is_fresh(here[conf]) then return here[conf], true end

  local leaf, chain = presented()
  local policy = mine.policies[conf] or share(mine.flights, conf, make_policy, mine, conf)
  -- Names are those of a workspace.
  local digest = digest_of((ngx.ctx.workspace or "") .. ":" .. policy.id .. #leaf .. ":" .. leaf .. (chain or ""))
  local d, earlier = cache(mine, "decisions"):get(digest), true
  if not is_fresh(d) then
    d, earlier = share(mine.flights, digest, decide, mine, conf, policy, digest, leaf, chain)
  end
  if d.till > d.from and leaf ~= "" and not d.status then
    if mine.entries >= MAX_ENTRIES then mine.older, mine.recent, mine.entries = mine.recent, {}, 0 end
    here = mine.recent[connection] or {}
    if not here[conf] then mine.entries = mine.entries + 1 end
    mine.recent[connection], here[conf] = here, d
  end
  return d, earlier
end

return _M
