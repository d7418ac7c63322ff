-- What is kept, for how long, and what is shared.
local world = require "world"
local engines, fixtures = require "engines", require "fixtures"
local test, equal, request, frame = world.test, world.equal, world.request, world.frame

-- A worker whose watch is up, and an engine that passes alice.
local function start(changes, options)
  world.start(fixtures.options(options))
  local verdict = frame("verdict_pass")
  for key, value in pairs(changes or {}) do verdict[key] = value end
  local engine = engines.verdict(verdict, frame("lookup").lookup)
  world.run(2)
  return engine
end

local conf

-- How many questions a request on this connection makes.
local function asks(engine, connection, certificate)
  local before = engine.count("decide")
  local r = request(conf, fixtures.request({ var = { connection = connection }, leaf = certificate }))
  equal(r.status, nil)
  return engine.count("decide") - before
end

local function fresh(...)
  conf = fixtures.conf()
  local engine = start(...)
  equal(asks(engine, "1"), 1)
  equal(asks(engine, "1"), 0)
  equal(asks(engine, "2"), 0)
  return engine
end

test("for as long as the engine says", function()
  local engine = fresh({ ttl_ms = 1500 })
  world.run(1.4)
  equal(asks(engine, "1") + asks(engine, "3"), 0)
  world.run(0.2)
  equal(asks(engine, "1"), 1)
  equal(asks(engine, "2"), 0)
end)

test("a minute at most", function()
  conf = fixtures.conf({ cache_ttl = 3600 })
  local engine = start({ ttl_ms = 1e12 })
  asks(engine, "1")
  world.run(59)
  equal(asks(engine, "1"), 0)
  world.run(2)
  equal(asks(engine, "1"), 1)
end)

test("not at all", function()
  conf = fixtures.conf()
  local engine = start({ ttl_ms = 0 })
  equal(asks(engine, "1") + asks(engine, "1") + asks(engine, "2"), 3)
end)

test("no longer than its lookups", function()
  conf = fixtures.conf({ cache_ttl = 10 })
  local engine = start()
  asks(engine, "1")
  world.run(8)
  equal(asks(engine, "2", "other"), 1) -- by lookups that are 8 s old
  equal(world.db.consumers.calls, 5)
  world.run(3)
  equal(asks(engine, "1") + asks(engine, "2", "other"), 2)
  equal(world.db.consumers.calls, 10)
  conf = fixtures.conf({ cache_ttl = 0 })
  equal(asks(engine, "1") + asks(engine, "1"), 2)
end)

test("not of another epoch, nor before there is one", function()
  local engine = fresh({ epoch = "other" } and nil)
  engine.epoch = "5f1c-8"
  world.run(0.2)
  equal(asks(engine, "1"), 1)
  equal(asks(engine, "1") + asks(engine, "2"), 0)
  -- The engine has gone on, and the watch does not know it yet.
  local decide = engine.decide
  engine.decide = function(question, conn)
    conn:write(frame("lookup"))
    conn:read()
    local v = frame("verdict_pass")
    v.epoch = "5f1c-9"
    conn:write(v)
    return question
  end
  equal(asks(engine, "3", "other") + asks(engine, "3", "other"), 2)
  engine.decide = decide
  world.start(fixtures.options())
  engine.start()
  equal(asks(engine, "1") + asks(engine, "1"), 2)
end)

test("nothing after the clock was set back", function()
  local engine = fresh()
  local reads = world.db.consumers.calls
  world.set_clock(-10)
  equal(asks(engine, "1"), 1)
  equal(world.db.consumers.calls, 2 * reads)
end)

test("not after a change that counts, in whichever cache", function()
  for _, event in ipairs({
    { "kong_db_cache", "consumers:x:::::w" }, { "kong_db_cache", "mtls_auth_credentials:x:::::w" },
    { "kong_core_db_cache", "ca_certificates:x:::::w" }, { "kong_core_db_cache", "plugins_iterator:version" },
  }) do
    local engine = fresh()
    world.invalidate(event[1], event[2])
    equal(asks(engine, "1"), 1, event[2])
  end
  for _, event in ipairs({
    { "mlcache", "mlcache:purge:kong_db_cache", "" }, { "mlcache", "mlcache:purge:kong_core_db_cache", "" },
    { "declarative", "reconfigure", { "w", "h" } },
  }) do
    local engine = fresh()
    world.event(unpack(event))
    equal(asks(engine, "1"), 1, event[2])
  end
  local engine = fresh()
  world.configure({ conf })
  equal(asks(engine, "1"), 1, "configure")
  engine = fresh()
  world.configure(nil)
  equal(asks(engine, "1"), 1, "configure without")
  engine = fresh()
  for _, key in ipairs({ "router:version", "keyauth_credentials:x", "consumer_groups:x" }) do
    world.invalidate("kong_db_cache", key)
    world.invalidate("kong_core_db_cache", key)
  end
  equal(asks(engine, "1"), 0, "others")
end)

test("what a change brings", function()
  local engine = fresh()
  local other = { id = "cccccccc-0000-4000-8000-000000000002", username = "other" }
  world.rows.consumers[1] = other
  world.rows.credentials[1].consumer.id = other.id
  world.invalidate("kong_db_cache", "consumers:x")
  equal(request(conf, fixtures.request({ var = { connection = "1" } })).status, 500) -- the verdict names alice
  equal(engine.found.credentials[1].consumer, { id = other.id, username = "other" })
end)

test("nor does it replace what is decided after the change", function()
  conf = fixtures.conf()
  local engine = start()
  world.db.consumers.slow = 1
  world.begin(conf, fixtures.request({ var = { connection = "1" } }))
  world.run(0.5)
  world.invalidate("kong_db_cache", "consumers:x")
  world.run(20)
  world.db.consumers.slow, world.db.consumers.calls = 0, 0
  equal(asks(engine, "1"), 1)
  equal(world.db.consumers.calls, 5)
end)

-- Begins a request, makes a change while the engine still decides, and lets it end.
local function meanwhile(change)
  conf = fixtures.conf()
  local engine = start()
  local decide = engine.decide
  engine.decide = function(question, conn)
    decide({}, conn, engine)
    return question
  end
  world.db.consumers.slow = 1
  local r = world.begin(conf, fixtures.request({ var = { connection = "1" } }))
  world.run(0.5)
  change(engine)
  local joined = world.begin(conf, fixtures.request({ var = { connection = "2" } }))
  world.run(20)
  assert(r.task.dead and joined.task.dead and not r.status and not joined.status)
  world.db.consumers.slow = 0
  return engine, asks(engine, "1")
end

test("what is decided across a change is used, and not kept", function()
  local engine, again = meanwhile(function() end)
  equal({ engine.count("decide"), again }, { 1, 0 })
  engine, again = meanwhile(function() world.invalidate("kong_db_cache", "consumers:x") end)
  equal({ engine.count("decide"), again }, { 2, 0 }) -- who came later has asked anew, and that is kept
  local calls = world.db.consumers.calls
  asks(engine, "4", "other")
  equal(world.db.consumers.calls, calls) -- the later one's lookups are kept
end)

test("nor is what was read across a change", function()
  conf = fixtures.conf()
  local engine = start()
  world.db.ca_certificates.slow = 1
  world.begin(conf, fixtures.request({ var = { connection = "1" } }))
  world.run(0.5)
  world.rows.cas[1] = { id = fixtures.ca, cert = "new" }
  world.invalidate("kong_core_db_cache", "ca_certificates:x")
  world.run(20)
  local old = engine.of("decide")[1].policy
  equal(asks(engine, "1"), 1)
  assert(engine.of("decide")[2].policy ~= old)
end)

test("one of many asks", function()
  conf = fixtures.conf()
  local engine = start()
  world.db.consumers.slow, world.db.ca_certificates.slow = 0.3, 0.2
  local all = {}
  for i = 1, 100 do all[i] = world.begin(conf, fixtures.request({ var = { connection = tostring(i) } })) end
  local function over(r) return function() return r.task.dead end end
  world.run(10, over(all[1]))
  local at = world.now()
  for i = 2, 100 do world.run(10, over(all[i])) end
  equal(world.now(), at) -- they are woken, not found out a little later
  for _, r in ipairs(all) do assert(r.task.dead and not r.status and r.authenticated == 1) end
  equal({ engine.count("decide"), world.db.ca_certificates.calls, world.db.consumers.calls }, { 1, 2, 5 })
  equal(#world.logged('reason="passed"'), 100)
end)

test("what was decided while a request read its definition is used", function()
  conf = fixtures.conf()
  local engine = start()
  world.db.ca_certificates.slow = 2
  local r = world.begin(fixtures.conf(), fixtures.request())
  world.run(0)
  world.db.ca_certificates.slow = 0
  world.run(1)
  equal(asks(engine, "1"), 1)
  world.run(5)
  assert(r.task.dead and not r.status)
  equal(engine.count("decide"), 1)
end)

test("a fault is for all that wait, and for nobody later", function()
  conf = fixtures.conf()
  local engine = start()
  engine.decide = function(_, conn)
    conn:sleep(1)
    conn:raw(world.framed("rubbish"))
  end
  local all = {}
  for i = 1, 10 do all[i] = world.begin(conf, fixtures.request({ var = { connection = tostring(i) } })) end
  world.run(3)
  for _, r in ipairs(all) do equal(r.status, 500) end
  equal({ engine.count("decide"), #world.logged("err ") }, { 1, 10 })
  equal(request(conf, fixtures.request()).status, 500)
  equal(engine.count("decide"), 2)
end)

test("who waits does not depend on a request that nginx has ended", function()
  conf = fixtures.conf()
  local engine = start()
  local decide = engine.decide
  engine.decide = function(_, conn)
    for _ = 1, 20 do
      conn:sleep(2)
      conn:write(frame("wait"))
    end
  end
  local first = world.begin(conf, fixtures.request({ var = { connection = "1" } }))
  world.run(1)
  local others = {}
  for i = 1, 3 do others[i] = world.begin(conf, fixtures.request({ var = { connection = "o" .. i } })) end
  world.run(20) -- longer than it takes for dead, but there are signs of life
  equal(engine.count("decide"), 1)
  engine.decide = decide
  world.kill(first)
  world.run(17)
  for _, r in ipairs(others) do assert(r.task.dead and not r.status) end
  equal(engine.count("decide"), 2)
end)

test("the engine is away: five seconds", function()
  local engine = fresh()
  engine.stop()
  world.run(0.2)
  equal(world.logged("lost"), { 'warn [mtls-auth] engine="lost" error="closed"' })
  world.run(4.5)
  equal(asks(engine, "1"), 0)
  world.run(1)
  equal(request(conf, fixtures.request({ var = { connection = "1" } })).status, 500)
  equal(#world.logged("lost"), 1)
  engine.start() -- the same one, as it were: what it decided counts again
  world.run(1.2)
  equal(world.logged("found"), { 'notice [mtls-auth] engine="found"' })
  equal(asks(engine, "1"), 0)
  engine.stop()
  world.run(0.2)
  engine.epoch = "other-0"
  engine.start()
  world.run(1.2)
  equal(asks(engine, "1"), 1)
end)

test("an engine that is away is looked for every second", function()
  local engine = fresh()
  engine.stop()
  world.run(5)
  world.refused = 0
  world.run(60)
  assert(world.refused >= 59 and world.refused <= 61, world.refused)
end)

test("the engine is away and the clock is set back", function()
  local engine = fresh()
  world.run(20)
  engine.stop()
  world.run(0.2)
  world.set_clock(-10)
  equal(request(conf, fixtures.request({ var = { connection = "1" } })).status, 500)
end)

test("a watch that says nothing is broken", function()
  conf = fixtures.conf()
  world.start(fixtures.options())
  local engine = engines.verdict(frame("verdict_pass"), frame("lookup").lookup)
  world.run(2)
  world.engine = function(conn) while conn:read() do end end
  engine.epoch = "5f1c-7"
  world.run(2.5)
  for _, conn in ipairs(world.conns) do conn.write = function() end end
  world.run(1.5)
  equal(#world.logged("lost"), 0)
  world.run(3)
  equal(#world.logged("lost"), 1)
  -- An engine that refuses the watch, or answers with no epoch.
  for _, answer in ipairs({ frame("error"), { epoch = 1 }, { x = 1 } }) do
    world.start(fixtures.options())
    world.engine = function(conn) while conn:read() do conn:write(answer) end end
    world.run(3)
    equal(#world.logged('warn [mtls-auth] engine="lost"'), 1)
  end
end)

test("a worker that ends ends its watch within a second", function()
  start()
  world.exiting = true
  world.run(1.1)
  local watch = world.conns[1]
  assert(watch.closed)
  equal(#world.logged("lost"), 0)
end)

test("a configuration that is gone is not held", function()
  local engine = fresh()
  local held = setmetatable({ conf }, { __mode = "v" })
  conf = nil
  world.configure({})
  collectgarbage()
  collectgarbage()
  equal(held[1], nil)
  equal(engine.count("decide"), 1)
end)

test("connections are forgotten, the longest ones first", function()
  conf = fixtures.conf()
  local engine = start()
  asks(engine, "first")
  for i = 1, 10000 do
    local r = { ctx = {}, headers = {}, var = { connection = tostring(i), ssl_client_raw_cert = fixtures.leaf }, chain = fixtures.chain }
    request(conf, r)
  end
  equal(engine.count("decide"), 1)
  local decisions = require "kong.plugins.mtls-auth.decisions"
  local n, i = 0, 1
  repeat
    local name, value = debug.getupvalue(decisions.find, i)
    i = i + 1
    if name == "kept" then
      for _ in pairs(value.recent) do n = n + 1 end
      for _ in pairs(value.older) do n = n + 1 end
    end
  until not name
  assert(n > 4000 and n <= 8192, n)
end)

test("no longer for a worker that was stopped in between", function()
  conf = fixtures.conf()
  local engine = start({ ttl_ms = 1500 })
  local decide, stopped = engine.decide, true
  engine.decide = function(...)
    decide(...)
    if stopped then world.set_clock(40) end -- it reads the verdict so much later
    stopped = false
  end
  equal(asks(engine, "1"), 1)
  equal(asks(engine, "1") + asks(engine, "2"), 1)
end)

test("of one workspace in no other", function()
  local engine
  engine = engines.new(function(_, conn)
    conn:write({ lookup = { credentials = frame("lookup").lookup.credentials, consumers = { { "username", "alice" } } } })
    local verdict = frame("verdict_pass")
    verdict.epoch, verdict.consumer = engine.epoch, conn:read().consumers[1].id
    conn:write(verdict)
  end)
  world.start(fixtures.options({ no_credentials = true }))
  engine.start()
  kong.db.consumers.select_by_username = function(_, name) return { id = name .. " of " .. ngx.ctx.workspace, username = name } end
  world.run(2)
  local configs = { one = fixtures.conf(), two = fixtures.conf() } -- which say the same
  for _, workspace in ipairs({ "one", "two", "one", "two" }) do
    local r = request(configs[workspace], fixtures.request({ ctx = { workspace = workspace } }))
    equal(r.ctx.authenticated_consumer.id, "alice of " .. workspace)
  end
  equal(engine.count("decide"), 2)
end)

world.finish()
