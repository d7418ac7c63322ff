-- The frames are those that the server's tests read, and the plugin's own.
local world = require "world"
local servers, fixtures = require "servers", require "fixtures"
local test, equal, request, frame = world.test, world.equal, world.request, world.frame

local function start(decide, options)
  world.start(fixtures.options(options))
  local server = servers.new(decide)
  world.run(2)
  return server
end

test("decide, with the definition when it is needed, and found", function()
  local server = start(function(_, conn, server)
    conn:write(frame("need"))
    server.definition, server.announced = conn:definition()
    conn:write(frame("wait"))
    conn:write(frame("lookup"))
    server.found = conn:read()
    conn:write(frame("wait"))
    conn:write(frame("verdict_pass"))
  end)
  equal(request(fixtures.conf(), fixtures.request()).status, nil)
  equal(server.of("decide")[1], frame("decide"))
  equal(server.announced, frame("definition"))
  equal(server.definition, world.read("frames/definition.txt"))
  equal(server.found, frame("found"))
end)

test("a definition over 1 MiB", function()
  local server = start(function(_, conn, server)
    conn:write(frame("need"))
    server.definition, server.announced = conn:definition()
    conn:write(frame("verdict_refuse"))
  end)
  local names = {}
  for i = 1, 30000 do names[i] = ("name %05d of a directoryName, äöü: %s"):format(i, ("x"):rep(40)) end
  equal(request(fixtures.conf({ san_dirname_matcher = names }), fixtures.request()).status, 401)
  assert(#server.definition > 2 * 1048576, #server.definition)
  equal(server.announced.bytes, #server.definition)
  equal(#world.json.decode(server.definition).config.san_dirname_matcher, 30000)
end)

test("decide on a resumed session, without a chain", function()
  local server = start(function(_, conn) conn:write(frame("verdict_refuse")) end)
  request(fixtures.conf(), { leaf = fixtures.leaf, var = { ssl_session_reused = "r" } })
  equal(server.of("decide")[1], frame("decide_resumed"))
  request(fixtures.conf({ cache_ttl = 1 }), { leaf = fixtures.leaf })
  equal(server.of("decide")[2].resumed, "")
end)

test("a verdict about an earlier question is not taken for this one", function()
  for id, status in pairs({ [1] = 401, [2] = 500 }) do
    start(function(_, conn)
      local verdict = frame("verdict_refuse")
      verdict.id = id
      conn:write(verdict)
    end)
    equal(request(fixtures.conf(), fixtures.request()).status, status)
  end
end)

test("a definition is the same for all workers, and another for another configuration or CA", function()
  local server = start(function(_, conn, server)
    conn:write(frame("need"))
    server.definition = conn:definition()
    conn:write(frame("verdict_refuse"))
  end)
  local function policy(changes)
    request(fixtures.conf(changes), { leaf = ("x"):rep(#server.asked) })
    return server.asked[#server.asked].policy
  end
  local one = policy()
  equal(policy(), one)
  equal(policy({ san_dirname_matcher = {} }), one) -- Kong's lists have no metatable in each mode
  equal(policy({ http_proxy_host = world.json.null, service_id = "s", consumer_id = "c", __key__ = "k", ["$refs"] = {} }), one)
  policy({ ca_certificates = { fixtures.ca:upper() } })
  assert(server.definition:find('"id":"' .. fixtures.ca .. '"', 1, true), "an id in capitals")
  assert(policy({ consumer_by = { "username" } }) ~= one)
  assert(policy({ http_timeout = 1 }) ~= one)
  world.rows.cas[1] = { id = fixtures.ca, cert = "other" }
  world.invalidate("kong_core_db_cache", "ca_certificates:x")
  assert(policy() ~= one)
end)

test("what was found", function()
  local function found(lookup, options)
    local server = start(function(_, conn, server)
      conn:write(lookup)
      server.found = conn:read()
      conn:write(frame("verdict_fault"))
    end, options)
    return request(fixtures.conf(), fixtures.request()), server.found
  end
  local _, got = found(frame("lookup"), { consumers = {}, credentials = {} })
  equal(got, frame("found_none"))
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
    local server = start(function(_, conn, server)
      conn:write(frame("lookup_consumers"))
      server.found = conn:read()
      conn:write(frame("verdict_fault"))
    end)
    world.db.consumers[how] = "connection refused"
    equal(request(fixtures.conf(), fixtures.request()).status, 500)
    equal(#server.found.errors, 2)
    assert(server.found.errors[1]:find("connection refused", 1, true))
    world.db.consumers[how] = nil
    request(fixtures.conf(), fixtures.request())
    equal(#server.found.errors, 0) -- failures are not kept
  end
end)

test("a watch says where Kong listens", function()
  world.start(fixtures.options())
  kong.configuration.proxy_listen = { "0.0.0.0:8000 reuseport backlog=16384", "[::]:8443 http2 ssl" }
  kong.configuration.admin_listen, kong.configuration.status_listen = { "127.0.0.1:9001" }, { "off" }
  local server = servers.verdict(frame("verdict_pass"))
  world.run(4)
  equal(server.asked[1], frame("watch_listen"))
  equal(server.asked[2], frame("watch"))
end)

test("watch", function()
  local server = start(function() end)
  equal(server.asked[1], frame("watch_first"))
  world.run(30)
  equal(server.asked[2], frame("watch"))
end)

world.finish()
