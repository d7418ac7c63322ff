local helpers = require "spec.helpers"

local fixtures = require "spec.mtls-auth.fixtures"
local gateway  = require "spec.mtls-auth.gateway"


local get = gateway.get


-- The headers that identify a consumer. Each is set or cleared with every
-- request, whatever the client sent.
local IDENTITY = {
  "x-consumer-id",
  "x-consumer-custom-id",
  "x-consumer-username",
  "x-credential-identifier",
  "x-anonymous-consumer",
  "x-client-cert-dn",
  "x-client-cert-san",
}


for _, strategy in helpers.all_strategies() do
describe("mtls-auth: access [#" .. strategy .. "]", function()
  local root, issuing, alice, bob, anonymous

  lazy_setup(function()
    root = fixtures.ca("root")
    issuing = fixtures.ca("issuing", root)

    local bp = gateway.blueprints(strategy)
    local trusted = { bp.ca_certificates:insert({ cert = root.pem }).id }
    alice = bp.consumers:insert({ username = "alice", custom_id = "4711" })
    bob = bp.consumers:insert({ username = "bob" })
    anonymous = bp.consumers:insert({ username = "anonymous" })

    gateway.route(bp, "trusted.test", { ca_certificates = trusted, skip_consumer_lookup = true })
    gateway.route(bp, "consumer.test", { ca_certificates = trusted })
    gateway.route(bp, "custom-id.test", { ca_certificates = trusted, consumer_by = { "custom_id" } })
    gateway.route(bp, "default.test", { ca_certificates = trusted, default_consumer = "bob" })
    gateway.route(bp, "anonymous.test", { ca_certificates = trusted, anonymous = "anonymous" })
    gateway.route(bp, "mapped.test", {
      ca_certificates = trusted,
      credentials = { { subject_name = "bob@example.com", consumer = bob.id } },
    })
    local _, route = gateway.route(bp, "group.test", { ca_certificates = trusted, skip_consumer_lookup = true })
    bp.plugins:insert({ name = "acl", route = { id = route.id }, config = { allow = { "engineers" } } })

    gateway.start(strategy)
  end)

  lazy_teardown(function()
    helpers.stop_kong()
  end)


  -- Expects a pass, and of the headers in IDENTITY these and no others.
  local function passes(want, status, body, headers)
    assert.equal(200, status, body)
    local got = {}
    for _, name in ipairs(IDENTITY) do
      got[name] = headers[name]
    end
    assert.same(want, got)
  end


  -- Expects a refusal with this body.
  local function refused(want, status, body)
    assert.equal(401, status, body)
    assert.equal(want, body)
  end


  describe("of a trusted certificate", function()
    it("lets it pass and says whose it is", function()
      local client = fixtures.client("client", root, { san = "DNS:client.example.com,URI:spiffe://example.com/web" })
      passes({
        ["x-client-cert-dn"] = "CN=client",
        ["x-client-cert-san"] = "client.example.com, spiffe://example.com/web",
      }, get("trusted.test", client))
    end)

    it("takes the intermediates that the client sends", function()
      local client = fixtures.client("client", issuing)
      passes({ ["x-client-cert-dn"] = "CN=client" }, get("trusted.test", { client, issuing }))
    end)

    it("takes no intermediate from another request", function()
      local client = fixtures.client("client", issuing)
      passes({ ["x-client-cert-dn"] = "CN=client" }, get("trusted.test", { client, issuing }))
      refused(gateway.FAILED, get("trusted.test", fixtures.client("other", issuing)))
    end)
  end)


  describe("without a trusted certificate", function()
    it("refuses a client that shows none", function()
      refused(gateway.NONE_SENT, get("trusted.test"))
    end)

    it("refuses plain HTTP", function()
      refused(gateway.NONE_SENT, gateway.get_plain("trusted.test"))
    end)

    it("refuses one of another CA, of the same name even", function()
      refused(gateway.FAILED, get("trusted.test", fixtures.client("client", fixtures.ca("root"))))
    end)

    it("refuses one that has expired", function()
      local past = ngx.time() - 60
      refused(gateway.FAILED, get("trusted.test", fixtures.client("client", root, { not_after = past })))
    end)

    it("refuses one that is not yet valid", function()
      local future = ngx.time() + 1800
      refused(gateway.FAILED, get("trusted.test", fixtures.client("client", root, { not_before = future })))
    end)
  end)


  describe("of consumers", function()
    local function as_alice(credential)
      return {
        ["x-consumer-id"] = alice.id,
        ["x-consumer-username"] = "alice",
        ["x-consumer-custom-id"] = "4711",
        ["x-credential-identifier"] = credential,
      }
    end

    it("finds one by username", function()
      passes(as_alice("alice"), get("consumer.test", fixtures.client("client", root, { san = "DNS:alice" })))
    end)

    it("finds one by custom_id", function()
      passes(as_alice("4711"), get("custom-id.test", fixtures.client("4711", root)))
    end)

    it("goes by no attribute that consumer_by does not name", function()
      refused(gateway.FAILED, get("custom-id.test", fixtures.client("alice", root)))
    end)

    it("finds the one that a mapping names", function()
      local client = fixtures.client("client", root, { san = "email:bob@example.com" })
      passes({
        ["x-consumer-id"] = bob.id,
        ["x-consumer-username"] = "bob",
        ["x-consumer-custom-id"] = bob.custom_id,
        ["x-credential-identifier"] = "bob@example.com",
      }, get("mapped.test", client))
    end)

    it("refuses a certificate that no consumer matches", function()
      refused(gateway.FAILED, get("consumer.test", fixtures.client("unmapped", root)))
    end)

    it("gives a certificate that no consumer matches to default_consumer", function()
      local status, body, headers = get("default.test", fixtures.client("unmapped", root))
      assert.equal(200, status, body)
      assert.equal("bob", headers["x-consumer-username"])
      assert.is_nil(headers["x-anonymous-consumer"])
    end)

    it("gives nothing to default_consumer that is not trusted", function()
      refused(gateway.NONE_SENT, get("default.test"))
      refused(gateway.FAILED, get("default.test", fixtures.client("unmapped", fixtures.ca("another"))))
    end)

    it("lets everybody else go on as the anonymous consumer", function()
      local want = {
        ["x-consumer-id"] = anonymous.id,
        ["x-consumer-username"] = "anonymous",
        ["x-consumer-custom-id"] = anonymous.custom_id,
        ["x-anonymous-consumer"] = "true",
      }
      passes(want, get("anonymous.test"))
      passes(want, gateway.get_plain("anonymous.test"))
      passes(want, get("anonymous.test", fixtures.client("alice", fixtures.ca("another"))))
      passes(as_alice("alice"), get("anonymous.test", fixtures.client("alice", root)))
    end)
  end)


  it("tells the ACL plugin the group", function()
    local status, body, headers = get("group.test", fixtures.client("engineers", root))
    assert.equal(200, status, body)
    assert.equal("engineers", headers["x-authenticated-groups"])
    status, body = get("group.test", fixtures.client("visitors", root))
    assert.equal(403, status, body)
  end)


  it("drops what the client says of itself", function()
    local forged = {}
    for _, name in ipairs(IDENTITY) do
      forged[name] = "forged"
      forged[name:gsub("-", "_")] = "forged"
    end
    local _, _, headers = get("trusted.test", fixtures.client("client", root), forged)
    for name, value in pairs(headers) do
      assert.not_equal("forged", value, name)
    end
    assert.equal("CN=client", headers["x-client-cert-dn"])
  end)
end)
end
