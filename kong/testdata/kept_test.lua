-- What is kept, for how long, and what is shared.
local world = require "world"
local servers, fixtures = require "servers", require "fixtures"
local test, equal, request, frame = world.test, world.equal, world.request, world.frame

-- A worker whose watch is up, and a server that passes alice.
local function start(changes, options)
  world.start(fixtures.options(options))
  local verdict = frame("verdict_pass")
  for key, value in pairs(changes or {}) do verdict[key] = value end
  local server = servers.verdict(verdict, frame("lookup").lookup)
  world.run(2)
  return server
end

local conf

-- How many questions a request on this connection makes.
local function asks(server, connection, certificate)
  local before = server.count("decide")
  local r = request(conf, fixtures.request({ var = { connection = connection }, leaf = certificate }))
  equal(r.status, nil)
  return server.count("decide") - before
end

local function fresh(...)
  conf = fixtures.conf()
  local server = start(...)
  equal(asks(server, "1"), 1)
  equal(asks(server, "1"), 0)
  equal(asks(server, "2"), 0)
  return server
end

test("for as long as the server says", function()
  local server = fresh({ ttl_ms = 1500 })
  world.run(1.4)
  equal(asks(server, "1") + asks(server, "3"), 0)
  world.run(0.2)
  equal(asks(server, "1"), 1)
  equal(asks(server, "2"), 0)
end)

test("a minute at most", function()
  conf = fixtures.conf({ cache_ttl = 3600 })
  local server = start({ ttl_ms = 1e12 })
  asks(server, "1")
  world.run(59)
  equal(asks(server, "1"), 0)
  world.run(2)
  equal(asks(server, "1"), 1)
end)

test("not at all", function()
  conf = fixtures.conf()
  local server = start({ ttl_ms = 0 })
  equal(asks(server, "1") + asks(server, "1") + asks(server, "2"), 3)
end)

test("no longer than its lookups", function()
  conf = fixtures.conf({ cache_ttl = 10 })
  local server = start()
  asks(server, "1")
  world.run(8)
  equal(asks(server, "2", "other"), 1) -- by lookups that are 8 s old
  equal(world.db.consumers.calls, 5)
  world.run(3)
  equal(asks(server, "1") + asks(server, "2", "other"), 2)
  equal(world.db.consumers.calls, 10)
  conf = fixtures.conf({ cache_ttl = 0 })
  equal(asks(server, "1") + asks(server, "1"), 2)
end)

test("not of another epoch, nor before there is one", function()
  local server = fresh({ epoch = "other" } and nil)
  server.epoch = "5f1c-8"
  world.run(0.2)
  equal(asks(server, "1"), 1)
  equal(asks(server, "1") + asks(server, "2"), 0)
  -- The server has gone on, and the watch does not know it yet.
  local decide = server.decide
  server.decide = function(question, conn)
    conn:write(frame("lookup"))
    conn:read()
    local v = frame("verdict_pass")
    v.epoch = "5f1c-9"
    conn:write(v)
    return question
  end
  equal(asks(server, "3", "other") + asks(server, "3", "other"), 2)
  server.decide = decide
  world.start(fixtures.options())
  server.start()
  equal(asks(server, "1") + asks(server, "1"), 2)
end)

test("nothing after the clock was set back", function()
  local server = fresh()
  local reads = world.db.consumers.calls
  world.set_clock(-10)
  equal(asks(server, "1"), 1)
  equal(world.db.consumers.calls, 2 * reads)
end)

test("not after a change that counts, in whichever cache", function()
  for _, event in ipairs({
    { "kong_db_cache", "consumers:x:::::w" }, { "kong_db_cache", "mtls_auth_credentials:x:::::w" },
    { "kong_core_db_cache", "ca_certificates:x:::::w" }, { "kong_core_db_cache", "plugins_iterator:version" },
  }) do
    local server = fresh()
    world.invalidate(event[1], event[2])
    equal(asks(server, "1"), 1, event[2])
  end
  for _, event in ipairs({
    { "mlcache", "mlcache:purge:kong_db_cache", "" }, { "mlcache", "mlcache:purge:kong_core_db_cache", "" },
    { "declarative", "reconfigure", { "w", "h" } },
  }) do
    local server = fresh()
    world.event(unpack(event))
    equal(asks(server, "1"), 1, event[2])
  end
  local server = fresh()
  world.configure({ conf })
  equal(asks(server, "1"), 1, "configure")
  server = fresh()
  world.configure(nil)
  equal(asks(server, "1"), 1, "configure without")
  server = fresh()
  for _, key in ipairs({ "router:version", "keyauth_credentials:x", "consumer_groups:x" }) do
    world.invalidate("kong_db_cache", key)
    world.invalidate("kong_core_db_cache", key)
  end
  equal(asks(server, "1"), 0, "others")
end)

test("what a change brings", function()
  local server = fresh()
  local other = { id = "cccccccc-0000-4000-8000-000000000002", username = "other" }
  world.rows.consumers[1] = other
  world.rows.credentials[1].consumer.id = other.id
  world.invalidate("kong_db_cache", "consumers:x")
  equal(request(conf, fixtures.request({ var = { connection = "1" } })).status, 500) -- the verdict names alice
  equal(server.found.credentials[1].consumer, { id = other.id, username = "other" })
end)

test("nor does it replace what is decided after the change", function()
  conf = fixtures.conf()
  local server = start()
  world.db.consumers.slow = 1
  world.begin(conf, fixtures.request({ var = { connection = "1" } }))
  world.run(0.5)
  world.invalidate("kong_db_cache", "consumers:x")
  world.run(20)
  world.db.consumers.slow, world.db.consumers.calls = 0, 0
  equal(asks(server, "1"), 1)
  equal(world.db.consumers.calls, 5)
end)

-- Begins a request, makes a change while the server still decides, and lets it end.
local function meanwhile(change)
  conf = fixtures.conf()
  local server = start()
  local decide = server.decide
  server.decide = function(question, conn)
    decide({}, conn, server)
    return question
  end
  world.db.consumers.slow = 1
  local r = world.begin(conf, fixtures.request({ var = { connection = "1" } }))
  world.run(0.5)
  change(server)
  local joined = world.begin(conf, fixtures.request({ var = { connection = "2" } }))
  world.run(20)
  assert(r.task.dead and joined.task.dead and not r.status and not joined.status)
  world.db.consumers.slow = 0
  return server, asks(server, "1")
end

test("what is decided across a change is used, and not kept", function()
  local server, again = meanwhile(function() end)
  equal({ server.count("decide"), again }, { 1, 0 })
  server, again = meanwhile(function() world.invalidate("kong_db_cache", "consumers:x") end)
  equal({ server.count("decide"), again }, { 2, 0 }) -- the later request has asked again, and that is kept
  local calls = world.db.consumers.calls
  asks(server, "4", "other")
  equal(world.db.consumers.calls, calls) -- the later one's lookups are kept
end)

test("nor is what was read across a change", function()
  conf = fixtures.conf()
  local server = start()
  world.db.ca_certificates.slow = 1
  world.begin(conf, fixtures.request({ var = { connection = "1" } }))
  world.run(0.5)
  world.rows.cas[1] = { id = fixtures.ca, cert = "new" }
  world.invalidate("kong_core_db_cache", "ca_certificates:x")
  world.run(20)
  local old = server.of("decide")[1].policy
  equal(asks(server, "1"), 1)
  assert(server.of("decide")[2].policy ~= old)
end)

test("one of many asks", function()
  conf = fixtures.conf()
  local server = start()
  world.db.consumers.slow, world.db.ca_certificates.slow = 0.3, 0.2
  local all = {}
  for i = 1, 100 do all[i] = world.begin(conf, fixtures.request({ var = { connection = tostring(i) } })) end
  local function over(r) return function() return r.task.dead end end
  world.run(10, over(all[1]))
  local at = world.now()
  for i = 2, 100 do world.run(10, over(all[i])) end
  equal(world.now(), at) -- they are woken, not found out a little later
  for _, r in ipairs(all) do assert(r.task.dead and not r.status and r.authenticated == 1) end
  equal({ server.count("decide"), world.db.ca_certificates.calls, world.db.consumers.calls }, { 1, 2, 5 })
  equal(#world.logged('reason="passed"'), 100)
end)

test("what was decided while a request read its definition is used", function()
  conf = fixtures.conf()
  local server = start()
  world.db.ca_certificates.slow = 2
  local r = world.begin(fixtures.conf(), fixtures.request())
  world.run(0)
  world.db.ca_certificates.slow = 0
  world.run(1)
  equal(asks(server, "1"), 1)
  world.run(5)
  assert(r.task.dead and not r.status)
  equal(server.count("decide"), 1)
end)

test("a fault is for all that wait, and for no later request", function()
  conf = fixtures.conf()
  local server = start()
  server.decide = function(_, conn)
    conn:sleep(1)
    conn:raw(world.framed("rubbish"))
  end
  local all = {}
  for i = 1, 10 do all[i] = world.begin(conf, fixtures.request({ var = { connection = tostring(i) } })) end
  world.run(3)
  for _, r in ipairs(all) do equal(r.status, 500) end
  equal({ server.count("decide"), #world.logged("err ") }, { 1, 10 })
  equal(request(conf, fixtures.request()).status, 500)
  equal(server.count("decide"), 2)
end)

test("who waits does not depend on a request that nginx has ended", function()
  conf = fixtures.conf()
  local server = start()
  local decide = server.decide
  server.decide = function(_, conn)
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
  equal(server.count("decide"), 1)
  server.decide = decide
  world.kill(first)
  world.run(17)
  for _, r in ipairs(others) do assert(r.task.dead and not r.status) end
  equal(server.count("decide"), 2)
end)

test("another epoch says nothing of Kong's database", function()
  local server = fresh()
  local function reads() return world.db.consumers.calls + world.db.ca_certificates.calls end
  local before = reads()
  server.epoch = "5f1c-8"
  world.run(0.2)
  equal({ asks(server, "1"), reads() }, { 1, before })
  world.invalidate("kong_db_cache", "consumers:alice:::::")
  equal({ asks(server, "1"), reads() }, { 1, 2 * before })
end)

test("the server is away: five seconds", function()
  local server = fresh()
  server.stop()
  world.run(0.2)
  equal(world.logged("lost"), { 'warn [mtls-auth] server="lost" error="closed"' })
  world.run(4.5)
  equal(asks(server, "1"), 0)
  world.run(1)
  equal(request(conf, fixtures.request({ var = { connection = "1" } })).status, 500)
  equal(#world.logged("lost"), 1)
  server.start() -- the same one, as it were: what it decided counts again
  world.run(1.2)
  equal(world.logged("found"), { 'notice [mtls-auth] server="found"' })
  equal(asks(server, "1"), 0)
  server.stop()
  world.run(0.2)
  server.epoch = "other-0"
  server.start()
  world.run(1.2)
  equal(asks(server, "1"), 1)
end)

test("a server that is away is looked for every second", function()
  local server = fresh()
  server.stop()
  world.run(5)
  world.refused = 0
  world.run(60)
  assert(world.refused >= 59 and world.refused <= 61, world.refused)
end)

test("the server is away and the clock is set back", function()
  local server = fresh()
  world.run(20)
  server.stop()
  world.run(0.2)
  world.set_clock(-10)
  equal(request(conf, fixtures.request({ var = { connection = "1" } })).status, 500)
end)

test("a watch that says nothing is broken", function()
  conf = fixtures.conf()
  world.start(fixtures.options())
  local server = servers.verdict(frame("verdict_pass"), frame("lookup").lookup)
  world.run(2)
  world.server = function(conn) while conn:read() do end end
  server.epoch = "5f1c-7"
  world.run(2.5)
  for _, conn in ipairs(world.conns) do conn.write = function() end end
  world.run(1.5)
  equal(#world.logged("lost"), 0)
  world.run(3)
  equal(#world.logged("lost"), 1)
  -- A server that refuses the watch, or answers with no epoch.
  for _, answer in ipairs({ frame("error"), { epoch = 1 }, { x = 1 } }) do
    world.start(fixtures.options())
    world.server = function(conn) while conn:read() do conn:write(answer) end end
    world.run(3)
    equal(#world.logged('warn [mtls-auth] server="lost"'), 1)
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

test("connections are forgotten, the longest ones first", function()
  conf = fixtures.conf()
  local server = start()
  asks(server, "first")
  for i = 1, 9000 do
    local r = { ctx = {}, headers = {}, var = { connection = tostring(i), ssl_client_raw_cert = fixtures.leaf }, chain = fixtures.chain }
    request(conf, r)
  end
  equal(server.count("decide"), 1)
  local connections, n = require("kong.plugins.mtls-auth.decisions"), 0
  for i = 1, 20 do
    local name, value = debug.getupvalue(connections.find, i)
    if name == "kept" then
      for _ in pairs(value.recent) do n = n + 1 end
      for _ in pairs(value.older) do n = n + 1 end
    end
  end
  assert(n > 4000 and n <= 8192, n)
end)

-- How many values are found by connection, in both tables.
local function by_connection()
  local decisions = require "kong.plugins.mtls-auth.decisions"
  local n, i = 0, 1
  repeat
    local name, value = debug.getupvalue(decisions.find, i)
    i = i + 1
    for _, connections in ipairs(name == "kept" and { value.recent, value.older } or {}) do
      for _, configurations in pairs(connections) do
        for _ in pairs(configurations) do n = n + 1 end
      end
    end
  until not name
  return n
end

test("many configurations on many connections take no more", function()
  start()
  local configurations = {}
  for i = 1, 20 do configurations[i] = fixtures.conf({ http_timeout = i }) end
  for connection = 1, 450 do
    for _, c in ipairs(configurations) do request(c, fixtures.request({ var = { connection = tostring(connection) } })) end
  end
  assert(by_connection() > 4000 and by_connection() <= 8192, by_connection())
end)

test("refusals are not kept by connection", function()
  conf = fixtures.conf()
  local server = start()
  server.decide = function(_, conn) conn:write(frame("verdict_refuse")) end
  for i = 1, 3 do equal(request(conf, fixtures.request({ var = { connection = tostring(i) } })).status, 401) end
  equal({ server.count("decide"), by_connection() }, { 1, 0 })
end)

-- nginx has no chain on a resumed session; that of the same leaf is completed.
test("the chain of a resumed session, when another server takes over", function()
  conf = fixtures.conf()
  local server = start()
  asks(server, "1")
  server.epoch = "other-0" -- that knows nothing
  world.run(0.2)
  local function resumed(leaf)
    request(conf, { leaf = leaf, var = { ssl_session_reused = "r" }, chain_err = "it is not asked for" })
    return server.asked[#server.asked].chain
  end
  equal(resumed(fixtures.leaf), fixtures.chain)
  equal(resumed("other"), nil)
  -- One that a server completed.
  server.decide = function(_, conn)
    local v = frame("verdict_certificate")
    v.chain, v.epoch = "completed", server.epoch
    conn:write(v)
  end
  equal(resumed("third"), nil)
  server.epoch = "other-1"
  world.run(0.2)
  equal(resumed("third"), "completed")
  equal(resumed("fourth"), nil)
end)

test("no longer for a worker that was stopped in between", function()
  conf = fixtures.conf()
  local server = start({ ttl_ms = 1500 })
  local decide, stopped = server.decide, true
  server.decide = function(...)
    decide(...)
    if stopped then world.set_clock(40) end -- it reads the verdict so much later
    stopped = false
  end
  equal(asks(server, "1"), 1)
  equal(asks(server, "1") + asks(server, "2"), 1)
end)

test("of one workspace in no other", function()
  local server
  server = servers.new(function(_, conn)
    conn:write({ lookup = { credentials = frame("lookup").lookup.credentials, consumers = { { "username", "alice" } } } })
    local verdict = frame("verdict_pass")
    verdict.epoch, verdict.consumer = server.epoch, conn:read().consumers[1].id
    conn:write(verdict)
  end)
  world.start(fixtures.options({ no_credentials = true }))
  server.start()
  kong.db.consumers.select_by_username = function(_, name) return { id = name .. " of " .. ngx.ctx.workspace, username = name } end
  world.run(2)
  local configs = { one = fixtures.conf(), two = fixtures.conf() } -- which say the same
  for _, workspace in ipairs({ "one", "two", "one", "two" }) do
    local r = request(configs[workspace], fixtures.request({ ctx = { workspace = workspace } }))
    equal(r.ctx.authenticated_consumer.id, "alice of " .. workspace)
  end
  equal(server.count("decide"), 2)
end)

world.finish()
