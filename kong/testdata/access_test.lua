-- What happens to requests.
local world = require "world"
local engines, fixtures = require "engines", require "fixtures"
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
  local engine = engines.verdict(world.frame(verdict), verdict ~= "verdict_certificate" and world.frame("lookup").lookup)
  world.run(2)
  return engine
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
    authenticated_credential = { id = "dddddddd-0000-4000-8000-000000000001", consumer_id = fixtures.alice.id },
  })
  assert(r.ctx.authenticated_consumer == fixtures.alice, "it is Kong's own entity")
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

test("refusals and faults", function()
  start("verdict_refuse")
  ended(request(fixtures.conf(), fixtures.request()), 401, '{"message":"TLS certificate failed verification"}', "FAILED:expired")
  equal(#world.logged('notice [mtls-auth] reason="expired"'), 1)
  start("verdict_fault")
  ended(request(fixtures.conf(), fixtures.request()), 500, UNEXPECTED, "FAILED:lookup_failed")
  equal(#world.logged('err [mtls-auth] reason="lookup_failed"'), 1)
end)

test("a warm request asks nobody, and writes its line", function()
  local engine = start("verdict_pass")
  local conf = fixtures.conf()
  local first = request(conf, fixtures.request({ var = { connection = "7" } }))
  local asked, read = engine.count("decide"), world.db.consumers.calls + world.db.ca_certificates.calls
  local second = request(conf, fixtures.request({ var = { connection = "7" }, chain_err = "it is not asked for" }))
  local other = request(conf, fixtures.request({ var = { connection = "8" } }))
  for _, r in ipairs({ second, other }) do
    equal(headers(r), headers(first))
    equal(r.ctx, first.ctx)
    equal(r.shared, first.shared)
    assert(r.shared.authenticated_groups ~= first.shared.authenticated_groups, "the list of groups is one request's")
  end
  equal(engine.count("decide"), asked)
  equal(world.db.consumers.calls + world.db.ca_certificates.calls, read)
  equal(#world.logged('debug [mtls-auth] reason="passed"'), 3)
end)

test("another certificate, chain or configuration is another question", function()
  local engine = start("verdict_pass")
  local conf = fixtures.conf()
  request(conf, fixtures.request({ var = { connection = "7" } }))
  request(conf, fixtures.request({ leaf = "other" }))
  request(conf, fixtures.request({ chain = "other" }))
  request(conf, { leaf = fixtures.leaf:sub(1, -2), chain = "\n" .. fixtures.chain })
  request(fixtures.conf({ allow_partial_chain = true }), fixtures.request({ var = { connection = "7" } }))
  equal(engine.count("decide"), 5)
end)

-- Without a database Kong lets them through.
test("a credential that is there twice is nobody's", function()
  local options = fixtures.options()
  local twin = {}
  for key, value in pairs(options.credentials[1]) do twin[key] = value end
  twin.id, twin.consumer = "dddddddd-0000-4000-8000-000000000002", { id = fixtures.anonymous.id }
  for _, case in ipairs({ { "off", 1 }, { "postgres", 0 } }) do
    local engine = start("verdict_pass", { credentials = { options.credentials[1], twin } })
    kong.configuration.database = case[1]
    world.configure({})
    world.run(1)
    request(fixtures.conf(), fixtures.request())
    equal(#engine.found.errors, case[2])
    equal(#engine.found.credentials, 1 - case[2])
    equal(#world.logged("credential twice, for subject_name alice.example"), case[2])
  end
  options.credentials[2] = nil -- mended
  kong.configuration.database = "off"
  world.rows.credentials[2] = nil
  world.configure({})
  world.run(1)
  equal(request(fixtures.conf(), fixtures.request()).status, nil)
end)

test("no certificate", function()
  local engine = start("verdict_pass")
  for _, leaf in ipairs({ false, "" }) do
    ended(request(fixtures.plain(), { leaf = leaf, chain_err = "it is not asked for" }), 401, NONE_SENT, "NONE")
  end
  equal(world.logged("none_sent"), { 'info [mtls-auth] reason="none_sent"', 'info [mtls-auth] reason="none_sent"' })
  engine.stop()
  ended(request(fixtures.plain(), {}), 401, NONE_SENT, "NONE")
  equal(engine.count("decide"), 0)
end)

-- A configuration whose credentials contradict each other lets nobody go on, which
-- only the engine knows.
test("no certificate, and credentials of the configuration's own", function()
  local engine = start("verdict_fault")
  for _ = 1, 2 do
    local r = request(fixtures.conf({ anonymous = "anonymous" }), { var = { connection = "7" } })
    ended(r, 500, UNEXPECTED, "FAILED:lookup_failed")
  end
  equal(engine.count("decide"), 2)
  equal(engine.of("decide")[1].leaf, "")
  -- What comes of no certificate is not found by its connection.
  engine = start("verdict_pass")
  local conf = fixtures.conf({ anonymous = "anonymous" })
  request(conf, { leaf = "", var = { connection = "7" } })
  request(conf, fixtures.request({ leaf = "another", var = { connection = "7" } }))
  equal(engine.count("decide"), 2)
end)

test("no certificate, and anonymous", function()
  local engine = start("verdict_pass")
  engine.stop()
  local conf = fixtures.plain({ ca_certificates = { fixtures.ca2:upper(), fixtures.ca } })
  for _, name in ipairs({ "anonymous", fixtures.anonymous.id, fixtures.anonymous.id:upper() }) do
    conf.anonymous = name
    local r = request(conf, { headers = { { "x-consumer_custom-id", "forged" }, { "X-Client-Cert-DN", "forged" } } })
    equal(headers(r), {
      ["X-Consumer-ID"] = fixtures.anonymous.id, ["X-Consumer-Username"] = "anonymous", ["X-Anonymous-Consumer"] = "true",
    }, name)
    equal(r.ctx, { CLIENT_VERIFY_OVERRIDE = "NONE", authenticated_consumer = fixtures.anonymous })
  end
  equal(#world.logged('info [mtls-auth] reason="none_sent" ca_certificates="' .. fixtures.ca .. "," .. fixtures.ca2
    .. '" consumer="' .. fixtures.anonymous.id .. '" anonymous="true"'), 3)
end)

test("a consumer whose username is written like an id", function()
  local odd = { id = "cccccccc-0000-4000-8000-00000000000a", username = "CCCCCCCC-0000-4000-8000-0000000000FF" }
  start("verdict_pass", { consumers = { odd } })
  equal(request(fixtures.plain({ anonymous = odd.username }), {}).ctx.authenticated_consumer, odd)
end)

test("the anonymous consumer does not exist, or is not to be had", function()
  start("verdict_pass")
  ended(request(fixtures.plain({ anonymous = 'n/o<"' }), {}), 500,
    [[{"message":"anonymous consumer n/o\u003c\" is configured but doesn't exist"}]], "FAILED:lookup_failed")
  equal(#world.logged([[chain="false" resumed="unknown" error="anonymous: the consumer with username \"n/o<\"\" doesn't exist"]]), 1)
  world.db.consumers.fail = "database down"
  ended(request(fixtures.plain({ anonymous = "anonymous" }), {}), 500, UNEXPECTED, "FAILED:lookup_failed")
  equal(#world.logged('err [mtls-auth] reason="lookup_failed"'), 2)
  world.db.consumers.fail = nil
  equal(request(fixtures.plain({ anonymous = "anonymous" }), {}).status, nil) -- failures are not kept
end)

test("an earlier plugin's credential is enough with anonymous", function()
  local engine = start("verdict_refuse")
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
  equal(engine.count("decide"), 0)
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
  local engine = start("verdict_pass")
  local one = "-----BEGIN CERTIFICATE-----\n" .. ("x"):rep(1000) .. "\n-----END CERTIFICATE-----\n"
  for _, case in ipairs({ { one:rep(70), 65410 }, { ("x"):rep(65536), 65536 }, { ("x"):rep(65537), false }, { "PEM", 3 } }) do
    request(fixtures.conf(), fixtures.request({ chain = case[1] }))
    local chain = engine.asked[#engine.asked].chain
    equal(chain and #chain or false, case[2])
  end
end)

test("an error in Lua is no pass", function()
  local engine = start("verdict_pass")
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
  equal(engine.count("decide"), 0)
  equal(request(fixtures.conf(), fixtures.request()).status, nil)
end)

test("many lines of a reason are summed up", function()
  start("verdict_pass")
  for _ = 1, 105 do request(fixtures.plain(), {}) end
  equal(#world.logged("none_sent"), 100)
  world.run(1)
  request(fixtures.plain(), {})
  equal(world.logged("not_written"), { 'info [mtls-auth] reason="none_sent" not_written="5"' })
  equal(#world.logged('info [mtls-auth] reason="none_sent"'), 102)
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
  local engine = engines.verdict(world.frame("verdict_pass"), world.frame("lookup").lookup)
  world.run(2)
  equal(request(fixtures.conf(), fixtures.request()).status, nil)
  equal({ #engine.found.credentials, #engine.found.errors }, { 0, 0 })
  equal(world.address, "unix:/prefix/mtls-auth-go.socket")
  request(fixtures.plain(), {})
  equal(#world.logged('[mtls-auth-go] reason="none_sent"'), 1)
  world.start(fixtures.options({ pluginservers = { { name = "other", socket = "/o" }, { name = "mtls-auth", socket = "/s" } } }))
  engines.verdict(world.frame("verdict_pass"))
  world.run(2)
  equal(world.address, "unix:/s")
end)

test("what Kong asks of a plugin", function()
  local plugin = world.start(fixtures.options())
  equal({ plugin.PRIORITY, plugin.VERSION }, { 1600, "0.1.0" })
  for _, options in ipairs({ { subsystem = "stream" }, { role = "control_plane" } }) do
    world.start(fixtures.options(options))
    equal(next(world.events), nil)
    world.certificate.execute()
    equal(world.handshakes, { "kong" })
  end
end)

world.finish()
