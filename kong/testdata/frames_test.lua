-- The frames are those that the engine's tests read, and the plugin's own.
local world = require "world"
local engines, fixtures = require "engines", require "fixtures"
local test, equal, request, frame = world.test, world.equal, world.request, world.frame

local function start(decide, options)
  world.start(fixtures.options(options))
  local engine = engines.new(decide)
  world.run(2)
  return engine
end

test("decide, with the definition when it is needed, and found", function()
  local engine = start(function(_, conn, engine)
    conn:write(frame("need"))
    table.insert(engine.asked, (conn:read()))
    conn:write(frame("wait"))
    conn:write(frame("lookup"))
    engine.found = conn:read()
    conn:write(frame("wait"))
    conn:write(frame("verdict_pass"))
  end)
  equal(request(fixtures.conf(), fixtures.request()).status, nil)
  equal(engine.of("decide")[1], frame("decide"))
  equal(engine.of("decide")[2], frame("decide_definition"))
  equal(engine.found, frame("found"))
end)

test("decide on a resumed session, without a chain", function()
  local engine = start(function(_, conn) conn:write(frame("verdict_refuse")) end)
  request(fixtures.conf(), { leaf = fixtures.leaf, var = { ssl_session_reused = "r" } })
  equal(engine.of("decide")[1], frame("decide_resumed"))
  request(fixtures.conf({ cache_ttl = 1 }), { leaf = fixtures.leaf })
  equal(engine.of("decide")[2].resumed, "")
end)

test("a definition is the same for all workers, and another for another configuration or CA", function()
  local engine = start(function(_, conn, engine)
    conn:write(frame("need"))
    engine.definition = conn:read().definition
    conn:write(frame("verdict_refuse"))
  end)
  local function policy(changes)
    request(fixtures.conf(changes), { leaf = ("x"):rep(#engine.asked) })
    return engine.asked[#engine.asked].policy
  end
  local one = policy()
  equal(policy(), one)
  equal(policy({ san_dirname_matcher = {} }), one) -- Kong's lists have no metatable in each mode
  equal(policy({ http_proxy_host = world.json.null, service_id = "s", consumer_id = "c", __key__ = "k", ["$refs"] = {} }), one)
  policy({ ca_certificates = { fixtures.ca:upper() } })
  assert(engine.definition:find('"id":"' .. fixtures.ca .. '"', 1, true), "an id in capitals")
  assert(policy({ consumer_by = { "username" } }) ~= one)
  assert(policy({ http_timeout = 1 }) ~= one)
  world.rows.cas[1] = { id = fixtures.ca, cert = "other" }
  world.invalidate("kong_core_db_cache", "ca_certificates:x")
  assert(policy() ~= one)
end)

test("what was found", function()
  local function found(lookup, options)
    local engine = start(function(_, conn, engine)
      conn:write(lookup)
      engine.found = conn:read()
      conn:write(frame("verdict_fault"))
    end, options)
    return request(fixtures.conf(), fixtures.request()), engine.found
  end
  local _, got = found(frame("lookup"), { consumers = {}, credentials = {} })
  equal(got, frame("found_nobody"))
  equal({ getmetatable(got.credentials), getmetatable(got.consumers), getmetatable(got.errors) },
    { world.json.array_mt, world.json.array_mt, world.json.array_mt })
  _, got = found(frame("lookup_consumers"))
  equal(got.consumers, { frame("found").consumers[1] })
  _, got = found({ lookup = { credentials = frame("lookup").lookup.credentials, consumers = {} } })
  equal(got.credentials, frame("found").credentials)
  -- A credential whose consumer there is not is a failure.
  _, got = found(frame("lookup"), { consumers = {} })
  equal({ #got.credentials, #got.errors }, { 0, 1 })
  -- A name is looked up as what it is asked by, and by nothing else.
  _, got = found({ lookup = { credentials = {}, consumers = { { "username", fixtures.alice.id }, { "custom_id", "alice" } } } })
  equal(got.consumers, setmetatable({}, world.json.array_mt))
end)

test("a consumer that only a credential has named", function()
  start(function(_, conn)
    conn:write({ lookup = { credentials = frame("lookup").lookup.credentials, consumers = {} } })
    conn:read()
    conn:write(frame("verdict_pass"))
  end)
  equal(request(fixtures.conf(), fixtures.request()).ctx.authenticated_consumer, fixtures.alice)
end)

test("lookups that fail", function()
  for _, how in ipairs({ "fail", "throw" }) do
    local engine = start(function(_, conn, engine)
      conn:write(frame("lookup_consumers"))
      engine.found = conn:read()
      conn:write(frame("verdict_fault"))
    end)
    world.db.consumers[how] = "connection refused"
    equal(request(fixtures.conf(), fixtures.request()).status, 500)
    equal(#engine.found.errors, 2)
    assert(engine.found.errors[1]:find("connection refused", 1, true))
    world.db.consumers[how] = nil
    request(fixtures.conf(), fixtures.request())
    equal(#engine.found.errors, 0) -- failures are not kept
  end
end)

test("a watch says where Kong listens", function()
  world.start(fixtures.options())
  kong.configuration.proxy_listen = { "0.0.0.0:8000 reuseport backlog=16384", "[::]:8443 http2 ssl" }
  kong.configuration.admin_listen, kong.configuration.status_listen = { "127.0.0.1:9001" }, { "off" }
  local engine = engines.verdict(frame("verdict_pass"))
  world.run(4)
  equal(engine.asked[1], frame("watch_listen"))
  equal(engine.asked[2], frame("watch"))
end)

test("watch", function()
  local engine = start(function() end)
  equal(engine.asked[1], frame("watch_first"))
  world.run(30)
  equal(engine.asked[2], frame("watch"))
end)

world.finish()
