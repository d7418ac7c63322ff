-- The server is started, where nothing else does, and restarted.
local world = require "world"
local servers, fixtures = require "servers", require "fixtures"
local test, equal = world.test, world.equal

local started -- processes, in order

-- A program that prints lines and ends after so many seconds, or with its stdin. It
-- listens as a server of its own, unless silent.
local function program(lines, seconds, silent)
  started = {}
  package.loaded["ngx.pipe"] = { spawn = function(args, options)
    local proc = { args = args, options = options, number = #started + 1, at = world.now(), lines = { unpack(lines) } }
    if world.spawn_fails then return nil, world.spawn_fails end
    started[proc.number] = proc
    local server
    if not silent then
      server = servers.verdict(world.frame("verdict_pass"))
      server.pid, server.lua_mode = 100 + proc.number, true
    end
    function proc.pid() return 100 + proc.number end
    function proc.shutdown(_, what) proc.closed = what end
    function proc.stdout_read_line()
      if proc.lines[1] then return table.remove(proc.lines, 1) end
      local till = world.now() + 1
      while world.now() < till do
        if proc.closed or seconds and world.now() >= proc.at + seconds then
          if server and world.server == server.serve then server.stop() end
          return nil, "closed", proc.closed and "" or "half a line"
        end
        ngx.sleep(0.1)
      end
      return nil, "timeout"
    end
    function proc.wait() return false, "exit", 2 end
    return proc
  end }
end

local function start(options)
  options = fixtures.options(options)
  options.worker = options.worker or 0
  package.loaded["kong.plugins.mtls-auth.binary"] = nil
  world.start(options)
  world.run(0.5)
end

test("in one worker of a data plane", function()
  program({})
  start()
  equal(#started, 1)
  equal(started[1].args, { "/usr/local/bin/mtls-auth", "-kong-prefix", "/prefix", "-lua-mode" })
  for _, options in ipairs({
    { worker = 1 }, { role = "control_plane" }, { subsystem = "stream" }, { pluginserver_names = { "other", "mtls-auth" } },
  }) do
    program({})
    start(options)
    equal(#started, 0)
  end
  program({})
  start({ role = "data_plane", pluginserver_names = { "other" } })
  equal(#started, 1)
end)

test("its output goes to Kong's log, at its level", function()
  program({
    "time=1 level=INFO msg=listening", "time=1 level=WARN msg=\"level=ERROR\"", "level=ERROR msg=x", "level=DEBUG msg=x",
    '{"time":"1","level":"WARN","msg":"x"}', "panic: no luck", "",
  }, 2)
  start()
  local lines = {}
  for _, line in ipairs(world.log) do lines[#lines + 1] = line:find("server=", 1, true) and nil or line end
  equal(lines, {
    "info [mtls-auth] time=1 level=INFO msg=listening", 'warn [mtls-auth] time=1 level=WARN msg="level=ERROR"',
    "err [mtls-auth] level=ERROR msg=x", "debug [mtls-auth] level=DEBUG msg=x",
    'warn [mtls-auth] {"time":"1","level":"WARN","msg":"x"}', "err [mtls-auth] panic: no luck",
  })
  world.run(2)
  equal(#world.logged("err [mtls-auth] half a line"), 1)
end)

local open = io.open

-- Whether the program can be opened.
local function there(is)
  io.open = function(path, ...) -- luacheck: ignore
    if path ~= "/usr/local/bin/mtls-auth" then return open(path, ...) end
    if is then return { close = function() end } end
    return nil, path .. ": No such file or directory"
  end
end

test("it is restarted, after a pause that grows", function()
  program({}, 0.5)
  there(true)
  start()
  world.run(300)
  local pauses = {}
  for i = 2, #started do pauses[#pauses + 1] = started[i].at - started[i - 1].at - 0.5 end
  for i, pause in ipairs({ 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30, 30 }) do
    assert(pauses[i] and math.abs(pauses[i] - pause) < 0.2, i .. ": " .. tostring(pauses[i]))
  end
  local ended = world.logged('err [mtls-auth] server="ended" path="/usr/local/bin/mtls-auth" how="exit 2')
  assert(#ended >= 10 and ended[1]:find('restarted_in="', 1, true), ended[1])
  program({}, 60) -- after a long run at once
  start()
  world.run(61)
  equal(#started, 2)
  assert(started[2].at - started[1].at < 60.4)
end)

test("a program that is not there", function()
  program({}, 0.5) -- exec fails in a child of nginx
  there(false)
  start()
  world.run(10)
  assert(#world.logged('how="exit 2; /usr/local/bin/mtls-auth: No such file or directory"') >= 2)
end)

test("a child process that cannot be made", function()
  program({})
  world.spawn_fails = "no such file"
  start()
  world.run(10)
  world.spawn_fails = nil
  assert(#world.logged('how="no such file"') >= 4)
  world.run(30)
  equal(#started, 1)
end)

test("a Lua error in between is not the end of it", function()
  program({})
  local spawn = package.loaded["ngx.pipe"].spawn
  package.loaded["ngx.pipe"].spawn = function() error("no luck", 0) end
  start()
  equal(world.logged('"no luck"'), { 'err [mtls-auth] server="not started" error="no luck"' })
  package.loaded["ngx.pipe"].spawn = spawn
  world.run(31)
  equal(#started, 1)
end)

test("a server that answers already is used, and replaced when it is gone", function()
  program({})
  local other = servers.verdict(world.frame("verdict_certificate"))
  start({ server = other.serve })
  world.run(60)
  equal(#started, 0)
  equal(world.request(fixtures.plain(), fixtures.request()).status, nil)
  other.stop()
  world.run(1)
  other.start() -- its supervisor has restarted it
  world.run(30)
  equal(#started, 0)
  other.stop()
  world.run(5)
  equal(#started, 1)
end)

-- Kong's master has read the plugin's files again, and its new workers share this.
local function reloaded() world.memory["mtls-auth:generation"] = "another" end

test("a reload: the next server is there before this one ends", function()
  program({})
  start()
  equal(#started, 1)
  local old = started[1]
  reloaded()
  world.exiting = true
  world.run(1.5)
  equal(old.closed, nil)
  servers.verdict(world.frame("verdict_pass")).pid = 999 -- the next worker's
  world.run(1.5)
  equal({ old.closed, #started }, { "stdin", 1 })
  program({}) -- the next one does not come
  start()
  reloaded()
  world.exiting = true
  world.run(6)
  equal({ started[1].closed, #started }, { "stdin", 1 })
end)

test("Kong ends: no next server is waited for", function()
  program({})
  start()
  world.exiting = true
  world.run(1.2) -- a second for the line that it reads
  equal({ started[1].closed, #started }, { "stdin", 1 })
end)

test("a server of another version is not dead, and said once", function()
  for _, case in ipairs({
    { { protocol = 1, version = "0.0.9", pid = 77 }, 'pid="77" error="the server is of version 0.0.9, protocol 1;' },
    { { error = "the Lua files are of version 9" }, 'pid="0" error="the Lua files are of version 9"' },
  }) do
    program({})
    local other = servers.new()
    function other.serve(conn)
      conn:read()
      conn:write(case[1])
      conn:close()
    end
    other.start()
    start({ server = other.serve })
    world.run(60)
    equal({ #started, #world.logged('err [mtls-auth] server="not of this version" ' .. case[2]) }, { 0, 1 })
    other.stop()
    world.run(5)
    equal(#started, 1)
  end
  -- One that an earlier worker has started is replaced: the version has changed with the reload.
  program({})
  local earlier = servers.new()
  function earlier.serve(conn)
    conn:read()
    conn:write({ protocol = 1, version = "0.0.9", pid = 77, lua_mode = true })
  end
  start({ server = earlier.serve })
  world.run(1)
  equal(#started, 1)
end)

test("a server that is too busy to answer is not dead", function()
  program({})
  start({ server = function(conn) conn:sleep(100) end })
  world.run(10)
  equal(#started, 0)
  world.connect_fails = "resource temporarily unavailable"
  start({ server = function() end })
  world.run(10)
  world.connect_fails = nil
  equal(#started, 0)
end)

test("a worker after a reload starts its own beside that of the last", function()
  program({})
  start()
  world.start(fixtures.options({ worker = 0, server = world.server }))
  world.run(1)
  equal(#started, 2)
end)

world.finish()
