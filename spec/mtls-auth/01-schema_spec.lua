local cjson   = require "cjson"
local helpers = require "spec.helpers"

local gateway = require "spec.mtls-auth.gateway"


local ID = "cce8c384-721f-4f58-85dd-50834e3e733a"


for _, strategy in helpers.all_strategies() do
describe("mtls-auth: schema [#" .. strategy .. "]", function()
  local admin

  lazy_setup(function()
    gateway.blueprints(strategy)
    gateway.start(strategy)
  end)

  lazy_teardown(function()
    helpers.stop_kong()
  end)

  before_each(function()
    admin = helpers.admin_client()
  end)

  after_each(function()
    admin:close()
  end)


  -- Asks Kong what it thinks of a configuration of the plugin.
  local function validate(status, config, fields)
    local res = admin:post("/schemas/plugins/validate", {
      headers = { ["Content-Type"] = "application/json" },
      body = kong.table.merge({ name = gateway.PLUGIN, config = config }, fields),
    })
    return cjson.decode(assert.res_status(status, res))
  end


  for what, config in pairs({
    ["the least"] = { ca_certificates = { ID } },
    ["no consumers"] = { ca_certificates = { ID }, skip_consumer_lookup = true },
    ["no attribute"] = { ca_certificates = { ID }, consumer_by = cjson.empty_array },
    ["no group"] = { ca_certificates = { ID }, authenticated_group_by = cjson.null },
    ["the whole name as group"] = { ca_certificates = { ID }, authenticated_group_by = "DN" },
    ["names instead of ids"] = { ca_certificates = { ID }, default_consumer = "alice", anonymous = "anonymous" },
    ["nothing is kept"] = { ca_certificates = { ID }, cache_ttl = 0 },
    ["a proxy"] = { ca_certificates = { ID }, http_proxy_host = "proxy.test", http_proxy_port = 3128 },
    ["a mapping"] = {
      ca_certificates = { ID },
      credentials = { { subject_name = "alice@example.com", consumer = ID, ca_certificate = ID } },
    },
  }) do
    it("takes " .. what, function()
      assert.same({ message = "schema validation successful" }, validate(200, config))
    end)
  end


  -- Kong's own words for what it refuses.
  for what, case in pairs({
    ["no CA certificate"] = { {}, { ca_certificates = "required field missing" } },
    ["an empty list"] = { { ca_certificates = cjson.empty_array }, { ca_certificates = "length must be at least 1" } },
    ["what is no id"] = { { ca_certificates = { "root" } }, { ca_certificates = { "expected a valid UUID" } } },
    ["another mode"] = {
      { ca_certificates = { ID }, revocation_check_mode = "LAX" },
      { revocation_check_mode = "expected one of: SKIP, IGNORE_CA_ERROR, STRICT" },
    },
    ["another attribute"] = {
      { ca_certificates = { ID }, consumer_by = { "email" } },
      { consumer_by = { "expected one of: username, custom_id" } },
    },
    ["another group"] = {
      { ca_certificates = { ID }, authenticated_group_by = "OU" },
      { authenticated_group_by = "expected one of: CN, DN" },
    },
    ["half a proxy"] = {
      { ca_certificates = { ID }, http_proxy_host = "proxy.test" },
      { ["@entity"] = { "all or none of these fields must be set: 'http_proxy_host', 'http_proxy_port'" } },
    },
    ["what it does not know"] = {
      { ca_certificates = { ID }, ca_certificate = ID },
      { ca_certificate = "unknown field" },
    },
    ["text for a number"] = { { ca_certificates = { ID }, cache_ttl = "60" }, { cache_ttl = "expected a number" } },
  }) do
    it("refuses " .. what, function()
      assert.same({ config = case[2] }, validate(400, case[1]).fields)
    end)
  end


  it("cannot be added to one consumer", function()
    local refused = validate(400, { ca_certificates = { ID } }, { consumer = { id = ID } })
    assert.same({ consumer = "value must be null" }, refused.fields)
  end)


  it("has the defaults of the enterprise plugin", function()
    local schema = cjson.decode(assert.res_status(200, admin:get("/schemas/plugins/" .. gateway.PLUGIN)))
    local defaults = {}
    for _, field in ipairs(schema.fields) do
      for _, of_config in ipairs(field.config and field.config.fields or {}) do
        local name, definition = next(of_config)
        defaults[name] = definition.default
      end
    end
    assert.same({
      skip_consumer_lookup = false,
      consumer_by = { "username", "custom_id" },
      cache_ttl = 60,
      san_dirname_matcher = {},
      authenticated_group_by = "CN",
      revocation_check_mode = "IGNORE_CA_ERROR",
      http_timeout = 30000,
      cert_cache_ttl = 60000,
      ssl_verify = true,
      allow_partial_chain = false,
      send_ca_dn = false,
    }, defaults)
  end)
end)
end
