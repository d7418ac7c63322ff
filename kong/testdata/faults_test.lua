-- What may come from a server that is broken: never a pass.
local world = require "world"
local servers, fixtures = require "servers", require "fixtures"
local test, equal, request, frame = world.test, world.equal, world.request, world.frame

-- Sends requests, with anonymous and without, to what says; each must be a fault
-- with one line, on a connection that is closed then.
local function fault(name, says, why)
  test(name, function()
    for _, anonymous in ipairs({ false, "anonymous" }) do
      world.start(fixtures.options())
      local server = servers.new(says)
      world.run(2)
      local before, began = #world.conns, world.now()
      local r = request(fixtures.conf({ anonymous = anonymous or nil }), fixtures.request())
      equal({ r.status, r.body, r.ctx.CLIENT_VERIFY_OVERRIDE },
        { 500, '{"message":"An unexpected error occurred"}', "FAILED:internal" })
      equal(r.authenticated, nil)
      equal(#world.logged("err "), 1)
      equal(#world.logged('err [mtls-auth] reason="internal" error="'), 1)
      assert(#world.logged(why) == 1, "the log: " .. table.concat(world.log, "\n"))
      for i = before + 1, #world.conns do assert(world.conns[i].closed, "the connection is closed") end
      equal(server.count("decide"), name == "nothing" and 2 or 1)
      assert(world.now() - began <= 62)
      -- Nothing of it stays.
      server.decide = function(_, conn) conn:write(frame("verdict_certificate")) end
      equal(request(fixtures.conf(), fixtures.request()).status, nil)
    end
  end)
end

local function saying(...)
  local frames = { ... }
  return function(_, conn)
    for _, f in ipairs(frames) do conn:write(f) end
  end
end

local function raw(bytes)
  return function(_, conn)
    conn:raw(bytes)
    conn:close()
  end
end

-- A verdict with one thing changed; nil takes it away.
local function with(name, field, value)
  local v = frame(name)
  v[field] = value
  return saying(v)
end

fault("no JSON", raw(world.framed("rubbish")), "not a JSON object")
fault("an array", raw(world.framed("[1]")), "not a JSON object")
fault("a text", raw(world.framed('"pass"')), "not a JSON object")
fault("half a frame", raw(world.framed('{"verdict":"pass"}'):sub(1, 10)), "half a frame")
fault("half a length", raw("\1\0"), "closed")
fault("an empty frame", raw("\0\0\0\0"), "a frame of 0 bytes")
fault("a frame of 2^30 bytes", raw("\0\0\0\64"), "a frame of 1073741824 bytes")
fault("a frame of 1 MiB and a byte", raw("\1\0\16\0"), "a frame of 1048577 bytes")
fault("nothing", function(_, conn) conn:close() end, "closed")
fault("silence", function(_, conn) conn:sleep(3600) end, "timeout")
fault("an empty object", saying({ x = 1 }), "unexpected answer")
fault("another epoch is no answer", saying({ epoch = "5f1c-7" }), "unexpected answer")
fault("an error", saying(frame("error")), "this server uses 1")
fault("wait that is not true", saying({ wait = 1 }), "unexpected answer")
fault("another need", saying({ need = "def" }), "unexpected answer")
fault("need twice", function(_, conn)
  conn:write(frame("need"))
  conn:definition()
  conn:write(frame("need"))
  conn:read()
end, "unexpected answer")
fault("a second lookup", function(_, conn)
  repeat conn:write(frame("lookup_consumers")) until not conn:read()
end, "unexpected answer")
fault("a lookup of no lists", saying({ lookup = true }), "error=")
fault("a lookup of rubbish", saying({ lookup = { credentials = { "a" }, consumers = {} } }), "error=")
fault("an attribute that there is not", function(_, conn)
  conn:write({ lookup = { credentials = setmetatable({}, world.json.array_mt), consumers = { { "tags", "x" } } } })
  local found = conn:read()
  conn:write(#found.errors == 1 and { x = 1 } or frame("verdict_certificate"))
end, "unexpected answer")
fault("wait for ever", function(_, conn)
  while not conn.closed do
    conn:write(frame("wait"))
    conn:sleep(2)
  end
end, "no verdict")
fault("wait without end at once", function(_, conn)
  for _ = 1, 100 do conn:write(frame("wait")) end
  conn:write(frame("verdict_certificate"))
end, "no verdict")

local NOTHING = { nil, false, 1, {}, world.json.null, "" }
for _, verdict in ipairs({ "verdict_certificate", "verdict_refuse", "verdict_fault" }) do
  for _, field in ipairs({ "verify", "reason", "record", "lines", "ttl_ms", "epoch" }) do
    for i = 1, 6 do
      local value = NOTHING[i]
      if not (field == "ttl_ms" and value == 1) then
        fault(verdict .. " with " .. field .. " " .. i, with(verdict, field, value), "error=")
      end
    end
  end
  fault(verdict .. " with a time before now", with(verdict, "ttl_ms", -1), "invalid verdict")
  fault(verdict .. " with a line of another level", with(verdict, "lines", { { "emerg", "x" } }), "invalid verdict")
  fault(verdict .. " with half a line", with(verdict, "again", { "info" }), "invalid verdict")
  for _, other in ipairs({ "maybe", "PASS", "pass ", true, 1, {} }) do
    fault(verdict .. " as " .. tostring(other):sub(1, 5), with(verdict, "verdict", other), "invalid verdict")
  end
end
fault("pass alone", saying({ verdict = "pass" }), "invalid verdict")
fault("refuse as pass", with("verdict_refuse", "verdict", "pass"), "invalid verdict")
for _, name in ipairs({ "verdict_refuse", "verdict_fault" }) do
  for _, status in ipairs({ 200, 0, 403, "401", name == "verdict_refuse" and 500 or 401 }) do
    fault(name .. " with status " .. tostring(status), with(name, "status", status), "invalid verdict")
  end
  fault(name .. " without status", with(name, "status", nil), "invalid verdict")
  for i = 1, 6 do fault(name .. " with message " .. i, with(name, "message", NOTHING[i]), "invalid verdict") end
end
fault("a pass with a status", with("verdict_certificate", "status", 401), "invalid verdict")
fault("a pass with a message", with("verdict_certificate", "message", "x"), "invalid verdict")
for i = 1, 6 do
  fault("a pass with headers " .. i, with("verdict_certificate", "headers", NOTHING[i]), "invalid verdict")
end
for _, header in ipairs({ { "Host", "x" }, { "x-consumer-id", "x" }, { "X-Consumer-ID" }, { "X-Consumer-ID", 1 }, "X-Consumer-ID" }) do
  fault("a pass with a header " .. tostring(header[1]), with("verdict_certificate", "headers", { header }), "invalid verdict")
end
fault("a consumer that was not asked for", saying(frame("verdict_pass")), "invalid verdict")
fault("a consumer that was not found", function(_, conn)
  conn:write({ lookup = { credentials = setmetatable({}, world.json.array_mt), consumers = { { "username", "unknown" } } } })
  conn:read()
  conn:write(frame("verdict_pass"))
end, "invalid verdict")
for i = 2, 6 do
  fault("a pass with consumer " .. i, with("verdict_certificate", "consumer", NOTHING[i]), "error=")
  fault("a pass with credential " .. i, with("verdict_certificate", "credential", NOTHING[i]), "invalid verdict")
end
fault("a pass without a consumer or credential", with("verdict_certificate", "credential", nil), "invalid verdict")
for _, groups in ipairs({ "admin", true, { { "admin" } }, { 1 }, { x = 1 } }) do
  fault("a pass with groups " .. type(groups), with("verdict_certificate", "groups", groups), "invalid verdict")
end

test("no server", function()
  world.start(fixtures.options())
  local r = request(fixtures.conf({ anonymous = "anonymous" }), fixtures.request())
  equal(r.status, 500)
  equal(#world.logged("connecting: there is no socket at "), 1)
end)

test("a connection that has died is replaced", function()
  world.start(fixtures.options())
  local server = servers.new(function(_, conn) conn:write(frame("verdict_refuse")) end)
  world.run(2)
  request(fixtures.conf(), fixtures.request({ leaf = "1" }))
  local kept = world.conns[#world.conns]
  kept:close()
  equal(request(fixtures.conf(), fixtures.request({ leaf = "2" })).status, 401)
  equal(server.count("decide"), 2)
  equal(#world.logged("err "), 0)
  -- However many have: none of their pool is taken again.
  server.decide = function(_, conn)
    conn:sleep(1)
    conn:write(frame("verdict_refuse"))
  end
  for i = 1, 5 do world.begin(fixtures.conf(), fixtures.request({ leaf = "many" .. i })) end
  world.run(2)
  for _, conn in ipairs(world.conns) do conn:close() end
  equal(request(fixtures.conf(), fixtures.request({ leaf = "5" })).status, 401)
  -- One that closes after it was asked, too, if it has said nothing: once.
  local closes = 1
  server.decide = function(_, conn)
    closes = closes - 1
    if closes >= 0 then conn:close() else conn:write(frame("verdict_refuse")) end
  end
  equal(request(fixtures.conf(), fixtures.request({ leaf = "3" })).status, 401)
  closes = 2
  equal(request(fixtures.conf(), fixtures.request({ leaf = "4" })).status, 500)
end)

test("connections are used again", function()
  world.start(fixtures.options())
  servers.new(function(_, conn) conn:write(frame("verdict_refuse")) end)
  world.run(2)
  for i = 1, 5 do request(fixtures.conf(), fixtures.request({ leaf = tostring(i) })) end
  equal(world.connections, 2) -- one is the watch's
end)

test("a question over 1 MiB is not asked", function()
  world.start(fixtures.options())
  local server = servers.new(function(_, conn) conn:write(frame("verdict_refuse")) end)
  world.run(2)
  local r = request(fixtures.conf(), fixtures.request({ leaf = ("x"):rep(1048577) }))
  equal({ r.status, server.count("decide"), #world.logged("must be at most 1 MiB") }, { 500, 0, 1 })
end)

world.finish()
