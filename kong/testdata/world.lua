-- A made-up Kong worker for the tests: ngx and kong, requests and timers as
-- coroutines on a clock of its own, and a server at the other end of its sockets.
-- Runs in this folder; arg[1] is that of the plugin's Lua files.
local json, sha256 = require "json", require "sha256"

local world = { json = json }

function world.read(file)
  local f = assert(io.open(file))
  local text = f:read("*a")
  f:close()
  return text
end

function world.frame(name) return assert(json.decode(world.read("frames/" .. name .. ".json"))) end

-- Tasks: a coroutine yields until a condition holds or an instant has come.
local clock, tasks, current

local function spawn(f, request)
  tasks[#tasks + 1] = { run = coroutine.create(f), request = request }
  return tasks[#tasks]
end

local function wait(ready, seconds)
  current.ready, current.at = ready, seconds and clock + seconds or math.huge
  coroutine.yield()
  return ready()
end

-- Runs what can run until an instant, or a condition.
function world.run(seconds, done)
  local stop = clock + (seconds or 0)
  while not (done and done()) do
    local next_at, ran = stop + 1, false
    for i = #tasks, 1, -1 do
      if coroutine.status(tasks[i].run) == "dead" then table.remove(tasks, i) end
    end
    for _, task in ipairs({ unpack(tasks) }) do
      if not task.killed and (not task.ready or task.ready() or task.at <= clock) then
        ran, current = true, task
        local ok, err = coroutine.resume(task.run)
        if not ok then error(debug.traceback(task.run, err), 0) end
        if coroutine.status(task.run) == "dead" then task.dead = true end
      elseif not task.killed then
        next_at = math.min(next_at, task.at)
      end
    end
    if not ran then
      if next_at > stop then
        clock = math.max(clock, stop)
        return
      end
      clock = next_at
    end
  end
end

function world.set_clock(by) clock = clock + by end
function world.now() return clock end
-- nginx ends a request: its coroutine never runs again.
function world.kill(request) request.task.killed = true end

-- Sockets: two byte strings and who has closed.
local Conn = {}
Conn.__index = Conn

function Conn:write(object) self.down = self.down .. world.framed(json.encode(object)) end
function Conn:raw(bytes) self.down = self.down .. bytes end
function Conn:close() self.closed = true end
function Conn.sleep(_, seconds) wait(function() return false end, seconds) end

function Conn:read()
  local text = self:bytes()
  return text and assert(json.decode(text)), text
end

-- A definition, in as many frames as it takes.
function Conn:definition()
  local announced, parts, n = self:read(), {}, 0
  assert(announced.op == "definition")
  while n < announced.bytes do
    parts[#parts + 1] = self:bytes()
    n = n + #parts[#parts]
  end
  return table.concat(parts), announced
end

-- A frame as it is.
function Conn:bytes()
  local function n()
    local a, b, c, d = self.up:byte(1, 4)
    return a and d and a + b * 256 + c * 65536 + d * 16777216
  end
  wait(function() return self.closed or n() and #self.up >= 4 + n() end)
  if self.closed then return nil end
  local size = n()
  local text = self.up:sub(5, 4 + size)
  self.up = self.up:sub(5 + size)
  return text
end

function world.framed(text)
  local n = #text
  return string.char(n % 256, math.floor(n / 256) % 256, math.floor(n / 65536) % 256, math.floor(n / 16777216)) .. text
end

local Sock = {}
Sock.__index = Sock

function Sock:settimeouts(_, _, read) self.timeout = read / 1000 end

function Sock:connect(address, options)
  world.address = address
  local pool = world.pools[options.pool] or {}
  world.pools[options.pool] = pool
  local conn = table.remove(pool)
  if not conn then
    if world.connect_fails then return nil, world.connect_fails end
    if not world.server then
      world.refused = (world.refused or 0) + 1
      return nil, "no such file or directory"
    end
    world.connections = world.connections + 1
    conn = setmetatable({ up = "", down = "", number = world.connections }, Conn)
    local serve = world.server
    spawn(function() serve(conn) end)
    world.conns[#world.conns + 1] = conn
  end
  self.conn, self.pool = conn, pool
  return 1
end

function Sock:send(data)
  if self.conn.closed then return nil, "closed" end
  self.conn.up = self.conn.up .. (type(data) == "table" and table.concat(data) or data)
  return true
end

function Sock:receive(n)
  local conn = self.conn
  wait(function() return #conn.down >= n or conn.closed end, self.timeout)
  if #conn.down < n then return nil, conn.closed and "closed" or "timeout", conn.down end
  local bytes = conn.down:sub(1, n)
  conn.down = conn.down:sub(n + 1)
  return bytes
end

function Sock:close()
  if self.conn then self.conn.closed = true end
  return true
end

function Sock:setkeepalive()
  table.insert(self.pool, self.conn)
  self.conn = nil
  return true
end

-- nginx's variables: $http_NAME has a header in any spelling. $http_connection, for which
-- Kong before 3.8 has an index, keeps the value that it was read with first.
local function variables(request)
  local indexed = (kong.version_num or math.huge) < 3008000
  return setmetatable(request.var, { __index = function(var, name)
    local header = name:match("^http_(.*)")
    for _, sent in ipairs(header and request.headers or {}) do
      if sent[1]:lower():gsub("-", "_") == header then
        if indexed and name == "http_connection" then rawset(var, name, sent[2]) end
        return sent[2]
      end
    end
  end })
end

local req = {}

function req.http_version() return world.http_version end

function req.get_headers(max)
  assert(max == 0, "a bound hides headers")
  local all = {}
  for _, header in ipairs(current.request.headers) do all[header[1]:lower()] = header[2] end
  return all
end

function req.clear_header(name)
  local left = {}
  for _, header in ipairs(current.request.headers) do
    if header[1]:lower() ~= name:lower() then left[#left + 1] = header end
  end
  current.request.headers = left
end

function req.set_header(name, value)
  req.clear_header(name)
  if value then table.insert(current.request.headers, { name, value }) end
end

local LEVELS = { [8] = "debug", [7] = "info", [6] = "notice", [5] = "warn", [4] = "err" }

-- Resets everything: a worker that has just started.
function world.start(options)
  options = options or {}
  clock, tasks, current = 1000, {}, nil
  world.log, world.events, world.db, world.pools, world.conns = {}, {}, {}, {}, {}
  world.connections, world.exiting, world.handshakes = 0, false, {}
  world.owners = {}
  world.server = options.server
  if not options.reloaded then world.memory = {} end
  local memory = world.memory -- that all of Kong's workers share
  world.shared = { get = function(_, key) return memory[key] end, set = function(_, key, value) memory[key] = value end }
  local per_task = { ctx = function() return current.request.ctx end, var = function() return current.request.var end }
  ngx = setmetatable({
    DEBUG = 8, INFO = 7, NOTICE = 6, WARN = 5, ERR = 4, null = json.null,
    config = { subsystem = options.subsystem or "http" },
    now = function() return clock end, update_time = function() end,
    sleep = function(seconds) wait(function() return false end, seconds) end,
    log = function(level, ...) table.insert(world.log, LEVELS[level] .. " " .. table.concat({ ... })) end,
    socket = { tcp = function() return setmetatable({}, Sock) end },
    worker = {
      exiting = function() return world.exiting end, id = function() return options.worker or 1 end, pid = function() return 4000 end,
    },
    req = req, shared = { kong = world.shared },
    timer = { at = function(delay, f, ...)
      local args = { ... }
      spawn(function()
        if delay > 0 then ngx.sleep(delay) end
        f(false, unpack(args))
      end)
      return true
    end },
  }, { __index = function(_, name) return per_task[name] and per_task[name]() end })
  kong = require("kongs").new(world, options, function() return current.request end)
  for name in pairs(package.loaded) do
    if name:find("^kong%.") then package.loaded[name] = nil end
  end
  local certificate = { execute = function() table.insert(world.handshakes, "kong") end }
  if options.no_execute then certificate.execute = nil end
  package.loaded["kong.runloop.certificate"] = certificate
  world.certificate = certificate
  local name = options.name or "mtls-auth"
  table.insert(package.loaders, 2, function(module)
    local file = module:match("^kong%.plugins%." .. name:gsub("%-", "%%-") .. "%.(%l+)$")
    return file and assert(loadfile(arg[1] .. "/" .. file .. ".lua"))
  end)
  world.plugin = require("kong.plugins." .. name .. ".handler")
  table.remove(package.loaders, 2)
  spawn(function() world.plugin:init_worker() end)
  world.run(0)
  return world.plugin
end

-- Sends a request through the plugin; without seconds until it is answered.
function world.begin(conf, request)
  request = request or {}
  request.headers, request.ctx, request.shared = request.headers or {}, request.ctx or {}, {}
  request.var = request.var or {}
  request.var.connection = request.var.connection or tostring(math.random(1e9))
  if request.leaf ~= nil then request.var.ssl_client_raw_cert = request.leaf or nil end
  request.var = variables(request)
  request.task = spawn(function() world.plugin:access(conf) end, request)
  return request
end

function world.request(conf, request, seconds)
  request = world.begin(conf, request)
  world.run(seconds or 100, function() return request.task.dead end)
  return request
end

function world.configure(configs)
  spawn(function() world.plugin:configure(configs) end)
  world.run(0)
end

function world.event(source, event, data)
  for _, handler in ipairs(world.events[source .. "/" .. event] or {}) do spawn(function() handler(data, event) end) end
  world.run(0)
end

function world.invalidate(cache, key) world.event("mlcache", "mlcache:invalidations:" .. cache, key) end

-- The user ids of files; a socket is there where a server listens.
package.preload.lfs = function()
  return { attributes = function(file, name)
    local uid = world.owners[file]
    if not uid and (world.server or not file:find("%.socket$")) then uid = 0 end
    if name ~= "uid" then return uid and { uid = uid } end
    return uid
  end }
end

package.preload["cjson.safe"] = function() return json end
package.preload["resty.core.request"] = function()
  return { set_req_header = function(name, value, override)
    assert(type(value) == "string" and override)
    req.set_header(name, value)
  end }
end
package.preload["resty.sha256"] = function()
  return {
    new = function()
      local text = ""
      return { update = function(_, more) text = text .. more end, final = function() return sha256(text) end }
    end,
  }
end
package.preload["resty.string"] = function()
  return { to_hex = function(s) return (s:gsub(".", function(c) return ("%02x"):format(c:byte()) end)) end }
end
package.preload["resty.lrucache"] = function()
  return { new = function()
    local kept = {}
    return { get = function(_, key) return kept[key] end, set = function(_, key, value) kept[key] = value end }
  end }
end
package.preload["ngx.semaphore"] = function()
  return { new = function()
    local count = 0
    return {
      post = function(_, n) count = count + n end,
      wait = function(_, seconds)
        if not wait(function() return count > 0 end, seconds) then return nil, "timeout" end
        count = count - 1
        return true
      end,
    }
  end }
end

-- Tests: each prints a line, for Go to read.
local failed = false

function world.test(name, f)
  local ok, err = xpcall(f, debug.traceback)
  print((ok and "ok " or "FAIL ") .. name)
  if not ok then
    failed = true
    print("  " .. tostring(err):gsub("\n", "\n  "))
  end
end

function world.finish() os.exit(failed and 1 or 0) end

local function show(value)
  if type(value) ~= "table" then return tostring(value) end
  return json.encode(value) or tostring(value)
end

function world.equal(got, want, what)
  if show(got) ~= show(want) then error((what or "") .. " got " .. show(got) .. "\nwant " .. show(want), 2) end
end

-- The lines of the log with this text in them.
function world.logged(text)
  local lines = {}
  for _, line in ipairs(world.log) do
    if line:find(text, 1, true) then lines[#lines + 1] = line end
  end
  return lines
end

return world
