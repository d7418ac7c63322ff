--- Kong with the plugin in it: how the specs start it and speak to it.

local assert  = require "luassert"
local cjson   = require "cjson"
local helpers = require "spec.helpers"
local lyaml   = require "lyaml"
local pl_file = require "pl.file"
local pl_path = require "pl.path"
local shell   = require "resty.shell"

local fixtures = require "spec.mtls-auth.fixtures"


-- This file is ROOT/spec/mtls-auth/gateway.lua, wherever Kong's specs are run
-- from: Pongo has the checkout at /kong-plugin and runs busted in /kong.
local ROOT = pl_path.abspath(debug.getinfo(1, "S").source:sub(2)):match("^(.*)/spec/mtls%-auth/")
local PROGRAM = ROOT .. "/.pongo/mtls-auth"
local TEMPLATE = "spec/fixtures/custom_nginx.template"


local gateway = {
  PLUGIN = "mtls-auth",
  NONE_SENT = '{"message":"No required TLS certificate was sent"}',
  FAILED = '{"message":"TLS certificate failed verification"}',
}


-- What a shell says, without the line end.
local function output(command)
  local ok, stdout, stderr = shell.run(command, nil, 0)
  assert(ok, stderr)
  return (stdout:gsub("%s+$", ""))
end


-- Kong's settings, as the README has them: the Lua plugin starts the server. The Lua
-- files are on the path where the specs run, Pongo puts the checkout there; where the
-- program is, they are told by the environment.
-- Workers, and so the server, run as the user of the specs: it has to put its
-- socket into Kong's prefix. So it is in Kong's own
-- image, where everything runs as the user kong. In Pongo's the specs are
-- root's, and Kong would hand the workers to another user.
local function settings(strategy)
  helpers.setenv("MTLS_AUTH_BIN", PROGRAM)
  return {
    database = strategy,
    plugins = "bundled," .. gateway.PLUGIN,
    nginx_main_user = output("echo $(id -un) $(id -gn)"),
  }
end


local function socket()
  return helpers.test_conf.prefix .. "/mtls-auth.socket"
end


--- Kong's blueprints, which know the plugin.
-- @param strategy "postgres" or "off"
-- @return the blueprints: `bp.routes:insert` and so on
function gateway.blueprints(strategy)
  assert(pl_path.exists(PROGRAM), PROGRAM .. " is missing: .pongo/pongo-setup-host.sh builds it")
  return (helpers.get_db_utils(strategy, nil, { gateway.PLUGIN }))
end


--- Adds a route with the plugin.
-- @param bp from `gateway.blueprints`
-- @param host the host name by which requests find the route
-- @param config the plugin's configuration
-- @return the plugin and the route
function gateway.route(bp, host, config)
  local route = bp.routes:insert({ hosts = { host } })
  local plugin = bp.plugins:insert({ name = gateway.PLUGIN, route = { id = route.id }, config = config })
  return plugin, route
end


--- Starts Kong with what was put into the blueprints, and waits for the
-- server: Kong answers before it listens, with 500 where the plugin is.
function gateway.start(strategy)
  local env = settings(strategy)
  env.nginx_conf = TEMPLATE
  -- One that was left behind (KONG_TEST_DONT_CLEAN) is no sign of life.
  os.remove(socket())
  assert(helpers.start_kong(env))
  helpers.wait_for_file("socket", socket())
end


--- Reloads Kong. It does not wait until the workers are new.
function gateway.reload(strategy)
  local command = "reload --prefix %s --nginx-conf %s --nginx-conf-flags test"
  assert(helpers.kong_exec(command:format(helpers.test_conf.prefix, TEMPLATE), settings(strategy)))
end


-- Asks the mock upstream what it sees. Status, body, and for a 200 the request
-- headers at the upstream, their names in lower case.
local function ask(client, host, headers)
  headers = kong.table.merge({ host = host }, headers)
  local res = assert(client:send({ method = "GET", path = "/request", headers = headers }))
  local body = assert(res:read_body())
  client:close()
  return res.status, body, res.status == 200 and cjson.decode(body).headers or nil
end


--- Sends a request over TLS.
-- @param host of the route that is meant
-- @param shown (optional) the certificate that is shown, from
-- `fixtures.client`, or a list of it and the intermediates sent with it
-- @param headers (optional) request headers
-- @return status, body, and for a 200 the headers that the upstream saw
function gateway.get(host, shown, headers)
  local options = {
    scheme = "https",
    host = helpers.get_proxy_ip(true),
    port = helpers.get_proxy_port(true),
    ssl_verify = false,
    ssl_server_name = host,
    timeout = 20000,
  }
  if shown then
    options = kong.table.merge(options, fixtures.credentials(unpack(shown.pem and { shown } or shown)))
  end
  return ask(helpers.http_client(options), host, headers)
end


--- Sends a request without TLS. Parameters and results as of `gateway.get`.
function gateway.get_plain(host, headers)
  return ask(helpers.proxy_client(20000), host, headers)
end


--- Changes an entity through the Admin API: with a PATCH, and where Kong has no
-- database by posting its whole configuration again.
-- @param collection such as "plugins"
-- @param id the entity's
-- @param fields what replaces the entity's fields of these names
function gateway.patch(strategy, collection, id, fields)
  local admin = helpers.admin_client()
  local headers = { ["Content-Type"] = "application/json" }
  if strategy ~= "off" then
    local res = admin:patch("/" .. collection .. "/" .. id, { headers = headers, body = fields })
    assert.res_status(200, res)
    admin:close()
    return
  end
  local config = lyaml.load(cjson.decode(assert.res_status(200, admin:get("/config"))).config)
  local found
  for _, entity in ipairs(config[collection]) do
    if entity.id == id then
      found = true
      for name, value in pairs(fields) do
        entity[name] = value
      end
    end
  end
  assert(found, collection .. " " .. id .. " is not in Kong's configuration")
  local res = admin:post("/config", { headers = headers, body = { config = lyaml.dump({ config }) } })
  assert.res_status(201, res)
  admin:close()
end


--- The process id of the server that answers.
function gateway.server_pid()
  local said = output(PROGRAM .. " ping -kong-prefix " .. helpers.test_conf.prefix)
  return assert(said:match("pid (%d+)"), said)
end


--- Whether a process of this id is running. One that has ended counts as gone
-- though no process waited for it: in Pongo's container none does.
function gateway.alive(pid)
  local command = pl_file.read("/proc/" .. pid .. "/cmdline")
  return command ~= nil and command ~= ""
end


--- Kills the server, which has no time to notice.
function gateway.kill_server()
  output("kill -9 " .. gateway.server_pid())
end


return gateway
