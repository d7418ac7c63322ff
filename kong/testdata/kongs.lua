-- The kong of the tests' worker: entities, what was done to a request, handshakes.
local json = require "json"

local kongs = {}

local function of(rows, attribute)
  return function(_, value)
    for _, row in ipairs(rows) do
      if row[attribute] == value then return row end
    end
  end
end

-- A dao counts its calls, and fails or takes long where a test wants it to.
local function dao(world, name, methods)
  world.db[name] = { calls = 0, fail = nil, slow = 0 }
  local state, wrapped = world.db[name], {}
  for method, f in pairs(methods) do
    wrapped[method] = function(...)
      state.calls = state.calls + 1
      local row = f(...)
      if state.slow > 0 then ngx.sleep(state.slow) end
      if state.throw then error(state.throw) end
      if state.fail then return nil, state.fail end
      return row
    end
  end
  return wrapped
end

local function each(world, name, rows)
  return function()
    local i, state = 0, world.db[name]
    state.calls = state.calls + 1
    if state.slow > 0 then ngx.sleep(state.slow) end
    if state.throw then error(state.throw) end
    return function()
      if state.fail then return false, state.fail end
      i = i + 1
      return rows[i]
    end
  end
end

function kongs.new(world, options, request)
  local consumers, credentials = options.consumers or {}, options.credentials or {}
  local cas, routes, plugins = options.cas or {}, options.routes or {}, options.plugins or {}
  world.rows = { consumers = consumers, credentials = credentials, cas = cas, routes = routes, plugins = plugins }
  local function by_id(rows) return function(_, key) return of(rows, "id")(nil, key.id) end end
  local db = {
    consumers = dao(world, "consumers", {
      select = by_id(consumers), select_by_username = of(consumers, "username"), select_by_custom_id = of(consumers, "custom_id"),
    }),
    ca_certificates = dao(world, "ca_certificates", { select = by_id(cas) }),
    routes = dao(world, "routes", {}),
    plugins = dao(world, "plugins", {}),
  }
  db.routes.each = each(world, "routes", routes)
  db.plugins.each = each(world, "plugins", plugins)
  if not options.no_credentials then
    db.mtls_auth_credentials = dao(world, "mtls_auth_credentials", {
      select_by_cache_key = function(_, key) return of(credentials, "key")(nil, key) end,
    })
    db.mtls_auth_credentials.each = each(world, "mtls_auth_credentials", credentials)
    db.mtls_auth_credentials.cache_key = function(_, name, ca)
      if type(name) == "table" then return name.key end
      assert(ca == nil or type(ca) == "string", "a CA certificate's id is a string")
      return name .. ":" .. (ca or "")
    end
  end
  local function note(what, fails)
    return function(...)
      table.insert(world.handshakes, what .. (select("#", ...) > 0 and " " .. tostring((...)) or ""))
      if world.fails == fails then return nil, "broken" end
      return true
    end
  end
  package.loaded["ngx.ssl"] = {
    server_name = function() return world.sni end,
    parse_pem_cert = function(pem) return "names:" .. pem:gsub("\n+", " "):gsub("^ ", "") end,
  }
  return {
    db = db, version_num = options.version_num,
    configuration = {
      prefix = "/prefix", pluginserver_names = options.pluginserver_names, pluginservers = options.pluginservers,
      database = options.database, role = options.role or "traditional",
    },
    worker_events = { register = function(f, source, event)
      local key = source .. "/" .. event
      world.events[key] = world.events[key] or {}
      table.insert(world.events[key], f)
    end },
    ctx = setmetatable({}, { __index = function(_, key) return key == "shared" and request().shared or nil end }),
    client = {
      get_credential = function() return request().ctx.authenticated_credential end,
      authenticate = function(consumer, credential)
        assert(consumer or credential, "either credential or consumer must be provided")
        request().ctx.authenticated_consumer, request().ctx.authenticated_credential = consumer, credential
        request().authenticated = (request().authenticated or 0) + 1
      end,
      tls = {
        get_full_client_certificate_chain = function() return request().chain, request().chain_err end,
        request_client_certificate = note("request", "request"),
        disable_session_reuse = note("no-reuse", "no-reuse"),
      },
    },
    log = { set_serialize_value = function(key, value)
      request().serialized = request().serialized or {}
      request().serialized[key] = value
    end },
    response = { exit = function(status, body, headers)
      local r = request()
      r.status, r.body, r.type = status, body, headers and headers["Content-Type"]
      r.grpc_message = headers and headers["grpc-message"]
      if type(body) == "table" then r.body, r.type = json.encode(body), "application/json; charset=utf-8" end
    end },
  }, json
end

return kongs
