-- What happens to requests.
local world = require "world"
local servers, fixtures = require "servers", require "fixtures"
local test, equal, request, headers = world.test, world.equal, world.request, fixtures.headers

local NONE_SENT = '{"message":"No required TLS certificate was sent"}'
local UNEXPECTED = '{"message":"An unexpected error occurred"}'
local JSON = "application/json; charset=utf-8"
local OURS = {
  "X-Consumer-ID", "X-Consumer-Custom-ID", "X-Consumer-Username", "X-Credential-Identifier", "X-Anonymous-Consumer",
  "X-Client-Cert-Dn", "X-Client-Cert-San",
}

local function start(verdict, options)
  world.start(fixtures.options(options))
  local server = servers.verdict(world.frame(verdict), verdict ~= "verdict_certificate" and world.frame("lookup").lookup)
  world.run(2)
  return server
end

local function ended(r, status, body, verify)
  equal({ r.status, r.body, r.type, r.ctx.CLIENT_VERIFY_OVERRIDE }, { status, body, JSON, verify })
  equal(r.authenticated, nil)
end

test("a pass with a consumer", function()
  start("verdict_pass")
  local r = request(fixtures.conf(), fixtures.request())
  equal(r.status, nil)
  equal(headers(r), {
    ["X-Consumer-ID"] = fixtures.alice.id, ["X-Consumer-Custom-ID"] = "alice.example", ["X-Consumer-Username"] = "alice",
    ["X-Credential-Identifier"] = "dddddddd-0000-4000-8000-000000000001",
  })
  equal(r.ctx, {
    CLIENT_VERIFY_OVERRIDE = "SUCCESS", authenticated_consumer = fixtures.alice,
    authenticated_credential = {
      id = "dddddddd-0000-4000-8000-000000000001", consumer_id = fixtures.alice.id, consumer = { id = fixtures.alice.id },
    },
  })
  assert(r.ctx.authenticated_consumer == fixtures.alice, "it is Kong's own entity")
  equal(r.serialized.mtls_auth, world.frame("verdict_pass").record)
  equal(r.shared.authenticated_groups, { "alice.example" })
  equal(#world.logged('debug [mtls-auth] reason="passed"'), 1)
end)

test("a pass by the certificate alone", function()
  start("verdict_certificate")
  local r = request(fixtures.conf(), fixtures.request())
  equal(headers(r), { ["X-Client-Cert-Dn"] = "CN=alice.example", ["X-Client-Cert-San"] = "alice.example" })
  equal(r.ctx, { CLIENT_VERIFY_OVERRIDE = "SUCCESS", authenticated_credential = { id = ("0f"):rep(32) } })
end)

test("a pass as the anonymous consumer", function()
  start("verdict_anonymous")
  local r = request(fixtures.conf({ anonymous = "anonymous" }), fixtures.request())
  equal(headers(r), {
    ["X-Consumer-ID"] = fixtures.anonymous.id, ["X-Consumer-Username"] = "anonymous", ["X-Anonymous-Consumer"] = "true",
  })
  equal(r.ctx, { CLIENT_VERIFY_OVERRIDE = "FAILED:expired", authenticated_consumer = fixtures.anonymous })
  equal(r.shared.authenticated_groups, nil)
end)

test("what another plugin adds to the record of a request is not in the next one's", function()
  start("verdict_pass")
  local conf, shown = fixtures.conf(), fixtures.request()
  request(conf, shown).serialized.mtls_auth.more = "x"
  equal(request(conf, fixtures.request()).serialized.mtls_auth, world.frame("verdict_pass").record)
end)

test("refusals and faults", function()
  start("verdict_refuse")
  ended(request(fixtures.conf(), fixtures.request()), 401, '{"message":"TLS certificate failed verification"}', "FAILED:expired")
  equal(#world.logged('notice [mtls-auth] reason="expired"'), 1)
  start("verdict_fault")
  ended(request(fixtures.conf(), fixtures.request()), 500, UNEXPECTED, "FAILED:lookup_failed")
  equal(#world.logged('err [mtls-auth] reason="lookup_failed"'), 1)
  world.start(fixtures.options())
  equal(request(fixtures.conf(), fixtures.request()).serialized.mtls_auth, { reason = "internal" })
end)

test("a request with a cached decision asks no server, and writes its line", function()
  local server = start("verdict_pass")
  local conf = fixtures.conf()
  local first = request(conf, fixtures.request({ var = { connection = "7" } }))
  local asked, read = server.count("decide"), world.db.consumers.calls + world.db.ca_certificates.calls
  local second = request(conf, fixtures.request({ var = { connection = "7" }, chain_err = "it is not asked for" }))
  local other = request(conf, fixtures.request({ var = { connection = "8" } }))
  for _, r in ipairs({ second, other }) do
    equal(headers(r), headers(first))
    equal(r.ctx, first.ctx)
    equal(r.shared, first.shared)
    assert(r.shared.authenticated_groups ~= first.shared.authenticated_groups, "the list of groups is one request's")
  end
  equal(server.count("decide"), asked)
  equal(world.db.consumers.calls + world.db.ca_certificates.calls, read)
  equal(#world.logged('debug [mtls-auth] reason="passed"'), 3)
end)

test("another certificate, chain or configuration is another question", function()
  local server = start("verdict_pass")
  local conf = fixtures.conf()
  request(conf, fixtures.request({ var = { connection = "7" } }))
  request(conf, fixtures.request({ leaf = "other" }))
  request(conf, fixtures.request({ chain = "other" }))
  request(conf, { leaf = fixtures.leaf:sub(1, -2), chain = "\n" .. fixtures.chain })
  request(fixtures.conf({ allow_partial_chain = true }), fixtures.request({ var = { connection = "7" } }))
  equal(server.count("decide"), 5)
end)

-- Without a database Kong lets them through.
test("a credential that is there twice counts for neither consumer", function()
  local options = fixtures.options()
  local twin = {}
  for key, value in pairs(options.credentials[1]) do twin[key] = value end
  twin.id, twin.consumer = "dddddddd-0000-4000-8000-000000000002", { id = fixtures.anonymous.id }
  for _, case in ipairs({ { "off", 1 }, { "postgres", 0 } }) do
    local server = start("verdict_pass", { credentials = { options.credentials[1], twin } })
    kong.configuration.database = case[1]
    world.configure({})
    world.run(1)
    request(fixtures.conf(), fixtures.request())
    equal(#server.found.errors, case[2])
    equal(#server.found.credentials, 1 - case[2])
    equal(#world.logged("credential twice, for subject_name alice.example"), case[2])
  end
  -- While credentials are being read, requests that need one wait, and fail in the end.
  local server = start("verdict_pass", { credentials = { options.credentials[1], twin } })
  kong.configuration.database = "off"
  world.db.mtls_auth_credentials.slow = 1
  world.configure({})
  local r = world.begin(fixtures.conf(), fixtures.request())
  world.run(0.5)
  equal({ server.count("decide"), r.task.dead, server.found }, { 1, nil, nil })
  world.run(2)
  equal({ #server.found.credentials, #server.found.errors }, { 0, 1 })
  world.db.mtls_auth_credentials.slow = 60
  world.configure({})
  request(fixtures.conf(), fixtures.request())
  equal({ #server.found.credentials, server.found.errors[1]:match("credentials are still being read") },
    { 0, "credentials are still being read" })
  -- A reading that fails, also by an error that is raised, is made again.
  for _, how in ipairs({ "fail", "throw" }) do
    server = start("verdict_pass", { credentials = { options.credentials[1], twin } })
    kong.configuration.database = "off"
    world.db.mtls_auth_credentials[how] = "no luck"
    world.configure({})
    world.run(0.5)
    request(fixtures.conf(), fixtures.request())
    equal(#server.found.credentials, 0, how)
    assert(#world.logged("reading credentials: ") >= 1 and #world.logged("no luck") >= 1, how)
    world.db.mtls_auth_credentials[how] = nil
    world.run(2)
    request(fixtures.conf(), fixtures.request())
    equal({ #server.found.credentials, server.found.errors }, { 0, { "credential alice.example: it is there twice" } }, how)
  end
  -- Kong before 3.5 does not call configure.
  server = start("verdict_pass", { credentials = { options.credentials[1], twin }, database = "off" })
  request(fixtures.conf(), fixtures.request())
  equal({ #server.found.credentials, #server.found.errors }, { 0, 1 })
  options.credentials[2] = nil -- mended
  kong.configuration.database = "off"
  world.rows.credentials[2] = nil
  world.configure({})
  world.run(1)
  equal(request(fixtures.conf(), fixtures.request()).status, nil)
end)

-- The server decides that too; what it says serves all requests of the configuration.
test("no certificate", function()
  local server = start("verdict_none_sent")
  local conf = fixtures.conf()
  for _, leaf in ipairs({ false, "" }) do
    ended(request(conf, { leaf = leaf, chain_err = "it is not asked for" }), 401, NONE_SENT, "NONE")
  end
  equal(world.logged("none_sent"), { 'info [mtls-auth] reason="none_sent"', 'info [mtls-auth] reason="none_sent"' })
  server.stop()
  world.run(4)
  ended(request(conf, {}), 401, NONE_SENT, "NONE")
  equal(server.count("decide"), 1)
  equal(server.of("decide")[1].leaf, "")
end)

test("what comes of no certificate is not found by its connection", function()
  local server = start("verdict_pass")
  local conf = fixtures.conf({ anonymous = "anonymous" })
  request(conf, { leaf = "", var = { connection = "7" } })
  request(conf, fixtures.request({ leaf = "another", var = { connection = "7" } }))
  equal(server.count("decide"), 2)
end)

-- Kong drops the headers that Connection names after all plugins.
local function connection(version)
  start("verdict_anonymous", { version_num = version })
  for _, case in ipairs({
    { "X-Anonymous-Consumer", "keep-alive" }, { "close, x-anonymous_consumer , X-Consumer-ID", "close" },
    { "X_Client-Cert-Dn,Upgrade", "Upgrade" }, { "X-Custom, x-credential-identifier", "X-Custom" },
    { "keep-alive", "keep-alive" }, { "X-Custom", "X-Custom" },
  }) do
    for _, credential in ipairs({ false, { id = "key" } }) do
      local r = request(fixtures.conf({ anonymous = "anonymous" }), fixtures.request({
        headers = { { "Connection", case[1] } }, ctx = { authenticated_credential = credential or nil, cached_request_headers = {} },
      }))
      equal({ r.status, headers(r).Connection, r.var.http_connection }, { nil, case[2], case[2] }, case[1])
      equal(r.ctx.cached_request_headers == nil, case[1] ~= case[2] or case[1] == "X-Custom", case[1])
    end
  end
end

test("Connection does not take the plugin's headers away", function()
  for _, version in ipairs({ 3004002, 3006001, 3008001, 3009001 }) do connection(version) end
end)

test("gRPC", function()
  start("verdict_refuse")
  for _, case in ipairs({
    { "application/grpc", 2, true }, { "application/grpc+proto", 2, true }, { "application/grpc", 1.1, false },
    { "application/json", 2, false }, { "text/application/grpc", 2, false },
  }) do
    world.http_version = case[2]
    local r = request(fixtures.conf(), fixtures.request({ var = { content_type = case[1] } }))
    if case[3] then
      equal({ r.status, r.body, r.type, r.grpc_message }, { 401, nil, "application/grpc", "TLS certificate failed verification" })
    else
      equal({ r.status, r.body, r.type }, { 401, '{"message":"TLS certificate failed verification"}', JSON })
    end
  end
end)

test("ids in capitals, without a database", function()
  local consumer = { id = fixtures.alice.id:upper(), username = "alice", custom_id = "alice.example" }
  local options = fixtures.options()
  options.cas[1].id = fixtures.ca:upper()
  options.credentials[1].key, options.credentials[1].ca_certificate.id = "alice.example:" .. fixtures.ca:upper(), fixtures.ca:upper()
  options.credentials[1].consumer.id = consumer.id
  options.consumers[1] = consumer
  for _, conf in ipairs({ fixtures.conf(), fixtures.conf({ ca_certificates = { fixtures.ca:upper() } }) }) do
    world.start(options)
    kong.configuration.database = "off"
    local server = servers.new(function(_, conn, server)
      conn:write({ lookup = {
        credentials = setmetatable({ { "alice.example", fixtures.ca } }, world.json.array_mt),
        consumers = setmetatable({ { "id", fixtures.alice.id } }, world.json.array_mt),
      } })
      server.found = conn:read()
      conn:write(world.frame("verdict_fault"))
    end)
    world.run(2)
    request(conf, fixtures.request())
    equal({ #server.found.credentials, #server.found.consumers, #server.found.errors }, { 1, 1, 0 })
    equal(server.found.credentials[1].consumer.id, consumer.id)
  end
  -- Some letters of it in capitals: as the configuration has it.
  options.consumers[1] = { id = "Cccccccc-0000-4000-8000-000000000001", username = "odd" }
  options.credentials = {}
  world.start(options)
  kong.configuration.database = "off"
  local wanted = { credentials = setmetatable({}, world.json.array_mt), consumers = { { "id", fixtures.alice.id } } }
  local server = servers.verdict(world.frame("verdict_fault"), wanted)
  world.run(2)
  request(fixtures.conf({ anonymous = options.consumers[1].id }), fixtures.request())
  equal(server.found.consumers[1].username, "odd")
end)

-- Anybody who may write to the socket's folder could answer.
test("the socket of another user is not asked", function()
  for _, case in ipairs({ { 0, 0, nil }, { 12345, 0, 500 }, { 12345, 12345, nil }, { 12345, 12346, 500 } }) do
    local server = start("verdict_pass")
    world.owners = { ["/prefix/mtls-auth.socket"] = case[1], ["/prefix/"] = case[2] }
    equal(request(fixtures.conf(), fixtures.request()).status, case[3])
    equal(server.count("decide"), case[3] and 0 or 1)
    equal(#world.logged("/prefix/mtls-auth.socket belongs to user 12345: must be user"), case[3] and 1 or 0)
  end
end)

test("an earlier plugin's credential is enough with anonymous", function()
  local server = start("verdict_refuse")
  local sent = {}
  for _, name in ipairs(OURS) do
    table.insert(sent, { name, "earlier" })
    table.insert(sent, { name:gsub("-", "_"), "forged" })
  end
  local r = request(fixtures.conf({ anonymous = "anonymous" }), fixtures.request({
    ctx = { authenticated_credential = { id = "key" } }, headers = sent,
  }))
  equal(r.ctx, { authenticated_credential = { id = "key" } })
  equal(r.authenticated, nil)
  equal(headers(r), {
    ["X-Consumer-ID"] = "earlier", ["X-Consumer-Custom-ID"] = "earlier", ["X-Consumer-Username"] = "earlier",
    ["X-Credential-Identifier"] = "earlier", ["X-Anonymous-Consumer"] = "earlier",
  })
  equal(server.count("decide"), 0)
  r = request(fixtures.conf(), fixtures.request({ ctx = { authenticated_credential = { id = "key" } } }))
  equal(r.status, 401) -- without anonymous it is not
end)

-- Every mixture of - and _.
local function spellings(name)
  local word, rest = name:match("^([^-]+)%-(.+)$")
  if not word then return { name } end
  local all = {}
  for _, spelling in ipairs(spellings(rest)) do
    all[#all + 1], all[#all + 2] = word .. "-" .. spelling, word .. "_" .. spelling
  end
  return all
end

test("headers of the client in every spelling", function()
  start("verdict_certificate")
  local conf = fixtures.conf()
  local without = headers(request(conf, fixtures.request()))
  local everything, n = {}, 0
  for _, name in ipairs(OURS) do
    for _, spelling in ipairs(spellings(name)) do
      for _, sent in ipairs({ spelling, spelling:lower(), spelling:upper() }) do
        n = n + 1
        table.insert(everything, { sent, "forged" })
        local r = request(conf, fixtures.request({ headers = { { sent, "forged" }, { "Accept", "*/*" }, { sent, "again" } } }))
        equal(headers(r).Accept, "*/*")
        r.headers = { unpack(r.headers, 2) }
        equal(headers(r), without, sent)
      end
    end
  end
  equal(n, 120)
  equal(headers(request(conf, fixtures.request({ headers = everything }))), without)
  equal(#request(conf, fixtures.request({ headers = everything })).headers, 2)
end)

test("other headers stay", function()
  start("verdict_certificate")
  local r = request(fixtures.conf(), fixtures.request({ headers = {
    { "X-Consumer-IDs", "1" }, { "X__Consumer-ID", "2" }, { "XConsumerID", "3" }, { "X_Consumer-ID", "forged" },
  } }))
  equal({ headers(r)["X-Consumer-IDs"], headers(r)["X__Consumer-ID"], headers(r).XConsumerID }, { "1", "2", "3" })
end)

test("what is handed over of a chain", function()
  local server = start("verdict_pass")
  local one = "-----BEGIN CERTIFICATE-----\n" .. ("x"):rep(1000) .. "\n-----END CERTIFICATE-----\n"
  for _, case in ipairs({ { one:rep(70), 65410 }, { ("x"):rep(65536), 65536 }, { ("x"):rep(65537), false }, { "PEM", 3 } }) do
    request(fixtures.conf(), fixtures.request({ chain = case[1] }))
    local chain = server.asked[#server.asked].chain
    equal(chain and #chain or false, case[2])
  end
end)

test("an error in Lua is no pass", function()
  local server = start("verdict_pass")
  world.db.ca_certificates.throw = 'bad "luck"'
  for _, conf in ipairs({ fixtures.conf(), fixtures.conf({ anonymous = "anonymous" }) }) do
    ended(request(conf, fixtures.request()), 500, UNEXPECTED, "FAILED:internal")
  end
  equal(#world.logged('err [mtls-auth] reason="internal" error="'), 2)
  equal(#world.logged('bad \\"luck\\"'), 2)
  world.db.ca_certificates.throw, world.db.ca_certificates.fail = nil, "database down"
  ended(request(fixtures.conf(), fixtures.request()), 500, UNEXPECTED, "FAILED:internal") -- fails, not: is not there
  world.db.ca_certificates.fail = nil
  ended(request(fixtures.conf(), fixtures.request({ chain_err = "no TLS" })), 500, UNEXPECTED, "FAILED:internal")
  equal(server.count("decide"), 0)
  equal(request(fixtures.conf(), fixtures.request()).status, nil)
end)

test("many lines of a reason are summed up", function()
  start("verdict_none_sent")
  local none = fixtures.conf()
  for _ = 1, 105 do request(none, {}) end
  equal(#world.logged("none_sent"), 101) -- the first is the server's own
  world.run(1)
  request(none, {})
  equal(world.logged("not_written"), { 'info [mtls-auth] reason="none_sent" not_written="4"' })
  equal(#world.logged('info [mtls-auth] reason="none_sent"'), 103)
  start("verdict_pass")
  local conf = fixtures.conf()
  for _ = 1, 105 do request(conf, fixtures.request()) end
  equal(#world.logged('debug [mtls-auth] reason="passed"'), 105) -- who asks for debug has them all
end)

test("a value in a line is one, and not too long", function()
  start("verdict_pass")
  local log = require "kong.plugins.mtls-auth.log"
  equal(log.line("a", 'x"\\\n', "b", nil, "c", 1), [=[[mtls-auth] a="x\"\\\x0a" c="1"]=])
  equal(log.line("a", ("ä"):rep(200)), '[mtls-auth] a="' .. ("ä"):rep(127) .. '…"')
end)

test("under another name", function()
  world.start(fixtures.options({ name = "mtls-auth-go", no_credentials = true }))
  local server = servers.verdict(world.frame("verdict_pass"), world.frame("lookup").lookup)
  world.run(2)
  equal(request(fixtures.conf(), fixtures.request()).status, nil)
  equal({ #server.found.credentials, #server.found.errors }, { 0, 0 })
  equal(world.address, "unix:/prefix/mtls-auth-go.socket")
  equal(#world.logged('[mtls-auth-go] server='), 0)
  world.run(60)
  server.stop()
  world.run(1)
  equal(#world.logged('warn [mtls-auth-go] server="lost"'), 1)
  world.start(fixtures.options({ pluginservers = { { name = "other", socket = "/o" }, { name = "mtls-auth", socket = "/s" } } }))
  servers.verdict(world.frame("verdict_pass"))
  world.run(2)
  equal(world.address, "unix:/s")
  -- Before Kong 3.9.
  world.start(fixtures.options())
  kong.configuration.pluginserver_mtls_auth_socket = "/elsewhere/socket"
  servers.verdict(world.frame("verdict_pass"))
  world.run(2)
  equal(world.address, "unix:/elsewhere/socket")
end)

test("what Kong asks of a plugin", function()
  local plugin = world.start(fixtures.options())
  equal({ plugin.PRIORITY, plugin.VERSION }, { 1600, "0.2.0" })
  for _, options in ipairs({ { subsystem = "stream" }, { role = "control_plane" } }) do
    world.start(fixtures.options(options))
    equal(next(world.events), nil)
    world.certificate.execute()
    equal(world.handshakes, { "kong" })
  end
end)

world.finish()
