local cjson   = require "cjson"
local helpers = require "spec.helpers"

local fixtures = require "spec.mtls-auth.fixtures"
local gateway  = require "spec.mtls-auth.gateway"


local get = gateway.get


for _, strategy in helpers.all_strategies() do
describe("mtls-auth: lifecycle [#" .. strategy .. "]", function()
  local client, trusted
  local patched, replaced, successor

  lazy_setup(function()
    local root = fixtures.ca("root")
    client = fixtures.client("client", root)
    successor = fixtures.ca("successor")

    local bp = gateway.blueprints(strategy)
    trusted = { bp.ca_certificates:insert({ cert = root.pem }).id }
    replaced = bp.ca_certificates:insert({ cert = fixtures.ca("predecessor").pem }).id

    gateway.route(bp, "stays.test", { ca_certificates = trusted, skip_consumer_lookup = true })
    patched = gateway.route(bp, "patched.test", { ca_certificates = trusted }).id
    gateway.route(bp, "credential.test", { ca_certificates = trusted })
    gateway.route(bp, "replaced.test", { ca_certificates = { replaced }, skip_consumer_lookup = true })

    gateway.start(strategy)
  end)

  lazy_teardown(function()
    helpers.stop_kong()
  end)


  -- Expects an answer of a route, sooner or later.
  local function becomes(want, host, shown)
    assert.eventually(function()
      local status, body = get(host, shown)
      assert.equal(want, status, body)
    end).with_timeout(30).has_no_error()
  end


  it("goes by a configuration that was changed", function()
    local status, body = get("patched.test", client)
    assert.equal(401, status, body)
    gateway.patch(strategy, "plugins", patched, {
      config = { ca_certificates = trusted, skip_consumer_lookup = true },
    })
    becomes(200, "patched.test", client)
  end)


  it("follows a CA certificate that was replaced", function()
    local new = fixtures.client("client", successor)
    local status, body = get("replaced.test", new)
    assert.equal(401, status, body)
    gateway.patch(strategy, "ca_certificates", replaced, { cert = successor.pem })
    becomes(200, "replaced.test", new)
  end)


  -- Without a database they come with the whole configuration.
  if strategy ~= "off" then
    it("goes by credentials of the Admin API", function()
      assert.equal(401, (get("credential.test", client)))
      local admin = helpers.admin_client()
      local function post(path, body)
        local headers = { ["Content-Type"] = "application/json" }
        return cjson.decode(assert.res_status(201, admin:post(path, { headers = headers, body = body })))
      end
      post("/consumers", { username = "carol" })
      local credential = post("/consumers/carol/mtls-auth", { subject_name = "client" })
      becomes(200, "credential.test", client)
      assert.res_status(204, admin:delete("/mtls-auths/" .. credential.id))
      becomes(401, "credential.test", client)
      admin:close()
    end)
  end


  it("comes back when it was killed", function()
    assert.equal(200, (get("stays.test", client)))
    local before = gateway.server_pid()
    gateway.kill_server()
    assert.eventually(function()
      assert.not_equal(before, gateway.server_pid())
    end).has_no_error()
    becomes(200, "stays.test", client)
    local status, body = get("stays.test")
    assert.equal(401, status)
    assert.equal(gateway.NONE_SENT, body)
  end)


  it("outlives a reload", function()
    assert.equal(200, (get("stays.test", client)))
    local before = gateway.server_pid()
    gateway.reload(strategy)
    assert.eventually(function()
      assert.not_equal(before, gateway.server_pid())
    end).has_no_error()
    becomes(200, "stays.test", client)
    -- The old server ends with the old workers, and takes nothing along.
    assert.eventually(function()
      return gateway.alive(before)
    end).with_timeout(60).is_falsy()
    -- Each refusal costs Kong the connection on which it came, so that the last
    -- request is on one that was made after all this.
    for _ = 1, 3 do
      local status, body = get("stays.test", fixtures.client("client", fixtures.ca("root")))
      assert.equal(401, status, body)
      assert.equal(gateway.FAILED, body)
    end
    assert.equal(200, (get("stays.test", client)))
  end)
end)
end
