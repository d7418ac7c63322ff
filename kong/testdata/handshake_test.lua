-- Who is asked for a certificate in the TLS handshake.
local world = require "world"
local fixtures = require "fixtures"
local test, equal = world.test, world.equal

local CA, CA2 = fixtures.ca, fixtures.ca2

-- A worker with these routes and configurations.
local function start(routes, configs, options)
  options = options or {}
  options.routes, options.cas = routes, options.cas or { { id = CA, cert = "one\n" }, { id = CA2, cert = "two\n" } }
  world.start(options)
  if configs then world.configure(configs) end
end

-- What happens in a handshake with this server name.
local function asked(sni)
  world.sni, world.handshakes = sni, {}
  world.certificate.execute()
  equal(world.handshakes[1], "kong")
  return table.concat(world.handshakes, ", ", 2)
end

local PLAIN = "request nil, no-reuse"
local function names(of) return "request names:" .. of .. ", no-reuse" end

test("by the server names of routes", function()
  start({
    { id = "snis", snis = { "A.test", "b.test." }, hosts = { "c.test" } },
    { id = "hosts", hosts = { "d.test:8443", "E.test" } },
    { id = "others", hosts = { "f.test" } },
  }, { { route_id = "snis" }, { route_id = "hosts" } })
  for _, sni in ipairs({ "a.test", "a.TEST", "a.test.", "b.test", "d.test", "e.test" }) do equal(asked(sni), PLAIN, sni) end
  for _, sni in ipairs({ "c.test", "f.test", "x.a.test", "test", "" }) do equal(asked(sni), "", sni) end
  equal(asked(nil), "")
end)

test("every client, where a route's host is an address", function()
  for _, host in ipairs({ "127.0.0.1", "127.0.0.1:8443", "[::1]", "[fe80::1]:8443", "fe80::1" }) do
    start({ { id = "r", hosts = { host } } }, { { route_id = "r" } })
    equal({ asked("a.test"), asked(nil) }, { PLAIN, PLAIN }, host)
  end
end)

test("by wildcards", function()
  start({ { id = "r", hosts = { "*.wild.test", "w.*" } } }, { { route_id = "r" } })
  for _, sni in ipairs({ "x.wild.test", "y.x.wild.test", "w.test", "w.x.test" }) do equal(asked(sni), PLAIN, sni) end
  for _, sni in ipairs({ "wild.test", "xwild.test", "x.wild.test.x", "x.w.test", "w" }) do equal(asked(sni), "", sni) end
end)

test("every client, where a route or the configuration has no names", function()
  for _, case in ipairs({
    { { route_id = "paths" } }, { {} }, { { service_id = "s" } }, { { route_id = "gone" } },
  }) do
    start({ { id = "paths", paths = { "/" } }, { id = "empty", snis = {}, hosts = {}, service = { id = "s" } } }, case)
    equal(asked("any.test"), PLAIN)
    equal(asked(nil), PLAIN)
  end
end)

test("every client, where a host is an address, which is sent as no name", function()
  for _, host in ipairs({ "127.0.0.1", "127.0.0.1:8443", "[::1]", "[::1]:8443" }) do
    start({ { id = "r", hosts = { host } } }, { { route_id = "r" } })
    equal(asked(nil), PLAIN, host)
  end
end)

test("for all routes of a service", function()
  start({
    { id = "1", hosts = { "a.test" }, service = { id = "s" } }, { id = "2", hosts = { "b.test" }, service = { id = "s" } },
    { id = "3", hosts = { "c.test" }, service = { id = "t" } },
  }, { { service_id = "s" } })
  equal({ asked("a.test"), asked("b.test"), asked("c.test") }, { PLAIN, PLAIN, "" })
end)

test("no client, without configurations", function()
  start({}, {}, { plugins = { { name = "mtls-auth", enabled = true, config = {} } } })
  equal({ asked("a.test"), asked(nil) }, { "", "" })
  world.run(1)
  world.configure(nil)
  equal({ asked("a.test"), asked(nil) }, { "", "" })
end)

test("with the names of CAs", function()
  local function conf(route, on, ...) return { route_id = route, send_ca_dn = on, ca_certificates = { ... } } end
  start({
    { id = "1", hosts = { "a.test" } }, { id = "2", hosts = { "both.test" } }, { id = "3", hosts = { "both.test" } },
    { id = "4", hosts = { "off.test", "no.test" } }, { id = "5", hosts = { "off.test" } },
    { id = "6", hosts = { "*.wild.test", "gone.test" } }, { id = "8", hosts = { "no.test", "z.wild.test" } },
    { id = "7", hosts = { "x.wild.test" } },
  }, {
    conf("1", true, CA2), conf("2", true, CA), conf("3", true, CA2, CA), conf("4", false, CA), conf("5", true, CA),
    conf("6", true, CA), conf("7", true, CA2, "gone"), conf("8", true, CA),
  })
  equal(asked("a.test"), names("two "))
  equal(asked("both.test"), names("one two "))
  equal(asked("off.test"), PLAIN)
  equal(asked("no.test"), PLAIN)
  equal(asked("y.wild.test"), names("one "))
  equal(asked("z.wild.test"), names("one "))
  equal(asked("x.wild.test"), names("one two "))
  equal(asked("gone.test"), names("one "))
  world.configure({ conf("1", true, CA), { send_ca_dn = true, ca_certificates = { CA2 } } })
  equal(asked("a.test"), names("one two "))
  equal(asked("b.test"), names("two "))
  equal(asked(nil), names("two "))
end)

test("after a change", function()
  start({ { id = "r", hosts = { "a.test" } } }, { { route_id = "r", send_ca_dn = true, ca_certificates = { CA } } })
  world.run(1)
  world.rows.routes[1].hosts = { "b.test" }
  world.invalidate("kong_core_db_cache", "router:version")
  equal(asked("a.test"), names("one "))
  world.run(0.2)
  equal({ asked("a.test"), asked("b.test") }, { "", names("one ") })
  world.rows.cas[1].cert = "new\n"
  world.invalidate("kong_core_db_cache", "ca_certificates:x")
  world.run(0.2)
  equal(asked("b.test"), names("new "))
  world.rows.routes[1].hosts = { "c.test" }
  world.event("mlcache", "mlcache:purge:kong_core_db_cache", "")
  world.run(0.2)
  equal(asked("c.test"), names("new "))
  local reads = world.db.routes.calls
  for _ = 1, 50 do world.invalidate("kong_core_db_cache", "router:version") end
  world.invalidate("kong_db_cache", "consumers:x")
  world.run(1)
  equal(world.db.routes.calls, reads + 1)
end)

test("all routes are read at once, and none without configurations", function()
  local routes, configs = {}, {}
  for i = 1, 50 do
    routes[i] = { id = "r" .. i, hosts = { i .. ".test" }, service = { id = "s" } }
    configs[i] = { route_id = "r" .. i }
  end
  start(routes, configs)
  world.run(1)
  equal({ asked("7.test"), asked("51.test") }, { PLAIN, "" })
  local reads = world.db.routes.calls
  world.configure(configs)
  equal(world.db.routes.calls, reads + 1)
  world.configure({ { service_id = "s" } })
  equal({ asked("7.test"), asked("51.test") }, { PLAIN, "" })
  equal(world.db.routes.calls, reads + 2)
  world.configure({})
  equal({ asked("7.test"), asked(nil) }, { "", "" })
  equal(world.db.routes.calls, reads + 2)
end)

test("every client, while server names are unknown", function()
  start({ { id = "r", hosts = { "a.test" } } }, { { route_id = "r" } })
  world.run(1)
  world.db.routes.fail = "database down"
  world.invalidate("kong_core_db_cache", "router:version")
  world.run(0.2)
  equal({ asked("b.test"), asked(nil) }, { PLAIN, PLAIN })
  equal(#world.logged('err [mtls-auth] handshake="server names unknown, so every client is asked" error="database down"'), 1)
  world.db.routes.fail = nil
  world.run(6)
  equal({ asked("a.test"), asked("b.test") }, { PLAIN, "" })
  world.db.routes.throw = "no luck"
  world.configure({ { route_id = "r" } })
  equal(asked("b.test"), PLAIN)
end)

test("a later look counts, whichever ends last", function()
  start({ { id = "r", hosts = { "a.test" } } }, { { route_id = "r" } })
  world.run(1)
  world.db.routes.slow = 2
  world.invalidate("kong_core_db_cache", "router:version")
  world.run(0.5) -- it has read a.test
  world.db.routes.slow = 0
  world.rows.routes[1] = { id = "r", hosts = { "b.test" } }
  world.invalidate("kong_core_db_cache", "router:version")
  world.run(5)
  equal({ asked("a.test"), asked("b.test") }, { "", PLAIN })
end)

test("what fails does not stop the handshake", function()
  start({}, { {} })
  world.fails = "request"
  equal(asked("a.test"), PLAIN)
  world.fails = "no-reuse"
  equal(asked("a.test"), PLAIN)
  world.fails = nil
  equal(#world.logged('error="broken"'), 2)
  kong.client.tls.request_client_certificate = function() error("no luck") end
  equal(asked("a.test"), "no-reuse")
  equal(#world.logged("no luck"), 1)
end)

test("before Kong 3.5, which does not call configure", function()
  start({ { id = "r", hosts = { "a.test" } } }, nil, { plugins = {
    { name = "mtls-auth", enabled = true, route = { id = "r" }, config = { send_ca_dn = true, ca_certificates = { CA } } },
    { name = "mtls-auth", enabled = false, config = {} }, { name = "key-auth", enabled = true, config = {} },
  } })
  equal(asked("b.test"), PLAIN) -- not known yet
  world.run(0.2)
  equal({ asked("a.test"), asked("b.test") }, { names("one "), "" })
  world.rows.plugins[2].enabled = true
  world.invalidate("kong_core_db_cache", "plugins_iterator:version")
  equal(asked("c.test"), PLAIN) -- at once, since the new configuration counts at once
  world.run(0.2)
  equal(asked("b.test"), PLAIN)
end)

-- OpenSSL's call, as LuaJIT's FFI makes it.
local function with_client_hello(f)
  local contexts, hellos = {}, 0
  package.loaded.kong = { ssl_client_hello = function() hellos = hellos + 1 end }
  package.loaded["ngx.ssl.clienthello"] = { get_client_hello_server_name = function() return world.sni, world.hello_err end }
  package.loaded["resty.kong.tls"] = { get_request_ssl_pointer = function() return "pointer" end }
  local ffi = package.loaded.ffi
  package.loaded.ffi = {
    cdef = function() end, cast = function(_, value) return value end,
    C = { SSL_set_session_id_context = function(ssl, context, n)
      equal({ ssl, n, #context }, { "pointer", 32, 32 })
      contexts[#contexts + 1] = context
      return world.hello_result or 1
    end },
  }
  local function context(sni)
    world.sni = sni
    local before, greeted = #contexts, hellos
    package.loaded.kong.ssl_client_hello()
    equal(hellos, greeted + 1)
    return contexts[before + 1]
  end
  local ok, err = pcall(f, context)
  package.loaded.kong, package.loaded.ffi, world.hello_err, world.hello_result = nil, ffi, nil, nil
  if not ok then error(err, 0) end
end

test("sessions are resumed where the same is asked for", function()
  with_client_hello(function(context)
    local routes = { { id = "1", hosts = { "a.test", "*.a.test" } }, { id = "2", hosts = { "b.test" } } }
    local a, b = { route_id = "1", ca_certificates = { CA } }, { route_id = "2", ca_certificates = { CA } }
    start(routes, { a, b })
    local unknown = context("a.test")
    assert(context("a.test") ~= unknown, "not while the server is unknown")
    require("servers").verdict(world.frame("verdict_pass"))
    world.run(2)
    equal(asked("a.test"), "request nil") -- and reuse is left alone
    local first = context("a.test")
    assert(first ~= unknown)
    equal({ context("A.test.") == first, context("c.test") }, { false, nil })
    equal(context("a.test"), first)
    local others = { context("b.test"), context("x.a.test"), context("y.a.test") }
    a.ca_certificates = { CA2 }
    world.configure({ a, b })
    others[#others + 1] = context("a.test")
    a.ca_certificates = { CA, CA2 }
    world.configure({ a, b })
    others[#others + 1] = context("a.test")
    a.ca_certificates = { CA }
    world.configure({ a, b, { ca_certificates = { CA } } }) -- another plugin asks there
    others[#others + 1] = context("a.test")
    world.configure({ a, b })
    equal(context("a.test"), first)
    others[#others + 1] = first
    for i, one in ipairs(others) do
      for j = 1, i - 1 do assert(one ~= others[j], i .. " and " .. j) end
    end
  end)
end)

test("a ClientHello costs the same however large the CA certificates are", function()
  local sha256, hashed = require "resty.sha256", 0
  local new = sha256.new
  with_client_hello(function(context)
    start({}, { { send_ca_dn = true, ca_certificates = { CA } } }, { cas = { { id = CA, cert = ("x"):rep(100000) } } })
    require("servers").verdict(world.frame("verdict_pass"))
    world.run(2)
    local first = context("a.test")
    sha256.new = function(...)
      local hash = new(...)
      return { update = function(_, text) hashed = hashed + #text; hash:update(text) end, final = function() return hash:final() end }
    end
    local ok, second = pcall(context, "a.test")
    sha256.new = new
    equal({ ok, second == first }, { true, true })
    assert(hashed > 0 and hashed < 200, hashed .. " bytes")
  end)
end)

test("sessions are not resumed with another server", function()
  with_client_hello(function(context)
    start({}, { {} })
    local server = require("servers").verdict(world.frame("verdict_pass"))
    world.run(2)
    local first = context("a.test")
    server.sessions = "5f1c-2"
    world.run(3)
    assert(context("a.test") ~= first)
    server.sessions = "5f1c-1"
    world.run(3)
    equal(context("a.test"), first)
  end)
end)

test("without a context sessions are not reused", function()
  with_client_hello(function(context)
    start({}, { {} })
    equal(asked("a.test"), "request nil")
    world.hello_result = 0
    context("a.test")
    equal(#world.logged('err [mtls-auth] handshake="session context, so TLS sessions are not resumed"'), 1)
    equal(asked("a.test"), PLAIN)
  end)
end)

-- Anybody can send them: OpenSSL refuses both a moment later.
test("a malformed or overlong server name changes nothing for others", function()
  with_client_hello(function(context)
    start({}, { {} })
    world.hello_err = "Bad SSL Client Hello Extension"
    equal(context(nil), nil)
    world.hello_err = nil
    equal(context(("."):rep(256)), nil)
    assert(context(("a"):rep(255)))
    equal({ #world.logged("err"), asked("a.test") }, { 0, "request nil" })
  end)
end)

test("where Kong has nothing to wrap, global entries ask", function()
  start({ { id = "r", hosts = { "a.test" } } }, { { route_id = "r" } }, { no_execute = true })
  equal(#world.logged("err [mtls-auth] handshake="), 1)
  local function certificate(sni)
    world.sni, world.handshakes = sni, {}
    world.plugin:certificate({})
    return table.concat(world.handshakes, ", ")
  end
  equal({ certificate("a.test"), certificate("b.test") }, { PLAIN, "" })
  start({}, { {} })
  equal(certificate("a.test"), "") -- where it was wrapped, no client is asked twice
end)

world.finish()
